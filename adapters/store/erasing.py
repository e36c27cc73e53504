"""Destroying what an erasure names, in the transaction that records it, and what is left of it.

    subjects         the row: the wrapped key, without which no body, view or traits open
    subject_tokens   the rows: no document leads anywhere
    consents, slips  the rows
    sealed_bodies, sealed_views, record_versions    the rows of its messages
    decisions        stay, without salt and without the keyed name of the record
    deliveries       stay, each under a subject id of its own; one in a view without names also
                     forgets what it was made of, as its recipient never knew
    holds, grants    stay, each under a subject id of its own: who held, who broke the glass
    unsent           the rows of what has no content any more

docs/adr/0016-erasure.md says for each table why what stays tells nothing.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, null, select, text, update

from adapters.store.database import Database, Statements
from adapters.store.keys import ByKeys
from adapters.store.tables import (
    consents,
    decisions,
    deliveries,
    grants,
    holds,
    record_versions,
    sealed_bodies,
    sealed_views,
    slips,
    subject_tokens,
    subjects,
    unsent,
)
from exchange.errors import IntegrityBroken, Unavailable
from exchange.model import WITHOUT_NAMES, Erasure, MessageIdentity

_DECISIONS = ByKeys(decisions.c.message_id, lambda among: select(decisions).where(among))
_CLOSE_DECISION = (
    update(decisions)
    .where(
        decisions.c.message_id == bindparam("its_message"),
        decisions.c.publisher == bindparam("its_publisher"),
    )
    .values(content_salt=null(), record=null())
)
_DELETE_BODY = delete(sealed_bodies).where(
    sealed_bodies.c.message_id == bindparam("its_message"),
    sealed_bodies.c.publisher == bindparam("its_publisher"),
)
_DELETE_VERSION = delete(record_versions).where(
    record_versions.c.record == bindparam("its_record"),
    record_versions.c.message_id == bindparam("its_message"),
    record_versions.c.publisher == bindparam("its_publisher"),
)
_DELIVERIES_OF_MESSAGES = ByKeys(
    deliveries.c.accepted_entry,
    lambda among: select(
        deliveries.c.delivery_id, deliveries.c.state, deliveries.c.entry_index
    ).where(among),
)
_DELIVERIES_OF_SUBJECTS = ByKeys(
    deliveries.c.subject_id,
    lambda among: select(deliveries.c.delivery_id, deliveries.c.view).where(among),
)
_NOT_SENT = ByKeys(unsent.c.entry_index, lambda among: delete(unsent).where(among))
_DELETE_VIEWS = ByKeys(sealed_views.c.delivery_id, lambda among: delete(sealed_views).where(among))
_OF_SUBJECTS = tuple(
    ByKeys(table.c.subject_id, delete(table).where)
    for table in (subject_tokens, consents, slips, sealed_views, subjects)
)
_GRANTS = ByKeys(grants.c.subject_id, lambda among: select(grants.c.grant_id).where(among))
_HOLDS = ByKeys(holds.c.subject_id, lambda among: select(holds.c.hold_id).where(among))
_UNLINK = (
    update(deliveries)
    .where(deliveries.c.delivery_id == bindparam("its_id"))
    .values(subject_id=bindparam("of_nobody"))
)
#: Publisher, message and consent of a view without names stand in its entry under a salt that is
#: gone now, so they must not stand here.
_UNLINK_WITHOUT_NAMES = _UNLINK.values(
    publisher="",
    message_id="",
    content="",
    accepted_entry=-1,
    basis_consent="",
    basis_entry=0,
    basis_name=null(),
    superseded_by=null(),
    because=null(),
)
_UNLINK_GRANT = (
    update(grants)
    .where(grants.c.grant_id == bindparam("its_id"))
    .values(subject_id=bindparam("of_nobody"))
)
_UNLINK_HOLD = (
    update(holds)
    .where(holds.c.hold_id == bindparam("its_id"))
    .values(subject_id=bindparam("of_nobody"))
)
_WIPE = {
    # Deleted rows were overwritten in the pages (`PRAGMA secure_delete`), but the log still has the
    # pages as they were.
    "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)",
    "postgresql": "VACUUM subjects, subject_tokens, consents, slips",
}


async def carry_out(statements: Statements, erasure: Erasure) -> None:
    """Destroy it, in the transaction that holds the tree head.

    Raises:
        IntegrityBroken: there is not as much to destroy as the trail is about to say.
    """
    closed = await _readable(statements, erasure.identities)
    if len(closed) != erasure.messages:
        raise IntegrityBroken("There are not as many messages to erase as the trail would say.")
    await _erase_messages(statements, closed)
    if erasure.subject_ids:
        await _erase_subjects(statements, erasure.subject_ids)


async def wipe_leftovers(database: Database) -> None:
    """Have the database give up what it keeps of deleted rows, as far as it can be told to.

    Nothing depends on it: keys are gone once the erasure is committed. So what prevents it, such as
    somebody who is reading, is left to the database's own housekeeping.
    """
    try:
        async with database.reading() as statements:
            await statements.change(text(_WIPE[database.kind]))
    except (Unavailable, IntegrityBroken):
        return


async def _readable(statements: Statements, identities: Sequence[MessageIdentity]) -> list[Any]:
    asked = set(identities)
    return [
        row
        for row in await _DECISIONS.rows(statements, [one.message_id for one in identities])
        if (row.publisher, row.message_id) in asked and row.content_salt is not None
    ]


async def _erase_messages(statements: Statements, closed: Sequence[Any]) -> None:
    rows = await _DELIVERIES_OF_MESSAGES.rows(statements, [one.entry_index for one in closed])
    let_out = [row.entry_index for row in rows if row.state == "released"]
    await _NOT_SENT.change(statements, let_out)
    await _DELETE_VIEWS.change(statements, [row.delivery_id for row in rows])
    named = [{"its_message": one.message_id, "its_publisher": one.publisher} for one in closed]
    await _each(statements, _DELETE_BODY, named)
    await _each(
        statements,
        _DELETE_VERSION,
        [
            {
                "its_record": one.record,
                "its_message": one.message_id,
                "its_publisher": one.publisher,
            }
            for one in closed
            if one.record is not None
        ],
    )
    await _each(statements, _CLOSE_DECISION, named)


async def _erase_subjects(statements: Statements, subject_ids: Sequence[str]) -> None:
    rows = await _DELIVERIES_OF_SUBJECTS.rows(statements, subject_ids)
    nameless = [row.delivery_id for row in rows if row.view in WITHOUT_NAMES]
    others = [row.delivery_id for row in rows if row.view not in WITHOUT_NAMES]
    await _each(statements, _UNLINK_WITHOUT_NAMES, _of_nobody(nameless))
    await _each(statements, _UNLINK, _of_nobody(others))
    opened = await _GRANTS.rows(statements, subject_ids)
    await _each(statements, _UNLINK_GRANT, _of_nobody(row.grant_id for row in opened))
    placed = await _HOLDS.rows(statements, subject_ids)
    await _each(statements, _UNLINK_HOLD, _of_nobody(row.hold_id for row in placed))
    for forget in _OF_SUBJECTS:
        await forget.change(statements, subject_ids)


def _of_nobody(ids: Iterable[str]) -> list[dict[str, str]]:
    """Another random id for each row, so that no two rows tell that they were one traveller's."""
    return [{"its_id": one, "of_nobody": os.urandom(16).hex()} for one in ids]


async def _each(statements: Statements, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await statements.change(statement, rows)
