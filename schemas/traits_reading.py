"""Read the traits that a basis is decided on from a message or from one resource.

docs/consent.md section 1 says what each member means. Every message passes here, so what is the
same for most of them is asked first.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from schemas.codeable_concept import codings_of
from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.labels.labelling import NORMAL, Sensitive, labels_of, message_labels
from schemas.profile.parts import Parts
from schemas.record_facts import Entries, record_diseases
from schemas.record_traits import RecordClass, RecordTraits
from schemas.record_version import record_identifier
from schemas.traveller_traits import AGE_OF_MAJORITY, is_minor, origins_of
from schemas.violation import SchemaViolation

Resource = dict[str, Any]
Span = tuple[datetime, datetime]

_CLASSES = frozenset({"Immunization", "Observation", "DiagnosticReport"})
_NO_POLICY: Sensitive = {}


def read_traits(
    bundle: Resource,
    parts: Parts,
    *,
    author: str,
    collected_in: str,
    at: datetime,
    sensitive: Sensitive = _NO_POLICY,
    age_of_majority: int = AGE_OF_MAJORITY,
) -> RecordTraits | None:
    """The traits of the record that a valid message is about; None when it is about a consent.

    Args:
        bundle: the message; structurally valid.
        parts: what `judge_message` found in it, without an error.
        author: participant id of the publisher.
        collected_in: the publisher's country (alpha-2), or `*`.
        at: when the message was received.
        sensitive: labels that policies add, by disease.
        age_of_majority: in years, where the record was collected.
    """
    focus, patient = parts.focus, parts.patient
    if focus is None or focus["resourceType"] not in _CLASSES:
        return None
    labels = message_labels(bundle, parts, sensitive)
    return RecordTraits(
        author=author,
        collected_in=collected_in,
        record_class=cast("RecordClass", focus["resourceType"]),
        record=record_identifier(focus),
        codes=_codes(focus, parts.by_url),
        diseases=record_diseases(focus, parts.by_url),
        date=_date(focus, parts.by_url),
        confidentiality=labels.confidentiality,
        labels=labels.focus,
        part_labels=labels.parts,
        origins=() if patient is None else origins_of(patient),
        is_minor=None
        if patient is None
        else is_minor(patient.get("birthDate"), at, age_of_majority),
    )


def traits_of(
    resource: Resource,
    *,
    author: str,
    collected_in: str,
    at: datetime,
    patient: Resource | None = None,
    sensitive: Sensitive = _NO_POLICY,
    age_of_majority: int = AGE_OF_MAJORITY,
) -> RecordTraits | None:
    """The traits of one record on its own, as far as it says them; None when it is no record.

    Args:
        resource: structurally valid.
        author: as in `read_traits`, like the others.
        collected_in: see there.
        at: see there.
        patient: the traveller, when known.
        sensitive: see there.
        age_of_majority: see there.
    """
    if resource["resourceType"] not in _CLASSES:
        return None
    labels = labels_of(resource, sensitive)
    about = patient or {}
    return RecordTraits(
        author=author,
        collected_in=collected_in,
        record_class=cast("RecordClass", resource["resourceType"]),
        record=record_identifier(resource),
        codes=_codes(resource, {}),
        diseases=record_diseases(resource, {}),
        date=_date(resource, {}),
        confidentiality=labels.confidentiality or NORMAL,
        labels=labels.sensitivity,
        origins=origins_of(about),
        is_minor=is_minor(about.get("birthDate"), at, age_of_majority),
    )


def _codes(focus: Resource, entries: Entries) -> tuple[tuple[str, str], ...]:
    """Every coding of what the focus is about, each once."""
    concept = focus.get("vaccineCode") or focus.get("code")
    found = dict.fromkeys(codings_of(concept))
    for protocol in focus.get("protocolApplied", ()):
        for target in protocol.get("targetDisease", ()):
            found.update(dict.fromkeys(codings_of(target)))
    if focus["resourceType"] != "Immunization":
        for observation in _observations(focus, entries):
            found.update(dict.fromkeys(codings_of(observation.get("code"))))
            for component in observation.get("component", ()):
                found.update(dict.fromkeys(codings_of(component.get("code"))))
    return tuple(found)


def _observations(focus: Resource, entries: Entries) -> Iterator[Resource]:
    """The focus if it is an Observation, else its results; and their members, each once."""
    holders = [focus]
    if focus["resourceType"] == "DiagnosticReport":
        holders = list(_referred(focus, "result", entries))
    seen: list[Resource] = []
    for holder in holders:  # grows while it is walked
        if not any(holder is one for one in seen):
            seen.append(holder)
            yield holder
            holders.extend(_referred(holder, "hasMember", entries))


def _referred(holder: Resource, element: str, entries: Entries) -> Iterator[Resource]:
    contained = {f"#{one.get('id')}": one for one in holder.get("contained", ())}
    for reference in holder.get(element, ()):
        url = reference.get("reference", "")
        target = contained.get(url) or entries.get(url)
        if target is not None and target["resourceType"] == "Observation":
            yield target


def _date(focus: Resource, entries: Entries) -> Span | None:
    """When it happened by the focus itself, else by all of its results together."""
    if focus["resourceType"] == "Immunization":
        said = focus.get("occurrenceDateTime")
        return None if said is None else _span(said, said)
    own = _effective(focus)
    if own is not None or _is_dated(focus):
        return own
    spans = [_effective(one) for one in _observations(focus, entries) if _is_dated(one)]
    known = [span for span in spans if span is not None]
    if not known or len(known) != len(spans):
        return None
    return min(first for first, _ in known), max(last for _, last in known)


def _is_dated(tested: Resource) -> bool:
    return any(name.startswith(("effective", "_effective")) for name in tested)


def _effective(tested: Resource) -> Span | None:
    """Of a period that is open at an end nothing is known: it may reach anywhere."""
    said = tested.get("effectiveDateTime") or tested.get("effectiveInstant")
    if said is not None:
        return _span(said, said)
    period = tested.get("effectivePeriod", {})
    start, end = period.get("start"), period.get("end")
    return None if start is None or end is None else _span(start, end)


@lru_cache(maxsize=1024)  # a post sends many records of one day
def _span(first: str, last: str) -> Span | None:
    try:
        return instant_at_start(first), instant_at_end(last)
    except SchemaViolation:
        # A leap second, or a year that no calendar here holds: valid FHIR, and no moment we know.
        return None
