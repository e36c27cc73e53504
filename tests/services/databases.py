"""Fresh PostgreSQL databases, so that no test sees another one's rows."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import asyncpg


def create_database(server_url: str) -> str:
    """Create an empty database on the server and return its SQLAlchemy URL (asyncpg)."""
    name = f"bhx_test_{secrets.token_hex(6)}"
    _execute(server_url, f'CREATE DATABASE "{name}"')
    parts = urlsplit(server_url)
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg", path=f"/{name}"))


def drop_database(server_url: str, database_url: str) -> None:
    """Drop a database made here, disconnecting whoever still uses it."""
    name = urlsplit(database_url).path.lstrip("/")
    _execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def plain_url(url: str) -> str:
    """Return the URL without SQLAlchemy's driver name, as PostgreSQL's own tools write it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="postgresql"))


def _execute(server_url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(plain_url(server_url), timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # In a thread: the caller's thread may have an event loop of its own.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, run()).result()
