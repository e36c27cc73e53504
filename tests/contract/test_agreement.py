"""Does the database say what its trail says? The same answers of both databases."""

import asyncio

import pytest
from sqlalchemy import text

from adapters.store.agreement import disagreements
from adapters.store.database import Database
from exchange.subjects import SubjectVault
from tests.support.running import running_world
from tests.support.world import ALA, KZ, SetClock, consent, usual_cast, vaccination


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def exchange(request, tmp_path):
    """A world with messages accepted and refused, a delivery acknowledged, others waiting."""
    where = {}
    if request.param == "postgresql":
        where["database"] = request.getfixturevalue("fresh_database")
    cast = usual_cast(window=2)
    async with running_world(tmp_path, cast, clock=SetClock(), **where) as exchange:
        deciding = asyncio.create_task(exchange.intake.run())
        for number in range(4):
            consents = [consent()] if number else []
            message_id, body = vaccination(*consents, documents=(f"N {number}",))
            await exchange.intake.submit(cast.signed(ALA, body, message_id=message_id))
        [row] = await exchange.store.delivery_rows(KZ, after=0, limit=1)
        await exchange.acknowledgements.accept(cast.acknowledgement(KZ, [row.pending.delivery_id]))
        yield exchange
        exchange.intake.stop()
        await deciding


@pytest.fixture
async def database(exchange):
    opened = Database(exchange.settings.database_url, pool_size=1)
    yield opened
    await opened.close()


async def test_what_the_exchange_wrote_agrees(exchange, database):
    assert await disagreements(database, SubjectVault(exchange.keys.master)) == ()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM decisions", "decision of entry"),
        ("DELETE FROM sealed_bodies", "record accepted by entry"),
        ("DELETE FROM deliveries WHERE number = 1", "delivery of entry"),
        ("DELETE FROM deliveries WHERE state = 'pending'", "some that waited are missing"),
        ("DELETE FROM acknowledgements", "signed acknowledgement of entry"),
        ("DELETE FROM tiles", "Tile tile/0/000"),
        ("DELETE FROM participants", "participant's document of entry"),
        ("DELETE FROM checkpoints", "latest checkpoint is not kept"),
        ("DELETE FROM trail_entries WHERE idx = 3", "missing or cannot be read"),
        ("UPDATE deliveries SET acknowledged_entry = 99", "name entries beyond the head"),
    ],
)
async def test_what_was_changed_is_told(exchange, database, change, found):
    async with database.changing() as statements:
        await statements.change(text(change))

    told = await disagreements(database, SubjectVault(exchange.keys.master))

    assert any(found in one for one in told), told
