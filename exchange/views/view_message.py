"""The message around a view: header, labels, and where it comes from.

It has the event of the original, so that a subscriber treats it alike, and a message id of its own.
The exchange is its source, because the exchange wrote it; a Provenance ties it to the original by
the keyed digest of the received bytes, which only the exchange can compute again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from schemas.fhir_names import (
    ACT_CODE,
    ACT_REASON,
    EVENT_SYSTEM,
    PARTICIPANT_IDENTIFIERS,
    endpoint_of,
)
from schemas.views.allow_list import ListedView

Resource = dict[str, Any]

CONFIDENTIALITY_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
OBSERVATION_VALUE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
#: System of the keyed digests that name originals. Part of the public contract.
ORIGINAL_DIGESTS: Final = "urn:bhx:original-digest"

_LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_AGENT_TYPES: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

#: What every recipient has to keep to (docs/consent.md, section 6).
_OBLIGATIONS: Final = ("NOREUSE", "NORDSCLCD", "PERSISTLABEL")
_OBLIGATION_OF: Final[Mapping[ListedView, str]] = {
    "minimum": "MINEC",
    "pseudonymous": "PSEUD",
    "verdict": "DELAU",
}
#: ISO 21089: what was done to the original.
_ACTIVITY_OF: Final[Mapping[ListedView, str]] = {
    "minimum": "transform",
    "pseudonymous": "pseudonymize",
    "verdict": "transform",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What stands in the message around a view.

    Attributes:
        event: of the original.
        message_id: of the view; a lower-case UUID.
        recipient: participant id, like the next.
        exchange: whose view it is.
        author: who published the original; None when the view does not say it.
        purpose: v3-ActReason code.
        at: as it is to be shown.
        original: keyed digest of the original, as this recipient may see it.
        confidentiality: of what is shown.
    """

    view: ListedView
    event: str
    message_id: str
    recipient: str
    exchange: str
    author: str | None
    purpose: str
    at: datetime
    original: str
    confidentiality: str


def full_url(message_id: str, position: int) -> str:
    """The fullUrl of an entry: says nothing, and is the same whenever the view is made again."""
    return f"urn:uuid:{uuid5(UUID(message_id), str(position))}"


def labelled(
    resource: Resource, confidentiality: str, sensitivity: Iterable[str], integrity: Sequence[str]
) -> Resource:
    """The resource with its security labels, marked as a part of something longer.

    Args:
        resource: as it is shown.
        confidentiality: v3-Confidentiality.
        sensitivity: codes of v3-ActCode.
        integrity: codes of v3-ObservationValue: `REDACTED`, `PSEUDED`.
    """
    security = [_coding(CONFIDENTIALITY_SYSTEM, confidentiality)]
    security += [_coding(ACT_CODE, code) for code in sensitivity]
    security += [_coding(OBSERVATION_VALUE, code) for code in integrity]
    meta = {"security": security, "tag": [_coding(OBSERVATION_VALUE, "SUBSETTED")]}
    return {
        "resourceType": resource["resourceType"],
        "meta": {**resource.get("meta", {}), **meta},
        **{name: value for name, value in resource.items() if name not in {"resourceType", "meta"}},
    }


def view_bundle(envelope: Envelope, entries: Sequence[tuple[str, Resource]]) -> Resource:
    """The message Bundle; the first of the entries is the focus."""
    focus = entries[0][0]
    placed = [
        (f"urn:uuid:{envelope.message_id}", _header(envelope, focus)),
        *entries,
        (full_url(envelope.message_id, len(entries)), _provenance(envelope, focus)),
    ]
    obligations = (*_OBLIGATIONS, _OBLIGATION_OF[envelope.view])
    security = [
        _coding(CONFIDENTIALITY_SYSTEM, envelope.confidentiality),
        *(_coding(ACT_CODE, code) for code in obligations),
    ]
    return {
        "resourceType": "Bundle",
        "meta": {"security": security},
        "type": "message",
        "timestamp": instant(envelope.at),
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in placed],
    }


def instant(at: datetime) -> str:
    """A FHIR instant, UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _header(envelope: Envelope, focus: str) -> Resource:
    return {
        "resourceType": "MessageHeader",
        "id": envelope.message_id,
        "eventCoding": _coding(EVENT_SYSTEM, envelope.event),
        "destination": [{"endpoint": endpoint_of(envelope.recipient)}],
        "source": {"endpoint": endpoint_of(envelope.exchange)},
        "reason": _concept(ACT_REASON, envelope.purpose),
        "focus": [{"reference": focus}],
    }


def _provenance(envelope: Envelope, focus: str) -> Resource:
    agents = [_agent("assembler", envelope.exchange)]
    if envelope.author is not None:
        agents.append(_agent("author", envelope.author))
    return {
        "resourceType": "Provenance",
        "target": [{"reference": focus}],
        "recorded": instant(envelope.at),
        "reason": [_concept(ACT_REASON, envelope.purpose)],
        "activity": _concept(_LIFECYCLE, _ACTIVITY_OF[envelope.view]),
        "agent": agents,
        "entity": [
            {
                "role": "source",
                "what": {"identifier": {"system": ORIGINAL_DIGESTS, "value": envelope.original}},
            }
        ],
    }


def _agent(kind: str, participant: str) -> Resource:
    return {
        "type": _concept(_AGENT_TYPES, kind),
        "who": {"identifier": {"system": PARTICIPANT_IDENTIFIERS, "value": participant}},
    }


def _coding(system: str, code: str) -> Resource:
    return {"system": system, "code": code}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [_coding(system, code)]}
