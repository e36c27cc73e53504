"""What a stored message says again, to hold the rows made of it against.

Consents as they are enforced and the newest versions of records are no entries of the trail, but
they follow from messages that are: reading the message again gives what must stand in the rows.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.store.rows import read_consent_row
from exchange.subjects import SubjectVault
from schemas.consent.statement import ConsentStatement
from schemas.profile.message import judge_message
from schemas.record_version import record_identifier, version_instant
from schemas.strict_json import read_json
from schemas.trail_entry import AcceptedEntry
from schemas.violation import SchemaViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What rows follow from an accepted message.

    Attributes:
        consents: in their order.
        record: keyed digest of the record that it is a version of, or None.
        version_at: when that version was made.
    """

    consents: tuple[ConsentStatement, ...]
    record: bytes | None
    version_at: datetime | None


def said_by(content: bytes, publisher: str, vault: SubjectVault) -> Said | None:
    """What an accepted message says; None when today's exchange cannot read it any more.

    Rules may have become stricter since, so nothing but the parts is looked for.
    """
    try:
        bundle = read_json(content, max_bytes=len(content))
        parts, consents, _ = judge_message(bundle, None)
        focus = parts.focus or {}
        is_record = focus.get("resourceType") not in {None, "Consent"}
        identifier = record_identifier(focus) if is_record else None
        made_at = version_instant(focus, bundle) if is_record else None
    except (SchemaViolation, ValueError, KeyError, TypeError, AttributeError):
        return None
    if identifier is None or made_at is None:
        return Said(consents=tuple(consents), record=None, version_at=None)
    record = vault.record_digest(publisher, identifier)
    return Said(consents=tuple(consents), record=record, version_at=made_at)


def differs(said: ConsentStatement, row: Any) -> bool:
    """Whether a stored consent says otherwise than its message.

    One that was stored by an older exchange knew less of it: then what both know is compared.
    """
    try:
        stored = read_consent_row(row).statement
        is_older = json.loads(row.statement).keys() != said.to_json().keys()
    except (ValueError, KeyError, TypeError):
        return True
    if not is_older:
        return stored != said
    known = (stored.identity, stored.status, stored.given_at)
    return known != (said.identity, said.status, said.given_at)


def standing_of(entry: AcceptedEntry, record: bytes | None) -> str | None:
    """How the entry says that the message stood when it was accepted."""
    if entry.superseded_by is not None:
        return "superseded"
    return None if record is None else "current"
