"""Erasure on every database: nothing opens or leads to the traveller, and every proof holds."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.clients.verified_receipt import verify_receipt
from adapters.store.agreement import disagreements
from adapters.store.database import Database
from exchange.erasing import HoldStands, NobodyKnown
from exchange.errors import ConfigurationError
from exchange.trail.proof import verify_proof
from schemas.receipt import Receipt
from schemas.trail_entry import AcceptedEntry, ErasedEntry, RecalledEntry, read_entry
from tests.support.erasure_world import ANNA, BORIS, SYSTEM, erasure_world, policy
from tests.support.world import ALA, KG, KZ, NOON, consent, consent_message

#: What the store keeps of a traveller and must not keep of an erased one, by table.
_FORGOTTEN = (
    "subjects",
    "subject_tokens",
    "consents",
    "sealed_bodies",
    "sealed_views",
    "record_versions",
    "slips",
)

_SECRET = (
    ("subjects", "subject_id"),
    ("subjects", "wrapped_key"),
    ("subject_tokens", "token"),
    ("consents", "statement"),
    ("sealed_bodies", "ciphertext"),
    ("sealed_bodies", "signature"),
    ("sealed_bodies", "traits"),
    ("sealed_views", "ciphertext"),
    ("sealed_views", "signature"),
    ("sealed_views", "content_salt"),
    ("sealed_views", "origin_salt"),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def where(request):
    if request.param == "sqlite":
        return {}
    return {"database": request.getfixturevalue("fresh_database")}


@pytest.fixture
async def open_world(tmp_path, where):
    async with AsyncExitStack() as stack:

        async def open_(**members):
            return await stack.enter_async_context(erasure_world(tmp_path, **where, **members))

        yield open_


async def test_nothing_of_the_traveller_is_left_in_any_table(open_world):
    world = await open_world(policies=(policy(views={"PUBHLTH": "minimum"}),))
    await world.submit(*consent_message(consent(), documents=(ANNA,)))
    await world.publish(ANNA, permits=False)
    secrets = {row[column] for table, column in _SECRET for row in await world.rows(table)} - {None}
    assert len(secrets) == 3 + 1 + (3 + 2) + 2 * 4
    salts = {row["content_salt"] for row in await world.rows("decisions")}
    records = {row["record"] for row in await world.rows("decisions")} - {None}
    assert len(salts) == 2
    assert records

    erased = await world.erase()

    assert erased.messages == 2
    after = await world.every_value()
    assert {table: after[table] for table in _FORGOTTEN} == {table: [] for table in _FORGOTTEN}
    left = {value for values in after.values() for value in values}
    assert not left & (secrets | salts | records)
    assert await world.all_that_opens() == []
    await world.require_sound()


async def test_another_traveller_is_left_as_they_were(open_world):
    world = await open_world()
    await world.publish(BORIS)
    await world.publish(ANNA)
    [key] = [row["wrapped_key"] for row in await world.rows("subjects")][:1]
    await world.erase(ANNA)

    [subject] = await world.rows("subjects")
    assert subject["wrapped_key"] == key
    [body] = await world.all_that_opens()
    assert BORIS.encode() in body
    [delivery, notice] = await world.deliveries(KZ)
    assert (delivery.state, notice.state) == ("released", "recalled")
    assert delivery.body == body


async def test_the_files_of_sqlite_do_not_keep_the_key(tmp_path):
    """PostgreSQL keeps rows until they are vacuumed: docs/adr/0016 says what follows."""
    async with erasure_world(tmp_path) as world:
        await world.publish(ANNA)
        [subject] = await world.rows("subjects")
        [token] = await world.rows("subject_tokens")
        [body] = await world.rows("sealed_bodies")
        secrets = (subject["wrapped_key"], token["token"], body["ciphertext"][:64])

        def found():
            data = b"".join(one.read_bytes() for one in Path(tmp_path).glob("exchange.sqlite*"))
            return [secret in data for secret in secrets]

        assert all(found())

        await world.erase()

        assert not any(found())


async def test_rows_that_stay_do_not_join_by_the_traveller(open_world):
    world = await open_world()
    for _ in range(3):
        await world.publish(ANNA)
    before = {row["subject_id"] for row in await world.rows("deliveries")}
    await world.erase()

    rows = await world.rows("deliveries")
    ids = [row["subject_id"] for row in rows]
    assert len(before) == 1
    assert len(rows) == 12
    assert len(set(ids)) == len(ids)
    assert before.isdisjoint(ids)


async def test_a_view_without_names_forgets_what_it_was_made_of(open_world):
    world = await open_world(policies=(policy(views={"PUBHLTH": "pseudonymous"}),))
    outcome = await world.publish(ANNA)
    named = (ALA, outcome.decision.identity.message_id, outcome.decision.entry_index)
    [row, *_] = await world.rows("deliveries")
    assert row["view"] == "pseudonymous"
    assert (row["publisher"], row["message_id"], row["accepted_entry"]) == named

    await world.erase()

    for row in await world.rows("deliveries"):
        assert not {row["publisher"], row["message_id"], row["accepted_entry"]} & set(named)
        assert row["basis_consent"] == ""
    [notice] = await world.deliveries(KZ)
    assert notice.state == "recalled"
    assert notice.publisher == world.exchange.settings.exchange
    await world.require_sound()


async def test_a_view_without_names_that_waits_is_withheld_in_its_turn(open_world):
    world = await open_world(policies=(policy(views={"PUBHLTH": "pseudonymous"}),), window=1)
    await world.publish(BORIS)
    await world.publish(BORIS)
    await world.publish(ANNA)
    await world.erase()
    await world.require_sound()

    after = 0
    for _ in range(3):
        await world.exchange.relay.release_waiting()
        [delivery] = await world.deliveries(KZ, after=after)
        after = delivery.number
        await world.acknowledge(KZ, delivery.delivery)

    assert (delivery.number, delivery.state) == (3, "withheld")
    await world.require_sound()


async def test_recipients_get_a_proven_notice_with_the_deadline_of_the_place(open_world):
    world = await open_world(policies=(policy(recall_deadline_hours=24),))
    await world.publish(ANNA)
    [released] = await world.deliveries(KZ)
    assert await world.acknowledge(KZ, released.delivery) == 1
    erased = await world.erase()

    assert erased.recalled == 2
    for subscriber in (KZ, KG):
        [notice] = await world.deliveries(subscriber)
        verify_proof(notice.proof, notice.entry, world.exchange.keys.note_signer.verifier)
        entry = read_entry(notice.entry)
        assert isinstance(entry, RecalledEntry)
        assert (entry.cause, entry.because) == ("erased", None)
        assert datetime.fromisoformat(entry.deadline) == NOON + timedelta(hours=24)
        assert notice.number == 2
    assert await world.acknowledge(KZ, notice_id(await world.deliveries(KZ))) == 1


def notice_id(deliveries):
    [notice] = deliveries
    return notice.delivery


async def test_who_was_told_already_is_not_told_again(open_world):
    world = await open_world()
    await world.publish(ANNA)
    withdrawn = consent(status="inactive", given="2026-05-30T10:00:00Z")
    await world.submit(*consent_message(withdrawn, documents=(ANNA,)))
    assert len(await world.entries("recalled")) == 2

    erased = await world.erase()

    assert erased.recalled == 0
    assert {one.cause for one in await world.entries("recalled")} == {"consent-withdrawn"}
    await world.require_sound()


async def test_the_entry_says_how_many_and_nothing_of_the_traveller(open_world):
    world = await open_world()
    await world.publish(ANNA)
    subject_ids = {row["subject_id"] for row in await world.rows("subjects")}
    erased = await world.erase()

    [entry] = await world.entries("erased")
    assert isinstance(entry, ErasedEntry)
    assert (entry.erasure, entry.cause, entry.messages) == (erased.erasure_id, "request", 1)
    trail = b"".join(await world.exchange.store.entries(0, 1_000)).decode()
    assert not any(one in trail for one in subject_ids)


async def test_proofs_given_before_hold_and_new_ones_say_that_it_was_erased(open_world):
    world = await open_world()
    outcome = await world.publish(ANNA)
    given, sent = outcome.receipt.to_bytes(), world.sent[outcome.receipt.message]
    [delivery] = await world.deliveries(KZ)
    await world.erase()

    verifier = world.exchange.keys.note_signer.verifier
    receipt = verify_receipt(given, sent, publisher=ALA, verifier=verifier)
    assert receipt.outcome == "accepted"
    verify_proof(delivery.proof, delivery.entry, verifier)
    again = await world.exchange.proofs.receipt_for(outcome.decision.identity)
    assert isinstance(again, Receipt)
    assert again.content_salt is None
    assert again.entry == outcome.receipt.entry
    verify_proof(again.proof, again.entry, verifier)


async def test_the_same_message_does_not_bring_the_traveller_back_and_a_new_one_begins_anew(
    open_world,
):
    world = await open_world()
    outcome = await world.publish(ANNA)
    sent = world.sent[outcome.receipt.message]
    [old] = await world.rows("subjects")
    await world.erase()
    again = await world.submit(sent.message_id, sent.body)

    assert again.repeated
    assert again.receipt.entry == outcome.receipt.entry
    assert await world.rows("subjects") == []
    assert (await world.publish(ANNA, permits=False)).decision.reason == "consent-refused"
    assert (await world.publish(ANNA)).decision.outcome == "accepted"
    [new] = await world.rows("subjects")
    assert new["subject_id"] != old["subject_id"]
    await world.require_sound()


async def test_documents_seen_apart_and_then_together_are_erased_as_one(open_world):
    world = await open_world()
    await world.publish("A 1")
    await world.publish("A 2")
    await world.publish(documents=("A 1", "A 2"))
    erased = await world.erase("A 2")

    assert erased.messages == 3
    assert await world.rows("subjects") == []
    assert await world.all_that_opens() == []
    with pytest.raises(NobodyKnown):
        await world.erase("A 1")
    await world.require_sound()


async def test_erasing_twice_says_that_nobody_is_known(open_world):
    world = await open_world()
    await world.publish(ANNA)
    await world.erase()
    size = len(await world.entries())

    with pytest.raises(NobodyKnown):
        await world.erase()
    assert len(await world.entries()) == size


async def test_what_waits_is_withheld_at_once_when_it_is_its_turn(open_world):
    world = await open_world(window=2)
    await world.publish(BORIS)
    await world.publish(BORIS)
    await world.publish(ANNA)
    # There is room again, and the relay has not come by.
    for subscriber in (KZ, KG):
        await world.acknowledge(
            subscriber, *[d.delivery for d in await world.deliveries(subscriber)]
        )
    erased = await world.erase()

    assert (erased.withheld, erased.waiting, erased.recalled) == (2, 0, 0)
    assert {one.reason for one in await world.entries("withheld")} == {"erased"}
    assert [d.state for d in await world.deliveries(KZ)] == ["released", "released", "withheld"]
    await world.require_sound()


async def test_what_waits_behind_others_is_withheld_in_its_turn(open_world):
    """Let out early, its number would hide the one before it from who fetches by cursor."""
    world = await open_world(window=1)
    await world.publish(BORIS)
    await world.publish(BORIS)
    await world.publish(ANNA)
    await world.publish(BORIS)
    erased = await world.erase()
    assert (erased.withheld, erased.waiting) == (0, 2)
    assert await world.entries("withheld") == []
    await world.require_sound()

    seen, states, after = [], [], 0
    for _ in range(4):
        await world.exchange.relay.release_waiting()
        [delivery] = await world.deliveries(KZ, after=after)
        seen.append(delivery.number)
        states.append(delivery.state)
        after = delivery.number
        await world.acknowledge(KZ, delivery.delivery)

    assert seen == [1, 2, 3, 4]
    assert states == ["released", "released", "withheld", "released"]
    await world.require_sound()


async def test_an_erased_delivery_in_flight_holds_no_place_for_ever(open_world):
    world = await open_world(window=1)
    await world.publish(ANNA)
    [fetched] = await world.deliveries(KZ)
    await world.erase()
    notice = notice_id(await world.deliveries(KZ))

    async def in_flight():
        rows = await world.rows("outboxes")
        return {row["subscriber"]: row["in_flight"] for row in rows}

    assert await in_flight() == {KZ: 1, KG: 1}
    # One of the two had it in hand, and signs for it afterwards: that is recorded, once.
    assert await world.acknowledge(KZ, fetched.delivery, notice) == 2
    assert await world.acknowledge(KZ, fetched.delivery, notice) == 0
    assert await in_flight() == {KZ: 0, KG: 1}
    await world.publish(BORIS)
    assert await in_flight() == {KZ: 1, KG: 1}
    await world.require_sound()


async def test_what_was_not_sent_yet_is_not_looked_for_for_ever(open_world):
    world = await open_world()
    await _unsent(world)
    await world.erase()
    world.clock.advance(minutes=5)

    assert await world.exchange.relay.resend_unsent() == 2, "the notices"
    assert await world.exchange.relay.resend_unsent() == 0


async def _unsent(world):
    """A delivery that was let out and whose process died before it was sent."""
    await world.publish(ANNA)
    database = Database(world.exchange.settings.database_url, pool_size=1)
    async with database.changing() as statements:
        await statements.change(
            text(
                "INSERT INTO unsent SELECT entry_index, delivery_id, 0 FROM deliveries"
                " WHERE entry_index NOT IN (SELECT entry_index FROM unsent)"
            )
        )
    await database.close()


async def test_a_hold_stops_it_until_it_is_lifted(open_world):
    world = await open_world()
    await world.publish(ANNA)
    holds = world.exchange.holds
    [hold_id] = await holds.place([(SYSTEM, ANNA)], " District  court ")
    before = await world.every_value()

    with pytest.raises(HoldStands, match=hold_id):
        await world.erase()
    assert await world.every_value() == before
    assert [(one.hold_id, one.authority) for one in await holds.all()] == [
        (hold_id, "District court")
    ]
    await world.require_sound()

    await holds.lift(hold_id)
    with pytest.raises(ConfigurationError):
        await holds.lift(hold_id)
    assert (await world.erase()).messages == 1
    assert [one.type for one in await world.entries("hold-placed", "hold-lifted")] == [
        "hold-placed",
        "hold-lifted",
    ]
    assert await world.rows("subjects") == []
    await world.require_sound()


async def test_a_hold_on_a_document_merged_since_counts_for_all(open_world):
    world = await open_world()
    await world.publish("A 1")
    await world.publish("A 2")
    await world.exchange.holds.place([(SYSTEM, "A 2")], "Court")
    await world.publish(documents=("A 1", "A 2"))

    with pytest.raises(HoldStands):
        await world.erase("A 1")


@pytest.mark.parametrize("authority", ["", " ", "x" * 201, "a\x1b[2J"])
async def test_an_authority_has_a_name(open_world, authority):
    world = await open_world()
    await world.publish(ANNA)

    with pytest.raises(ConfigurationError):
        await world.exchange.holds.place([(SYSTEM, ANNA)], authority)
    with pytest.raises(NobodyKnown):
        await world.exchange.holds.place([(SYSTEM, "X 9")], "Court")
    assert await world.exchange.holds.all() == []


async def test_erasing_while_others_publish_leaves_nothing_half(open_world):
    world = await open_world(window=3)
    await world.publish(ANNA)
    await asyncio.gather(
        *(world.publish(ANNA if number % 2 else BORIS) for number in range(12)),
        world.erase(),
        world.exchange.relay.release_waiting(),
    )

    entries = await world.entries()
    [at] = [n for n, one in enumerate(entries) if isinstance(one, ErasedEntry)]
    opened = await world.all_that_opens()
    accepted = {one.message for one in entries[:at] if isinstance(one, AcceptedEntry)}
    theirs = {m for m in accepted if ANNA.encode() in world.sent[m].body}
    assert entries[at].messages == len(theirs)
    assert not {world.sent[m].body for m in theirs} & set(opened)
    kept = {one.message for one in entries if isinstance(one, AcceptedEntry)} - theirs
    assert {world.sent[m].body for m in kept} == set(opened)
    await world.require_sound()


async def test_an_erasure_that_was_made_up_in_the_database_is_found(open_world):
    world = await open_world()
    await world.publish(ANNA)
    await world.publish(BORIS)
    await world.erase()
    database = Database(world.exchange.settings.database_url, pool_size=1)
    async with database.changing() as statements:
        await statements.change(text("UPDATE decisions SET content_salt = NULL, record = NULL"))
        await statements.change(text("DELETE FROM sealed_bodies"))
    found = await disagreements(database, world.exchange.erasures.vault)
    await database.close()

    assert "The records that cannot be opened are not as many as were erased." in found


async def test_a_hold_that_was_removed_from_the_database_is_found(open_world):
    world = await open_world()
    await world.publish(ANNA)
    await world.exchange.holds.place([(SYSTEM, ANNA)], "Court")
    database = Database(world.exchange.settings.database_url, pool_size=1)
    async with database.changing() as statements:
        await statements.change(text("DELETE FROM holds"))
    found = await disagreements(database, world.exchange.erasures.vault)
    await database.close()

    assert found == ("The legal holds are not those that entries placed and lifted.",)
