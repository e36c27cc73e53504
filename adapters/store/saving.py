"""Everything one batch writes, a statement for each table."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Insert, Table, Text, and_, bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapters.store.database import Kind, Statements
from adapters.store.erasing import carry_out
from adapters.store.grants import REVIEW, grant_values
from adapters.store.keys import ByKeys
from adapters.store.rows import (
    basis_values,
    body_values,
    consent_values,
    decision_values,
    delivery_values,
    hold_values,
    participant_values,
    policy_values,
    slip_values,
    version_values,
    view_values,
)
from adapters.store.tables import (
    acknowledgements,
    checkpoints,
    consents,
    decisions,
    deliveries,
    grants,
    holds,
    is_pending,
    outboxes,
    participants,
    policies,
    record_versions,
    sealed_bodies,
    sealed_views,
    slips,
    subject_tokens,
    subjects,
    tiles,
    trail_entries,
    tree_head,
    unsent,
)
from exchange.errors import IntegrityBroken
from exchange.model import ReleasedDelivery
from exchange.ports import RecordedBatch

_Rows = list[dict[str, Any]]


def _replacing(table: Table) -> Mapping[Kind, Insert]:
    """An insert that overwrites the row of the same key, by dialect."""
    key = list(table.primary_key.columns)
    others = [column.name for column in table.columns if not column.primary_key]
    in_postgresql, in_sqlite = postgresql.insert(table), sqlite.insert(table)
    return {
        "postgresql": in_postgresql.on_conflict_do_update(
            index_elements=key, set_={name: in_postgresql.excluded[name] for name in others}
        ),
        "sqlite": in_sqlite.on_conflict_do_update(
            index_elements=key, set_={name: in_sqlite.excluded[name] for name in others}
        ),
    }


_REPLACE_TILES = _replacing(tiles)
_REPLACE_OUTBOXES = _replacing(outboxes)
_REPLACE_PARTICIPANTS = _replacing(participants)
_REPLACE_VERSIONS = _replacing(record_versions)

#: Only from the head that was locked: a second writer would otherwise fork the trail.
_MOVE_HEAD = (
    update(tree_head)
    .where(tree_head.c.id == 1, tree_head.c.size == bindparam("grown_from"))
    .values(size=bindparam("grown_to"), last_entry_at=bindparam("at"), checkpoint=bindparam("note"))
)
_DIRECTORY_CHANGED = (
    update(tree_head)
    .where(tree_head.c.id == 1)
    .values(directory_version=bindparam("directory_changed"))
)

_STILL_WAITING = ByKeys(
    deliveries.c.delivery_id,
    lambda among: select(deliveries.c.delivery_id).where(among, is_pending),
)
_LET_OUT = (
    update(deliveries)
    .where(deliveries.c.delivery_id == bindparam("let_out"), is_pending)
    .values(
        state=bindparam("new_state"),
        entry_index=bindparam("its_entry"),
        tree_size=bindparam("its_tree"),
        basis_kind=bindparam("its_kind"),
        basis_consent=bindparam("its_consent"),
        basis_entry=bindparam("its_basis"),
        basis_name=bindparam("its_name"),
        view=bindparam("its_view"),
        superseded_by=bindparam("its_newer"),
    )
)
_ACKNOWLEDGE = ByKeys(
    deliveries.c.delivery_id,
    lambda among: (
        update(deliveries)
        .where(among, deliveries.c.acknowledged_entry.is_(None), ~is_pending)
        .values(acknowledged_entry=bindparam("its_entry"))
    ),
)

_ANSWER = (
    update(deliveries)
    .where(
        deliveries.c.delivery_id == bindparam("notice"),
        deliveries.c.state == "recalled",
        # A stronger answer may follow; `exchange.answering_recalls` says which is.
        or_(
            deliveries.c.answer.is_(None),
            and_(deliveries.c.answer == "ceased", bindparam("its_answer", type_=Text) == "deleted"),
        ),
    )
    .values(answer=bindparam("its_answer"), answered_entry=bindparam("its_entry"))
)

_LIFT = (
    update(holds)
    .where(holds.c.hold_id == bindparam("its_hold"), holds.c.lifted_entry.is_(None))
    .values(lifted_entry=bindparam("its_entry"))
)

_ORIGINS = (
    update(subjects)
    .where(subjects.c.subject_id == bindparam("whose"))
    .values(origins=bindparam("their_origins"))
)

#: The key of the merged subject stays: bodies sealed with it must still open.
_MERGES = (
    update(subjects)
    .where(
        or_(
            subjects.c.subject_id == bindparam("merged"),
            subjects.c.merged_into == bindparam("merged"),
        )
    )
    .values(merged_into=bindparam("survivor")),
    update(subject_tokens)
    .where(subject_tokens.c.subject_id == bindparam("merged"))
    .values(subject_id=bindparam("survivor")),
    update(consents)
    .where(consents.c.subject_id == bindparam("merged"))
    .values(subject_id=bindparam("survivor")),
    update(deliveries)
    .where(deliveries.c.subject_id == bindparam("merged"), is_pending)
    .values(subject_id=bindparam("survivor")),
)


async def save_batch(statements: Statements, batch: RecordedBatch) -> None:
    """Write the batch into the transaction that holds the tree head.

    Raises:
        IntegrityBroken: the head is not where the batch grew from, or a delivery is not in the
            state that the batch found it in.
    """
    await _save_trail(statements, batch)
    await _save_messages(statements, batch)
    await _save_deliveries(statements, batch)
    await _save_acknowledgements(statements, batch)
    if batch.answers:
        answered = 0
        for notice, answer, index in batch.answers:
            answered += await statements.change(
                _ANSWER, {"notice": notice, "its_answer": answer, "its_entry": index}
            )
        _require_all(answered, len(batch.answers))
    await _add(statements, grants, [grant_values(*one) for one in batch.grants])
    for grant_id, outcome, index in batch.reviews:
        asked = {"reviewed": grant_id, "its_outcome": outcome, "its_entry": index}
        _require_all(await statements.change(REVIEW, asked), 1)
    await _add(statements, policies, [policy_values(*one) for one in batch.policies])
    await _add(statements, slips, [slip_values(one) for one in batch.slips])
    for merged, survivor in batch.merges:
        for statement in _MERGES:
            await statements.change(statement, {"merged": merged, "survivor": survivor})
    if batch.participants:
        documents = {one.id: participant_values(one) for one in batch.participants}
        await _put(statements, _REPLACE_PARTICIPANTS, list(documents.values()))
        await statements.change(_DIRECTORY_CHANGED, {"directory_changed": batch.size})
    await _save_holds(statements, batch)
    # Last: it destroys what stands above too, such as the traveller's id in a notice of recall.
    for erasure in batch.erasures:
        await carry_out(statements, erasure)


async def _save_trail(statements: Statements, batch: RecordedBatch) -> None:
    if batch.first_index + len(batch.entries) != batch.size:
        raise IntegrityBroken("A batch does not grow the trail by its own entries.")
    moved = await statements.change(
        _MOVE_HEAD,
        {
            "grown_from": batch.first_index,
            "grown_to": batch.size,
            "at": batch.at,
            "note": batch.checkpoint,
        },
    )
    if moved != 1:
        raise IntegrityBroken("The trail is not where this batch grew from.")
    await _add(
        statements,
        trail_entries,
        [
            {"idx": index, "entry": entry}
            for index, entry in enumerate(batch.entries, start=batch.first_index)
        ],
    )
    await _put(
        statements,
        _REPLACE_TILES,
        [
            {"level": tile.level, "idx": tile.index, "hashes": hashes}
            for tile, hashes in batch.tiles.items()
        ],
    )
    await _add(
        statements,
        checkpoints,
        [{"size": batch.size, "note": batch.checkpoint, "signed_at": batch.at}],
    )


async def _save_messages(statements: Statements, batch: RecordedBatch) -> None:
    await _add(statements, decisions, [decision_values(one) for one in batch.decisions])
    await _add(statements, sealed_bodies, [body_values(*one) for one in batch.bodies])
    await _add(
        statements,
        subjects,
        [
            {
                "subject_id": one.subject_id,
                "wrapped_key": one.wrapped_key,
                "origins": " ".join(batch.origins.get(one.subject_id, ())),
            }
            for one in batch.subjects
        ],
    )
    new = {one.subject_id for one in batch.subjects}
    for subject_id in batch.origins.keys() - new:
        values = {"whose": subject_id, "their_origins": " ".join(batch.origins[subject_id])}
        await statements.change(_ORIGINS, values)
    await _add(
        statements,
        subject_tokens,
        [{"token": token, "subject_id": subject_id} for token, subject_id in batch.tokens],
    )
    await _add(
        statements,
        consents,
        [
            consent_values(subject_id, on_file, position)
            for position, (subject_id, on_file) in enumerate(batch.consents)
        ],
    )
    await _put(
        statements,
        _REPLACE_VERSIONS,
        [version_values(record, newest) for record, newest in batch.versions.items()],
    )


async def _save_deliveries(statements: Statements, batch: RecordedBatch) -> None:
    await _add(statements, deliveries, [delivery_values(one) for one in batch.new_deliveries])
    if batch.let_out:
        # Many updates at once do not tell how many rows they found; nobody else changes them now.
        waiting = await _STILL_WAITING.rows(
            statements, (row.pending.delivery_id for row in batch.let_out)
        )
        _require_all(len(waiting), len(batch.let_out))
        await statements.change(_LET_OUT, [_let_out_values(row) for row in batch.let_out])
    released = [
        *(row for row in batch.new_deliveries if isinstance(row, ReleasedDelivery)),
        *batch.let_out,
    ]
    await _add(
        statements,
        unsent,
        [
            {
                "entry_index": row.entry_index,
                "delivery_id": row.pending.delivery_id,
                "released_at": batch.at,
            }
            for row in released
        ],
    )
    await _add(
        statements,
        sealed_views,
        [view_values(row.pending.delivery_id, row.made.sealed) for row in released if row.made],
    )
    await _put(
        statements,
        _REPLACE_OUTBOXES,
        [
            {
                "subscriber": subscriber,
                "last_number": outbox.last_number,
                "waiting": outbox.waiting,
                "in_flight": outbox.in_flight,
            }
            for subscriber, outbox in sorted(batch.outboxes.items())
        ],
    )


async def _save_holds(statements: Statements, batch: RecordedBatch) -> None:
    await _add(statements, holds, [hold_values(one) for one in batch.holds])
    for hold_id, index in batch.lifted:
        if await statements.change(_LIFT, {"its_hold": hold_id, "its_entry": index}) != 1:
            raise IntegrityBroken("A legal hold is not in the state that it was found in.")


async def _save_acknowledgements(statements: Statements, batch: RecordedBatch) -> None:
    if batch.acknowledged:
        acknowledged = 0
        for index, delivery_ids in _acknowledging_entries(batch):
            acknowledged += await _ACKNOWLEDGE.change(statements, delivery_ids, its_entry=index)
        _require_all(acknowledged, len(batch.acknowledged))
    await _add(
        statements,
        acknowledgements,
        [
            {"digest": digest, "body": signed.body, "signature": signed.signature or ""}
            for digest, signed in batch.statements
        ],
    )


def _acknowledging_entries(batch: RecordedBatch) -> Iterable[tuple[int, list[str]]]:
    """Index and delivery ids of every `acknowledged` entry of the batch."""
    for index, raw in enumerate(batch.entries, start=batch.first_index):
        entry = json.loads(raw)
        if entry["type"] == "acknowledged":
            yield index, entry["deliveries"]


def _let_out_values(row: ReleasedDelivery) -> dict[str, Any]:
    basis = basis_values(row.pending.basis)
    return {
        "let_out": row.pending.delivery_id,
        "new_state": row.state,
        "its_entry": row.entry_index,
        "its_tree": row.tree_size,
        "its_kind": basis["basis_kind"],
        "its_consent": basis["basis_consent"],
        "its_basis": basis["basis_entry"],
        "its_name": basis["basis_name"],
        "its_view": row.pending.view,
        "its_newer": row.superseded_by,
    }


async def _add(statements: Statements, table: Table, rows: _Rows) -> None:
    if rows:
        await statements.change(_INSERTS[table], rows)


async def _put(statements: Statements, replacing: Mapping[Kind, Insert], rows: _Rows) -> None:
    if rows:
        await statements.change(replacing[statements.kind], rows)


def _require_all(changed: int, expected: int) -> None:
    if changed != expected:
        raise IntegrityBroken("A delivery is not in the state that it was found in.")


_INSERTS: Mapping[Table, Insert] = {
    table: insert(table)
    for table in (
        trail_entries,
        checkpoints,
        decisions,
        sealed_bodies,
        subjects,
        subject_tokens,
        consents,
        deliveries,
        unsent,
        acknowledgements,
        sealed_views,
        policies,
        slips,
        holds,
        grants,
    )
}
