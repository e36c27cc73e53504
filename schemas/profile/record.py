"""What the record a message is about must have, and whether it agrees with the event."""

from schemas.profile.context import Resource
from schemas.profile.events import STATUSES, VOID
from schemas.profile.laboratory import check_laboratory_focus, check_sampled_before_issued
from schemas.profile.parts import Parts
from schemas.profile.places import check_country, check_organization
from schemas.record_version import record_identifier
from schemas.violation import Problem, Severity, problem

#: What has no result yet.
_NO_RESULT = frozenset({"registered", "unknown"})
#: Resource → the element that says whom it is about.
_PERSONAL = {
    "Device": "patient",
    "DiagnosticReport": "subject",
    "DocumentReference": "subject",
    "Encounter": "subject",
    "Immunization": "patient",
    "Observation": "subject",
    "ServiceRequest": "subject",
    "Specimen": "subject",
}


def check_record(parts: Parts, found: list[Problem]) -> None:
    """Add what stops the focus of a message, or is worth mending, beyond its own type's rules."""
    focus, path = parts.focus, parts.focus_path
    if focus is None:
        return
    _check_about_patient(focus, path, parts, found)
    if focus["resourceType"] == "Consent":
        return
    check_identifier(focus, path, found)
    if parts.event in STATUSES:
        _check_status(focus, path, parts.event, found)
    if focus.get("status") in VOID:
        return
    check_organization(focus, path, parts.places, parts.by_url, parts.header, found)
    is_vaccination = focus["resourceType"] == "Immunization"
    most: Severity = "error" if is_vaccination else "warning"
    check_country(focus, path, parts.places, parts.by_url, found, most=most)
    if not is_vaccination:
        observations = [one for _, _, one in parts.placed if one["resourceType"] == "Observation"]
        check_laboratory_focus(focus, path, observations, found)
        check_sampled_before_issued(focus, path, parts.by_url, found)


def check_identifier(record: Resource, path: str, found: list[Problem]) -> None:
    """Add an error when the record has no business identifier to keep over its versions."""
    if record_identifier(record) is None:
        found.append(problem("profile.identifier-missing", "required", f"{path}.identifier"))


def check_about_patient(resource: Resource, path: str, parts: Parts, found: list[Problem]) -> None:
    """Add an error when something beside the record is about somebody or something else.

    Whom it is about may be left out, or said without a reference: then the message says it.
    """
    element = _PERSONAL.get(resource["resourceType"])
    if element is None or resource is parts.focus or parts.patient_url is None:
        return
    reference = resource.get(element, {}).get("reference")
    if reference in {None, parts.patient_url}:
        return
    # What leads out of the message is told once, by the sweep.
    if reference in parts.by_url or reference.startswith("#"):
        found.append(
            problem("profile.part-about-patient", "business-rule", f"{path}.{element}.reference")
        )


def _check_about_patient(focus: Resource, path: str, parts: Parts, found: list[Problem]) -> None:
    if parts.patient_url is None:
        return
    element = "subject" if "subject" in focus else "patient"
    if focus["resourceType"] in {"DiagnosticReport", "Observation"}:
        element = "subject"
    reference = focus.get(element, {}).get("reference")
    # What leads out of the message is told once, by the sweep.
    if reference != parts.patient_url and (reference is None or reference in parts.by_url):
        found.append(
            problem("profile.focus-about-patient", "business-rule", f"{path}.{element}.reference")
        )


def _check_status(focus: Resource, path: str, event: str, found: list[Problem]) -> None:
    status, allowed = focus.get("status"), STATUSES[event]
    if status in allowed:
        return
    words = ", ".join(allowed)
    if status in _NO_RESULT:
        sentence = problem("profile.no-result-yet", "business-rule", f"{path}.status", words)
    else:
        sentence = problem("profile.focus-status", "business-rule", f"{path}.status", event, words)
    found.append(sentence)
