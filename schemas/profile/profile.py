"""The profile level of validation: one resource of any type that is structurally valid FHIR R4."""

from datetime import datetime

from schemas.consent.reading import read_consent
from schemas.profile.consent import check_given
from schemas.profile.context import Context, Resource
from schemas.profile.dates import received_at
from schemas.profile.message import judge_message
from schemas.profile.places import check_extension_country
from schemas.profile.record import check_identifier
from schemas.profile.resource import check_resource
from schemas.profile.sweep import sweep_problems
from schemas.violation import Problem, SchemaViolation, problem

_RECORDS = frozenset({"DiagnosticReport", "Immunization"})


def profile_problems(resource: Resource, at: datetime) -> list[Problem]:
    """All that keeps the exchange from accepting a resource, or that is worth mending.

    A message Bundle is judged whole. A resource of another type is judged by its own rules alone,
    without those that need a message around it: references, the organisation, the country.

    Args:
        resource: structurally valid FHIR R4 as JSON (`strict_json`).
        at: when it was received, with a time zone.
    """
    kind = resource["resourceType"]
    if kind == "Bundle":
        if resource.get("type") != "message":
            return [problem("profile.message-wanted", "value", "Bundle.type")]
        return judge_message(resource, at)[2]
    found: list[Problem] = []
    context = Context(received_at(at))
    check_resource(resource, kind, context, found)
    if kind in _RECORDS:
        check_identifier(resource, kind, found)
        check_extension_country(resource, kind, found)
    if kind == "Consent":
        check_given(resource, kind, context.received, found)
        try:
            read_consent(resource, kind)
        except SchemaViolation as violation:
            found.extend(violation.problems)
    found.extend(sweep_problems(resource, kind, None))
    return found
