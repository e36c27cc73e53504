"""Versions of a record through the whole path of a message: which is current, and who is told."""

from datetime import timedelta, timezone

import pytest

from exchange.model import MessageIdentity
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

NINE, TEN, ELEVEN = (NOON - timedelta(hours=hours) for hours in (3, 2, 1))


@pytest.fixture
def cast():
    return usual_cast()


@pytest.fixture
async def exchange(tmp_path, cast):
    async with running_world(tmp_path, cast, clock=SetClock()) as running:
        yield running


def version(made_at, *, record="imm-7", **options):
    return vaccination(consent(), record=record, made_at=made_at, **options)


async def submit(exchange, cast, *messages, by=ALA):
    received = [cast.signed(by, body, message_id=message_id) for message_id, body in messages]
    return await exchange.processor.process(received)


def accepted(outcome):
    entry = read_entry(outcome.receipt.entry)
    return entry.supersedes, entry.superseded_by, outcome.receipt.standing


def released(outcome):
    """What each delivery says, and that its leaf says the same."""
    said = [(one.standing, one.superseded_by) for one in outcome.deliveries]
    entries = [read_entry(one.entry) for one in outcome.deliveries]
    assert said == [(one.standing, one.superseded_by) for one in entries]
    assert len(said) == 2
    return set(said)


async def trail_findings(exchange):
    verification = TrailVerification(exchange.keys.note_signer.verifier)
    size, note = await exchange.store.checkpoint()
    verification.add_checkpoint(note)
    for entry in await exchange.store.entries(0, size):
        verification.add_entry(entry)
    return verification.result().findings


async def test_a_correction_replaces_its_original(exchange, cast):
    (original,) = await submit(exchange, cast, version(NINE))
    (correction,) = await submit(exchange, cast, version(TEN, event="immunization-corrected"))
    place = original.decision.entry_index

    assert accepted(original) == (None, None, "current")
    assert accepted(correction) == (place, None, "current")
    assert released(original) == released(correction) == {("current", None)}
    assert await trail_findings(exchange) == ()


async def test_a_correction_that_comes_first_stays_current(exchange, cast):
    (correction,) = await submit(exchange, cast, version(TEN, event="immunization-corrected"))
    (original,) = await submit(exchange, cast, version(NINE))
    place = correction.decision.entry_index

    assert original.decision.outcome == "accepted"
    assert accepted(correction) == (None, None, "current")
    assert accepted(original) == (None, place, "superseded")
    assert released(correction) == {("current", None)}
    assert released(original) == {("superseded", place)}
    assert await trail_findings(exchange) == ()


async def test_what_replaces_a_newest_version_replaces_that_one_and_not_the_stale(exchange, cast):
    await submit(exchange, cast, version(TEN))
    await submit(exchange, cast, version(NINE))
    (newest,) = await submit(exchange, cast, version(ELEVEN))
    (first, *_) = await exchange.store.message_entries(newest.receipt.message)

    replaced = read_entry(newest.receipt.entry).supersedes
    (entry,) = await exchange.store.entries(replaced, 1)
    assert first[0] == newest.decision.entry_index
    assert read_entry(entry).superseded_by is None
    assert await trail_findings(exchange) == ()


async def test_versions_in_one_batch_see_each_other(exchange, cast):
    middle, oldest, newest = await submit(
        exchange, cast, version(TEN), version(NINE), version(ELEVEN)
    )
    place = middle.decision.entry_index

    assert accepted(middle) == (None, None, "current")
    assert accepted(oldest) == (None, place, "superseded")
    assert accepted(newest) == (place, None, "current")
    assert released(oldest) == {("superseded", place)}
    assert await trail_findings(exchange) == ()


async def test_of_equal_times_the_later_arrival_is_current(exchange, cast):
    first, second = await submit(exchange, cast, version(NINE), version(NINE))
    (third,) = await submit(exchange, cast, version(NINE))

    assert accepted(second) == (first.decision.entry_index, None, "current")
    assert accepted(third) == (second.decision.entry_index, None, "current")


async def test_times_are_compared_as_moments_and_not_as_text(exchange, cast):
    later = vaccination(consent(), record="imm-7", made_at=TEN)
    # 10:00 UTC in the zone of Almaty reads 15:00; nine o'clock reads less than that and is earlier.
    almaty = NINE.astimezone(timezone(timedelta(hours=5)))
    assert almaty.isoformat() > TEN.isoformat()
    await submit(exchange, cast, later)
    (stale,) = await submit(exchange, cast, version(almaty))

    assert stale.receipt.standing == "superseded"


async def test_another_publishers_same_identifier_is_another_record(exchange, cast):
    await submit(exchange, cast, version(TEN))
    (other,) = await submit(exchange, cast, version(NINE, source=OSS), by=OSS)

    assert accepted(other) == (None, None, "current")


async def test_another_identifier_is_another_record(exchange, cast):
    await submit(exchange, cast, version(TEN))
    (other,) = await submit(exchange, cast, version(NINE, record="imm-8"))

    assert accepted(other) == (None, None, "current")


async def test_a_withdrawal_is_a_version_like_any_other(exchange, cast):
    (withdrawn,) = await submit(exchange, cast, version(TEN, event="immunization-withdrawn"))
    (original,) = await submit(exchange, cast, version(NINE))

    assert accepted(original) == (None, withdrawn.decision.entry_index, "superseded")


async def test_a_consent_is_no_version_of_a_record(exchange, cast):
    (outcome,) = await submit(exchange, cast, consent_message(consent()))

    assert accepted(outcome) == (None, None, None)
    assert b"standing" not in outcome.receipt.to_bytes()


async def test_a_refused_version_takes_no_place(exchange, cast):
    (refused,) = await submit(
        exchange, cast, vaccination(record="imm-7", made_at=TEN, documents=["no consent"])
    )
    (original,) = await submit(exchange, cast, version(NINE))

    assert (refused.decision.outcome, refused.receipt.standing) == ("refused", None)
    assert accepted(original) == (None, None, "current")


async def test_the_same_bytes_again_get_the_same_receipt_whatever_came_since(exchange, cast):
    original = version(NINE)
    (first,) = await submit(exchange, cast, original)
    await submit(exchange, cast, version(TEN))
    (stale,) = await submit(exchange, cast, older := version(NINE))
    (again,) = await submit(exchange, cast, original)
    (stale_again,) = await submit(exchange, cast, older)
    kept = await exchange.proofs.receipt_for(MessageIdentity(ALA, original[0]))

    assert again.receipt.to_bytes() == first.receipt.to_bytes() == kept.to_bytes()
    assert stale_again.receipt.to_bytes() == stale.receipt.to_bytes()
    assert (again.receipt.standing, stale_again.receipt.standing) == ("current", "superseded")


async def test_deliveries_read_back_say_what_they_said(exchange, cast):
    outcomes = await submit(exchange, cast, version(TEN), version(NINE))
    rows = await exchange.store.delivery_rows(KZ, after=0, limit=9)
    again = await exchange.proofs.deliveries_of(rows)

    said = [one for outcome in outcomes for one in outcome.deliveries if one.subscriber == KZ]
    assert [one.to_bytes() for one in again] == [one.to_bytes() for one in said]


async def test_a_version_that_is_overtaken_while_it_waits_is_marked_when_it_leaves(tmp_path):
    cast = usual_cast(window=1)
    async with running_world(tmp_path, cast, clock=SetClock()) as exchange:
        (before,) = await submit(exchange, cast, version(NINE, record="imm-1"))
        (original,) = await submit(exchange, cast, version(NINE))
        (correction,) = await submit(exchange, cast, version(TEN))
        assert original.deliveries == correction.deliveries == ()
        assert accepted(original) == (None, None, "current")

        waiting = [one.delivery for one in before.deliveries if one.subscriber == KZ]
        left = []
        for number in (2, 3):
            await exchange.acknowledgements.accept(cast.acknowledgement(KZ, waiting))
            await exchange.relay.release_waiting()
            rows = await exchange.store.delivery_rows(KZ, after=number - 1, limit=1)
            (delivery,) = await exchange.proofs.deliveries_of(rows)
            waiting = [delivery.delivery]
            left.append((delivery.message, delivery.standing, delivery.superseded_by))

        newer = correction.decision.entry_index
        assert left == [
            (original.receipt.message, "superseded", newer),
            (correction.receipt.message, "current", None),
        ]
        assert await trail_findings(exchange) == ()


async def test_a_version_that_is_stale_and_waits_names_the_newest_when_it_leaves(tmp_path):
    cast = usual_cast(window=1)
    async with running_world(tmp_path, cast, clock=SetClock()) as exchange:
        (first,) = await submit(exchange, cast, version(TEN))
        await submit(exchange, cast, version(NINE))
        (newest,) = await submit(exchange, cast, version(ELEVEN))
        delivered = [one.delivery for one in first.deliveries if one.subscriber == KG]
        await exchange.acknowledgements.accept(cast.acknowledgement(KG, delivered))
        await exchange.relay.release_waiting()
        rows = await exchange.store.delivery_rows(KG, after=1, limit=1)
        (stale,) = await exchange.proofs.deliveries_of(rows)

        assert (stale.standing, stale.superseded_by) == (
            "superseded",
            newest.decision.entry_index,
        )
        assert await trail_findings(exchange) == ()


async def test_a_version_from_the_future_is_refused_and_blocks_no_correction(exchange, cast):
    soon = version(NOON + timedelta(minutes=5))
    (clocks_differ,) = await submit(exchange, cast, soon)
    future = version(NOON + timedelta(minutes=5, seconds=1), record="imm-8")
    (refused,) = await submit(exchange, cast, future)
    (correction,) = await submit(exchange, cast, version(NOON, record="imm-8"))

    assert clocks_differ.decision.outcome == "accepted"
    assert refused.decision.reason == "invalid-record"
    assert accepted(correction) == (None, None, "current")


async def test_the_store_does_not_hold_the_records_identifier(exchange, cast, tmp_path):
    await submit(exchange, cast, version(TEN, record="KZ-IMM-2026-0007"), version(NINE))
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("exchange.sqlite*"))

    assert b"KZ-IMM-2026-0007" not in stored
