"""Compose the bytes of a FHIR R4 message: a header, one record, and what the record refers to.

Resources name each other as FHIR does at rest, `Patient/p1`; here each gets its `urn:uuid:` fullUrl
and every such reference is rewritten to it. A resource whose id is a lower-case UUID keeps it as
its fullUrl. Any other id is only a name inside this call: it is left out, and the fullUrl is
derived from it and the message id, so the same input gives the same bytes.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from schemas.fhir_names import EVENT_CODES, EVENT_SYSTEM, endpoint_of
from schemas.violation import SchemaViolation, problem

Resource = Mapping[str, Any]


def compose_message(
    *,
    event: str,
    source: str,
    source_name: str,
    destinations: Sequence[str],
    focus: Resource,
    others: Sequence[Resource],
    message_id: str,
    timestamp: datetime,
) -> bytes:
    """The message Bundle as compact UTF-8 JSON; `Decimal` values keep the digits they have.

    Args:
        event: one of `fhir_names.EVENT_CODES`.
        source: participant id of the publisher.
        source_name: what people call the publisher (MessageHeader.source.name).
        destinations: participant ids the sender names; empty leaves it to the subscriptions.
        focus: the record the event is about.
        others: what the focus refers to, and consents; each has a resourceType, and an id when
            another resource refers to it.
        message_id: lower-case UUID; becomes MessageHeader.id and must be the envelope's `jti`.
        timestamp: when the message was made; with a time zone.

    Raises:
        SchemaViolation: the parts cannot make a valid message.
    """
    _require_header_values(event, message_id, timestamp)
    resources = [focus, *others]
    full_urls = _full_urls(resources, UUID(message_id))
    header: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "id": message_id,
        "eventCoding": {"system": EVENT_SYSTEM, "code": event},
        "source": {"name": source_name, "endpoint": endpoint_of(source)},
        "focus": [{"reference": full_urls[0]}],
    }
    if destinations:
        header["destination"] = [{"endpoint": endpoint_of(name)} for name in destinations]
    known = dict(_references(resources, full_urls))
    entries = [{"fullUrl": f"urn:uuid:{message_id}", "resource": header}]
    for full_url, resource in zip(full_urls, resources, strict=True):
        entries.append({"fullUrl": full_url, "resource": _stripped(_resolved(resource, known))})
    bundle = {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": timestamp.isoformat(timespec="milliseconds"),
        "entry": entries,
    }
    return json_bytes(bundle)


def _violation(sentence: str, code: str, expression: str, *words: str) -> SchemaViolation:
    return SchemaViolation(problem(sentence, code, expression, *words))


def _require_header_values(event: str, message_id: str, timestamp: datetime) -> None:
    if event not in EVENT_CODES:
        raise _violation(
            "compose.event",
            "not-supported",
            "MessageHeader.eventCoding.code",
            EVENT_SYSTEM,
            ", ".join(EVENT_CODES),
        )
    if not _is_uuid(message_id):
        raise _violation("compose.message-id", "value", "MessageHeader.id")
    if timestamp.utcoffset() is None:
        raise _violation("compose.timestamp", "value", "Bundle.timestamp")


def _is_uuid(text: object) -> bool:
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except ValueError:
        return False


def _full_urls(resources: Sequence[Resource], message_id: UUID) -> list[str]:
    urls = []
    for index, resource in enumerate(resources):
        kind, local = resource.get("resourceType"), resource.get("id")
        if not isinstance(kind, str):
            raise _violation(
                "compose.resource-type", "structure", f"Bundle.entry[{index + 1}].resource"
            )
        name = f"{kind}/{local}" if local is not None else f"{kind}#{index}"
        urls.append(f"urn:uuid:{local if _is_uuid(local) else uuid5(message_id, name)}")
    if len(set(urls)) != len(urls) or f"urn:uuid:{message_id}" in urls:
        raise _violation("compose.full-url-twice", "invariant", "Bundle.entry.fullUrl")
    return urls


def _references(
    resources: Sequence[Resource], full_urls: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for resource, full_url in zip(resources, full_urls, strict=True):
        if "id" in resource:
            yield f"{resource['resourceType']}/{resource['id']}", full_url


def _stripped(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource without an id that is only a name inside one call."""
    if _is_uuid(resource.get("id")):
        return resource
    return {key: value for key, value in resource.items() if key != "id"}


def _resolved(value: Any, known: Mapping[str, str]) -> Any:
    """A copy in which each `reference` to a resource of this message is its fullUrl."""
    if isinstance(value, Mapping):
        return {
            key: known.get(inner, inner)
            if key == "reference" and isinstance(inner, str)
            else _resolved(inner, known)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_resolved(inner, known) for inner in value]
    return value


def json_bytes(tree: Any) -> bytes:
    """Compact UTF-8 JSON; `Decimal` values keep the digits they have.

    Raises:
        SchemaViolation: the tree is not JSON, or holds half a character.
    """
    try:
        return "".join(_json(tree)).encode()
    except UnicodeEncodeError:
        # The codec's own error quotes the text; it must not travel further.
        raise _violation("compose.surrogate", "value", "Bundle") from None


def _json(value: Any) -> Iterator[str]:
    """Compact JSON by hand, because `json` has no way to write `Decimal('0.50')` as 0.50."""
    if isinstance(value, Mapping):
        yield "{"
        for index, (key, inner) in enumerate(value.items()):
            yield ("," if index else "") + json.dumps(key, ensure_ascii=False) + ":"
            yield from _json(inner)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for index, inner in enumerate(value):
            yield "," if index else ""
            yield from _json(inner)
        yield "]"
    else:
        yield _json_scalar(value)


def _json_scalar(value: Any) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    raise _violation("compose.not-json", "structure", "Bundle")
