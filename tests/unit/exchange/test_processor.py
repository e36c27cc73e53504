"""The whole path of a message on SQLite: decisions, repeats, deliveries, proofs."""

import json
from dataclasses import replace

import pytest

from exchange.commitment import require_commitment
from exchange.model import MessageIdentity, ReceivedMessage
from exchange.trail.proof import verify_proof
from exchange.trail.verify import TrailVerification
from schemas.trail_entry import read_entry
from tests.support.running import running_world
from tests.support.world import (
    ALA,
    KG,
    KZ,
    NOON,
    OSS,
    SetClock,
    consent,
    consent_message,
    usual_cast,
    vaccination,
)


@pytest.fixture
def cast():
    return usual_cast()


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
async def exchange(tmp_path, cast, clock):
    async with running_world(tmp_path, cast, clock=clock) as running:
        yield running


def verified(exchange, document):
    verify_proof(document.proof, document.entry, exchange.keys.note_signer.verifier)
    return read_entry(document.entry)


async def submit(exchange, cast, message, by=ALA, **options):
    message_id, body = message
    received = cast.signed(by, body, message_id=message_id, **options)
    (outcome,) = await exchange.processor.process([received])
    return outcome


async def trail_findings(exchange):
    verification = TrailVerification(exchange.keys.note_signer.verifier)
    after = 0
    for size in await exchange.store.checkpoint_sizes(0, 10_000):
        _, note = await exchange.store.checkpoint(size)
        verification.add_checkpoint(note)
        for entry in await exchange.store.entries(after, size - after):
            verification.add_entry(entry)
        after = size
    return verification.result()


async def test_an_accepted_message_has_a_receipt_and_deliveries_that_prove_themselves(
    exchange, cast
):
    message = vaccination(consent())
    outcome = await submit(exchange, cast, message)

    assert outcome.decision.outcome == "accepted"
    entry = verified(exchange, outcome.receipt)
    assert (entry.type, entry.publisher, entry.message) == ("accepted", ALA, message[0])
    require_commitment(entry.content, message[1], outcome.receipt.content_salt)
    assert [(one.subscriber, one.number) for one in outcome.deliveries] == [(KG, 1), (KZ, 1)]
    for delivery in outcome.deliveries:
        released = verified(exchange, delivery)
        assert (released.type, released.subscriber) == ("released", delivery.subscriber)
        assert (released.purpose, released.view) == ("PUBHLTH", "full")
        assert released.basis.consent == entry.content
        assert delivery.body == message[1]
        require_commitment(released.content, delivery.body, delivery.content_salt)


async def test_the_same_bytes_again_get_the_same_receipt_and_no_second_delivery(exchange, cast):
    message = vaccination(consent())
    first = await submit(exchange, cast, message)
    size_before = (await exchange.store.checkpoint())[0]
    again = await submit(exchange, cast, message, at=NOON.replace(minute=2))

    assert again.receipt == first.receipt
    assert again.receipt.to_bytes() == first.receipt.to_bytes()
    assert again.repeated
    assert again.deliveries == ()
    assert (await exchange.store.checkpoint())[0] == size_before


async def test_a_repeat_within_one_batch_is_decided_once(exchange, cast):
    message_id, body = vaccination(consent())
    received = cast.signed(ALA, body, message_id=message_id)
    first, second = await exchange.processor.process([received, received])

    assert first.receipt == second.receipt
    assert (first.repeated, second.repeated) == (False, True)
    assert second.deliveries == ()


async def test_other_bytes_under_the_same_id_are_refused_and_that_refusal_repeats(exchange, cast):
    first = vaccination(consent())
    other = vaccination(consent(), message_id=first[0], cvx="183")
    await submit(exchange, cast, first)
    refused = await submit(exchange, cast, other)
    again = await submit(exchange, cast, other)
    still = await submit(exchange, cast, first)

    assert refused.decision.reason == "message-reused"
    assert verified(exchange, refused.receipt).type == "refused"
    assert again.receipt == refused.receipt
    assert still.decision.outcome == "accepted"


async def test_the_same_id_of_another_publisher_is_another_message(exchange, cast):
    first = vaccination(consent())
    other = vaccination(consent(), message_id=first[0], source=OSS)
    await submit(exchange, cast, first)

    assert (await submit(exchange, cast, other, by=OSS)).decision.outcome == "accepted"


async def test_nobody_can_use_up_anothers_message_id(exchange, cast):
    message_id, body = vaccination(consent())
    genuine = cast.signed(ALA, body, message_id=message_id)
    forged = replace(genuine, body=body + b" ")
    stolen = replace(genuine, authenticated_as=OSS)
    outcomes = await exchange.processor.process([forged, stolen, genuine])

    assert [one.decision.outcome for one in outcomes] == ["refused", "refused", "accepted"]
    assert [one.answer_to for one in outcomes] == [None, OSS, ALA]


async def test_without_a_basis_a_message_is_refused_and_the_refusal_is_in_the_trail(exchange, cast):
    outcome = await submit(exchange, cast, vaccination())

    assert outcome.decision.reason == "consent-refused"
    assert verified(exchange, outcome.receipt).reason == "consent-refused"
    assert outcome.receipt.issues[0].code == "forbidden"


async def test_only_the_recipients_a_consent_names_receive(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent(recipients=[KG])))

    assert [one.subscriber for one in outcome.deliveries] == [KG]


async def test_a_consent_sent_before_is_a_basis_for_the_same_traveller(exchange, cast):
    given = await submit(exchange, cast, consent_message(consent(), documents=["n-123.4567"]))
    outcome = await submit(exchange, cast, vaccination(documents=["N 1234567"]))
    other = await submit(exchange, cast, vaccination(documents=["N 7654321"]))

    assert given.decision.outcome == "accepted"
    assert given.deliveries == ()
    released = verified(exchange, outcome.deliveries[0])
    assert released.basis.entry == given.decision.entry_index
    assert other.decision.reason == "consent-refused"


async def test_a_consent_earlier_in_the_same_batch_counts(exchange, cast):
    messages = [consent_message(consent()), vaccination()]
    received = [cast.signed(ALA, body, message_id=name) for name, body in messages]
    outcomes = await exchange.processor.process(received)

    assert [one.decision.outcome for one in outcomes] == ["accepted", "accepted"]


async def test_a_withdrawn_consent_no_longer_counts(exchange, cast):
    await submit(exchange, cast, consent_message(consent()))
    withdrawn = consent(status="inactive", given="2026-05-02T10:00:00Z")
    await submit(exchange, cast, consent_message(withdrawn))

    assert (await submit(exchange, cast, vaccination())).decision.reason == "consent-refused"


async def test_travellers_without_documents_are_served_by_the_consent_in_the_message(
    exchange, cast
):
    served = await submit(exchange, cast, vaccination(consent(), documents=()))
    unserved = await submit(exchange, cast, vaccination(documents=()))

    assert served.decision.outcome == "accepted"
    assert unserved.decision.reason == "consent-refused"


async def test_documents_first_seen_apart_become_one_traveller(exchange, cast):
    await submit(exchange, cast, consent_message(consent(identifier="a"), documents=["A1"]))
    await submit(exchange, cast, consent_message(consent(identifier="b"), documents=["B1"]))
    both = consent(identifier="c", given="2026-05-03T10:00:00Z", decision="deny", recipients=[KG])
    await submit(exchange, cast, consent_message(both, documents=["A1", "B1"]))

    for document in ("A1", "B1"):
        outcome = await submit(exchange, cast, vaccination(documents=[document]))
        assert [one.subscriber for one in outcome.deliveries] == [KZ]


async def test_a_key_suspended_meanwhile_is_seen_under_the_lock(exchange, cast):
    message = vaccination(consent())
    await exchange.directory.current()
    await exchange.admissions.suspend(ALA)

    assert (await submit(exchange, cast, message)).decision.reason == "untrusted-sender"


async def test_beyond_the_window_deliveries_wait_and_the_relay_lets_them_out_in_order(
    tmp_path, clock
):
    cast = usual_cast(window=2)
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        outcomes = [await submit(exchange, cast, vaccination(consent())) for _ in range(5)]
        at_once = [one.delivery for o in outcomes for one in o.deliveries if one.subscriber == KZ]
        assert len(at_once) == 2
        await exchange.relay.release_waiting()
        assert len(await exchange.store.delivery_rows(KZ, after=0, limit=99)) == 2

        acknowledged = await exchange.acknowledgements.accept(cast.acknowledgement(KZ, at_once))
        assert acknowledged == 2
        assert await exchange.acknowledgements.accept(cast.acknowledgement(KZ, at_once)) == 0
        await exchange.relay.release_waiting()
        rows = await exchange.store.delivery_rows(KZ, after=0, limit=99)
        assert [row.pending.number for row in rows] == [1, 2, 3, 4]
        for delivery in await exchange.proofs.deliveries_of(rows):
            assert verified(exchange, delivery).type == "released"
        assert (await trail_findings(exchange)).findings == ()


async def test_a_withdrawal_while_it_waits_stops_a_delivery_and_keeps_the_number(tmp_path, clock):
    cast = usual_cast(window=1)
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        await submit(exchange, cast, consent_message(consent()))
        outcomes = [await submit(exchange, cast, vaccination()) for _ in range(2)]
        first = [one.delivery for one in outcomes[0].deliveries if one.subscriber == KZ]
        withdrawn = consent(status="inactive", given="2026-05-02T10:00:00Z")
        await submit(exchange, cast, consent_message(withdrawn))
        await exchange.acknowledgements.accept(cast.acknowledgement(KZ, first))
        await exchange.relay.release_waiting()

        rows = await exchange.store.delivery_rows(KZ, after=1, limit=99)
        (tombstone,) = await exchange.proofs.deliveries_of(rows)
        assert (tombstone.number, tombstone.state, tombstone.body) == (2, "withheld", None)
        assert verified(exchange, tombstone).type == "withheld"
        await exchange.acknowledgements.accept(cast.acknowledgement(KZ, [tombstone.delivery]))
        assert (await trail_findings(exchange)).findings == ()


async def test_the_store_holds_no_name_document_or_record_in_clear(exchange, cast, tmp_path):
    await submit(exchange, cast, vaccination(consent()))
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("exchange.sqlite*"))

    for secret in ("Иванова", "Анна", "N 1234567", "n1234567", "yellow", "1990-04-12"):
        assert secret.encode() not in stored


async def test_the_trail_of_a_mixed_day_verifies(exchange, cast, clock):
    for n in range(12):
        message = vaccination(*([consent()] if n % 3 else []), documents=[f"D{n}"])
        outcome = await submit(exchange, cast, message, authenticated_as=OSS if n == 4 else None)
        clock.advance(seconds=1)
        for delivery in outcome.deliveries:
            signed = cast.acknowledgement(delivery.subscriber, [delivery.delivery])
            await exchange.acknowledgements.accept(signed)
    report = await trail_findings(exchange)

    assert report.findings == ()
    assert report.entries_by_type["refused"] == 5
    assert report.entries_by_type["accepted"] == 7
    assert report.entries_by_type["released"] == report.entries_by_type["acknowledged"] == 14


async def test_the_clock_going_back_does_not_take_the_trail_back(exchange, cast, clock):
    await submit(exchange, cast, vaccination(consent()))
    clock.advance(hours=-1)
    await submit(exchange, cast, vaccination(consent()), at=clock.now())

    assert (await trail_findings(exchange)).findings == ()


async def test_a_receipt_can_be_fetched_later(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent()))
    await submit(exchange, cast, vaccination(consent()))
    identity = MessageIdentity(ALA, outcome.receipt.message)

    assert await exchange.proofs.receipt_for(identity) == outcome.receipt


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b"[" * 70, b"0" * 2_000_000])
async def test_any_bytes_get_a_decision(exchange, cast, body):
    anonymous = ReceivedMessage(body=body, signature=None)
    signed = cast.signed(ALA, body, message_id="m-1")
    outcomes = await exchange.processor.process([anonymous, signed])

    assert {one.decision.outcome for one in outcomes} == {"refused"}
    assert all(verified(exchange, one.receipt).type == "refused" for one in outcomes)


async def test_a_trail_read_back_is_what_the_receipts_hold(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent()))
    (entry,) = await exchange.store.entries(outcome.decision.entry_index, 1)

    assert entry == outcome.receipt.entry
    assert json.loads(entry)["type"] == "accepted"
