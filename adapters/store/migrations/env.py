"""How Alembic runs our migrations: on the connection and in the transaction of `migrate`."""

from alembic import context

from adapters.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    msg = "Run migrations through adapters.store.migrate, which holds the lock they need."
    raise SystemExit(msg)

context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
