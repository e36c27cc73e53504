"""What `agreement` asks the database: rows by keys that entries name, counts of the rest."""

from sqlalchemy import bindparam, func, select, union

from adapters.store.keys import ByKeys
from adapters.store.tables import (
    acknowledgements,
    checkpoints,
    consents,
    decisions,
    deliveries,
    grants,
    holds,
    is_notice,
    is_pending,
    outboxes,
    participants,
    record_versions,
    sealed_bodies,
    sealed_views,
    subjects,
    trail_entries,
    tree_head,
)

LEADING_TO_ENTRIES = (
    decisions.c.entry_index,
    deliveries.c.entry_index,
    deliveries.c.acknowledged_entry,
    consents.c.basis_entry,
    record_versions.c.entry_index,
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
        select(sealed_bodies, subjects.c.wrapped_key, subjects.c.merged_into)
        .outerjoin(subjects, subjects.c.subject_id == sealed_bodies.c.subject_id)
        .where(among)
    ),
)
DELIVERIES = ByKeys(
    deliveries.c.delivery_id,
    lambda among: (
        select(deliveries, decisions.c.record, decisions.c.content_salt, sealed_views.c.origin_salt)
        .outerjoin(
            decisions,
            (decisions.c.message_id == deliveries.c.message_id)
            & (decisions.c.publisher == deliveries.c.publisher),
        )
        .outerjoin(sealed_views, sealed_views.c.delivery_id == deliveries.c.delivery_id)
        .where(among)
    ),
)
WAITING = ByKeys(
    deliveries.c.accepted_entry, lambda among: select(deliveries).where(among, is_pending)
)
#: How many recipients a message was numbered for; notices and broken glass come later.
NUMBERED = ByKeys(
    deliveries.c.accepted_entry,
    lambda among: (
        select(deliveries.c.accepted_entry, func.count().label("deliveries"))
        .where(among, ~is_notice, deliveries.c.basis_kind != "break-glass")
        .group_by(deliveries.c.accepted_entry)
    ),
)
CONSENTS = ByKeys(
    consents.c.basis_entry,
    lambda among: select(consents).where(among).order_by(consents.c.position),
)
VERSIONS = ByKeys(record_versions.c.record, lambda among: select(record_versions).where(among))
GRANTS = ByKeys(grants.c.grant_id, lambda among: select(grants).where(among))
STATEMENTS = ByKeys(acknowledgements.c.digest, lambda among: select(acknowledgements).where(among))
DECIDED = (
    select(func.count()).select_from(decisions).where(decisions.c.entry_index < bindparam("size"))
)
WITHOUT_SALT = (
    select(func.count())
    .select_from(decisions)
    .where(
        decisions.c.entry_index < bindparam("size"),
        decisions.c.outcome == "accepted",
        decisions.c.content_salt.is_(None),
    )
)
HELD = select(holds.c.hold_id, holds.c.authority, holds.c.placed_entry, holds.c.lifted_entry)
LET_OUT = (
    select(func.count())
    .select_from(deliveries)
    .where(~is_pending, deliveries.c.entry_index < bindparam("size"))
)
#: Those that wait and those enforced; each has to be of an entry that accepted a message. An erased
#: delivery in a view without names forgot its entry; what waits for it is only to be withheld.
KEPT = select(
    select(func.count())
    .select_from(deliveries)
    .where(is_pending, deliveries.c.accepted_entry.between(0, bindparam("size") - 1))
    .scalar_subquery()
    .label("waiting"),
    select(func.count())
    .select_from(consents)
    .where(consents.c.basis_entry < bindparam("size"))
    .scalar_subquery()
    .label("consents"),
)
#: The last that was current when it was accepted is the newest; what was erased is no version.
_NEWEST = (
    select(decisions.c.record, func.max(decisions.c.entry_index).label("entry_index"))
    .where(
        decisions.c.standing == "current",
        decisions.c.content_salt.is_not(None),
        decisions.c.entry_index < bindparam("size"),
    )
    .group_by(decisions.c.record)
    .subquery()
)
#: A row that is newer than all that is looked at was written meanwhile.
LOST_VERSIONS = (
    select(func.count())
    .select_from(_NEWEST)
    .outerjoin(record_versions, record_versions.c.record == _NEWEST.c.record)
    .where(
        record_versions.c.record.is_(None) | (record_versions.c.entry_index < _NEWEST.c.entry_index)
    )
)
STRAY_VERSIONS = (
    select(func.count())
    .select_from(record_versions)
    .outerjoin(
        decisions,
        (decisions.c.message_id == record_versions.c.message_id)
        & (decisions.c.publisher == record_versions.c.publisher)
        & (decisions.c.entry_index == record_versions.c.entry_index)
        & (decisions.c.record == record_versions.c.record)
        & (decisions.c.standing == "current"),
    )
    .where(record_versions.c.entry_index < bindparam("size"), decisions.c.message_id.is_(None))
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
