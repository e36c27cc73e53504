"""All that is kept of one traveller, and the records that are old: what erasure begins with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, or_, select

from adapters.store.database import Statements
from adapters.store.keys import ByKeys
from adapters.store.rows import (
    SELECT_DELIVERIES,
    hold_of,
    read_delivery,
    read_sealed_body,
)
from adapters.store.sealed import all_subjects
from adapters.store.tables import (
    consents,
    decisions,
    deliveries,
    holds,
    sealed_bodies,
    subject_tokens,
    subjects,
    trail_entries,
)
from exchange.errors import IntegrityBroken
from exchange.model import Hold, KeptRecord, MessageIdentity, SubjectId
from exchange.ports import Traveller
from schemas.trail_entry import AcceptedEntry, read_entry

_KEPT = ByKeys(subjects.c.subject_id, lambda among: select(subjects.c.subject_id).where(among))
_OF_TOKENS = ByKeys(subject_tokens.c.token, lambda among: select(subject_tokens).where(among))
_TOKENS = ByKeys(
    subject_tokens.c.subject_id, lambda among: select(subject_tokens.c.token).where(among)
)
_HOLDS = select(holds).order_by(holds.c.placed_entry, holds.c.hold_id)
_STANDING_HOLDS = ByKeys(
    holds.c.subject_id,
    lambda among: (
        select(holds)
        .where(among, holds.c.lifted_entry.is_(None))
        .order_by(holds.c.placed_entry, holds.c.hold_id)
    ),
)
_DELIVERIES = ByKeys(
    deliveries.c.subject_id,
    lambda among: SELECT_DELIVERIES.where(among).order_by(
        deliveries.c.subscriber, deliveries.c.number
    ),
)
#: Entries that brought a consent: a message with nothing but consents has no delivery.
_BROUGHT_CONSENT = ByKeys(
    consents.c.subject_id,
    lambda among: (
        select(trail_entries.c.entry)
        .join(consents, consents.c.basis_entry == trail_entries.c.idx)
        .where(among)
    ),
)
_READABLE = ByKeys(
    decisions.c.message_id,
    lambda among: select(decisions.c.publisher, decisions.c.message_id).where(
        among, decisions.c.content_salt.is_not(None), decisions.c.outcome == "accepted"
    ),
)
_SELECT_RECORDS = (
    select(
        decisions.c.message_id,
        decisions.c.publisher,
        decisions.c.outcome,
        decisions.c.decided_at,
        decisions.c.content_salt,
        sealed_bodies.c.subject_id,
        # Its body is not asked for: traits are enough.
        sealed_bodies.c.signature,
        sealed_bodies.c.traits,
        subjects.c.wrapped_key,
    )
    .outerjoin_from(
        decisions,
        sealed_bodies,
        and_(
            sealed_bodies.c.message_id == decisions.c.message_id,
            sealed_bodies.c.publisher == decisions.c.publisher,
        ),
    )
    .outerjoin(subjects, subjects.c.subject_id == sealed_bodies.c.subject_id)
    .order_by(decisions.c.message_id, decisions.c.publisher)
    .limit(bindparam("most"))
)
_FIRST_RECORDS = _SELECT_RECORDS
_RECORDS_AFTER = _SELECT_RECORDS.where(
    decisions.c.message_id >= bindparam("after_message"),
    or_(
        decisions.c.message_id > bindparam("after_message"),
        decisions.c.publisher > bindparam("after_publisher"),
    ),
)


async def read_traveller(
    statements: Statements, tokens: Sequence[bytes], subject_ids: Sequence[SubjectId]
) -> Traveller:
    """All that is kept of whom these lead to, merged subjects included; empty when nobody is.

    No question reads a whole table: messages are found by their deliveries and consents.
    """
    led_to = [row.subject_id for row in await _OF_TOKENS.rows(statements, tokens)]
    known = await kept_subjects(statements, [*led_to, *subject_ids])
    if not known:
        return Traveller()
    every = tuple(await all_subjects(statements, known))
    rows = [read_delivery(row) for row in await _DELIVERIES.rows(statements, every)]
    brought = await _BROUGHT_CONSENT.rows(statements, every)
    named = {row.pending.identity for row in rows} | {_accepted(one.entry) for one in brought}
    readable = [
        MessageIdentity(row.publisher, row.message_id)
        for row in await _READABLE.rows(statements, [one.message_id for one in named])
    ]
    return Traveller(
        subject_ids=every,
        tokens=tuple(row.token for row in await _TOKENS.rows(statements, every)),
        holds=tuple(hold_of(row) for row in await _STANDING_HOLDS.rows(statements, every)),
        messages=tuple(sorted(named & set(readable))),
        deliveries=tuple(rows),
    )


async def kept_subjects(
    statements: Statements, subject_ids: Sequence[SubjectId]
) -> list[SubjectId]:
    """Those of these travellers whose keys are still kept."""
    return [row.subject_id for row in await _KEPT.rows(statements, subject_ids)]


async def read_holds(statements: Statements) -> list[Hold]:
    """Every legal hold, in the order of their placing."""
    return [hold_of(row) for row in await statements.rows(_HOLDS)]


async def read_kept_records(
    statements: Statements, accepted_by: datetime, after: MessageIdentity | None, limit: int
) -> tuple[list[KeptRecord], MessageIdentity | None]:
    """As `Store.kept_records`: decisions by their own key, so that each page costs the same."""
    if after is None:
        rows = await statements.rows(_FIRST_RECORDS, {"most": limit})
    else:
        rows = await statements.rows(
            _RECORDS_AFTER,
            {"most": limit, "after_message": after.message_id, "after_publisher": after.publisher},
        )
    found = [_kept_record(row) for row in rows if _is_kept(row) and row.decided_at <= accepted_by]
    last = rows[-1] if len(rows) == limit else None
    return found, None if last is None else MessageIdentity(last.publisher, last.message_id)


def _is_kept(row: Row[Any]) -> bool:
    return (
        row.outcome == "accepted" and row.content_salt is not None and row.wrapped_key is not None
    )


def _kept_record(row: Row[Any]) -> KeptRecord:
    subject, sealed = read_sealed_body(row, ciphertext=b"")
    return KeptRecord(
        identity=MessageIdentity(row.publisher, row.message_id),
        decided_at=row.decided_at,
        subject=subject,
        sealed=sealed,
    )


def _accepted(raw: bytes) -> MessageIdentity:
    entry = read_entry(raw)
    if not isinstance(entry, AcceptedEntry):
        raise IntegrityBroken("A stored consent names an entry that accepted no message.")
    return MessageIdentity(entry.publisher, entry.message)
