"""Retention on every database: what was kept long enough goes, a hold stops it, and says so."""

import asyncio

import pytest

from adapters.serving import parts_for, run_parts
from adapters.telemetry import Metrics
from exchange import retention
from exchange.retention import Expired, HeldBack, RetentionReport
from tests.support.erasure_world import ANNA, BORIS, SYSTEM, erasure_world, policy
from tests.support.waiting import until
from tests.support.world import KG, KZ, consent, consent_message

DAYS = 30
POLICY = policy(version=4, retention={"Immunization": DAYS})


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def world(request, tmp_path):
    where = {}
    if request.param == "postgresql":
        where["database"] = request.getfixturevalue("fresh_database")
    async with erasure_world(tmp_path, policies=(POLICY,), **where) as opened:
        yield opened


async def test_what_was_kept_long_enough_goes_and_the_rest_stays(world):
    old = await world.publish(BORIS)
    world.clock.advance(days=DAYS - 1)
    young = await world.publish(BORIS)
    assert await world.exchange.retention.run() == RetentionReport()
    joined = {row["subject_id"] for row in await world.rows("deliveries")}
    world.clock.advance(days=1)

    report = await world.exchange.retention.run()

    assert report == RetentionReport(expired=(Expired("KZ", 4, 1, 0),))
    assert await world.all_that_opens() == [world.sent[young.receipt.message].body]
    salts = {row["message_id"]: row["content_salt"] for row in await world.rows("decisions")}
    assert salts[old.receipt.message] is None
    assert salts[young.receipt.message] is not None
    [entry] = await world.entries("erased")
    assert (entry.cause, entry.messages) == ("retention", 1)
    # Recipients keep it by their own law; the traveller can still ask who received it.
    assert await world.entries("recalled") == []
    assert {row["subject_id"] for row in await world.rows("deliveries")} == joined
    await world.require_sound()
    assert await world.exchange.retention.run() == RetentionReport()


async def test_with_the_last_record_goes_the_traveller(world):
    await world.submit(*consent_message(consent(), documents=(ANNA,)))
    await world.publish(ANNA, permits=False)
    world.clock.advance(days=DAYS)

    report = await world.exchange.retention.run()

    assert report.expired == (Expired("KZ", 4, 2, 1),)
    for table in ("subjects", "subject_tokens", "consents", "sealed_bodies"):
        assert await world.rows(table) == []
    assert await world.exchange.erasures.ledger.subjects() != []
    await world.require_sound()


async def test_an_objection_is_kept_for_the_next_record(world):
    objection = consent(decision="deny", recipients=[KG], identifier="objection")
    await world.publish(ANNA, objection)
    world.clock.advance(days=DAYS)

    report = await world.exchange.retention.run()

    assert report.expired == (Expired("KZ", 4, 1, 0),)
    assert await world.all_that_opens() == []
    await world.publish(ANNA, permits=False)
    assert [one.state for one in await world.deliveries(KG)] == []
    assert len(await world.entries("released")) == 2
    await world.require_sound()


async def test_a_hold_stops_it_and_is_named(world):
    await world.publish(ANNA)
    await world.publish(BORIS)
    [hold_id] = await world.exchange.holds.place([(SYSTEM, ANNA)], "Court")
    world.clock.advance(days=DAYS)

    report = await world.exchange.retention.run()

    assert report.expired == (Expired("KZ", 4, 1, 1),)
    assert report.held == (HeldBack(hold_id, "Court", 1),)
    [body] = await world.all_that_opens()
    assert ANNA.encode() in body
    await world.exchange.holds.lift(hold_id)
    assert (await world.exchange.retention.run()).expired == (Expired("KZ", 4, 1, 1),)
    await world.require_sound()


async def test_a_dry_run_says_the_same_and_changes_nothing(world):
    await world.publish(ANNA)
    world.clock.advance(days=DAYS)
    before = await world.every_value()

    foretold = await world.exchange.retention.run(dry_run=True)

    assert await world.every_value() == before
    assert foretold.expired == (Expired("KZ", 4, 1, 1),)
    assert await world.exchange.retention.run() == foretold


async def test_what_waits_is_withheld(tmp_path):
    async with erasure_world(tmp_path, policies=(POLICY,), window=1) as world:
        await world.publish(ANNA)
        await world.publish(BORIS)
        world.clock.advance(days=DAYS)
        await world.exchange.retention.run()
        # The first was given up, which makes room; the second was the next one waiting.
        assert {one.reason for one in await world.entries("withheld")} == {"erased"}
        assert [one.state for one in await world.deliveries(KZ)] == ["withheld"]
        await world.require_sound()


@pytest.mark.parametrize(
    "members",
    [
        {"retention": {"Observation": 1}},
        {"retention": {}},
        {"jurisdiction": "KG", "retention": {"Immunization": 1}},
        {"valid_from": "2030-01-01T00:00:00Z", "retention": {"Immunization": 1}},
    ],
)
async def test_where_no_law_says_how_long_a_record_is_kept(tmp_path, members):
    async with erasure_world(tmp_path, policies=(policy(**members),)) as world:
        await world.publish(ANNA)
        world.clock.advance(days=400)

        assert await world.exchange.retention.run() == RetentionReport()


async def test_many_are_erased_in_parts(world, monkeypatch):
    monkeypatch.setattr(retention, "_PAGE", 2)
    monkeypatch.setattr(retention, "_MOST_TRAVELLERS", 2)
    for number in range(5):
        await world.publish(f"N {number}")
        await world.publish(f"N {number}")
    world.clock.advance(days=DAYS)

    report = await world.exchange.retention.run()

    assert report.expired == (Expired("KZ", 4, 10, 5),)
    assert [one.messages for one in await world.entries("erased")] == [4, 4, 2]
    assert await world.rows("subjects") == []
    await world.require_sound()


async def test_a_running_exchange_does_it_by_itself(tmp_path):
    async with erasure_world(tmp_path, policies=(POLICY,), role="relay") as world:
        await world.publish(ANNA)
        world.clock.advance(days=DAYS)
        stop = asyncio.Event()

        async def watch():
            try:
                await until(lambda: world.entries("erased"), what="it is erased")
            finally:
                stop.set()

        watching = asyncio.create_task(watch())
        async with parts_for(world.exchange, Metrics()) as parts:
            await run_parts(parts, stop=stop)
        await watching
