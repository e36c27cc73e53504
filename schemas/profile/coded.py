"""Is a concept coded so that every receiver understands it? Verdicts are the terminology's.

One coding that fits is enough; what stands beside it is worth a warning at most. A code that is not
pinned, of a system that belongs there, is a warning: our data is not all of SNOMED CT.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from schemas.terminology.code_systems import code_systems, variants_of
from schemas.terminology.judging import Role, Verdict, judge_coding, pinned_codes
from schemas.violation import Problem, Severity, problem

_FITS: Final = frozenset({"known", "unknown-code"})

#: Verdict → (sentence, the element at fault).
_SENTENCES: Final[dict[Verdict, tuple[str, str]]] = {
    "unknown-code": ("profile.code-unknown", "code"),
    "unknown-system": ("profile.system-unknown", "system"),
    "wrong-system": ("profile.system-wrong", "system"),
    "no-system": ("profile.system-missing", "system"),
    "part-code": ("profile.part-code", "code"),
}
_EU_NUMBER: Final = "profile.product-code-misplaced"

#: What a concept without any coding costs in each role; other roles only tell.
_TEXT_ONLY: Final[dict[Role, Severity]] = {
    "vaccine": "error",
    "test": "warning",
    "result": "warning",
    "target-disease": "warning",
}


def check_concept(
    concept: dict[str, Any],
    role: Role,
    path: str,
    found: list[Problem],
    *,
    most: Severity = "error",
) -> None:
    """Add what is wrong with the codings of a CodeableConcept.

    Args:
        concept: the CodeableConcept.
        role: what it is coded for.
        path: FHIRPath of the concept.
        found: where problems are added.
        most: `warning` where a bad code must not stop the record.
    """
    codings = concept.get("coding")
    if codings:
        known = _known_in(role)
        for coding in codings:
            if (coding.get("system"), coding.get("code")) not in known:
                break
        else:
            return
        found.extend(_coding_problems(codings, role, path, most))
    else:
        severity = _TEXT_ONLY.get(role, "information")
        if severity == "error":
            severity = most
        found.append(
            problem("profile.text-only", "required", path, _systems_of(role), severity=severity)
        )


def _coding_problems(
    codings: list[dict[str, Any]], role: Role, path: str, most: Severity
) -> Iterator[Problem]:
    verdicts = [_verdict(role, one.get("system"), one.get("code")) for one in codings]
    worst: Severity = "warning" if not _FITS.isdisjoint(verdicts) else most
    for index, verdict in enumerate(verdicts):
        if verdict == "known":
            continue
        sentence, element = _SENTENCES[verdict]
        if verdict == "part-code" and role != "test":
            sentence = _EU_NUMBER
        yield problem(
            sentence,
            "code-invalid",
            f"{path}.coding[{index}].{element}",
            _systems_of(role),
            severity=worst,
        )


def _verdict(role: Role, system: str | None, code: str | None) -> Verdict:
    """The terminology's verdict, but a LOINC answer (`LA…`) is what a result may be."""
    verdict = judge_coding(role, system, code)
    is_answer = role == "result" and code is not None and code.startswith("LA")
    return "unknown-code" if verdict == "part-code" and is_answer else verdict


@cache
def _known_in(role: Role) -> frozenset[tuple[str, str]]:
    """Every pinned code under every URI its system goes by: most codings need no more."""
    return frozenset(
        (uri, code) for system, code in pinned_codes(role) for uri in variants_of(system)
    )


@cache
def _systems_of(role: Role) -> str:
    """The code systems that belong in a role, as a sender writes them."""
    return ", ".join(uri for uri, system in code_systems().items() if role in system.roles)
