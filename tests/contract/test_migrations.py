"""The migrations create what adapters/store/tables.py says, on both databases."""

import asyncio
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from adapters.store.database import Database
from adapters.store.migrate import migrate, newest_revision, schema_revision
from adapters.store.store import SqlStore
from adapters.store.tables import metadata
from exchange.errors import ConfigurationError, Unavailable


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("fresh_database")


async def executed(url, statement):
    database = Database(url)
    async with database.writing() as statements:
        await statements.change(text(statement))
        await statements.commit()
    await database.close()


async def test_migrated_schema_is_the_one_of_the_tables(url):
    await migrate(url)
    database = Database(url)
    async with database.reading() as statements:
        differences = await statements.run(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), metadata
            )
        )
    await database.close()
    assert differences == []


async def test_a_schema_that_lacks_a_column_is_noticed_by_that_comparison(url):
    await migrate(url)
    await executed(url, "ALTER TABLE consents DROP COLUMN statement")
    database = Database(url)
    async with database.reading() as statements:
        differences = await statements.run(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    await database.close()
    assert differences


async def test_migrating_again_changes_nothing(url):
    assert await schema_revision(url) is None
    await migrate(url)
    await migrate(url)
    assert await schema_revision(url) == newest_revision()


async def test_processes_that_start_together_migrate_once(url):
    await asyncio.gather(*(migrate(url) for _ in range(4)))
    assert await schema_revision(url) == newest_revision()
    store = await SqlStore.open(url)
    assert await store.directory_version() == 0
    await store.close()


async def test_a_new_file_that_another_process_is_writing_is_waited_for(tmp_path):
    # What another process holds for a moment while it makes the same file.
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asyncio.get_running_loop().call_later(0.2, other.close)

    url = f"sqlite:///{tmp_path / 'store.db'}"
    await migrate(url)

    assert await schema_revision(url) == newest_revision()


async def test_a_store_refuses_a_schema_that_was_not_migrated(url):
    with pytest.raises(ConfigurationError, match="bhx serve"):
        await SqlStore.open(url)


async def test_a_schema_of_a_newer_version_is_refused(url):
    await migrate(url)
    await executed(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError):
        await SqlStore.open(url)
    with pytest.raises(ConfigurationError, match="newer"):
        await migrate(url)


async def test_a_migration_that_fails_leaves_nothing(url):
    await executed(url, "CREATE TABLE outboxes (subscriber integer)")
    with pytest.raises(Exception, match="database"):
        await migrate(url)
    assert await schema_revision(url) is None
    await executed(url, "DROP TABLE outboxes")
    await migrate(url)


@pytest.mark.parametrize(
    "wrong",
    [
        "mysql://localhost/bhx",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/store.db",
        "not a url",
        "postgresql+psycopg://localhost/bhx",
    ],
)
async def test_a_wrong_url_is_refused_without_being_repeated(wrong):
    with pytest.raises(ConfigurationError) as refused:
        await migrate(wrong)
    assert wrong not in str(refused.value)


async def test_no_server_is_unavailable(unused_tcp_port):
    url = f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/bhx"
    with pytest.raises(Unavailable):
        await migrate(url)
    with pytest.raises(Unavailable):
        await SqlStore.open(url)
