"""Is this JSON structurally FHIR R4? The one place that asks the FHIR library.

`fhir.resources` is a parser, not a validator (STANDARDS 2.4): our own rules run before it, and a
later, complete and faster validation replaces what stands behind `require_structure` alone.
"""

from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from schemas.fhir_names import CARRIED_RESOURCES
from schemas.violation import Problem, SchemaViolation

_MOST_PROBLEMS = 20

#: pydantic error types and what to tell the sender; the default says only that it does not fit.
_SENTENCES = {
    "missing": ("required", "This element is required by FHIR R4: add it."),
    "extra_forbidden": ("structure", "FHIR R4 has no such element here: remove or rename it."),
    "list_type": ("structure", "This element repeats in FHIR R4: write it as a JSON array."),
}


def require_structure(bundle: dict[str, Any]) -> None:
    """Return when the Bundle and all in it fit FHIR R4's structure.

    Raises:
        SchemaViolation: with one problem for each element at fault, at most twenty.
    """
    _require_json_shape(bundle, "Bundle")
    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        raise SchemaViolation(
            [_problem(detail["loc"], detail["type"]) for detail in details[:_MOST_PROBLEMS]]
        ) from None
    except (KeyError, TypeError, AttributeError, AssertionError, ValueError, RecursionError):
        # The library raises these for resource types it does not know and for values of a wrong
        # kind in places it reads before it validates (fhir-core 1.1.12).
        raise SchemaViolation(
            Problem("structure", "Bundle", "Some element is not of the type FHIR R4 gives it.")
        ) from None


def _require_json_shape(value: Any, expression: str) -> None:
    """FHIR JSON has no null (but in primitive arrays), no empty object and no empty array."""
    if value is None:
        raise SchemaViolation(
            Problem("structure", expression, "FHIR has no null: leave the element out.")
        )
    if not isinstance(value, dict | list):
        return
    if not value:
        raise SchemaViolation(
            Problem("structure", expression, "FHIR has no empty objects or arrays: leave it out.")
        )
    if isinstance(value, dict):
        _require_known_type(value, expression)
        for name, member in value.items():
            _require_json_shape(member, f"{expression}.{_element_name(name)}")
        return
    for index, member in enumerate(value):
        if member is not None:
            _require_json_shape(member, f"{expression}[{index}]")


def _require_known_type(value: dict[str, Any], expression: str) -> None:
    if "resourceType" in value:
        resource_type = value["resourceType"]
        if not isinstance(resource_type, str) or resource_type not in CARRIED_RESOURCES:
            raise SchemaViolation(
                Problem(
                    "not-supported",
                    f"{expression}.resourceType",
                    "This exchange does not carry that resource type: send "
                    + ", ".join(sorted(CARRIED_RESOURCES - {"Bundle", "OperationOutcome"}))
                    + ".",
                )
            )


def _element_name(name: str) -> str:
    """The member's name if it can be an element's, so that no sent text is echoed."""
    return name if name.isascii() and name.isidentifier() and len(name) <= 40 else "?"


def _problem(location: tuple[int | str, ...], kind: str) -> Problem:
    expression = "Bundle"
    for step in location:
        expression += f"[{step}]" if isinstance(step, int) else f".{_element_name(step)}"
    code, text = _SENTENCES.get(
        kind, ("value", "The value is not of the form FHIR R4 gives this element.")
    )
    return Problem(code, expression, text)
