"""What was let out once is not handed out again when it may not be there any more."""

import pytest

from schemas.trail_entry import read_entry
from tests.support.running import running_world
from tests.support.world import KG, KZ, SetClock, consent, consent_message, usual_cast, vaccination
from tests.unit.exchange.test_processor import submit


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


async def fetched(exchange, name):
    rows = await exchange.store.delivery_rows(name, after=0, limit=100)
    return [(one.number, one.state) for one in await exchange.redeliveries.deliveries_of(rows)]


async def test_what_was_recalled_is_not_handed_out_again_and_its_notice_is(exchange, cast, clock):
    await submit(exchange, cast, vaccination(consent()))
    assert await fetched(exchange, KG) == [(1, "released")]

    clock.advance(hours=1)
    await submit(exchange, cast, consent_message(consent(recipients=[KZ], given=LATER)))

    assert await fetched(exchange, KG) == [(2, "recalled")]
    assert await fetched(exchange, KZ) == [(1, "released")]


LATER = "2026-05-02T10:00:00Z"


async def test_what_was_acknowledged_is_decided_on_again_when_it_is_asked_for_again(
    exchange, cast, clock
):
    permit = consent(period={"start": "2026-05-01", "end": "2026-06-02"})
    outcome = await submit(exchange, cast, vaccination(permit))
    clock.advance(days=10)

    # Still on its way: it was decided when it was released.
    assert await fetched(exchange, KZ) == [(1, "released")]
    delivery = next(one for one in outcome.deliveries if one.subscriber == KZ)
    statement = cast.acknowledgement(KZ, [delivery.delivery], at=clock.now())
    await exchange.acknowledgements.accept(statement)

    assert await fetched(exchange, KZ) == []
    assert await fetched(exchange, KG) == [(1, "released")]


async def test_what_was_never_sent_and_is_recalled_meanwhile_is_never_sent(exchange, cast, clock):
    """A process died between commit and publish, and the traveller withdrew before the relay."""
    await submit(exchange, cast, vaccination(consent()))
    clock.advance(hours=1)
    await submit(exchange, cast, consent_message(consent(status="inactive", given=LATER)))
    clock.advance(hours=1)
    before = await exchange.store.unsent(released_before=clock.now(), limit=10)
    sent = []
    dispatch = exchange.relay.dispatcher.dispatch

    async def noted(deliveries):
        sent.extend(deliveries)
        await dispatch(deliveries)

    object.__setattr__(exchange.relay.dispatcher, "dispatch", noted)
    await exchange.relay.resend_unsent()

    assert len(before) == 4
    assert {read_entry(one.entry).type for one in sent} == {"recalled"}
    assert await exchange.store.unsent(released_before=clock.now(), limit=10) == []
