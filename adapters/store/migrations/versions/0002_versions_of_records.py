"""Versions of records: the newest of each, and how a decision and a delivery stand to it.

Messages accepted before have no record here, so the first version that follows counts as the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: Microseconds since 1970-01-01T00:00Z.
INSTANT = sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "record_versions",
        sa.Column("record", sa.LargeBinary, primary_key=True),
        sa.Column("version_at", INSTANT, nullable=False),
        sa.Column("entry_index", sa.BigInteger, nullable=False),
        sa.Column("publisher", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        postgresql_with={"fillfactor": 85},
    )
    # Without a default: neither database rewrites a row for these.
    op.add_column("decisions", sa.Column("record", sa.LargeBinary))
    op.add_column("decisions", sa.Column("standing", sa.Text))
    op.add_column("deliveries", sa.Column("superseded_by", sa.BigInteger))
