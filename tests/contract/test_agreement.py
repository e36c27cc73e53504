"""Does the database say what its trail says? The same answers of both databases."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from adapters.store.agreement import disagreements
from adapters.store.database import Database
from exchange.subjects import SubjectVault
from tests.support.running import running_world
from tests.support.world import (
    ALA,
    KZ,
    NOON,
    SetClock,
    consent,
    consent_message,
    usual_cast,
    vaccination,
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def exchange(request, tmp_path):
    """A world with messages accepted and refused, a delivery acknowledged, others waiting."""
    where = {}
    if request.param == "postgresql":
        where["database"] = request.getfixturevalue("fresh_database")
    cast = usual_cast(window=3)
    async with running_world(tmp_path, cast, clock=SetClock(), **where) as exchange:
        deciding = asyncio.create_task(exchange.intake.run())
        for message_id, body in messages():
            await exchange.intake.submit(cast.signed(ALA, body, message_id=message_id))
        [row] = await exchange.store.delivery_rows(KZ, after=0, limit=1)
        await exchange.acknowledgements.accept(cast.acknowledgement(KZ, [row.pending.delivery_id]))
        yield exchange
        exchange.intake.stop()
        await deciding


def messages():
    """One without consent; a record, a newer version and an older one; two of others, which wait; a
    withdrawal.
    """
    yield vaccination(documents=("N 0",))
    first, newer, older = (NOON - timedelta(hours=hours) for hours in (2, 1, 3))
    yield vaccination(consent(), documents=("N 1",), record="r-1", made_at=first)
    for made_at in (newer, older):
        yield vaccination(
            documents=("N 1",), record="r-1", made_at=made_at, event="immunization-corrected"
        )
    for number in (2, 3):
        yield vaccination(consent(), documents=(f"N {number}",))
    withdrawal = consent(status="inactive", identifier="withdrawal", given="2026-05-30T10:00:00Z")
    yield consent_message(withdrawal, documents=("N 2",))


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
        # consents, as they are enforced
        ("DELETE FROM consents WHERE statement LIKE '%withdrawal%'", "consents that entry"),
        ("DELETE FROM consents", "consents that entry"),
        (
            "UPDATE consents SET statement = replace(statement, 'inactive', 'active')",
            "consents that",
        ),
        ("UPDATE consents SET statement = '{}'", "consents that entry"),
        ("UPDATE consents SET subject_id = 'x'", "consents that entry"),
        ("UPDATE consents SET basis_consent = 'x'", "consents that entry"),
        (
            "INSERT INTO consents SELECT basis_entry, position + 9, subject_id, basis_consent,"
            " statement FROM consents",
            "consents that entry",
        ),
        (
            "INSERT INTO consents SELECT 2, 0, subject_id, basis_consent, statement FROM consents"
            " WHERE statement LIKE '%withdrawal%'",
            "consents enforced that no accepted message brought",
        ),
        ("UPDATE consents SET basis_entry = 99 WHERE statement LIKE '%withd%'", "beyond the head"),
        # versions of records
        ("DELETE FROM record_versions", "newest versions of some records are missing"),
        ("UPDATE record_versions SET version_at = version_at + 1", "kept otherwise"),
        ("UPDATE record_versions SET subject_id = 'x'", "kept otherwise"),
        ("UPDATE record_versions SET message_id = 'x'", "newest versions of some records"),
        ("UPDATE record_versions SET entry_index = entry_index - 1", "newest versions of some"),
        ("UPDATE record_versions SET entry_index = 99", "beyond the head"),
        ("UPDATE decisions SET standing = 'superseded' WHERE standing = 'current'", "decision of"),
        ("UPDATE decisions SET standing = 'current' WHERE standing = 'superseded'", "decision of"),
        ("UPDATE decisions SET record = digest WHERE record IS NOT NULL", "decision of entry"),
        # deliveries
        (
            "UPDATE deliveries SET superseded_by = NULL WHERE superseded_by IS NOT NULL",
            "delivery of entry",
        ),
        ("UPDATE deliveries SET superseded_by = 1 WHERE state = 'released'", "delivery of entry"),
        ("UPDATE deliveries SET basis_consent = 'x' WHERE state = 'released'", "delivery of entry"),
        ("UPDATE deliveries SET content = 'x' WHERE state = 'pending'", "that waits is recorded"),
        (
            "UPDATE deliveries SET message_id = 'x' WHERE state = 'pending'",
            "that waits is recorded",
        ),
        ("UPDATE deliveries SET accepted_entry = 2 WHERE state = 'pending'", "no entry accepted"),
    ],
)
async def test_what_was_changed_is_told(exchange, database, change, found):
    async with database.changing() as statements:
        await statements.change(text(change))

    told = await disagreements(database, SubjectVault(exchange.keys.master))

    assert any(found in one for one in told), told
