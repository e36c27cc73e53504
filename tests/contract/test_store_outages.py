"""The store when its database goes away: `Unavailable`, nothing half written, and then it works."""

import asyncio
import sqlite3
from contextlib import closing

import asyncpg
import pytest
from sqlalchemy import text

from adapters.store.migrate import migrate
from adapters.store.store import SqlStore
from exchange.errors import IntegrityBroken, Unavailable
from exchange.trail.checkpoint import open_checkpoint
from tests.contract.recorded_world import (
    NOW,
    SIGNER,
    VAULT,
    accept,
    accepted,
    facts_for,
    message,
    recording_on,
)
from tests.services.databases import plain_url


async def terminate_everybody(url):
    connection = await asyncpg.connect(plain_url(url))
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


async def test_after_a_restart_the_next_call_works(private_postgres):
    server = private_postgres()
    await migrate(server.url)
    store = await SqlStore.open(server.url)
    batch = await accept(store, message("id|1"))
    server.kill()
    for call in (
        store.directory_version(),
        store.entries(0, 1),
        store.unsent(released_before=NOW, limit=1),
        store.mark_sent(["x"], NOW),
        accept(store, message("id|2")),
    ):
        with pytest.raises(Unavailable):
            await call
    server.start()
    assert await store.entries(0, 100) == batch.entries
    later = await accept(store, message("id|3"))
    assert later.first_index == batch.size
    await store.close()


async def test_a_server_that_dies_in_the_middle_leaves_nothing(private_postgres):
    server = private_postgres()
    await migrate(server.url)
    store = await SqlStore.open(server.url)

    async def die_before(step):
        opened = message("id|1")
        async with store.locked() as trail:
            recording = recording_on(trail, await facts_for(trail, [opened]))
            recording.accept(accepted(opened), VAULT)
            if step == "save":
                server.kill()
            await trail.save(recording.close(SIGNER))
            server.kill()
            await trail.commit()

    for step in ("save", "commit"):
        with pytest.raises(Unavailable):
            await die_before(step)
        server.start()
        assert await store.entries(0, 10) == []
    batch = await accept(store, message("id|2"))
    assert open_checkpoint(batch.checkpoint, SIGNER.verifier).size == 4
    await store.close()


async def test_connections_that_were_cut_are_replaced_without_an_error(fresh_database):
    await migrate(fresh_database)
    store = await SqlStore.open(fresh_database)
    await asyncio.gather(*(store.directory_version() for _ in range(5)))
    await terminate_everybody(fresh_database)
    await accept(store, message("id|1"))
    assert await store.directory_version() == 0
    await store.close()


async def test_synchronous_commit_is_on_even_where_the_database_has_it_off(fresh_database):
    connection = await asyncpg.connect(plain_url(fresh_database))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await connection.close()
    await migrate(fresh_database)
    store = await SqlStore.open(fresh_database)
    async with store.locked() as trail:
        (row,) = await trail._statements.rows(text("SHOW synchronous_commit"))
    await store.close()
    assert row[0] == "on"


async def test_sqlite_syncs_at_every_commit(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    async with store.locked() as trail:
        (mode,) = await trail._statements.rows(text("PRAGMA journal_mode"))
        (synchronous,) = await trail._statements.rows(text("PRAGMA synchronous"))
    await store.close()
    assert (mode[0], synchronous[0]) == ("wal", 2)


async def test_a_file_that_is_no_database_stops_the_process(tmp_path):
    path = tmp_path / "store.db"
    await migrate(f"sqlite:///{path}")
    store = await SqlStore.open(f"sqlite:///{path}")
    await store.close()
    path.write_bytes(b"not a database" * 1000)
    store = SqlStore(store._database)
    with pytest.raises(IntegrityBroken):
        await store.directory_version()
    await store.close()


async def test_a_lost_tree_head_stops_the_process(tmp_path):
    path = tmp_path / "store.db"
    await migrate(f"sqlite:///{path}")
    store = await SqlStore.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM tree_head")
        connection.commit()
    for call in (store.directory_version(), store.participants(), accept(store)):
        with pytest.raises(IntegrityBroken):
            await call
    await store.close()
