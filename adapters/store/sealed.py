"""Sealed records, and who received them: read within whatever transaction asks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Select, select

from adapters.store.database import Statements
from adapters.store.keys import ByKeys
from adapters.store.rows import (
    SELECT_DELIVERIES,
    read_delivery,
    read_sealed_body,
    read_sealed_view,
)
from adapters.store.tables import deliveries, sealed_bodies, sealed_views, subjects
from exchange.model import MessageIdentity, SealedBody, SealedView, Subject
from exchange.ports import DeliveryRow

_BODIES = ByKeys(
    sealed_bodies.c.message_id,
    lambda among: (
        select(sealed_bodies, subjects.c.wrapped_key)
        .join(subjects, subjects.c.subject_id == sealed_bodies.c.subject_id)
        .where(among)
    ),
)
_VIEWS = ByKeys(
    sealed_views.c.delivery_id,
    lambda among: (
        select(sealed_views, subjects.c.wrapped_key)
        .join(subjects, subjects.c.subject_id == sealed_views.c.subject_id)
        .where(among)
    ),
)
#: A traveller's own subject and those merged into it, by the one that stands.
_MERGED_INTO = ByKeys(
    subjects.c.merged_into,
    lambda among: select(subjects.c.subject_id, subjects.c.merged_into).where(among),
)
_SURVIVORS = ByKeys(
    subjects.c.subject_id,
    lambda among: select(subjects.c.subject_id, subjects.c.merged_into).where(among),
)


def _not_recalled(among: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    notices = deliveries.alias()
    return SELECT_DELIVERIES.where(
        among,
        deliveries.c.state == "released",
        ~select(notices.c.delivery_id)
        .where(notices.c.recalls == deliveries.c.delivery_id)
        .exists(),
    ).order_by(deliveries.c.entry_index)


_DISCLOSED = ByKeys(deliveries.c.subject_id, _not_recalled)


async def read_bodies(
    statements: Statements, identities: Sequence[MessageIdentity]
) -> dict[MessageIdentity, tuple[Subject, SealedBody]]:
    """The sealed bodies that exist, each with the subject whose key sealed it."""
    asked = set(identities)
    found = {}
    for row in await _BODIES.rows(statements, [one.message_id for one in identities]):
        identity = MessageIdentity(row.publisher, row.message_id)
        if identity in asked:
            found[identity] = read_sealed_body(row)
    return found


async def read_views(
    statements: Statements, delivery_ids: Sequence[str]
) -> dict[str, tuple[Subject, SealedView]]:
    """What the exchange made for these deliveries, with the subject whose key sealed it."""
    rows = await _VIEWS.rows(statements, delivery_ids)
    return {row.delivery_id: read_sealed_view(row) for row in rows}


async def read_disclosed(
    statements: Statements, subject_ids: Sequence[str]
) -> dict[str, list[tuple[DeliveryRow, tuple[Subject, SealedBody] | None]]]:
    """By subject asked for: what was released and not recalled, each with its sealed record."""
    of = await all_subjects(statements, subject_ids)
    rows = [read_delivery(row) for row in await _DISCLOSED.rows(statements, list(of))]
    bodies = await read_bodies(statements, list({row.pending.identity for row in rows}))
    found: dict[str, list[tuple[DeliveryRow, tuple[Subject, SealedBody] | None]]]
    found = defaultdict(list)
    for row in rows:
        stored = bodies.get(row.pending.identity)
        found[of[row.pending.subject_id]].append((row, stored))
    return dict(found)


async def all_subjects(statements: Statements, subject_ids: Sequence[str]) -> Mapping[str, str]:
    """Every subject id of these travellers, merged ones included, by the one asked for."""
    of = {one: one for one in subject_ids}
    for row in await _SURVIVORS.rows(statements, subject_ids):
        if row.merged_into is not None:
            of.setdefault(row.merged_into, row.subject_id)
    for row in await _MERGED_INTO.rows(statements, list(of)):
        of.setdefault(row.subject_id, of[row.merged_into])
    return of
