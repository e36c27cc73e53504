"""Which rules a resource has by its type, wherever it stands."""

from collections.abc import Callable
from typing import Final

from schemas.profile.context import Context, Resource
from schemas.profile.immunization import check_immunization
from schemas.profile.laboratory import check_observation, check_report, check_specimen
from schemas.profile.patient import check_patient
from schemas.violation import Problem

_Rule = Callable[[Resource, str, Context, list[Problem]], None]

_RULES: Final[dict[str, _Rule]] = {
    "DiagnosticReport": check_report,
    "Immunization": check_immunization,
    "Observation": check_observation,
    "Patient": check_patient,
    "Specimen": check_specimen,
}


def check_resource(resource: Resource, path: str, context: Context, found: list[Problem]) -> None:
    """Add what stops a resource, or is worth mending, by the rules of its own type."""
    rule = _RULES.get(resource["resourceType"])
    if rule is not None:
        rule(resource, path, context, found)
