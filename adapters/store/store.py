"""Everything durable, in one SQL database: the `Store` port over PostgreSQL or SQLite."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Executable,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
    true,
    union,
)
from sqlalchemy.dialects import postgresql, sqlite

from adapters.store.database import Database
from adapters.store.disclosures import read_disclosures
from adapters.store.erasing import wipe_leftovers
from adapters.store.grants import SELECT_GRANTS, SELECT_UNREVIEWED, read_grant
from adapters.store.keys import ByKeys
from adapters.store.locked_trail import KnownEdge, SqlLockedTrail, read_tiles
from adapters.store.migrate import require_current_schema
from adapters.store.rows import (
    SELECT_DELIVERIES,
    read_decision,
    read_delivery,
    read_notice,
    read_participants,
    read_slip,
)
from adapters.store.sealed import read_bodies, read_views
from adapters.store.tables import (
    acknowledgements,
    checkpoints,
    decisions,
    deliveries,
    is_notice,
    is_pending,
    logins,
    outboxes,
    participants,
    slips,
    subjects,
    trail_entries,
    tree_head,
    unsent,
)
from adapters.store.travellers import kept_subjects, read_kept_records
from exchange.disclosure_rows import DisclosureRows
from exchange.errors import IntegrityBroken
from exchange.model import (
    Grant,
    KeptRecord,
    MessageIdentity,
    SealedBody,
    SealedView,
    Slip,
    StandingDecision,
    Subject,
)
from exchange.ports import DeliveryRow, Notice
from exchange.trail.tiles import TileId
from schemas.participant import Participant

_DIRECTORY_VERSION = select(tree_head.c.directory_version).where(tree_head.c.id == 1)
#: One statement sees one snapshot; without participants there is still the version.
_DIRECTORY = (
    select(tree_head.c.directory_version, participants.c.document)
    .outerjoin_from(tree_head, participants, true())
    .where(tree_head.c.id == 1)
    .order_by(participants.c.id)
)
_DECISION = select(decisions).where(
    decisions.c.message_id == bindparam("message_id"),
    decisions.c.publisher == bindparam("publisher"),
)
_ANY_SUBJECT = select(subjects.c.subject_id, subjects.c.wrapped_key).limit(1)
_SLIP = select(slips).where(slips.c.token_digest == bindparam("token_digest"))
_DELIVERIES_AFTER = (
    SELECT_DELIVERIES.where(
        deliveries.c.subscriber == bindparam("subscriber"),
        deliveries.c.number > bindparam("after"),
        ~is_pending,
    )
    .order_by(deliveries.c.number)
    .limit(bindparam("most"))
)
_UNSENT = (
    SELECT_DELIVERIES.join(unsent, unsent.c.delivery_id == deliveries.c.delivery_id)
    .where(unsent.c.released_at < bindparam("released_before"))
    .order_by(unsent.c.entry_index)
    .limit(bindparam("most"))
)
_RECALLED = ByKeys(
    deliveries.c.recalls,
    lambda among: select(deliveries.c.recalls).where(among, is_notice),
)
_MARK_SENT = ByKeys(
    deliveries.c.delivery_id,
    lambda among: delete(unsent).where(
        unsent.c.entry_index.in_(select(deliveries.c.entry_index).where(among))
    ),
)
_IS_OVERDUE = and_(
    is_notice, deliveries.c.answer.is_(None), deliveries.c.deadline < bindparam("overdue_at")
)
_NOTICES = (
    SELECT_DELIVERIES.add_columns(trail_entries.c.entry, unsent.c.released_at)
    .outerjoin(trail_entries, trail_entries.c.idx == deliveries.c.entry_index)
    .outerjoin(unsent, unsent.c.entry_index == deliveries.c.entry_index)
    .where(is_notice, deliveries.c.delivery_id > bindparam("after"))
    .order_by(deliveries.c.delivery_id)
    .limit(bindparam("most"))
)
_OVERDUE_NOTICES = _NOTICES.where(_IS_OVERDUE)
_OVERDUE = select(func.count().label("number")).select_from(deliveries).where(_IS_OVERDUE)
_WAITING_SUBSCRIBERS = select(outboxes.c.subscriber, outboxes.c.in_flight).where(
    outboxes.c.waiting > 0
)
_STATEMENT = select(acknowledgements).where(acknowledgements.c.digest == bindparam("digest"))
_ENTRIES = (
    select(trail_entries.c.entry)
    .where(trail_entries.c.idx >= bindparam("start"))
    .order_by(trail_entries.c.idx)
    .limit(bindparam("most"))
)
_ENTRIES_AT = ByKeys(trail_entries.c.idx, lambda among: select(trail_entries).where(among))
_LATEST_CHECKPOINT = select(tree_head.c.size, tree_head.c.checkpoint.label("note")).where(
    tree_head.c.id == 1, tree_head.c.size > 0
)
_CHECKPOINT = select(checkpoints.c.size, checkpoints.c.note).where(
    checkpoints.c.size == bindparam("size")
)
_CHECKPOINT_SIZES = (
    select(checkpoints.c.size)
    .where(checkpoints.c.size > bindparam("after"))
    .order_by(checkpoints.c.size)
    .limit(bindparam("most"))
)
_FIRST_LOGIN = {
    "postgresql": postgresql.insert(logins).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(logins).on_conflict_do_nothing(),
}
_FORGET_LOGINS = delete(logins).where(logins.c.expires_at < bindparam("before"))
_LOGINS_BETWEEN_FORGETTING = 100
#: Far more than clocks of two processes differ.
_KEPT_AFTER_EXPIRY = timedelta(days=1)


def _entries_of_message() -> CompoundSelect[Any]:
    """Indexes of the decisions on a message id, and of all that its deliveries led to."""
    decided = select(decisions.c.entry_index).where(
        decisions.c.message_id == bindparam("message_id")
    )
    led_to = deliveries.c.accepted_entry.in_(decided)
    return union(
        decided,
        select(deliveries.c.entry_index).where(led_to),
        select(deliveries.c.acknowledged_entry).where(led_to),
        select(deliveries.c.answered_entry).where(led_to),
    )


_MESSAGE_ENTRIES = (
    select(trail_entries)
    .where(trail_entries.c.idx.in_(_entries_of_message()))
    .order_by(trail_entries.c.idx)
)


class SqlStore:
    """The store over one database; safe to share between tasks of one event loop."""

    def __init__(self, database: Database) -> None:
        """Use `open`, which checks the schema first."""
        self._database = database
        self._known_edge = KnownEdge()
        self._logins = 0

    @classmethod
    async def open(cls, url: str, *, pool_size: int = 10) -> "SqlStore":
        """The store in that database, whose schema must be current (`migrate`).

        Args:
            url: `postgresql://…` or `sqlite:///path`.
            pool_size: the most connections of this process.

        Raises:
            ConfigurationError: the URL or the schema is not what it must be.
            Unavailable: the database gives no answer.
        """
        database = Database(url, pool_size=pool_size)
        try:
            await require_current_schema(database)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[SqlLockedTrail]:
        """Begin a transaction that holds the tree head; leaving without `commit` undoes it."""
        async with self._database.writing() as statements:
            trail = await SqlLockedTrail.lock(statements, self._known_edge)
            yield trail
        if trail.has_erased:
            await wipe_leftovers(self._database)

    async def directory_version(self) -> int:
        """The version of the directory now, without the lock."""
        return int((await self._one(_DIRECTORY_VERSION)).directory_version)

    async def participants(self) -> tuple[int, Sequence[Participant]]:
        """The directory version and every document, ordered by id, from one snapshot."""
        rows = await self._rows(_DIRECTORY)
        if not rows:
            raise _headless()
        documents = [row.document for row in rows if row.document is not None]
        return rows[0].directory_version, read_participants(documents)

    async def decision(self, identity: MessageIdentity) -> StandingDecision | None:
        """The decision that stands for that identity."""
        rows = await self._rows(
            _DECISION, publisher=identity.publisher, message_id=identity.message_id
        )
        return read_decision(rows[0]) if rows else None

    async def sealed_bodies(
        self, identities: Sequence[MessageIdentity]
    ) -> Mapping[MessageIdentity, tuple[Subject, SealedBody]]:
        """The sealed bodies that exist, each with the subject whose key sealed it."""
        async with self._database.reading() as statements:
            return await read_bodies(statements, identities)

    async def sealed_views(
        self, delivery_ids: Sequence[str]
    ) -> Mapping[str, tuple[Subject, SealedView]]:
        """What the exchange made for these deliveries, where it was not erased."""
        async with self._database.reading() as statements:
            return await read_views(statements, delivery_ids)

    async def kept_subjects(self, subject_ids: Sequence[str]) -> Sequence[str]:
        """Those of these travellers whose keys are still kept."""
        async with self._database.reading() as statements:
            return await kept_subjects(statements, subject_ids)

    async def kept_records(
        self, *, accepted_by: datetime, after: MessageIdentity | None, limit: int
    ) -> tuple[Sequence[KeptRecord], MessageIdentity | None]:
        """Stored messages accepted by that time, and what to ask for the next ones with."""
        async with self._database.reading() as statements:
            return await read_kept_records(statements, accepted_by, after, limit)

    async def any_subject(self) -> Subject | None:
        """Some traveller's key, if any is kept."""
        rows = await self._rows(_ANY_SUBJECT)
        return (
            Subject(subject_id=rows[0].subject_id, wrapped_key=rows[0].wrapped_key)
            if rows
            else None
        )

    async def disclosures(self, subject_id: str) -> DisclosureRows:
        """All that was let out or withheld about that traveller, merged subjects included."""
        async with self._database.reading() as statements:
            return await read_disclosures(statements, subject_id)

    async def slip(self, token_digest: bytes) -> Slip | None:
        """The slip of that digest, expired or not; None also after its traveller was erased."""
        rows = await self._rows(_SLIP, token_digest=token_digest)
        return read_slip(rows[0]) if rows else None

    async def delivery_rows(
        self, subscriber: str, *, after: int, limit: int
    ) -> Sequence[DeliveryRow]:
        """The subscriber's released and withheld deliveries with numbers above `after`."""
        rows = await self._rows(_DELIVERIES_AFTER, subscriber=subscriber, after=after, most=limit)
        return [read_delivery(row) for row in rows]

    async def unsent(self, *, released_before: datetime, limit: int) -> Sequence[DeliveryRow]:
        """Deliveries let out before that time and never marked sent, oldest first."""
        rows = await self._rows(_UNSENT, released_before=released_before, most=limit)
        return [read_delivery(row) for row in rows]

    async def recalled_among(self, delivery_ids: Sequence[str]) -> frozenset[str]:
        """Those of these deliveries for which there is a notice of recall, let out or waiting."""
        rows = await self._among(_RECALLED, delivery_ids)
        return frozenset(row.recalls for row in rows)

    async def mark_sent(self, delivery_ids: Sequence[str], at: datetime) -> None:
        """Remember that the broker confirmed these. If we crash before, they are sent again."""
        async with self._database.changing() as statements:
            await _MARK_SENT.change(statements, delivery_ids)

    async def subscribers_with_room(self, windows: Mapping[str, int]) -> Sequence[str]:
        """Subscribers that have waiting deliveries and fewer in flight than their window."""
        return sorted(
            row.subscriber
            for row in await self._rows(_WAITING_SUBSCRIBERS)
            if row.in_flight < windows.get(row.subscriber, 0)
        )

    async def notices(
        self, *, after: str, limit: int, overdue_at: datetime | None = None
    ) -> Sequence[Notice]:
        """Notices of recall whose ids come after that one, in the order of their ids."""
        asked: dict[str, Any] = {"after": after, "most": limit}
        if overdue_at is None:
            rows = await self._rows(_NOTICES, **asked)
        else:
            rows = await self._rows(_OVERDUE_NOTICES, overdue_at=overdue_at, **asked)
        return [read_notice(row) for row in rows]

    async def grants(self, *, only_unreviewed: bool = False) -> Sequence[Grant]:
        """Broken glass, in the order of its trail entries."""
        statement = SELECT_UNREVIEWED if only_unreviewed else SELECT_GRANTS
        return [read_grant(row) for row in await self._rows(statement)]

    async def overdue_recalls(self, at: datetime) -> int:
        """How many notices of recall are unanswered whose deadline was before that time."""
        [row] = await self._rows(_OVERDUE, overdue_at=at)
        return int(row.number)

    async def statement(self, digest: str) -> tuple[bytes, str] | None:
        """Body and detached JWS of the signed acknowledgement of that digest."""
        rows = await self._rows(_STATEMENT, digest=digest)
        return (rows[0].body, rows[0].signature) if rows else None

    async def entries(self, start: int, limit: int) -> Sequence[bytes]:
        """Trail entries from that index on, in order."""
        return [_bytes(row.entry) for row in await self._rows(_ENTRIES, start=start, most=limit)]

    async def entries_at(self, indexes: Sequence[int]) -> Mapping[int, bytes]:
        """Those trail entries."""
        return {row.idx: _bytes(row.entry) for row in await self._among(_ENTRIES_AT, indexes)}

    async def message_entries(self, message_id: str) -> Sequence[tuple[int, bytes]]:
        """Entries of one message id: its decisions, releases, tombstones, acknowledgements."""
        rows = await self._rows(_MESSAGE_ENTRIES, message_id=message_id)
        return [(row.idx, _bytes(row.entry)) for row in rows]

    async def tiles(self, ids: Sequence[TileId]) -> Mapping[TileId, bytes]:
        """Those of the tiles that exist, each as full as it is now."""
        async with self._database.reading() as statements:
            return await read_tiles(statements, ids)

    async def checkpoint(self, size: int | None = None) -> tuple[int, str] | None:
        """The signed checkpoint of exactly that size, or the latest; with its size."""
        if size is None:
            rows = await self._rows(_LATEST_CHECKPOINT)
        else:
            rows = await self._rows(_CHECKPOINT, size=size)
        return (rows[0].size, rows[0].note) if rows else None

    async def checkpoint_sizes(self, after: int, limit: int) -> Sequence[int]:
        """Sizes above `after` for which a checkpoint was signed, ascending."""
        return [row.size for row in await self._rows(_CHECKPOINT_SIZES, after=after, most=limit)]

    async def remember_login(self, assertion_id: str, expires_at: datetime) -> bool:
        """True the first time; False when that login assertion was used before."""
        async with self._database.changing() as statements:
            if self._logins % _LOGINS_BETWEEN_FORGETTING == 0:
                before = datetime.now(UTC) - _KEPT_AFTER_EXPIRY
                await statements.change(_FORGET_LOGINS, {"before": before})
            self._logins += 1
            inserted = await statements.change(
                _FIRST_LOGIN[statements.kind],
                {"assertion_id": assertion_id, "expires_at": expires_at},
            )
            return inserted == 1

    async def close(self) -> None:
        """Give back every statements."""
        await self._database.close()

    async def _rows(self, statement: Executable, **parameters: Any) -> Sequence[Row[Any]]:
        async with self._database.reading() as statements:
            return await statements.rows(statement, parameters)

    async def _among(
        self, statement: ByKeys[Select[Any]], keys: Sequence[Any]
    ) -> Sequence[Row[Any]]:
        async with self._database.reading() as statements:
            return await statement.rows(statements, keys)

    async def _one(self, statement: Executable) -> Row[Any]:
        rows = await self._rows(statement)
        if not rows:
            raise _headless()
        return rows[0]


def _bytes(entry: object) -> bytes:
    """The entry as it is; SQLite takes any type into any column."""
    if not isinstance(entry, bytes):
        raise IntegrityBroken("A trail entry in the database is not bytes: it was changed.")
    return entry


def _headless() -> IntegrityBroken:
    return IntegrityBroken("The database has lost its tree head.")
