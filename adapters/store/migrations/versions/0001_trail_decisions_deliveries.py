"""The first schema: the trail, decisions, travellers, deliveries and the directory."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: Microseconds since 1970-01-01T00:00Z.
INSTANT = sa.BigInteger()
PENDING = sa.text("state = 'pending'")
MERGED = sa.text("merged_into IS NOT NULL")


def upgrade() -> None:
    _create_trail()
    _create_directory()
    _create_travellers()
    _create_messages()
    _create_deliveries()


def _create_trail() -> None:
    tree_head = op.create_table(
        "tree_head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("directory_version", sa.BigInteger, nullable=False),
        sa.Column("last_entry_at", INSTANT),
        sa.Column("checkpoint", sa.Text, nullable=False),
    )
    op.bulk_insert(tree_head, [{"id": 1, "size": 0, "directory_version": 0, "checkpoint": ""}])
    op.create_table(
        "trail_entries",
        sa.Column("idx", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tiles",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("signed_at", INSTANT, nullable=False),
    )


def _create_directory() -> None:
    op.create_table(
        "participants",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "logins",
        sa.Column("assertion_id", sa.Text, primary_key=True),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_logins_expires_at", "logins", ["expires_at"])


def _create_travellers() -> None:
    op.create_table(
        "subjects",
        sa.Column("subject_id", sa.Text, primary_key=True),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("merged_into", sa.Text),
    )
    op.create_index(
        "subjects_merged", "subjects", ["merged_into"], postgresql_where=MERGED, sqlite_where=MERGED
    )
    op.create_table(
        "subject_tokens",
        sa.Column("token", sa.LargeBinary, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False),
    )
    op.create_index("ix_subject_tokens_subject_id", "subject_tokens", ["subject_id"])
    op.create_table(
        "consents",
        sa.Column("basis_entry", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("basis_consent", sa.Text, nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
    )
    op.create_index("ix_consents_subject_id", "consents", ["subject_id"])


def _create_messages() -> None:
    op.create_table(
        "decisions",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("publisher", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("problems", sa.Text, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("entry_index", sa.BigInteger, nullable=False),
        sa.Column("tree_size", sa.BigInteger, nullable=False),
        sa.Column("content_salt", sa.LargeBinary),
    )
    op.create_table(
        "sealed_bodies",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("publisher", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("subscriber", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("publisher", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("record_type", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("basis_consent", sa.Text, nullable=False),
        sa.Column("basis_entry", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("accepted_entry", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("entry_index", sa.BigInteger),
        sa.Column("tree_size", sa.BigInteger),
        sa.Column("acknowledged_entry", sa.BigInteger),
        sa.UniqueConstraint("subscriber", "number", name="deliveries_numbers"),
        postgresql_with={"fillfactor": 85},
    )
    op.create_index("ix_deliveries_accepted_entry", "deliveries", ["accepted_entry"])
    for name, columns in {
        "deliveries_waiting": ["subscriber", "number"],
        "deliveries_waiting_subjects": ["subject_id"],
    }.items():
        op.create_index(name, "deliveries", columns, postgresql_where=PENDING, sqlite_where=PENDING)
    op.create_table(
        "unsent",
        sa.Column("entry_index", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("released_at", INSTANT, nullable=False),
    )
    op.create_table(
        "acknowledgements",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    op.create_table(
        "outboxes",
        sa.Column("subscriber", sa.Text, primary_key=True),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.Column("waiting", sa.BigInteger, nullable=False),
        sa.Column("in_flight", sa.BigInteger, nullable=False),
    )
