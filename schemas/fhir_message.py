"""What a FHIR message says: who, to whom, which event, about which traveller, with what consent.

One place reads the Bundle; everything behind it works with `FhirMessage` and the received bytes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.consent.statement import ConsentStatement
from schemas.profile.events import EVENTS, RecordKind
from schemas.profile.everyday import judge_everyday
from schemas.profile.message import judge_message
from schemas.profile.migration_status import may_tell_migration_status
from schemas.profile.parts import Parts
from schemas.record_traits import RecordClass
from schemas.record_version import record_identifier, version_instant
from schemas.structure.everyday import read_everyday
from schemas.violation import Problem, SchemaViolation, problem

#: A reply names this many problems at most, errors first: enough to mend a message, and no way to
#: make the exchange write answers longer than what it was sent.
_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirMessage:
    """A FHIR R4 message as far as the exchange decides on it.

    Attributes:
        message_id: MessageHeader.id.
        event: code of the exchange's event system.
        kind: what the focus is.
        record_class: resource type of the focus; None for a consent.
        destinations: participant ids named in MessageHeader.destination.
        patient_identifiers: `(system, value)` pairs; empty for a traveller without documents.
        consents: every Consent in the Bundle.
        record: `system|value` of the focus's business identifier, which stays the same over its
            versions; None for a consent.
        version_at: when this version of the record was made, by the record itself (UTC); None for
            a consent.
        warnings: what is worth mending and did not stop the message.
        bundle: the message as JSON; it holds what the record says, and is never kept.
        parts: what was found in it.
    """

    message_id: str
    event: str
    kind: RecordKind
    destinations: tuple[str, ...]
    patient_identifiers: tuple[tuple[str, str], ...]
    consents: tuple[ConsentStatement, ...]
    record_class: RecordClass | None = None
    record: str | None = None
    version_at: datetime | None = None
    warnings: tuple[Problem, ...] = ()
    bundle: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    parts: Parts | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Only what may stand in a log."""
        return f"FhirMessage(message_id={self.message_id!r}, event={self.event!r})"


def read_message(tree: Any, at: datetime | None = None) -> FhirMessage:
    """Return what a message Bundle says.

    Args:
        tree: structurally valid FHIR R4 (`structure.reading`).
        at: when it was received, with a time zone; None leaves out what depends on it, such as a
            sample taken in the future.

    Raises:
        SchemaViolation: it is not a FHIR R4 message that this exchange carries; with all problems
            found at the level that failed, errors first.
    """
    if not isinstance(tree, dict) or tree.get("resourceType") != "Bundle":
        raise SchemaViolation(problem("profile.message-wanted", "structure", "Bundle"))
    if tree.get("type") != "message":
        raise SchemaViolation(problem("profile.message-wanted", "value", "Bundle.type"))
    parts, consents, problems = judge_message(tree, at)
    if problems:
        problems.sort(key=lambda one: one.severity not in {"error", "fatal"})
        problems = problems[:_MOST_PROBLEMS]
        if problems[0].severity in {"error", "fatal"}:
            raise SchemaViolation(problems)
    return _said_by(tree, parts, tuple(consents), tuple(problems))


def read_everyday_message(data: bytes, at: datetime) -> FhirMessage | None:
    """What an everyday message says when there is nothing to say against it; None for other bytes.

    The same as `read_message` says of the same bytes, several times faster.
    """
    read = read_everyday(data)
    if read is None or may_tell_migration_status(data):
        return None
    judged = judge_everyday(*read, at)
    if judged is None:
        return None
    return _said_by(read[0], judged[0], tuple(judged[1]), ())


def _said_by(
    tree: dict[str, Any],
    parts: Parts,
    consents: tuple[ConsentStatement, ...],
    warnings: tuple[Problem, ...],
) -> FhirMessage:
    focus, patient, event = parts.focus, parts.patient, parts.event
    if focus is None or patient is None or event is None:
        # The profile names every one of these as an error before it comes to this.
        raise SchemaViolation(problem("profile.message-wanted", "structure", "Bundle"))
    kind = EVENTS[event][0]
    is_record = kind != "consent"
    return FhirMessage(
        message_id=parts.header["id"],
        event=event,
        kind=kind,
        destinations=parts.destinations,
        patient_identifiers=_patient_identifiers(patient),
        consents=consents,
        record_class=focus["resourceType"] if is_record else None,
        record=(parts.record or record_identifier(focus)) if is_record else None,
        version_at=version_instant(focus, tree) if is_record else None,
        warnings=warnings,
        bundle=tree,
        parts=parts,
    )


def _patient_identifiers(patient: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        [
            (identifier["system"], identifier["value"])
            for identifier in patient.get("identifier", ())
            if "value" in identifier and "system" in identifier
        ]
    )
