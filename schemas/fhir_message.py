"""What a FHIR message says: who, to whom, which event, about which traveller, with what consent.

One place reads the Bundle; everything behind it works with `FhirMessage` and the received bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from schemas.consent_record import ConsentStatement, read_consent
from schemas.fhir_names import EVENT_SYSTEM, participant_of
from schemas.laboratory_record import read_laboratory_record
from schemas.record_version import record_identifier, version_instant
from schemas.vaccination_record import read_vaccination_record
from schemas.violation import Problem, SchemaViolation

RecordKind = Literal["immunization", "labresult", "consent"]

#: Event code → the kind of record and the resource types its focus may have.
EVENTS: dict[str, tuple[RecordKind, frozenset[str]]] = {
    "immunization-published": ("immunization", frozenset({"Immunization"})),
    "immunization-corrected": ("immunization", frozenset({"Immunization"})),
    "immunization-withdrawn": ("immunization", frozenset({"Immunization"})),
    "labresult-published": ("labresult", frozenset({"DiagnosticReport", "Observation"})),
    "labresult-corrected": ("labresult", frozenset({"DiagnosticReport", "Observation"})),
    "labresult-withdrawn": ("labresult", frozenset({"DiagnosticReport", "Observation"})),
    "consent-changed": ("consent", frozenset({"Consent"})),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirMessage:
    """A FHIR R4 message as far as the exchange decides on it; holds no clinical value but disease.

    Attributes:
        message_id: MessageHeader.id.
        event: code of the exchange's event system.
        kind: what the focus is.
        disease: key of our terminology, or None when no coding named one we know.
        destinations: participant ids named in MessageHeader.destination.
        patient_identifiers: `(system, value)` pairs; empty for a traveller without documents.
        consents: every Consent in the Bundle.
        record: `system|value` of the focus's business identifier, which stays the same over its
            versions; None for a consent.
        version_at: when this version of the record was made, by the record itself (UTC); None for
            a consent.
        warnings: what is worth mending and did not stop the message.
    """

    message_id: str
    event: str
    kind: RecordKind
    disease: str | None
    destinations: tuple[str, ...]
    patient_identifiers: tuple[tuple[str, str], ...]
    consents: tuple[ConsentStatement, ...]
    record: str | None = None
    version_at: datetime | None = None
    warnings: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        """Only what may stand in a log."""
        return f"FhirMessage(message_id={self.message_id!r}, event={self.event!r})"


def read_message(tree: Any) -> FhirMessage:
    """Return what a message Bundle says.

    Raises:
        SchemaViolation: it is not a FHIR R4 message that this exchange carries.
    """
    if not isinstance(tree, dict) or tree.get("resourceType") != "Bundle":
        raise _violation("structure", "Bundle", "Send one FHIR R4 Bundle of type message.")
    if tree.get("type") != "message":
        raise _violation("value", "Bundle.type", "Bundle.type must be message.")
    entries = _entries(tree)
    header = _header(entries)
    event, kind, focus_types = _event(header)
    focus = _focus(header, entries, focus_types)
    patient_url, patient = _patient(entries)
    _require_about_patient(focus, patient_url)
    return FhirMessage(
        message_id=header["id"],
        event=event,
        kind=kind,
        disease=_disease(focus, entries),
        destinations=_destinations(header),
        patient_identifiers=tuple(_patient_identifiers(patient)),
        consents=tuple(_consents(entries, patient_url)),
        record=None if kind == "consent" else record_identifier(focus),
        version_at=None if kind == "consent" else version_instant(focus, tree),
    )


def _violation(code: str, expression: str, text: str) -> SchemaViolation:
    return SchemaViolation(Problem(code, expression, text))


def _entries(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Resources by fullUrl, in order (bdl-7: fullUrl is unique)."""
    entries: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(tree.get("entry", ())):
        where = f"Bundle.entry[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("resource"), dict):
            raise _violation("required", f"{where}.resource", "Each entry carries a resource.")
        if {"request", "response", "search"} & set(entry):
            raise _violation(
                "invariant", where, "A message entry has no request, response or search (bdl-2..4)."
            )
        full_url = entry.get("fullUrl")
        if not isinstance(full_url, str) or not full_url.startswith("urn:uuid:"):
            raise _violation(
                "required", f"{where}.fullUrl", "Each entry has a fullUrl urn:uuid:<uuid>."
            )
        if full_url in entries:
            raise _violation(
                "invariant", f"{where}.fullUrl", "Each fullUrl occurs once in a Bundle (bdl-7)."
            )
        if entry["resource"].get("resourceType") in {None, "Bundle"}:
            raise _violation(
                "structure", f"{where}.resource", "Each entry carries one resource of its own type."
            )
        entries[full_url] = entry["resource"]
    return entries


def _header(entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    first = next(iter(entries.values()), None)
    if first is None or first.get("resourceType") != "MessageHeader":
        raise _violation(
            "invariant", "Bundle.entry[0]", "The first entry must be the MessageHeader (bdl-12)."
        )
    if not isinstance(first.get("id"), str):
        raise _violation(
            "required", "MessageHeader.id", "Give the MessageHeader an id: it names the message."
        )
    headers = [
        resource for resource in entries.values() if resource["resourceType"] == "MessageHeader"
    ]
    if len(headers) > 1:
        raise _violation("invariant", "Bundle.entry", "A message has one MessageHeader.")
    if "response" in first:
        raise _violation(
            "not-supported", "MessageHeader.response", "Responses are not published: send records."
        )
    return first


def _event(header: dict[str, Any]) -> tuple[str, RecordKind, frozenset[str]]:
    coding = header.get("eventCoding", {})
    code = coding.get("code")
    if coding.get("system") != EVENT_SYSTEM or code not in EVENTS:
        raise _violation(
            "not-supported",
            "MessageHeader.eventCoding",
            f"Use an event of {EVENT_SYSTEM}: {', '.join(EVENTS)}.",
        )
    kind, focus_types = EVENTS[code]
    return code, kind, focus_types


def _focus(
    header: dict[str, Any], entries: dict[str, dict[str, Any]], focus_types: frozenset[str]
) -> dict[str, Any]:
    references = [reference.get("reference") for reference in header.get("focus", ())]
    if len(references) != 1:
        raise _violation(
            "required", "MessageHeader.focus", "A message is about one record: give one focus."
        )
    focus = entries.get(references[0])
    if focus is None:
        raise _violation(
            "not-found",
            "MessageHeader.focus[0].reference",
            "The focus must be the fullUrl of an entry of this Bundle.",
        )
    if focus["resourceType"] not in focus_types:
        raise _violation(
            "business-rule",
            "MessageHeader.focus[0]",
            f"For this event the focus is one of: {', '.join(sorted(focus_types))}.",
        )
    return focus


def _patient(entries: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    patients = [
        (url, resource)
        for url, resource in entries.items()
        if resource["resourceType"] == "Patient"
    ]
    if len(patients) != 1:
        raise _violation(
            "required", "Bundle.entry", "A message is about one traveller: send one Patient."
        )
    return patients[0]


def _require_about_patient(focus: dict[str, Any], patient_url: str) -> None:
    element = "subject" if "subject" in focus else "patient"
    if focus.get(element, {}).get("reference") != patient_url:
        raise _violation(
            "not-found",
            f"{focus['resourceType']}.{element}.reference",
            "The record must be about the Patient of this Bundle: use its fullUrl.",
        )


def _disease(focus: dict[str, Any], entries: dict[str, dict[str, Any]]) -> str | None:
    if focus["resourceType"] == "Immunization":
        return read_vaccination_record(focus).disease
    if focus["resourceType"] in {"DiagnosticReport", "Observation"}:
        return read_laboratory_record(focus, entries).disease
    return None


def _destinations(header: dict[str, Any]) -> tuple[str, ...]:
    named: dict[str, None] = {}
    for index, destination in enumerate(header.get("destination", ())):
        participant = participant_of(destination["endpoint"])
        if participant is None:
            raise _violation(
                "value",
                f"MessageHeader.destination[{index}].endpoint",
                "Name a participant: urn:bhx:participant:<participant id>.",
            )
        named[participant] = None
    return tuple(named)


def _patient_identifiers(patient: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for identifier in patient.get("identifier", ()):
        if "value" in identifier and "system" in identifier:
            yield identifier["system"], identifier["value"]


def _consents(entries: dict[str, dict[str, Any]], patient_url: str) -> Iterator[ConsentStatement]:
    for index, resource in enumerate(entries.values()):
        if resource["resourceType"] != "Consent":
            continue
        where = f"Bundle.entry[{index}].resource"
        if resource.get("patient", {}).get("reference") != patient_url:
            raise _violation(
                "business-rule",
                f"{where}.patient.reference",
                "A Consent in a message must be that of its Patient: use the fullUrl.",
            )
        yield read_consent(resource, where)
