"""What the database holds; migrations/ creates exactly this, and a test compares the two.

Written once and only appended to: trail_entries, checkpoints, decisions, acknowledgements. There
are no foreign keys: every row of a batch is written in one transaction by one program, and a check
for each row would cost more than the row. Deliveries find their trail entries by index.

Times are whole microseconds since 1970 (UTC), which both databases keep exactly. Received text
that may hold any character lies in JSON with ASCII escapes, because PostgreSQL's text has no NUL.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: SQLite makes a key of this type the row's own number instead of a second index.
_Number = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware time, kept exactly as whole microseconds since 1970-01-01T00:00Z."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """The microseconds."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """The time, in UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


metadata = MetaData()

#: One row, id 1. Who locks it decides; `checkpoint` tells trees of the same size apart.
tree_head = Table(
    "tree_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("directory_version", BigInteger, nullable=False),
    Column("last_entry_at", Instant),
    Column("checkpoint", Text, nullable=False),
)

trail_entries = Table(
    "trail_entries",
    metadata,
    Column("idx", _Number, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
)

tiles = Table(
    "tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", _Number, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("signed_at", Instant, nullable=False),
)

participants = Table(
    "participants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("document", Text, nullable=False),
)

#: `merged_into` always names a subject that is itself not merged; the key still opens old bodies.
subjects = Table(
    "subjects",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("merged_into", Text),
    Column("origins", Text, nullable=False, server_default=""),
)
Index(
    "subjects_merged",
    subjects.c.merged_into,
    postgresql_where=subjects.c.merged_into.is_not(None),
    sqlite_where=subjects.c.merged_into.is_not(None),
)

subject_tokens = Table(
    "subject_tokens",
    metadata,
    Column("token", LargeBinary, primary_key=True),
    Column("subject_id", Text, nullable=False, index=True),
)

#: `position` is the place among the consents of one transaction; with the entry it orders them.
consents = Table(
    "consents",
    metadata,
    Column("basis_entry", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("subject_id", Text, nullable=False, index=True),
    Column("basis_consent", Text, nullable=False),
    Column("statement", Text, nullable=False),
)

#: The key begins with the message id, by which auditors ask.
decisions = Table(
    "decisions",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("publisher", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("problems", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("entry_index", BigInteger, nullable=False),
    Column("tree_size", BigInteger, nullable=False),
    Column("content_salt", LargeBinary),
    Column("record", LargeBinary),
    Column("standing", Text),
)

#: The newest version of each record; `record` is a keyed digest, never the record's identifier.
#: Erasing a traveller erases the rows of the subject, merged ones included.
record_versions = Table(
    "record_versions",
    metadata,
    Column("record", LargeBinary, primary_key=True),
    Column("version_at", Instant, nullable=False),
    Column("entry_index", BigInteger, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    # Rows are overwritten and no index changes: with room on the page they stay where they are.
    postgresql_with={"fillfactor": 85},
)

sealed_bodies = Table(
    "sealed_bodies",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("publisher", Text, primary_key=True),
    Column("subject_id", Text, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("signature", Text, nullable=False),
    Column("traits", LargeBinary),
)

#: What the exchange made for one recipient in the place of a received body. Both salts die with the
#: traveller's key: one opens the entry's commitment to the bytes, the other the one to its origin.
sealed_views = Table(
    "sealed_views",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("subject_id", Text, nullable=False, index=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("signature", Text, nullable=False),
    Column("content_salt", LargeBinary, nullable=False),
    Column("origin_salt", LargeBinary, nullable=False),
)

#: A row with `recalls` is a notice: the recipient is to stop using that delivery, by `deadline`.
#: An acknowledgement changes a row but no index, so with room on the page it stays where it is.
deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("subscriber", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("record_type", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("basis_consent", Text, nullable=False),
    Column("basis_entry", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("accepted_entry", BigInteger, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("entry_index", BigInteger),
    Column("tree_size", BigInteger),
    Column("acknowledged_entry", BigInteger),
    Column("superseded_by", BigInteger),
    Column("view", Text, nullable=False, server_default="full"),
    Column("basis_kind", Text, nullable=False, server_default="consent"),
    Column("basis_name", Text),
    Column("recalls", Text),
    Column("cause", Text),
    Column("deadline", Instant),
    Column("because", BigInteger),
    Column("answer", Text),
    Column("answered_entry", BigInteger),
    UniqueConstraint("subscriber", "number", name="deliveries_numbers"),
    postgresql_with={"fillfactor": 85},
)

#: A literal, not a parameter: a prepared statement uses a partial index only if it sees the value.
is_pending = deliveries.c.state == literal_column("'pending'")

Index(
    "deliveries_waiting",
    deliveries.c.subscriber,
    deliveries.c.number,
    postgresql_where=is_pending,
    sqlite_where=is_pending,
)
Index("deliveries_subjects", deliveries.c.subject_id)
is_notice = deliveries.c.recalls.is_not(None)
Index(
    "deliveries_recalls", deliveries.c.recalls, postgresql_where=is_notice, sqlite_where=is_notice
)

#: Let out, and not yet confirmed by the broker. A row here comes and goes, so that the delivery's
#: own row with its indexes need not be written a second time.
unsent = Table(
    "unsent",
    metadata,
    Column("entry_index", _Number, primary_key=True, autoincrement=False),
    Column("delivery_id", Text, nullable=False),
    Column("released_at", Instant, nullable=False),
)

#: `digest` is what the `acknowledged` trail entry names.
acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("signature", Text, nullable=False),
)

outboxes = Table(
    "outboxes",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("last_number", BigInteger, nullable=False),
    Column("waiting", BigInteger, nullable=False),
    Column("in_flight", BigInteger, nullable=False),
)

#: Every version of a policy that was ever deployed: what decisions were made on can be shown.
policies = Table(
    "policies",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("jurisdiction", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("adopted_entry", BigInteger, nullable=False),
)

#: Travellers whose records may not be erased for now, and why; `lifted_entry` ends it.
holds = Table(
    "holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("subject_id", Text, nullable=False, index=True),
    Column("authority", Text, nullable=False),
    Column("placed_entry", BigInteger, nullable=False),
    Column("lifted_entry", BigInteger),
)

#: Slips of paper that open a traveller's disclosure report; only the token's digest is kept.
slips = Table(
    "slips",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    Column("subject_id", Text, nullable=False, index=True),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

#: Broken glass: who may see one traveller's records without a basis, until when, and its review.
grants = Table(
    "grants",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("participant", Text, nullable=False),
    Column("subject_id", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("approver", Text),
    Column("opened_entry", BigInteger, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("outcome", Text),
    Column("reviewed_entry", BigInteger),
)

#: Used login assertions, so that none counts twice; a row may go when it has expired.
logins = Table(
    "logins",
    metadata,
    Column("assertion_id", Text, primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)
