"""A restored backup does not bring back who was erased since: real backups of both databases."""

import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from adapters.bootstrap import open_exchange
from adapters.erasure_ledger import FileErasureLedger
from adapters.settings import read_settings
from exchange.errors import ConfigurationError, Unavailable
from exchange.model import Erasure
from tests.services.databases import plain_url
from tests.support.erasure_world import ANNA, BORIS, SYSTEM, erasure_world
from tests.support.world import KZ, SetClock


class SqliteBackup:
    """The file, copied while nobody has it open."""

    def __init__(self, folder):
        self._file, self._copy = folder / "exchange.sqlite", folder / "backup.sqlite"

    async def take(self):
        shutil.copyfile(self._file, self._copy)

    async def restore(self):
        for one in self._file.parent.glob("exchange.sqlite*"):
            one.unlink()
        shutil.copyfile(self._copy, self._file)


class PostgresBackup:
    """A database made of another, as the server copies it: file by file."""

    def __init__(self, server, url):
        self._server, self._name = plain_url(server), urlsplit(url).path.lstrip("/")

    async def take(self):
        await self._run(f'CREATE DATABASE "{self._name}_backup" TEMPLATE "{self._name}"')

    async def restore(self):
        await self._run(f'DROP DATABASE "{self._name}"')
        await self._run(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._name}_backup"')

    async def remove(self):
        await self._run(f'DROP DATABASE IF EXISTS "{self._name}_backup"')

    async def _run(self, statement):
        connection = await asyncpg.connect(self._server)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def ground(request, tmp_path):
    """Settings of the database, and a way to back it up."""
    if request.param == "sqlite":
        yield {}, SqliteBackup(tmp_path)
        return
    url = request.getfixturevalue("fresh_database")
    backup = PostgresBackup(request.getfixturevalue("postgres_server"), url)
    yield {"database": url}, backup
    await backup.remove()


@asynccontextmanager
async def opened(folder, settings):
    """The exchange as any command opens it, without admitting anybody again."""
    async with open_exchange(read_settings(data=folder, **settings), clock=SetClock()) as exchange:
        yield exchange


async def test_who_was_erased_stays_erased_after_a_restore(tmp_path, ground):
    settings, backup = ground
    async with erasure_world(tmp_path, **settings) as world:
        await world.publish(ANNA)
        await world.publish(BORIS)
    await backup.take()
    async with erasure_world(tmp_path, **settings) as world:
        await world.erase(ANNA)
        assert len(await world.rows("subjects")) == 1
    await backup.restore()

    async with erasure_world(tmp_path, **settings) as world:
        [erased] = await world.entries("erased")
        assert (erased.cause, erased.messages) == ("restored", 1)
        assert len(await world.rows("subjects")) == 1
        [body] = await world.all_that_opens()
        assert BORIS.encode() in body
        # In the restored trail nobody was told yet, so everybody is told again.
        assert [one.cause for one in await world.entries("recalled")] == ["erased", "erased"]
        assert [one.state for one in await world.deliveries(KZ)] == ["released", "recalled"]
        await world.require_sound()
        await world.publish(ANNA)
    # What came after it is another traveller, whom the ledger does not name.
    async with erasure_world(tmp_path, **settings) as world:
        assert len(await world.entries("erased")) == 1
        assert len(await world.rows("subjects")) == 2


async def test_without_the_ledger_the_backup_would_bring_the_traveller_back(tmp_path, ground):
    settings, backup = ground
    async with erasure_world(tmp_path, **settings) as world:
        await world.publish(ANNA)
    await backup.take()
    async with erasure_world(tmp_path, **settings) as world:
        await world.erase(ANNA)
    await backup.restore()
    (tmp_path / "erasures.ledger").unlink()

    async with erasure_world(tmp_path, **settings) as world:
        assert len(await world.all_that_opens()) == 1


async def test_a_hold_of_the_backup_does_not_keep_who_was_erased_after_it_was_lifted(
    tmp_path, ground
):
    settings, backup = ground
    async with erasure_world(tmp_path, **settings) as world:
        await world.publish(ANNA)
        [hold_id] = await world.exchange.holds.place([(SYSTEM, ANNA)], "Court")
    await backup.take()
    async with erasure_world(tmp_path, **settings) as world:
        await world.exchange.holds.lift(hold_id)
        await world.erase(ANNA)
    await backup.restore()

    async with erasure_world(tmp_path, **settings) as world:
        assert await world.rows("subjects") == []
        await world.require_sound()


async def test_the_ledger_holds_random_ids_and_nothing_else(tmp_path):
    async with erasure_world(tmp_path) as world:
        await world.publish(ANNA)
        [subject] = await world.rows("subjects")
        erased = await world.erase(ANNA)
    file = tmp_path / "erasures.ledger"

    assert file.read_text() == (
        f'{{"erasure":"{erased.erasure_id}","subjects":["{subject["subject_id"]}"]}}\n'
    )
    assert file.stat().st_mode & 0o077 == 0


async def test_the_ledger_may_lie_elsewhere(tmp_path):
    elsewhere = tmp_path / "apart" / "ledger"
    elsewhere.parent.mkdir()
    async with erasure_world(tmp_path / "data", erasure_ledger=elsewhere) as world:
        await world.publish(ANNA)
        await world.erase(ANNA)

    assert elsewhere.read_bytes().count(b"\n") == 1


async def test_an_erasure_whose_ledger_cannot_be_written_changes_nothing(tmp_path):
    async with erasure_world(tmp_path, erasure_ledger=tmp_path / "no" / "ledger") as world:
        await world.publish(ANNA)
        before = await world.every_value()

        with pytest.raises(Unavailable, match="BHX_ERASURE_LEDGER"):
            await world.erase(ANNA)

        assert await world.every_value() == before


def erasure(*subject_ids):
    return Erasure(erasure_id="e", cause="request", subject_ids=subject_ids, messages=0)


async def test_a_line_without_its_end_is_no_line_and_gives_way(tmp_path):
    ledger = FileErasureLedger(tmp_path / "ledger")
    assert await ledger.subjects() == []
    await ledger.add(erasure("a", "b"))
    with (tmp_path / "ledger").open("ab") as file:
        file.write(b'{"erasure":"f","subjects":["c"')

    assert await ledger.subjects() == ["a", "b"]
    await ledger.add(erasure("b", "d"))
    assert await ledger.subjects() == ["a", "b", "d"]


@pytest.mark.parametrize("line", [b"x", b"[]", b'{"subjects":[1]}', b'{"subjects":"a"}', b"\xff"])
async def test_with_a_damaged_ledger_nothing_starts(tmp_path, line):
    async with erasure_world(tmp_path):
        pass
    (tmp_path / "erasures.ledger").write_bytes(line + b'\n{"erasure":"e","subjects":[]}\n')

    with pytest.raises(ConfigurationError, match="damaged"):
        async with opened(tmp_path, {}):
            pass


async def test_a_ledger_that_cannot_be_read_is_a_setting(tmp_path):
    Path(tmp_path, "ledger").mkdir()  # noqa: ASYNC240 - a local folder

    with pytest.raises(ConfigurationError, match="cannot be read"):
        await FileErasureLedger(tmp_path / "ledger").subjects()
