"""The profile's verdict on an everyday message, which almost always is that nothing is wrong.

`structure.everyday` lets in no extension and no contained resource, only pinned codes where a
record is coded, and only references that lead to an entry; whoever calls has seen that no word in
the bytes says migration status. What is left to ask is asked here once
and in few steps; laboratory records have the rules of the longer path (`message.judge_message`),
which also words every answer. Whatever is not plainly right is for that path to judge.
"""

from datetime import datetime
from typing import Final

from schemas.consent.reading import read_consent
from schemas.consent.statement import ConsentStatement
from schemas.fhir_names import EVENT_SYSTEM, participant_of
from schemas.profile.consent import is_told_apart
from schemas.profile.context import Context, Resource
from schemas.profile.dates import Received, is_in_future, received_at, surely_before
from schemas.profile.events import EVENTS, STATUSES, VOID
from schemas.profile.parts import Parts
from schemas.profile.places import PLACES
from schemas.profile.record import check_about_patient, check_record
from schemas.profile.resource import check_resource
from schemas.profile.sweep import is_clean
from schemas.record_country import record_country
from schemas.record_version import record_identifier
from schemas.terminology.countries import country_of
from schemas.violation import Problem, SchemaViolation

#: Problems found here are told by the longer path, with their places.
_NOWHERE: Final = ""
#: Types with rules of their own, or with codes that no rule compares with a pinned list.
_WITH_RULES: Final = frozenset(
    {"Consent", "DiagnosticReport", "Immunization", "Observation", "Patient", "Specimen"}
)


def judge_everyday(
    bundle: Resource, by_url: dict[str, Resource], at: datetime
) -> tuple[Parts, list[ConsentStatement]] | None:
    """What an everyday message holds and its consents; None when anything is to be said about it.

    Args:
        bundle: as `structure.everyday.read_everyday` returns it, with its resources.
        by_url: these by their fullUrl, in order.
        at: when it was received, with a time zone.
    """
    received = received_at(at)
    parts = _parts(bundle, by_url)
    if received is None or parts is None or is_in_future(bundle["timestamp"], received):
        return None
    birth: str = parts.patients[0][2]["birthDate"]
    context = Context(received, birth, None, by_url)
    consents: list[Resource] = []
    for resource in by_url.values():
        kind = resource["resourceType"]
        if kind in _WITH_RULES and not _is_right(resource, kind, context, parts):
            return None
        if kind == "Consent":
            consents.append(resource)
    if not _is_record(parts, received, consents):
        return None
    read = _read(consents, parts, received) if consents else []
    return None if read is None else (parts, read)


def _is_right(resource: Resource, kind: str, context: Context, parts: Parts) -> bool:
    """Whether the rules of its own type hold, and no code in it says who may stay."""
    if kind == "Patient":
        return _is_traveller(resource, context)
    found: list[Problem] = []
    if resource is not parts.focus:
        check_about_patient(resource, _NOWHERE, parts, found)
    if kind == "Immunization":
        return not found and _is_possible(resource, context)
    check_resource(resource, _NOWHERE, context, found)
    return not found and is_clean((resource,), context.entries)


def _parts(bundle: Resource, by_url: dict[str, Resource]) -> Parts | None:
    """What is where, when it is as it must be."""
    header: Resource = bundle["entry"][0]["resource"]
    coding = header.get("eventCoding")
    if coding is None or coding["system"] != EVENT_SYSTEM or coding["code"] not in EVENTS:
        return None
    references = header.get("focus", ())
    if len(references) != 1:
        return None
    focus = by_url.get(references[0].get("reference"))
    if focus is None or focus["resourceType"] not in EVENTS[coding["code"]][1]:
        return None
    parts = Parts(by_url=by_url, header=header, event=coding["code"], focus=focus)
    _place(parts)
    if len(parts.patients) != 1 or len(parts.headers) != 1:
        return None
    return parts if "destination" not in header or _find_destinations(parts) else None


def _place(parts: Parts) -> None:
    for url, resource in parts.by_url.items():
        kind = resource["resourceType"]
        placed = (_NOWHERE, url, resource)
        parts.placed.append(placed)
        if kind == "Patient":
            parts.patients.append(placed)
        elif kind in PLACES:
            parts.places.append(placed)
        elif kind == "MessageHeader":
            parts.headers.append(placed)


def _find_destinations(parts: Parts) -> bool:
    named: dict[str, None] = {}
    for destination in parts.header["destination"]:
        participant = participant_of(destination["endpoint"])
        if participant is None:
            return False
        named[participant] = None
    parts.destinations = tuple(named)
    return True


def _is_possible(immunization: Resource, context: Context) -> bool:
    """Whether its dates and numbers are in order."""
    given, received = immunization["occurrenceDateTime"], context.received
    if received is None or is_in_future(given, received):
        return False
    if surely_before(given, context.birth or given):
        return False
    if "expirationDate" in immunization and surely_before(immunization["expirationDate"], given):
        return False
    if "recorded" in immunization:
        recorded = immunization["recorded"]
        if is_in_future(recorded, received) or surely_before(recorded, given):
            return False
    for protocol in immunization.get("protocolApplied", ()):
        dose = protocol["doseNumberPositiveInt"]
        if dose > protocol.get("seriesDosesPositiveInt", dose):
            return False
    return True


def _is_traveller(patient: Resource, context: Context) -> bool:
    """Whether somebody alive, with a document or a name, and no more of an address than needed."""
    birth, received = patient["birthDate"], context.received
    if received is None or is_in_future(birth, received) or birth < received.oldest[: len(birth)]:
        return False
    # A name here has a family name, and an identifier a value; an address has no street.
    return "identifier" in patient or "name" in patient


def _is_record(parts: Parts, received: Received, consents: list[Resource]) -> bool:
    """Whether the focus fits its event, its traveller, an organisation and a country."""
    focus: Resource = parts.focus or {}
    if "meta" in focus and is_in_future(focus["meta"]["lastUpdated"], received):
        return False
    if focus["resourceType"] != "Immunization":
        found: list[Problem] = []
        check_record(parts, found)
        return not found
    parts.record = record_identifier(focus)
    if parts.record is None or focus["patient"].get("reference") != parts.patients[0][1]:
        return False
    if focus["status"] not in STATUSES[parts.event or ""] or focus["status"] in VOID:
        return False
    return "reference" not in focus.get("manufacturer", ()) and _is_placed(parts, consents)


def _is_placed(parts: Parts, consents: list[Resource]) -> bool:
    """Whether an organisation answers for it, and it was done in one of the countries named."""
    has_organization = False
    countries: set[str | None] = set()
    for _, _, place in parts.places:
        has_organization = has_organization or place["resourceType"] == "Organization"
        addresses = place.get("address", ())
        for address in (addresses,) if isinstance(addresses, dict) else addresses:
            countries.add(country_of(address["country"]))
    if None in countries or not has_organization:
        return False
    # Only a consent could name an organisation here that did nothing.
    if len(countries) == 1 and not any(map(_names_others, consents)):
        return True
    return record_country(parts.focus or {}, parts.by_url) is not None


def _names_others(resource: Resource) -> bool:
    return "organization" in resource or "performer" in resource


def _read(
    consents: list[Resource], parts: Parts, received: Received
) -> list[ConsentStatement] | None:
    read: list[ConsentStatement] = []
    for resource in consents:
        if resource.get("patient", {}).get("reference") != parts.patient_url:
            return None
        if is_in_future(resource.get("dateTime", ""), received) or not is_told_apart(resource):
            return None
        try:
            read.append(read_consent(resource, _NOWHERE))
        except SchemaViolation:
            return None
    return read
