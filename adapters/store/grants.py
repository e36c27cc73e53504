"""Broken glass, and the records that it may show: read within whatever transaction asks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from adapters.store.database import Statements
from adapters.store.keys import ByKeys
from adapters.store.rows import SELECT_DELIVERIES, read_pending
from adapters.store.sealed import all_subjects, read_bodies
from adapters.store.tables import deliveries, grants
from exchange.model import Grant, MessageIdentity, PendingDelivery
from exchange.ports import RecordOnFile

SELECT_GRANTS = select(grants).order_by(grants.c.opened_entry)
SELECT_UNREVIEWED = SELECT_GRANTS.where(grants.c.outcome.is_(None))
GRANTS_BY_ID = ByKeys(grants.c.grant_id, lambda among: select(grants).where(among))
REVIEW = (
    update(grants)
    .where(grants.c.grant_id == bindparam("reviewed"), grants.c.outcome.is_(None))
    .values(outcome=bindparam("its_outcome"), reviewed_entry=bindparam("its_entry"))
)
#: Every record that was accepted was meant for somebody, so its deliveries lead to it.
_DELIVERIES_ABOUT = ByKeys(
    deliveries.c.subject_id,
    lambda among: SELECT_DELIVERIES.where(among, deliveries.c.recalls.is_(None)).order_by(
        deliveries.c.accepted_entry, deliveries.c.number
    ),
)


def grant_values(grant: Grant, opened_entry: int) -> dict[str, Any]:
    """The row of a grant that is opened by that entry."""
    return {
        "grant_id": grant.grant_id,
        "participant": grant.participant,
        "subject_id": grant.subject_id,
        "reason": grant.reason,
        "approver": grant.approver,
        "opened_entry": opened_entry,
        "opened_at": grant.opened_at,
        "until": grant.until,
    }


def read_grant(row: Row[Any]) -> Grant:
    """The grant of a row."""
    return Grant(
        grant_id=row.grant_id,
        participant=row.participant,
        subject_id=row.subject_id,
        reason=row.reason,
        approver=row.approver,
        opened_at=row.opened_at,
        until=row.until,
        outcome=row.outcome,
    )


async def read_grants(statements: Statements, grant_ids: Sequence[str]) -> dict[str, Grant]:
    """Those of these grants that exist."""
    rows = await GRANTS_BY_ID.rows(statements, grant_ids)
    return {row.grant_id: read_grant(row) for row in rows}


async def read_records_about(
    statements: Statements, subject_ids: Sequence[str]
) -> Sequence[RecordOnFile]:
    """Each record about these travellers whose body is kept, in the order of acceptance.

    It comes in the form of one of its deliveries, under the subject that was asked for.
    """
    of: Mapping[str, str] = await all_subjects(statements, subject_ids)
    found: dict[MessageIdentity, PendingDelivery] = {}
    for row in await _DELIVERIES_ABOUT.rows(statements, list(of)):
        pending = read_pending(row)
        own = replace(pending, subject_id=of[pending.subject_id])
        found.setdefault(pending.identity, own)
    bodies = await read_bodies(statements, list(found))
    return [
        RecordOnFile(pending=pending, subject=bodies[identity][0], sealed=bodies[identity][1])
        for identity, pending in found.items()
        if identity in bodies
    ]
