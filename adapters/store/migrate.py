"""Bring the database's schema to what this version needs, and refuse any other."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from adapters.store.database import Database
from exchange.errors import ConfigurationError

_SCRIPTS = Path(__file__).parent / "migrations"
#: Any number that nobody else locks in this database.
_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(7166291043)")


async def migrate(url: str) -> None:
    """Bring the schema to the newest revision; safe when several processes start together.

    All or nothing: a revision that fails leaves the schema as it was.

    Raises:
        ConfigurationError: the URL is none, or the schema is newer than this version.
        Unavailable: the database gave no answer.
    """
    database = Database(url, pool_size=1)
    try:
        async with database.writing() as statements:
            if database.kind == "postgresql":
                await statements.rows(_ADVISORY_LOCK)
            await statements.run(_upgrade)
            await statements.commit()
    finally:
        await database.close()


async def schema_revision(url: str) -> str | None:
    """The revision the database's schema is at; None before the first migration.

    Raises:
        ConfigurationError: the URL is none.
        Unavailable: the database gave no answer.
    """
    database = Database(url, pool_size=1)
    try:
        return await _revision(database)
    finally:
        await database.close()


@cache  # reading the scripts takes longer than opening a store
def newest_revision() -> str:
    """The revision this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise ConfigurationError("The installation lacks its database migrations: reinstall it.")
    return head


async def require_current_schema(database: Database) -> None:
    """Return when the schema is the one this version needs.

    Raises:
        ConfigurationError: it is not; the text says how to mend it.
        Unavailable: the database gave no answer.
    """
    if await _revision(database) != newest_revision():
        raise ConfigurationError(
            "The database's schema is not the one this version needs: "
            "start `bhx serve` of this version, which updates it, or use the newer version."
        )


async def _revision(database: Database) -> str | None:
    async with database.reading() as statements:
        return await statements.run(_current_revision)


def _current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    current = _current_revision(connection)
    if current == newest_revision():
        return
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise ConfigurationError(
            "The database's schema is newer than this version of bhx: start the newer version."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    # Alembic reads the option with interpolation: a percent sign in a path must be doubled.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
