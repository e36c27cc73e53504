"""Render a view: from a valid message, the new message that one recipient gets instead of it.

    find the parts -> leave out what is redacted -> copy what the list names -> a message around it

Pure and deterministic: the same arguments give the same bytes, so a delivery can be made again. The
received bytes stay the truth (ADR 0002); `full` is those bytes and is not rendered.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from exchange.errors import ExchangeError
from exchange.subjects import RecipientPseudonyms
from exchange.views.allowed_copy import CopyContext, allowed_copy
from exchange.views.verdict_message import verdict_parameters
from exchange.views.view_message import Envelope, full_url, instant, labelled, view_bundle
from schemas.compose_message import json_bytes
from schemas.labels.labelling import (
    NORMAL,
    NOT_OF_THE_RECORD,
    Labels,
    Sensitive,
    highest,
    labels_of,
)
from schemas.labels.rules import label_rules
from schemas.profile.parts import Parts, find_parts
from schemas.record_facts import read_facts
from schemas.record_version import version_instant
from schemas.requirement import Requirement
from schemas.structure.reading import read_resource
from schemas.verdict import verdict_of
from schemas.views.allow_list import AllowList, ListedView, allow_list

Resource = dict[str, Any]

_RECORDS: Final = frozenset({"Immunization", "DiagnosticReport", "Observation"})
#: Elements that change what a resource means (R4, 2.1.0.7): without them it would say something
#: else, and who the observation is about is one of them (`Observation.focus`).
_CHANGE_THE_MEANING: Final = frozenset({"modifierExtension", "implicitRules"})
_NAMESPACE: Final = UUID("0c8aa0b0-6f5c-5d6c-9d0c-3f9f7c1a52be")
#: What a view never copies and labels never come from.
_AROUND_THE_RECORD: Final = NOT_OF_THE_RECORD | {"MessageHeader"}


class ViewImpossible(ExchangeError):
    """Nothing of this record can be shown in this view; nothing may be delivered instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRequest:
    """For whom a view is, and under which names.

    Attributes:
        author: participant id of the publisher, as verified.
        recipient: participant id.
        purpose: v3-ActReason code of the decision.
        exchange: this exchange's participant id.
        subject_id: of the traveller; goes into pseudonyms only.
        pseudonyms: of the recipient.
        message_id: of the new message; see `view_message_id`.
        original_digest: keyed digest of the received bytes, or a commitment to them.
        at: the moment of the decision, with a time zone.
        redact: sensitivity labels whose parts are left out.
        sensitive: labels that policies add, by disease; the same as when the record was read.
        requirement: what a verdict is about; None when no rule exists.
    """

    author: str
    recipient: str
    purpose: str
    exchange: str
    subject_id: str = field(repr=False)
    pseudonyms: RecipientPseudonyms = field(repr=False)
    message_id: str
    original_digest: str = field(repr=False)
    at: datetime
    redact: Collection[str] = ()
    sensitive: Sensitive = field(default_factory=dict)
    requirement: Requirement | None = None


def view_message_id(delivery_id: str) -> str:
    """The message id of the view that a delivery carries; like no id of another delivery."""
    return str(uuid5(_NAMESPACE, delivery_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What of a message may be shown at all.

    Attributes:
        shown: resources by fullUrl, the focus among them.
        whole: what the message says of all its parts.
        version_at: when this version was made, if it says so.
    """

    focus: Resource
    patient_url: str | None
    event: str
    shown: dict[str, Resource]
    is_redacted: bool
    whole: Labels
    version_at: datetime | None

    def mark(self, labels: Labels) -> str:
        """The confidentiality of a part."""
        return labels.confidentiality or self.whole.confidentiality or NORMAL


def render(view: ListedView, message: Resource, request: ViewRequest) -> bytes:
    """The bytes that the recipient gets in this view.

    Args:
        view: not `full`, which is the received bytes.
        message: the tree of a message that `exchange.validation.read_record` accepts.
        request: see there.

    Raises:
        ViewImpossible: the message is about no record; or its focus is to be redacted itself, or
            holds what changes its meaning and cannot be shown.
    """
    record = _showable(message, find_parts(message, []), request)
    bundle = (
        _verdict(record, request) if view == "verdict" else _copy_of_record(view, record, request)
    )
    return _checked(bundle)


def _showable(message: Resource, parts: Parts, request: ViewRequest) -> _Record:
    focus, event = parts.focus, parts.event
    if focus is None or event is None or focus["resourceType"] not in _RECORDS:
        msg = "Only a record has views."
        raise ViewImpossible(msg)
    redact = frozenset(request.redact)
    shown: dict[str, Resource] = {}
    is_redacted = False
    for url, resource in parts.by_url.items():
        if resource["resourceType"] in _AROUND_THE_RECORD:
            continue
        if redact and not redact.isdisjoint(labels_of(resource, request.sensitive).sensitivity):
            is_redacted = True
        elif not _means_something_else(resource):
            shown[url] = resource
    if not any(resource is focus for resource in shown.values()):
        msg = "The record itself cannot be shown in this view."
        raise ViewImpossible(msg)
    return _Record(
        focus=focus,
        patient_url=parts.patient_url,
        event=event,
        shown=shown,
        is_redacted=is_redacted,
        whole=labels_of({"meta": message["meta"]}) if "meta" in message else Labels(),
        version_at=version_instant(focus, message),
    )


def _means_something_else(resource: Resource) -> bool:
    """Whether something in it changes what it means and would be left out."""
    if resource["resourceType"] == "Observation" and "focus" in resource:
        return True
    nodes: list[Any] = [resource]
    for node in nodes:  # grows while it is walked
        if not _CHANGE_THE_MEANING.isdisjoint(node):
            return True
        for name, value in node.items():
            members = value if isinstance(value, list) else [value]
            if name != "contained":
                nodes.extend(one for one in members if isinstance(one, dict))
    return False


def _copy_of_record(view: ListedView, record: _Record, request: ViewRequest) -> Resource:
    """The focus and all that the list's references lead to, each with its labels."""
    if record.patient_url not in record.shown:
        msg = "The record's traveller cannot be shown in this view."
        raise ViewImpossible(msg)
    allowed = allow_list(view)
    reached = list(_reached(record, allowed))
    is_named = view == "minimum"
    context = CopyContext(
        urls={url: full_url(request.message_id, place) for place, url in enumerate(reached)},
        country=read_facts(record.focus, record.shown).country,
        author=request.author,
        traveller=_traveller(request),
        pseudonyms=request.pseudonyms,
    )
    entries: list[tuple[str, Resource]] = []
    marks: list[str] = []
    for url in reached:
        resource = record.shown[url]
        copied = allowed_copy(resource, allowed.resources[resource["resourceType"]], context)
        if resource is record.focus and is_named and record.version_at is not None:
            # So that versions of a view keep their order.
            copied["meta"] = {"lastUpdated": instant(record.version_at)}
        labels = labels_of(resource, request.sensitive)
        marks.append(record.mark(labels))
        entries.append(
            (context.urls[url], _labelled(copied, resource, labels, record, is_named=is_named))
        )
    return view_bundle(_envelope(view, record, request, marks, is_named=is_named), entries)


def _labelled(
    copied: Resource, resource: Resource, labels: Labels, record: _Record, *, is_named: bool
) -> Resource:
    """Only labels that are known go on: any other is a text that the sender chose."""
    is_focus = resource is record.focus
    sensitivity = (*labels.sensitivity, *(record.whole.sensitivity if is_focus else ()))
    known = [code for code in dict.fromkeys(sensitivity) if code in label_rules().known]
    integrity = ["REDACTED"] if is_focus and record.is_redacted else []
    if not is_named:
        integrity.append("PSEUDED")
    return labelled(copied, record.mark(labels), known, integrity)


def _reached(record: _Record, allowed: AllowList) -> Iterator[str]:
    """FullUrls of the focus and of all that the view's references lead to, the focus first."""
    shown = record.shown
    pending = [next(url for url, resource in shown.items() if resource is record.focus)]
    seen = set(pending)
    for url in pending:  # grows while it is walked
        yield url
        resource = shown[url]
        for name, rule in allowed.resources[resource["resourceType"]].items():
            references = resource.get(name, []) if rule == "reference" else []
            for one in references if isinstance(references, list) else [references]:
                target = one.get("reference", "")
                listed = shown.get(target, {}).get("resourceType") in allowed.resources
                if listed and target not in seen:
                    seen.add(target)
                    pending.append(target)


def _verdict(record: _Record, request: ViewRequest) -> Resource:
    facts = read_facts(record.focus, record.shown)
    verdict = verdict_of([facts], request.requirement, request.at)
    parameters = verdict_parameters(
        verdict, request.requirement, _traveller(request), _day(request.at)
    )
    marks = [record.mark(labels_of(one, request.sensitive)) for one in record.shown.values()]
    envelope = _envelope("verdict", record, request, marks, is_named=False)
    return view_bundle(envelope, [(full_url(request.message_id, 0), parameters)])


def _envelope(
    view: ListedView, record: _Record, request: ViewRequest, marks: list[str], *, is_named: bool
) -> Envelope:
    """What stands around it. Two recipients of one record must find nothing alike in theirs.

    So without a name there is no author, the moment is no more exact than its day, because both
    are served in the same second, and the digest of the original is the recipient's own.
    """
    digest = request.original_digest
    return Envelope(
        view=view,
        event=record.event,
        message_id=request.message_id,
        recipient=request.recipient,
        exchange=request.exchange,
        author=request.author if is_named else None,
        purpose=request.purpose,
        at=request.at if is_named else _day(request.at),
        original=digest if is_named else request.pseudonyms.of("original", digest),
        confidentiality=highest(marks),
    )


def _checked(bundle: Resource) -> bytes:
    """The bytes, once they are valid FHIR R4 again: nobody is sent what no reader takes."""
    data = _bytes_of(bundle)
    _, problems = read_resource(data, max_bytes=len(data))
    if any(one.is_error for one in problems):
        msg = "The view of this record would not be valid FHIR R4."
        raise ViewImpossible(msg)
    return data


def _bytes_of(bundle: Resource) -> bytes:
    try:
        text = json.dumps(bundle, ensure_ascii=False, separators=(",", ":"), check_circular=False)
    except TypeError:
        # Numbers with a fraction keep the digits they came with, which takes ten times as long.
        return json_bytes(bundle)
    return text.encode()


def _traveller(request: ViewRequest) -> str:
    return request.pseudonyms.of("traveller", request.subject_id)


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
