"""What `agreement` asks the database: rows by keys that entries name, counts of the rest."""

from sqlalchemy import bindparam, func, select, union

from adapters.store.keys import ByKeys
from adapters.store.tables import (
    acknowledgements,
    checkpoints,
    decisions,
    deliveries,
    grants,
    is_notice,
    is_pending,
    outboxes,
    participants,
    sealed_bodies,
    subjects,
    trail_entries,
    tree_head,
)

LEADING_TO_ENTRIES = (
    decisions.c.entry_index,
    deliveries.c.entry_index,
    deliveries.c.acknowledged_entry,
    deliveries.c.answered_entry,
)
#: One statement, so one snapshot: what was recorded later is not looked at.
HEAD = (
    select(
        tree_head.c.size,
        tree_head.c.checkpoint,
        select(func.max(checkpoints.c.size)).scalar_subquery().label("last_checkpoint"),
        select(func.count()).select_from(trail_entries).scalar_subquery().label("entries"),
        *(
            select(func.max(column)).scalar_subquery().label(f"last_{column}")
            for column in LEADING_TO_ENTRIES
        ),
        participants.c.id,
        participants.c.document,
    )
    .outerjoin_from(tree_head, participants, participants.c.id.is_not(None))
    .where(tree_head.c.id == 1)
)
NOTE = select(checkpoints.c.note).where(checkpoints.c.size == bindparam("size"))
ENTRIES = (
    select(trail_entries.c.idx, trail_entries.c.entry)
    .where(trail_entries.c.idx >= bindparam("start"), trail_entries.c.idx < bindparam("end"))
    .order_by(trail_entries.c.idx)
)
DECISIONS = ByKeys(decisions.c.message_id, lambda among: select(decisions).where(among))
BODIES = ByKeys(
    sealed_bodies.c.message_id,
    lambda among: (
        select(sealed_bodies, subjects.c.wrapped_key)
        .outerjoin(subjects, subjects.c.subject_id == sealed_bodies.c.subject_id)
        .where(among)
    ),
)
DELIVERIES = ByKeys(deliveries.c.delivery_id, lambda among: select(deliveries).where(among))
GRANTS = ByKeys(grants.c.grant_id, lambda among: select(grants).where(among))
STATEMENTS = ByKeys(acknowledgements.c.digest, lambda among: select(acknowledgements).where(among))
DECIDED = (
    select(func.count()).select_from(decisions).where(decisions.c.entry_index < bindparam("size"))
)
LET_OUT = (
    select(func.count())
    .select_from(deliveries)
    .where(~is_pending, deliveries.c.entry_index < bindparam("size"))
)
ANSWERED = (
    select(func.count())
    .select_from(deliveries)
    .where(is_notice, deliveries.c.answered_entry < bindparam("size"))
)
_PROVEN_BY = union(select(decisions.c.tree_size), select(deliveries.c.tree_size)).subquery()
LACKING_CHECKPOINTS = (
    select(_PROVEN_BY.c.tree_size)
    .outerjoin(checkpoints, checkpoints.c.size == _PROVEN_BY.c.tree_size)
    .where(_PROVEN_BY.c.tree_size <= bindparam("size"), checkpoints.c.size.is_(None))
    .order_by(_PROVEN_BY.c.tree_size)
)
MISCOUNTED = (
    select(func.count())
    .select_from(outboxes)
    .outerjoin(
        _COUNTED := (
            select(
                deliveries.c.subscriber,
                func.count().label("all"),
                func.max(deliveries.c.number).label("last"),
            )
            .group_by(deliveries.c.subscriber)
            .subquery()
        ),
        _COUNTED.c.subscriber == outboxes.c.subscriber,
    )
    .where(
        (outboxes.c.last_number != func.coalesce(_COUNTED.c.all, 0))
        | (outboxes.c.last_number != func.coalesce(_COUNTED.c.last, 0))
    )
)
