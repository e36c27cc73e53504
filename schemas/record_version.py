"""Which version of which record is this? By what the record itself says, never by its arrival.

A correction or a withdrawal keeps the business identifier of the record and says when it was made:
so versions that overtake each other on the way are still put in their order.
"""

from datetime import datetime
from typing import Any

from schemas.fhir_instants import instant_at_start


def record_identifier(focus: dict[str, Any]) -> str | None:
    """`system|value` of the focus's first identifier that has both, or None.

    A system is a URI, in which `|` cannot stand (RFC 3986, 2); one that has it names nothing.
    """
    for identifier in focus.get("identifier", ()):
        system, value = identifier.get("system"), identifier.get("value")
        if isinstance(system, str) and isinstance(value, str) and "|" not in system:
            return f"{system}|{value}"
    return None


def version_instant(focus: dict[str, Any], bundle: dict[str, Any]) -> datetime | None:
    """When this version was made (UTC), or None when neither record nor message says it.

    `meta.lastUpdated` is when the version changed (FHIR R4, Resource.meta); else `issued`, when
    the version of a report or observation was made available; else when the message was assembled.

    Raises:
        SchemaViolation: what stands there is not an instant.
    """
    meta = focus.get("meta")
    said = meta.get("lastUpdated") if isinstance(meta, dict) else None
    for holder, element in ((focus, "issued"), (bundle, "timestamp")):
        if isinstance(said, str):
            break
        said = holder.get(element)
    return instant_at_start(said) if isinstance(said, str) else None
