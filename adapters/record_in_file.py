"""What a record in a file is, for a decision about it: a message Bundle or a single resource.

The record need not be valid; what cannot be read in it is not known, and what is not known never
permits. A trait that is read wrongly would be worse, so only plain FHIR is looked at.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from schemas.consent.sensitivity import CONFIDENTIALITY_SYSTEM, HEIGHT
from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.fhir_names import ACT_CODE, participant_of
from schemas.record_traits import RecordClass, RecordTraits
from schemas.record_version import record_identifier
from schemas.terminology.diseases import diseases_of
from schemas.violation import SchemaViolation

_CLASSES: Final[tuple[RecordClass, ...]] = ("Immunization", "DiagnosticReport", "Observation")


def traits_in(
    tree: Any, *, collected_in: str | None, origins: tuple[str, ...]
) -> RecordTraits | None:
    """The traits of the record in a file; None when there is no record in it.

    Args:
        tree: the file's JSON value.
        collected_in: the country, when it is told; else that of the message's sender.
        origins: countries that the traveller may come from.
    """
    entries = list(_resources(tree))
    focus = next(
        (one for kind in _CLASSES for one in entries if one.get("resourceType") == kind), None
    )
    if focus is None:
        return None
    author = _author(entries)
    parts = [one for one in entries if one is not focus]
    codes = tuple(dict.fromkeys(_codes(focus, entries)))
    labels = _labels([focus], ACT_CODE)
    return RecordTraits(
        author=author,
        collected_in=collected_in or country_in(author),
        record_class=focus["resourceType"],
        record=record_identifier(focus) if _is_listed(focus.get("identifier")) else None,
        codes=codes,
        diseases=diseases_of(codes),
        date=_date(focus),
        confidentiality=max(
            (one for one in _labels(entries, CONFIDENTIALITY_SYSTEM) if one in HEIGHT),
            key=HEIGHT.__getitem__,
            default="N",
        ),
        labels=labels,
        part_labels=tuple(one for one in _labels(parts, ACT_CODE) if one not in labels),
        origins=origins,
    )


def country_in(participant: str) -> str:
    """The country that a participant's id names in its second part; empty when it names none."""
    parts = participant.split(":")
    country = parts[1] if len(parts) > 1 else ""
    return country.upper() if len(country) == 2 and country.isascii() and country.isalpha() else ""


def _resources(tree: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(tree, dict):
        return
    if tree.get("resourceType") != "Bundle":
        yield tree
        return
    yield {"resourceType": "Bundle", "meta": tree.get("meta")}
    for entry in _listed(tree.get("entry")):
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def _author(entries: list[dict[str, Any]]) -> str:
    for one in entries:
        source = one.get("source")
        if one.get("resourceType") == "MessageHeader" and isinstance(source, dict):
            endpoint = source.get("endpoint")
            return (participant_of(endpoint) if isinstance(endpoint, str) else None) or ""
    return ""


def _codes(focus: dict[str, Any], entries: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    yield from _codings(focus.get("vaccineCode"))
    yield from _codings(focus.get("code"))
    for protocol in _listed(focus.get("protocolApplied")):
        for concept in _listed(protocol.get("targetDisease") if isinstance(protocol, dict) else []):
            yield from _codings(concept)
    if focus["resourceType"] == "DiagnosticReport":
        for one in entries:
            if one.get("resourceType") == "Observation":
                yield from _codings(one.get("code"))


def _codings(concept: Any) -> Iterator[tuple[str, str]]:
    for coding in _listed(concept.get("coding") if isinstance(concept, dict) else []):
        if isinstance(coding, dict):
            system, code = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(code, str):
                yield system, code


def _date(focus: dict[str, Any]) -> tuple[datetime, datetime] | None:
    for name in ("occurrenceDateTime", "effectiveDateTime", "effectiveInstant"):
        if isinstance(focus.get(name), str):
            return _span(focus[name], focus[name])
    period = focus.get("effectivePeriod")
    if isinstance(period, dict):
        return _span(period.get("start"), period.get("end"))
    return None


def _span(first: Any, last: Any) -> tuple[datetime, datetime] | None:
    if not isinstance(first, str) or not isinstance(last, str):
        return None
    try:
        return instant_at_start(first), instant_at_end(last)
    except SchemaViolation:
        return None


def _labels(resources: list[dict[str, Any]], system: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            label["code"]
            for one in resources
            for label in _security(one)
            if label.get("system") == system and isinstance(label.get("code"), str)
        )
    )


def _security(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    meta = resource.get("meta")
    for label in _listed(meta.get("security") if isinstance(meta, dict) else []):
        if isinstance(label, dict):
            yield label


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_listed(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
