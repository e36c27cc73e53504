"""What a record is decided on, views of it, recalls, and the rights of travellers.

Bodies accepted before have no traits beside them; a delivery of theirs that still waits is decided
on what the delivery itself says. Deliveries let out before were full, on a consent.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Microseconds since 1970-01-01T00:00Z.
INSTANT = sa.BigInteger()


def upgrade() -> None:
    op.add_column("sealed_bodies", sa.Column("traits", sa.LargeBinary))
    op.add_column("subjects", sa.Column("origins", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "sealed_views",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("content_salt", sa.LargeBinary, nullable=False),
        sa.Column("origin_salt", sa.LargeBinary, nullable=False),
    )
    for column in (
        # A constant default: neither database rewrites a row for it.
        sa.Column("view", sa.Text, nullable=False, server_default="full"),
        sa.Column("basis_kind", sa.Text, nullable=False, server_default="consent"),
        sa.Column("basis_name", sa.Text),
        sa.Column("recalls", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("deadline", INSTANT),
        sa.Column("because", sa.BigInteger),
        sa.Column("answer", sa.Text),
        sa.Column("answered_entry", sa.BigInteger),
    ):
        op.add_column("deliveries", column)
    op.drop_index("deliveries_waiting_subjects", "deliveries")
    op.create_index("deliveries_subjects", "deliveries", ["subject_id"])
    op.create_index(
        "deliveries_recalls",
        "deliveries",
        ["recalls"],
        postgresql_where=sa.text("recalls IS NOT NULL"),
        sqlite_where=sa.text("recalls IS NOT NULL"),
    )
    op.create_table(
        "policies",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("jurisdiction", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("adopted_entry", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("placed_entry", sa.BigInteger, nullable=False),
        sa.Column("lifted_entry", sa.BigInteger),
    )
    op.create_table(
        "slips",
        sa.Column("token_digest", sa.LargeBinary, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.Text, primary_key=True),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("approver", sa.Text),
        sa.Column("opened_entry", sa.BigInteger, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("reviewed_entry", sa.BigInteger),
    )
