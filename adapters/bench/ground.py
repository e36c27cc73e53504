"""A clean place to measure on: an empty virtual host and an empty database, gone afterwards."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from exchange.errors import ConfigurationError

DEFAULT_BROKER = "amqp://guest:guest@127.0.0.1:5672/"
DEFAULT_DATABASE = "postgresql://postgres@127.0.0.1:5432/postgres"


@asynccontextmanager
async def empty_vhost(broker: str) -> AsyncIterator[str]:
    """The URL of a new virtual host on that broker, removed on leaving.

    Raises:
        ConfigurationError: `rabbitmqctl` is not here or not allowed.
    """
    control = shutil.which("rabbitmqctl") or shutil.which("rabbitmqctl", path="/usr/sbin")
    if control is None:
        msg = "bench needs rabbitmqctl, to measure on a virtual host of its own"
        raise ConfigurationError(msg)
    name = f"bhx-bench-{os.urandom(4).hex()}"
    parts = urlsplit(broker)
    await _control(control, "add_vhost", name)
    try:
        user = parts.username or "guest"
        await _control(control, "set_permissions", "-p", name, user, ".*", ".*", ".*")
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        await _control(control, "delete_vhost", name)


@asynccontextmanager
async def empty_database(database: str) -> AsyncIterator[str]:
    """The URL of a new database on that server, dropped on leaving.

    Raises:
        ConfigurationError: the server does not let us make one.
    """
    name = f"bhx_bench_{os.urandom(4).hex()}"
    parts = urlsplit(database.replace("+asyncpg", ""))
    try:
        maintenance = await asyncpg.connect(urlunsplit(parts))
    except (OSError, asyncpg.PostgresError) as error:
        msg = "setting database (BHX_DATABASE): bench cannot connect there"
        raise ConfigurationError(msg) from error
    try:
        await maintenance.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(parts._replace(path=f"/{name}"))
        finally:
            await maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await maintenance.close()


async def _control(control: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        control,
        "--quiet",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,  # Erlang waits for a terminal that is not there
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        msg = f"rabbitmqctl {arguments[0]} failed: run bench as a user who may control RabbitMQ"
        raise ConfigurationError(msg)
