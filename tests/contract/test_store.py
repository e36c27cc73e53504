"""The `Store` port over every database: what it keeps, what it finds, and who waits for whom."""

import asyncio
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adapters.store.database import Database
from adapters.store.migrate import migrate
from adapters.store.store import SqlStore
from exchange.errors import IntegrityBroken
from exchange.facts import Facts
from exchange.model import MessageIdentity, Outbox, PendingDelivery, ReleasedDelivery
from exchange.proving import ProofDesk
from exchange.signing import SigningKey
from exchange.trail.checkpoint import open_checkpoint
from exchange.trail.tiles import TileId, right_edge, tree_root
from schemas.consent.rule import Span
from schemas.participant import Participant
from tests.contract.recorded_world import (
    NOW,
    REGISTRIES,
    SIGNER,
    VAULT,
    accept,
    accepted,
    acknowledge,
    consent,
    facts_for,
    let_out,
    message,
    recording_on,
    refused,
)

KZ, TJ = REGISTRIES


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


@pytest.fixture
async def other(url):
    """A second process on the same database."""
    opened = await SqlStore.open(url)
    yield opened
    await opened.close()


def naive_root(entries):
    """RFC 6962, 2.1, word for word."""
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = naive_root(entries[:split]), naive_root(entries[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def participant(name="registry:kz", **others):
    jwk = {**SigningKey.generate("Ed25519").public_jwk(), "kid": "k-1"}
    return Participant.model_validate(
        {
            "id": name,
            "name": "Қазақстан тізілімі",
            "jurisdiction": "KZ",
            "roles": ["subscriber"],
            "purposes": ["PUBHLTH"],
            "keys": [
                {
                    "jwk": jwk,
                    "valid_from": "2026-01-01T00:00:00Z",
                    "valid_until": "2027-01-01T00:00:00.000001+05:00",
                }
            ],
            **others,
        }
    )


async def change_directory(store, *documents):
    async with store.locked() as trail:
        recording = recording_on(trail, Facts())
        for document in documents:
            recording.append("participant-admitted", participant=document.id, document="A" * 43)
            recording.change_participant(document)
        batch = recording.close(SIGNER)
        await trail.save(batch)
        await trail.commit()
    return batch


# --- the transaction -----------------------------------------------------------------------------


async def test_a_new_store_is_empty(store):
    async with store.locked() as trail:
        assert trail.head.size == 0
        assert trail.head.last_entry_at is None
        assert trail.head.edge == {}
        assert await trail.participants() == []
        assert await trail.facts_about(identities=[MessageIdentity("a", "b")]) == Facts()
    assert await store.checkpoint() is None
    assert await store.participants() == (0, [])
    assert await store.entries(0, 10) == []


async def test_what_is_committed_is_seen_by_everybody(store, other):
    batch = await accept(store, message("id|1", consents=[consent()]))
    assert await other.entries(0, 100) == batch.entries
    assert await other.checkpoint() == (batch.size, batch.checkpoint)
    async with other.locked() as trail:
        assert trail.head.size == batch.size
        assert trail.head.last_entry_at == batch.at


async def test_leaving_without_commit_leaves_nothing(store, other):
    first = await accept(store, message("id|1"))
    opened = message("id|2", consents=[consent()])
    async with store.locked() as trail:
        recording = recording_on(trail, await facts_for(trail, [opened]))
        recording.accept(accepted(opened), VAULT)
        await trail.save(recording.close(SIGNER))
    for one in (store, other):
        assert await one.entries(0, 100) == first.entries
        assert await one.decision(opened.identity) is None
        assert await one.sealed_bodies([opened.identity]) == {}
        assert await one.checkpoint_sizes(0, 10) == [first.size]
    again = await accept(store, opened)
    assert again.first_index == first.size


async def test_an_error_inside_leaves_nothing_and_is_not_renamed(store):
    async def fail_after_saving():
        async with store.locked() as trail:
            opened = message("id|2")
            recording = recording_on(trail, await facts_for(trail, [opened]))
            recording.accept(accepted(opened), VAULT)
            await trail.save(recording.close(SIGNER))
            raise OSError("ours")

    with pytest.raises(OSError, match="ours"):
        await fail_after_saving()
    assert await store.entries(0, 10) == []


async def test_nothing_is_visible_before_the_commit(store, other):
    opened = message("id|1")
    async with store.locked() as trail:
        recording = recording_on(trail, await facts_for(trail, [opened]))
        recording.accept(accepted(opened), VAULT)
        await trail.save(recording.close(SIGNER))
        assert await store.decision(opened.identity) is None
        assert await other.entries(0, 10) == []


async def test_tasks_and_processes_take_turns(store, other):
    """Each appends to the head that the one before left: no entry is lost, none comes twice."""
    messages = [message(f"id|{number}") for number in range(16)]
    await asyncio.gather(
        *(accept((store, other)[number % 2], one) for number, one in enumerate(messages))
    )
    entries = await store.entries(0, 1000)
    _, note = await store.checkpoint()
    checkpoint = open_checkpoint(note, SIGNER.verifier)
    # The log's first entry, and for each message its decision and two releases.
    assert checkpoint.size == len(entries) == 1 + len(messages) * 3
    assert checkpoint.root == naive_root(entries)
    numbers = [row.pending.number for row in await other.delivery_rows(KZ, after=0, limit=100)]
    assert numbers == list(range(1, len(messages) + 1))


@pytest.mark.parametrize("pair", ["tasks", "processes"])
async def test_the_second_waits_until_the_first_has_ended(store, other, pair):
    order = []
    holds, may_end = asyncio.Event(), asyncio.Event()

    async def first():
        async with store.locked():
            order.append("first begins")
            holds.set()
            await may_end.wait()
            order.append("first ends")

    async def second():
        await holds.wait()
        async with (store if pair == "tasks" else other).locked():
            order.append("second begins")

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        waiting = group.create_task(second())
        await holds.wait()
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        may_end.set()
    assert order == ["first begins", "first ends", "second begins"]


async def test_a_batch_must_grow_from_the_locked_head(store):
    opened = message("id|1")
    async with store.locked() as trail:
        recording = recording_on(trail, await facts_for(trail, [opened]))
        recording.accept(accepted(opened), VAULT)
        stale = recording.close(SIGNER)
    await accept(store, message("id|2"))
    async with store.locked() as trail:
        with pytest.raises(IntegrityBroken):
            await trail.save(stale)
    async with store.locked() as trail:
        recording = recording_on(trail, Facts())
        recording.append("exchange-started", role="worker")
        batch = recording.close(SIGNER)
        with pytest.raises(IntegrityBroken):
            await trail.save(replace(batch, size=batch.size + 1))


async def test_a_head_that_moved_under_the_lock_stops_the_batch(store, url):
    """As if the lock had failed: the update itself still sees where the trail is."""
    first = await accept(store, message("id|1"))
    async with store.locked() as trail:
        recording = recording_on(trail, Facts())
        recording.append("exchange-started", role="worker")
        batch = recording.close(SIGNER)
        with pytest.raises(IntegrityBroken):
            await trail.save(replace(batch, first_index=first.size + 5, size=first.size + 6))


async def test_the_same_identity_is_decided_once(store):
    opened = message("id|1")
    await accept(store, opened)
    async with store.locked() as trail:
        recording = recording_on(trail, Facts())
        recording.refuse(refused(opened.identity.message_id))
        with pytest.raises(IntegrityBroken):
            await trail.save(recording.close(SIGNER))
    assert (await store.decision(opened.identity)).outcome == "accepted"


async def test_a_delivery_number_is_given_once(store):
    await accept(store, message("id|1"))
    async with store.locked() as trail:
        opened = message("id|2")
        facts = await facts_for(trail, [opened])
        facts.outboxes[KZ] = Outbox()
        recording = recording_on(trail, facts)
        recording.accept(accepted(opened), VAULT)
        with pytest.raises(IntegrityBroken):
            await trail.save(recording.close(SIGNER))


async def test_cancelled_while_waiting_for_the_lock(store):
    async with store.locked():
        waiting = asyncio.create_task(accept(store, message("id|1")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await accept(store, message("id|2"))
    assert len(await store.entries(0, 10)) == 4


async def test_cancelled_at_any_step_a_batch_is_there_entirely_or_not_at_all(store):
    for steps in range(0, 60, 3):
        opened = message(f"id|{steps}")
        task = asyncio.create_task(accept(store, opened))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        decision = await store.decision(opened.identity)
        bodies = await store.sealed_bodies([opened.identity])
        assert (decision is None) == (not bodies)
        assert task.cancelled() or decision is not None
    await accept(store, message("id|last"))
    entries = await store.entries(0, 1000)
    _, note = await store.checkpoint()
    assert open_checkpoint(note, SIGNER.verifier).root == naive_root(entries)


# --- the trail -----------------------------------------------------------------------------------


async def test_tiles_give_the_roots_of_all_checkpoints(store, other):
    """Across a full tile, and with another process growing the tree in between."""
    await accept(store, *(message(f"a|{number}") for number in range(80)))
    await accept(other, *(message(f"b|{number}") for number in range(30)))
    await accept(store, *(message(f"c|{number}") for number in range(3)))
    entries = await store.entries(0, 1000)
    sizes = await store.checkpoint_sizes(0, 10)
    assert sizes == [241, 331, 340]
    assert await store.checkpoint_sizes(241, 1) == [331]
    for size in sizes:
        _, note = await store.checkpoint(size)
        tiles = await store.tiles(right_edge(size))
        expected = naive_root(entries[:size])
        assert open_checkpoint(note, SIGNER.verifier).root == expected
        assert tree_root(size, tiles) == expected
    assert await store.checkpoint(5) is None
    assert await store.tiles([TileId(0, 7), TileId(5, 0)]) == {}


async def test_an_edge_is_remembered_only_for_the_very_same_tree(store, other):
    await accept(store, message("id|1"))
    async with store.locked() as trail:
        remembered = trail.head
    async with other.locked() as trail:
        assert trail.head == remembered
        assert set(trail.head.edge) == set(right_edge(trail.head.size))


async def test_ranges_of_entries(store):
    batch = await accept(store, message("id|1"), message("id|2"))
    assert await store.entries(2, 3) == batch.entries[2:5]
    assert await store.entries(batch.size, 3) == []
    assert await store.entries_at([3, 0, 99, 3]) == {0: batch.entries[0], 3: batch.entries[3]}


async def test_entries_of_one_message(store):
    mine = message("id|1", message_id="m-mine", consents=[consent()])
    same_id = message("id|2", message_id="m-mine", publisher="poe:kg:oss")
    first = await accept(store, mine, message("id|3"), same_id, windows={KZ: 2, TJ: 1000})
    await accept(store, message("id|4"))
    later = await let_out(store, KZ, 10)
    rows = await store.delivery_rows(KZ, after=0, limit=10)
    delivered = {row.pending.identity: row.pending.delivery_id for row in rows}
    signed = await acknowledge(store, KZ, [delivered[mine.identity]], digest="B" * 43)
    entries = [json.loads(entry) for entry in await store.entries(0, 1000)]
    ids = {
        row.pending.delivery_id
        for row in [*rows, *await store.delivery_rows(TJ, after=0, limit=10)]
        if row.pending.identity.message_id == "m-mine"
    }
    expected = [
        index
        for index, entry in enumerate(entries)
        if entry.get("message") == "m-mine"
        or entry.get("delivery") in ids
        or (entry["type"] == "acknowledged" and ids & set(entry["deliveries"]))
    ]
    found = await store.message_entries("m-mine")
    assert [index for index, _ in found] == expected
    assert [json.loads(entry) for _, entry in found] == [entries[index] for index in expected]
    kinds = [entries[index]["type"] for index in expected]
    assert set(kinds) == {"accepted", "released", "withheld", "acknowledged"}
    assert first.size < later.size < signed.size
    assert await store.message_entries("m-none") == []


# --- facts ---------------------------------------------------------------------------------------


async def test_facts_are_what_was_recorded(store):
    opened = message("id|1", "id|2", consents=[consent("|a"), consent("|b", permits=False)])
    batch = await accept(store, opened, refusals=[refused()])
    asked = [opened.identity, refused().identity, MessageIdentity("poe:kg:oss", "m-refused")]
    async with store.locked() as trail:
        facts = await trail.facts_about(
            identities=asked,
            tokens=[*opened.subject_tokens, b"unknown"],
            subject_ids=["unknown"],
            subscribers=[KZ, "registry:none"],
        )
    assert facts.standing == {one.identity: one for one in batch.decisions}
    assert facts.subjects == dict.fromkeys(opened.subject_tokens, batch.subjects[0])
    assert facts.consents == {
        batch.subjects[0].subject_id: [on_file for _, on_file in batch.consents]
    }
    assert facts.outboxes == {KZ: Outbox(last_number=1, waiting=0, in_flight=1)}


async def test_many_keys_at_once(store):
    """More than a statement of either database takes as single parameters."""
    opened = message("id|1")
    await accept(store, opened)
    many = [MessageIdentity("poe:kz:ala", f"n-{number}") for number in range(70_000)]
    async with store.locked() as trail:
        facts = await trail.facts_about(identities=[*many, opened.identity])
    assert set(facts.standing) == {opened.identity}


async def test_travellers_that_turn_out_to_be_one(store):
    """First a-b-c apart; then a=b, then b's document meets c: all lead to one subject."""
    one = message("doc|a", consents=[consent("|a")])
    two = message("doc|b", consents=[consent("|b")])
    three = message("doc|c", consents=[consent("|c")])
    first = await accept(store, one, two, three, windows={KZ: 1, TJ: 1000})
    apart = {subject.subject_id for subject in first.subjects}
    assert len(apart) == 3
    await accept(store, message("doc|a", "doc|b"), windows={KZ: 1, TJ: 1000})
    merged = await accept(store, message("doc|b", "doc|c"), windows={KZ: 1, TJ: 1000})
    tokens = [*one.subject_tokens, *two.subject_tokens, *three.subject_tokens]
    async with store.locked() as trail:
        facts = await trail.facts_about(tokens=tokens, subject_ids=sorted(apart))
        waiting = await trail.waiting(KZ, 100)
    survivor = merged.merges[-1][1]
    assert {subject.subject_id for subject in facts.subjects.values()} == {survivor}
    assert set(facts.consents) == apart
    for found in facts.consents.values():
        assert [on_file.statement.identity for on_file in found] == ["|a", "|b", "|c"]
    assert {one.subject_id for one in waiting} == {survivor}
    bodies = await store.sealed_bodies([one.identity for one in (one, two, three)])
    assert {subject.subject_id for subject, _ in bodies.values()} == apart
    assert all(VAULT.open(*stored) == b"{}" for stored in bodies.values())


async def test_merged_within_the_batch_that_made_them(store):
    batch = await accept(
        store,
        message("doc|a", consents=[consent("|a")]),
        message("doc|b", consents=[consent("|b")]),
        message("doc|a", "doc|b"),
    )
    assert len(batch.merges) == 1
    async with store.locked() as trail:
        facts = await trail.facts_about(tokens=message("doc|a", "doc|b").subject_tokens)
    assert len(facts.known_subjects(message("doc|a", "doc|b").subject_tokens)) == 1
    assert [len(found) for found in facts.consents.values()] == [2]


_TEXTS = st.text(st.characters(), max_size=20)
_TIMES = st.none() | st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@example(
    identity="\x00\ud800",
    text="\x00\udfff",
    given_at=NOW + timedelta(microseconds=1),
    not_before=None,
    names=("\x00",),
    body=b"\x00",
)
@given(
    identity=_TEXTS,
    text=_TEXTS,
    given_at=_TIMES.filter(bool),
    not_before=_TIMES,
    names=st.lists(_TEXTS, max_size=3).map(tuple),
    body=st.binary(max_size=50),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_was_recorded_comes_back_equal(
    round_trip, identity, text, given_at, not_before, names, body
):
    """Any character, NUL and lone surrogates too, and every microsecond."""
    period = Span(not_before, None)
    statement = consent(identity, given_at=given_at, period=period, recipients=names)
    opened = message(
        f"doc|{identity.encode('utf-8', 'replace').hex()}x", consents=[statement], body=body
    )
    refusal = refused(f"r-{opened.identity.message_id}", text=text)

    async def check(store):
        batch = await accept(store, opened, refusals=[refusal])
        assert [await store.decision(one.identity) for one in batch.decisions] == batch.decisions
        stored = (await store.sealed_bodies([opened.identity]))[opened.identity]
        assert VAULT.open(*stored) == body
        async with store.locked() as trail:
            facts = await trail.facts_about(tokens=opened.subject_tokens)
        assert [on_file for _, on_file in batch.consents] == next(iter(facts.consents.values()))[
            -1:
        ]
        rows = await store.delivery_rows(KZ, after=0, limit=1000)
        assert rows[-1].released in batch.new_deliveries

    round_trip(check)


@pytest.fixture
def round_trip(url):
    """Run a check on the store from a test that is not a coroutine."""

    async def checked(check):
        store = await SqlStore.open(url)
        try:
            await check(store)
        finally:
            await store.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        yield lambda check: thread.submit(asyncio.run, checked(check)).result()


# --- deliveries ----------------------------------------------------------------------------------


async def test_what_waits_is_let_out_in_the_order_of_its_numbers(store):
    messages = [message(f"id|{number}", consents=[consent()]) for number in range(12)]
    batch = await accept(store, *messages, windows={KZ: 3, TJ: 1000})
    async with store.locked() as trail:
        waiting = await trail.waiting(KZ, 5)
        assert await trail.waiting(TJ, 5) == []
    new = [one for one in batch.new_deliveries if isinstance(one, PendingDelivery)]
    assert waiting == new[:5]
    assert [one.number for one in waiting] == [4, 5, 6, 7, 8]
    assert [row.pending.number for row in await store.delivery_rows(KZ, after=0, limit=9)] == [
        1,
        2,
        3,
    ]
    assert await store.subscribers_with_room({KZ: 3, TJ: 1000}) == []
    assert await store.subscribers_with_room({KZ: 4, TJ: 1000}) == [KZ]
    assert await store.subscribers_with_room({TJ: 1000}) == []
    later = await let_out(store, KZ, 9)
    assert await store.subscribers_with_room({KZ: 100}) == []
    rows = await store.delivery_rows(KZ, after=3, limit=100)
    assert [row.released for row in rows] == list(later.let_out)
    assert [row.pending.number for row in await store.delivery_rows(KZ, after=2, limit=2)] == [3, 4]


async def test_a_basis_that_is_gone_is_withheld_and_the_number_stays(store):
    batch = await accept(
        store, message("id|1", consents=[consent()]), message("id|2"), windows={KZ: 1, TJ: 9}
    )
    waiting = [one for one in batch.new_deliveries if isinstance(one, PendingDelivery)]
    later = await let_out(store, KZ, 9)
    (row,) = await store.delivery_rows(KZ, after=1, limit=9)
    assert row.released == later.let_out[0]
    assert row.released.state == "withheld"
    assert row.pending.number == waiting[0].number == 2


async def test_a_delivery_is_let_out_once(store):
    await accept(store, message("id|1"), message("id|2"), windows={KZ: 1, TJ: 9})
    later = await let_out(store, KZ, 9)
    async with store.locked() as trail:
        recording = recording_on(trail, await trail.facts_about(subscribers=[KZ]))
        recording.let_out(later.let_out[0].pending)
        with pytest.raises(IntegrityBroken):
            await trail.save(recording.close(SIGNER))


async def test_the_locked_trail_shows_deliveries_in_every_state(store):
    batch = await accept(
        store, message("id|1", consents=[consent()]), message("id|2"), windows={KZ: 1, TJ: 9}
    )
    ids = [
        (one.pending if isinstance(one, ReleasedDelivery) else one).delivery_id
        for one in batch.new_deliveries
    ]
    salts = {one.identity: one.content_salt for one in batch.decisions}
    async with store.locked() as trail:
        rows = await trail.deliveries([*ids, "unknown"])
    assert set(rows) == set(ids)
    for made in batch.new_deliveries:
        released = made if isinstance(made, ReleasedDelivery) else None
        pending = made.pending if isinstance(made, ReleasedDelivery) else made
        row = rows[pending.delivery_id]
        assert (row.pending, row.released, row.acknowledged) == (pending, released, False)
        assert row.content_salt == salts[pending.identity]


async def test_acknowledged_once_and_the_statement_is_kept(store):
    await accept(store, message("id|1", consents=[consent()]), message("id|2"))
    rows = await store.delivery_rows(KZ, after=0, limit=9)
    ids = [row.pending.delivery_id for row in rows]
    await acknowledge(store, KZ, ids[:1], digest="C" * 43, body=b"\x00signed")
    after = await store.delivery_rows(KZ, after=0, limit=9)
    assert [row.acknowledged for row in after] == [True, False]
    assert await store.statement("C" * 43) == (b"\x00signed", "e30..YWNr")
    assert await store.statement("D" * 43) is None
    with pytest.raises(IntegrityBroken):
        await acknowledge(store, KZ, ids, digest="E" * 43)
    async with store.locked() as trail:
        facts = await trail.facts_about(subscribers=[KZ])
    assert facts.outboxes[KZ] == Outbox(last_number=2, waiting=0, in_flight=1)


async def test_what_waits_cannot_be_acknowledged(store):
    batch = await accept(store, message("id|1"), message("id|2"), windows={KZ: 1, TJ: 9})
    waiting = [one for one in batch.new_deliveries if isinstance(one, PendingDelivery)]
    with pytest.raises(IntegrityBroken):
        await acknowledge(store, KZ, [waiting[0].delivery_id], digest="C" * 43)


async def test_unsent_until_marked(store):
    """Released and withheld ones; those that wait are not sent at all."""
    first = await accept(
        store, message("id|1", consents=[consent()]), message("id|2"), windows={KZ: 1, TJ: 9}
    )
    later = await let_out(store, KZ, 9, now=NOW + timedelta(minutes=1))
    soon, all_time = NOW + timedelta(seconds=1), NOW + timedelta(hours=1)
    released = [one for one in first.new_deliveries if isinstance(one, ReleasedDelivery)]
    assert await store.unsent(released_before=NOW, limit=9) == []
    rows = await store.unsent(released_before=soon, limit=9)
    assert [row.released for row in rows] == released
    rows = await store.unsent(released_before=all_time, limit=9)
    assert [row.released for row in rows] == [*released, *later.let_out]
    assert len(await store.unsent(released_before=all_time, limit=2)) == 2
    sent = [row.pending.delivery_id for row in rows[1:]]
    await store.mark_sent([*sent, "unknown"], all_time)
    await store.mark_sent(sent, all_time)
    await store.mark_sent([], all_time)
    assert await store.unsent(released_before=all_time, limit=9) == rows[:1]


async def test_stored_deliveries_and_receipts_prove_themselves(store):
    """The proof desk finds all it needs: entries, tiles, checkpoints, bodies and salts."""
    opened = message("id|1", consents=[consent()], body=b'{"resourceType": "Bundle"}')
    await accept(store, opened, *(message(f"o|{number}") for number in range(90)))
    await accept(store, *(message(f"p|{number}") for number in range(90)))
    desk = ProofDesk(store=store, vault=VAULT)
    rows = await store.delivery_rows(KZ, after=0, limit=200)
    deliveries = await desk.deliveries_of(rows)
    assert len(deliveries) == len(rows) == 181
    assert deliveries[0].body == opened.received.body
    assert (await desk.receipt_for(opened.identity)).outcome == "accepted"


async def test_a_decision_from_before_there_were_severities_keeps_its_receipt(store, url):
    """Its problems are rows of code, expression and text."""
    refusal = refused()
    await accept(store, refusals=[refusal])
    desk = ProofDesk(store=store, vault=VAULT)
    given = await desk.receipt_for(refusal.identity)
    old = [[one.code, one.expression, one.text] for one in refusal.problems]
    database = Database(url, pool_size=1)
    async with database.changing() as statements:
        await statements.change(
            text("UPDATE decisions SET problems = :old"), {"old": json.dumps(old)}
        )
    await database.close()

    again = await desk.receipt_for(refusal.identity)

    assert again.to_bytes() == given.to_bytes()
    assert [one.to_problem() for one in again.issues] == list(refusal.problems)
    assert set(again.to_values()["issues"][0]) == {"code", "expression", "text"}


# --- directory and logins ------------------------------------------------------------------------


async def test_the_directory_and_its_version_move_together(store, other):
    kz, tj = participant(), participant("registry:tj", delivery="pull", window=7)
    first = await change_directory(store, tj, kz)
    assert await other.participants() == (first.size, [kz, tj])
    assert await other.directory_version() == first.size
    await accept(store, message("id|1"))
    assert await other.directory_version() == first.size
    suspended = kz.model_copy(update={"suspended": True})
    second = await change_directory(store, suspended)
    assert await other.participants() == (second.size, [suspended, tj])
    async with other.locked() as trail:
        assert trail.head.directory_version == second.size
        assert await trail.participants() == [suspended, tj]


async def test_a_login_counts_once(store, other):
    soon = datetime.now(UTC) + timedelta(minutes=5)
    assert await store.remember_login("jti-1", soon)
    assert not await other.remember_login("jti-1", soon)
    assert await other.remember_login("jti-2", soon)
    together = await asyncio.gather(
        *(one.remember_login("jti-3", soon) for one in (store, other, store, other))
    )
    assert sorted(together) == [False, False, False, True]


async def test_logins_are_forgotten_long_after_they_expired(store):
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await store.remember_login("old", datetime.now(UTC) - timedelta(days=3))
    await store.remember_login("kept", soon)
    for number in range(100):
        await store.remember_login(f"n-{number}", soon)
    assert await store.remember_login("old", soon)
    assert not await store.remember_login("kept", soon)
