"""The `Store` port over every database: the newest version of each record."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from adapters.store.database import Database
from adapters.store.migrate import migrate, newest_revision, schema_revision
from adapters.store.store import SqlStore
from exchange.facts import Facts
from exchange.model import NewestVersion
from tests.contract.recorded_world import (
    NOW,
    REGISTRIES,
    SIGNER,
    VAULT,
    accept,
    accepted,
    consent,
    facts_for,
    let_out,
    message,
    recording_on,
    refused,
)

KZ, _ = REGISTRIES
RECORD, OTHER = b"\x00" * 31 + b"\x01", b"\xff" * 32
EARLIER = NOW - timedelta(hours=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def url(request, tmp_path):
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path / 'store.db'}"
    else:
        found = request.getfixturevalue("fresh_database")
    await migrate(found)
    return found


@pytest.fixture
async def store(url):
    opened = await SqlStore.open(url)
    yield opened
    await opened.close()


def version(at, record=RECORD, **others):
    return message("id|1", consents=[consent()], record=record, version_at=at, **others)


async def newest(store, *records):
    async with store.locked() as trail:
        return (await trail.facts_about(records=records)).versions


async def test_the_newest_version_is_found_by_its_record(store):
    at = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    opened = version(at)
    await accept(store, opened, version(EARLIER, OTHER))
    decision = await store.decision(opened.identity)
    body = (await store.sealed_bodies([opened.identity]))[opened.identity]

    assert await newest(store, RECORD, b"none") == {
        RECORD: NewestVersion(
            version_at=at,
            entry_index=decision.entry_index,
            identity=opened.identity,
            subject_id=body[0].subject_id,
        )
    }
    assert set(await newest(store, RECORD, OTHER)) == {RECORD, OTHER}
    assert await newest(store) == {}


async def test_it_is_replaced_by_a_newer_one_and_kept_by_a_stale_one(store):
    await accept(store, version(EARLIER))
    newer = version(NOW)
    await accept(store, newer)
    stale = version(EARLIER)
    await accept(store, stale)

    assert (await newest(store, RECORD))[RECORD].identity == newer.identity
    assert (await store.decision(newer.identity)).standing == "current"
    assert (await store.decision(stale.identity)).standing == "superseded"


async def test_of_two_in_one_batch_the_newer_is_kept(store):
    first, second, third = version(EARLIER), version(NOW), version(EARLIER)
    await accept(store, first, second, third)

    assert (await newest(store, RECORD))[RECORD].identity == second.identity


async def test_a_decision_comes_back_with_its_standing(store):
    opened, other = version(NOW), message("id|2")
    refusal = refused()
    batch = await accept(store, opened, other, refusals=[refusal])

    for recorded in batch.decisions:
        assert await store.decision(recorded.identity) == recorded
    standings = [(one.record, one.standing) for one in batch.decisions]
    assert standings == [(RECORD, "current"), (None, None), (None, None)]


async def test_deliveries_come_back_with_their_standing(store):
    batch = await accept(store, version(NOW), version(EARLIER), message("id|1"))
    rows = await store.delivery_rows(KZ, after=0, limit=9)

    place = batch.decisions[0].entry_index
    assert [row.released.superseded_by for row in rows] == [None, place, None]
    assert [row.released.standing for row in rows] == ["current", "superseded", None]
    recorded = {one.pending.delivery_id: one for one in batch.new_deliveries}
    assert all(row.released == recorded[row.pending.delivery_id] for row in rows)


async def test_a_waiting_delivery_keeps_its_record_and_is_marked_when_let_out(store):
    await accept(store, version(EARLIER), windows=dict.fromkeys(REGISTRIES, 0))
    newer = await accept(store, version(NOW), windows=dict.fromkeys(REGISTRIES, 0))
    async with store.locked() as trail:
        assert [one.record for one in await trail.waiting(KZ, 9)] == [RECORD, RECORD]
    batch = await let_out(store, KZ, 9)

    place = newer.decisions[0].entry_index
    assert [one.superseded_by for one in batch.let_out] == [place, None]
    rows = await store.delivery_rows(KZ, after=0, limit=9)
    assert [row.released for row in rows] == list(batch.let_out)


async def test_leaving_without_commit_leaves_the_newest_as_it_was(store):
    first = version(EARLIER)
    await accept(store, first)
    async with store.locked() as trail:
        opened = version(NOW)
        recording = recording_on(trail, await facts_for(trail, [opened]))
        recording.accept(accepted(opened), VAULT)
        await trail.save(recording.close(SIGNER))

    assert (await newest(store, RECORD))[RECORD].identity == first.identity


async def test_many_records_are_asked_for_and_written_at_once(store):
    records = [number.to_bytes(32, "big") for number in range(1500)]
    async with store.locked() as trail:
        recording = recording_on(trail, Facts())
        for record in records:
            recording.accept(accepted(version(NOW, record), registries=()), VAULT)
        await trail.save(recording.close(SIGNER))
        await trail.commit()

    assert set(await newest(store, *records, *records)) == set(records)


#: Undoes migration 0003.
_WITHOUT_RIGHTS = (
    *(f"DROP TABLE {name}" for name in ("sealed_views", "policies", "holds", "slips", "grants")),
    "DROP INDEX deliveries_subjects",
    "DROP INDEX deliveries_recalls",
    "ALTER TABLE sealed_bodies DROP COLUMN traits",
    "ALTER TABLE subjects DROP COLUMN origins",
    *(
        f"ALTER TABLE deliveries DROP COLUMN {name}"
        for name in (
            "view", "basis_kind", "basis_name", "recalls", "cause", "deadline", "because",
            "answer", "answered_entry",
        )
    ),
    "CREATE INDEX deliveries_waiting_subjects ON deliveries (subject_id) WHERE state = 'pending'",
)  # fmt: skip


async def test_a_store_of_the_schema_before_keeps_what_it_has(url, store):
    """As a store that never knew versions: what was accepted then has no standing."""
    before = message("id|1", consents=[consent()])
    batch = await accept(store, before, windows={**dict.fromkeys(REGISTRIES, 0), KZ: 1})
    database = Database(url)
    async with database.writing() as statements:
        for statement in (
            *_WITHOUT_RIGHTS,
            "DROP TABLE record_versions",
            "ALTER TABLE decisions DROP COLUMN record",
            "ALTER TABLE decisions DROP COLUMN standing",
            "ALTER TABLE deliveries DROP COLUMN superseded_by",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            await statements.change(text(statement))
        await statements.commit()
    await database.close()
    await migrate(url)

    assert await schema_revision(url) == newest_revision()
    opened = await SqlStore.open(url)
    assert await opened.decision(before.identity) == batch.decisions[0]
    let = await let_out(opened, REGISTRIES[1], 9)
    assert [one.standing for one in let.let_out] == [None]
    await accept(opened, version(NOW))
    assert (await newest(opened, RECORD))[RECORD].version_at == NOW
    await opened.close()
