"""The tree head held by somebody else: the exchange has a batch in hand and cannot finish it."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import asyncpg

from tests.crash.evidence import table_counts
from tests.services.databases import plain_url
from tests.support.waiting import until

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class _Postgres:
    def __init__(self, settings, connection):
        self._settings = settings
        self._connection = connection

    async def somebody_waits(self):
        """Return when the exchange waits for the head."""
        await until(lambda: self._connection.fetchval(_WAITING), what="the head is wanted")

    async def decisions(self):
        return await decisions_in(self._settings)


class _Sqlite:
    def __init__(self, settings):
        self._settings = settings

    async def somebody_waits(self):
        """Return when the exchange has answered a later request than those under way."""
        url = f"http://{self._settings['listen']}/healthz"
        await asyncio.to_thread(lambda: urlopen(url, timeout=10).close())

    async def decisions(self):
        return await decisions_in(self._settings)


async def decisions_in(settings):
    """How many messages are decided, durably."""
    database = settings.get("database") or f"sqlite:///{_file(settings)}"
    return (await table_counts(database))["decisions"]


@asynccontextmanager
async def tree_head_held(settings):
    """Nobody decides while inside; every transaction before is over."""
    if "database" in settings:
        connection = await asyncpg.connect(plain_url(settings["database"]))
        try:
            async with connection.transaction():
                await connection.execute("SELECT 1 FROM tree_head FOR UPDATE")
                yield _Postgres(settings, connection)
        finally:
            await connection.close()
        return
    connection = sqlite3.connect(
        _file(settings), isolation_level=None, timeout=20, check_same_thread=False
    )
    try:
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        yield _Sqlite(settings)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _file(settings):
    return Path(settings["data"]) / "exchange.sqlite"
