"""One database, PostgreSQL or SQLite: connections, transactions, and how both are kept safe.

PostgreSQL: a transaction takes the tree head's row lock; `synchronous_commit` is never off.
SQLite: a write begins IMMEDIATE, in write-ahead mode with a sync at every commit.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import asyncpg
from sqlalchemy import Connection, CursorResult, Executable, Row, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.store.driver_errors import DRIVER_ERRORS, driver_errors
from exchange.errors import ConfigurationError

Kind = Literal["postgresql", "sqlite"]

_T = TypeVar("_T")

CONNECT_SECONDS = 10.0
#: The longest a statement may take; far above any we send.
STATEMENT_SECONDS = 60.0

#: A process that stops while it holds the tree head must not stop the others for ever. Statements
#: are planned once, perhaps while a table is still empty: without `enable_seqscan` off they would
#: go on reading whole tables until the server next gathers statistics.
_POSTGRES_SETTINGS = {
    "application_name": "bhx",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "enable_seqscan": "off",
    "jit": "off",
}
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
#: What is deleted is overwritten: an erased traveller's key must not lie in a free page.
_SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
)
_WRITE_AHEAD = "PRAGMA journal_mode = WAL"
#: How often the change to write-ahead mode is tried while others make the same new file.
_WRITE_AHEAD_TRIES = 20
_EXPECTED = (
    "The database must be postgresql://user@host/name or sqlite:///path/to/file "
    "(four slashes for an absolute path)."
)


class Statements:
    """One connection, in a transaction or not; its errors are ours.

    What runs in SQLite cannot be interrupted, and a connection that is given up meanwhile would
    keep its lock: so there a cancellation is raised when the statement has ended. PostgreSQL is
    told to stop.
    """

    def __init__(self, connection: AsyncConnection, kind: Kind) -> None:
        self.kind = kind
        self._connection = connection

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """The rows that the statement finds.

        Raises:
            Unavailable: the database gave no answer.
        """
        return (await self._executed(statement, parameters)).all()

    async def change(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Execute it once, or once for each of the parameters; after once, how many rows changed.

        Raises:
            Unavailable: the database gave no answer.
            IntegrityBroken: what it writes exists already.
        """
        return (await self._executed(statement, parameters)).rowcount

    async def run(self, work: Callable[[Connection], _T]) -> _T:
        """The result of work that needs SQLAlchemy's own connection."""
        with driver_errors():
            return await self._ended(self._connection.run_sync(work))

    async def connect(self) -> None:
        """Take a connection.

        Raises:
            Unavailable: there is none.
        """
        with driver_errors():
            self._connection = await self._ended(self._connection.start())

    async def commit(self) -> None:
        """Commit to the end, even if the caller is cancelled meanwhile: then that is raised after.

        Raises:
            Unavailable: it is not known whether it was committed.
        """
        with driver_errors():
            await _to_the_end(self._connection.commit())

    async def release(self) -> None:
        """Give the connection back, rolled back; one that cannot be is thrown away."""
        if self._connection.sync_connection is None:
            return
        try:
            await _to_the_end(self._connection.close())
        except DRIVER_ERRORS:
            with contextlib.suppress(*DRIVER_ERRORS):
                await self._connection.invalidate()

    async def _executed(self, statement: Executable, parameters: Any) -> CursorResult[Any]:
        with driver_errors():
            return await self._ended(self._connection.execute(statement, parameters))

    async def _ended(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await (_to_the_end(work) if self.kind == "sqlite" else work)


class Database:
    """Connections to one database; safe to share between tasks of one event loop."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Connect to nothing yet.

        Args:
            url: `postgresql://…` with any parameter libpq knows and asyncpg reads, or
                `sqlite:///path`.
            pool_size: the most connections of this process.

        Raises:
            ConfigurationError: it is neither.
        """
        parsed = _parsed(url)
        self.kind: Kind = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
        engine = _sqlite(parsed, pool_size) if self.kind == "sqlite" else _postgres(url, pool_size)
        self._engine = engine
        if self.kind == "sqlite":
            self._reads, self._writes = (
                engine,
                engine.execution_options(bhx_begin="BEGIN IMMEDIATE"),
            )
        else:
            self._reads, self._writes = (
                engine.execution_options(isolation_level="AUTOCOMMIT"),
                engine,
            )
        # Tasks of this process wait here rather than each with a connection, or spinning.
        self._writers = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Statements]:
        """Every statement stands for itself and sees what is committed."""
        async with self._statements(self._reads) as statements:
            yield statements

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Statements]:
        """A transaction; leaving without `commit` undoes it. Others of this process wait."""
        async with self._writers, self._statements(self._writes) as statements:
            yield statements

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Statements]:
        """Every statement commits at once, without the tree head."""
        # SQLite knows one writer only, and its own waiting spins.
        queue = self._writers if self.kind == "sqlite" else contextlib.nullcontext()
        async with queue, self.reading() as statements:
            yield statements

    async def close(self) -> None:
        """Close every connection."""
        with driver_errors():
            await self._engine.dispose()

    @asynccontextmanager
    async def _statements(self, engine: AsyncEngine) -> AsyncIterator[Statements]:
        statements = Statements(AsyncConnection(engine), self.kind)
        try:
            await statements.connect()
            yield statements
        finally:
            await statements.release()


async def _to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of the work; a cancellation is raised once it has ended, never inside it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(_EXPECTED) from None
    if parsed.drivername in {"postgresql", "postgres", "postgresql+asyncpg"}:
        return parsed.set(drivername="postgresql+asyncpg")
    if parsed.drivername not in {"sqlite", "sqlite+aiosqlite"}:
        raise ConfigurationError(_EXPECTED)
    if parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError("SQLite must be given a file: what is only in memory is lost.")
    return parsed.set(drivername="sqlite+aiosqlite")


def _postgres(url: str, pool_size: int) -> AsyncEngine:
    # asyncpg reads the URL itself: it knows sslmode, passfile, several hosts and the like.
    dsn = "postgresql" + url[url.index(":") :]

    async def connect(*_: object, **__: object) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings=_POSTGRES_SETTINGS,
        )
        await connection.execute(_DURABLE)
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def _require_open(dbapi_connection: Any, *_: object) -> None:
        # Costs no round trip: asyncpg noticed when the server went away. The pool takes another.
        if dbapi_connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine


def _sqlite(url: URL, pool_size: int) -> AsyncEngine:
    folder = Path(url.database or "").parent
    if not folder.is_dir() and not (url.database or "").startswith("file:"):
        raise ConfigurationError("The folder of the SQLite database does not exist: create it.")
    engine = create_async_engine(
        url,
        # The driver must not begin transactions by itself: we say when, and how.
        connect_args={"isolation_level": None},
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(dbapi_connection: Any, _: object) -> None:
        cursor = dbapi_connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        _use_write_ahead(cursor)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("bhx_begin")
        if statement is not None:
            connection.exec_driver_sql(statement)

    return engine


def _use_write_ahead(cursor: Any) -> None:
    """Change the file to write-ahead mode; it stays so.

    While somebody else writes to a new file, SQLite refuses the change at once, whatever
    `busy_timeout` says. A transaction that excludes everybody is what waits for them.
    """
    for _ in range(_WRITE_AHEAD_TRIES - 1):
        try:
            cursor.execute(_WRITE_AHEAD)
        except sqlite3.OperationalError:
            cursor.execute("BEGIN EXCLUSIVE")
            cursor.execute("ROLLBACK")
        else:
            return
    cursor.execute(_WRITE_AHEAD)
