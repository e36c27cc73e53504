"""The transaction that decides: the tree head under lock, the facts, and what is written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select

from adapters.store.database import Statements
from adapters.store.grants import read_grants, read_records_about
from adapters.store.keys import ByKeys
from adapters.store.rows import (
    SELECT_DELIVERIES,
    read_consent_row,
    read_decision,
    read_delivery,
    read_participants,
    read_pending,
    read_version,
)
from adapters.store.saving import save_batch
from adapters.store.sealed import read_bodies, read_disclosed
from adapters.store.tables import (
    consents,
    decisions,
    deliveries,
    is_pending,
    outboxes,
    participants,
    policies,
    record_versions,
    subject_tokens,
    subjects,
    tiles,
    tree_head,
)
from adapters.store.travellers import read_holds, read_traveller
from exchange.errors import IntegrityBroken
from exchange.facts import Facts
from exchange.model import (
    ConsentOnFile,
    Grant,
    Hold,
    MessageIdentity,
    Outbox,
    PendingDelivery,
    SealedBody,
    StandingDecision,
    Subject,
)
from exchange.ports import DeliveryRow, RecordedBatch, RecordOnFile, Traveller, TreeHead
from exchange.trail.tiles import TileId, right_edge
from schemas.participant import Participant

_PARTICIPANTS = select(participants.c.document).order_by(participants.c.id)

#: SQLite has no row locks and needs none: its transaction began IMMEDIATE.
_LOCK_HEAD = select(tree_head).where(tree_head.c.id == 1).with_for_update()

_DECISIONS = ByKeys(decisions.c.message_id, lambda among: select(decisions).where(among))
_SUBJECTS_OF_TOKENS = ByKeys(
    subject_tokens.c.token,
    lambda among: (
        select(
            subject_tokens.c.token,
            subjects.c.subject_id,
            subjects.c.wrapped_key,
            subjects.c.origins,
        )
        .join(subjects, subjects.c.subject_id == subject_tokens.c.subject_id)
        .where(among)
    ),
)
_SURVIVORS = ByKeys(
    subjects.c.subject_id,
    lambda among: select(subjects.c.subject_id, subjects.c.merged_into).where(
        among, subjects.c.merged_into.is_not(None)
    ),
)
_CONSENTS = ByKeys(
    consents.c.subject_id,
    lambda among: (
        select(consents).where(among).order_by(consents.c.basis_entry, consents.c.position)
    ),
)
_POLICIES = select(policies.c.digest)
_OUTBOXES = ByKeys(outboxes.c.subscriber, lambda among: select(outboxes).where(among))
_VERSIONS = ByKeys(record_versions.c.record, lambda among: select(record_versions).where(among))
_DELIVERIES = ByKeys(deliveries.c.delivery_id, SELECT_DELIVERIES.where)
_TILES = ByKeys(
    tiles.c.idx, lambda among: select(tiles).where(tiles.c.level == bindparam("level"), among)
)
_WAITING = (
    SELECT_DELIVERIES.where(deliveries.c.subscriber == bindparam("subscriber"), is_pending)
    .order_by(deliveries.c.number)
    .limit(bindparam("most"))
)


@dataclass(slots=True)
class KnownEdge:
    """The edge of the tree that this process grew last, so that it need not read it again.

    It counts only for the very same checkpoint: size and signed root.
    """

    checkpoint: str | None = None
    tiles: Mapping[TileId, bytes] = field(default_factory=dict, repr=False)


class SqlLockedTrail:
    """The tree head under lock; made by `SqlStore.locked` and gone when that is left."""

    def __init__(self, statements: Statements, head: TreeHead, known: KnownEdge) -> None:
        self.head = head
        self._statements = statements
        self._known = known
        self._saved: RecordedBatch | None = None
        self._is_committed = False

    @property
    def has_erased(self) -> bool:
        """Whether something was destroyed, for good."""
        return self._is_committed and self._saved is not None and bool(self._saved.erasures)

    @classmethod
    async def lock(cls, statements: Statements, known: KnownEdge) -> "SqlLockedTrail":
        """Wait for the head and return the trail as it then stands."""
        rows = await statements.rows(_LOCK_HEAD)
        if not rows:
            raise IntegrityBroken("The database has lost its tree head.")
        row = rows[0]
        if row.checkpoint == known.checkpoint:
            edge = known.tiles
        else:
            edge = await read_tiles(statements, right_edge(row.size))
        head = TreeHead(
            size=row.size,
            edge=edge,
            last_entry_at=row.last_entry_at,
            directory_version=row.directory_version,
        )
        return cls(statements, head, known)

    async def participants(self) -> Sequence[Participant]:
        """Every directory document, ordered by id."""
        rows = await self._statements.rows(_PARTICIPANTS)
        return read_participants(row.document for row in rows)

    async def facts_about(
        self,
        *,
        identities: Sequence[MessageIdentity] = (),
        tokens: Sequence[bytes] = (),
        subject_ids: Sequence[str] = (),
        subscribers: Sequence[str] = (),
        records: Sequence[bytes] = (),
    ) -> Facts:
        """What is known about these, in at most six queries.

        Consents lie under the subject that stands; a merged one that was asked for by its old id
        has them under that as well.
        """
        standing = await self._standing(identities)
        subjects_by_token = await self._subjects(tokens)
        consents_by_subject = await self._consents(
            [one.subject_id for one in subjects_by_token.values()], subject_ids
        )
        counters = await _OUTBOXES.rows(self._statements, subscribers)
        versions = await _VERSIONS.rows(self._statements, records)
        return Facts(
            standing=standing,
            subjects=subjects_by_token,
            consents=consents_by_subject,
            outboxes={
                row.subscriber: Outbox(
                    last_number=row.last_number, waiting=row.waiting, in_flight=row.in_flight
                )
                for row in counters
            },
            versions={row.record: read_version(row) for row in versions},
        )

    async def waiting(self, subscriber: str, limit: int) -> Sequence[PendingDelivery]:
        """The subscriber's waiting deliveries in the order of their numbers."""
        rows = await self._statements.rows(_WAITING, {"subscriber": subscriber, "most": limit})
        return [read_pending(row) for row in rows]

    async def deliveries(self, delivery_ids: Sequence[str]) -> Mapping[str, DeliveryRow]:
        """Those of these deliveries that exist."""
        rows = await _DELIVERIES.rows(self._statements, delivery_ids)
        return {row.delivery_id: read_delivery(row) for row in rows}

    async def disclosed(
        self, subject_ids: Sequence[str]
    ) -> Mapping[str, Sequence[tuple[DeliveryRow, tuple[Subject, SealedBody] | None]]]:
        """By subject asked for: what was released and not recalled, each with its sealed record."""
        return await read_disclosed(self._statements, subject_ids)

    async def records_about(self, subject_ids: Sequence[str]) -> Sequence[RecordOnFile]:
        """Every version of every record about these travellers whose body is still kept."""
        return await read_records_about(self._statements, subject_ids)

    async def grants(self, grant_ids: Sequence[str]) -> Mapping[str, Grant]:
        """Those of these grants that exist."""
        return await read_grants(self._statements, grant_ids)

    async def sealed_bodies(
        self, identities: Sequence[MessageIdentity]
    ) -> Mapping[MessageIdentity, tuple[Subject, SealedBody]]:
        """The sealed bodies that exist, each with the subject whose key sealed it."""
        return await read_bodies(self._statements, identities)

    async def traveller(
        self, *, tokens: Sequence[bytes] = (), subject_ids: Sequence[str] = ()
    ) -> Traveller:
        """All that is kept of the traveller whom these lead to; empty when they lead to nobody."""
        return await read_traveller(self._statements, tokens, subject_ids)

    async def holds(self) -> Sequence[Hold]:
        """Every legal hold, lifted ones included, in the order of their placing."""
        return await read_holds(self._statements)

    async def adopted_policies(self) -> frozenset[str]:
        """Digests of every version of a policy that was ever adopted."""
        rows = await self._statements.rows(_POLICIES)
        return frozenset(row.digest for row in rows)

    async def save(self, batch: RecordedBatch) -> None:
        """Write everything; nothing is visible to others before `commit`.

        Raises:
            IntegrityBroken: the batch grew from another head, or what it adds exists already.
        """
        self._saved = batch
        await save_batch(self._statements, batch)

    async def commit(self) -> None:
        """Make it durable, all or nothing.

        Raises:
            Unavailable: it is not known to be durable.
        """
        # If we crash or fail in here, it may be durable or not: the messages come again.
        await self._statements.commit()
        self._is_committed = True
        if self._saved is not None:
            content = {**self._saved.edge, **self._saved.tiles}
            self._known.tiles = {tile: content[tile] for tile in right_edge(self._saved.size)}
            self._known.checkpoint = self._saved.checkpoint

    async def _standing(
        self, identities: Sequence[MessageIdentity]
    ) -> dict[MessageIdentity, StandingDecision]:
        asked = set(identities)
        rows = await _DECISIONS.rows(self._statements, (one.message_id for one in identities))
        found = (read_decision(row) for row in rows)
        return {decision.identity: decision for decision in found if decision.identity in asked}

    async def _subjects(self, tokens: Sequence[bytes]) -> dict[bytes, Subject]:
        rows = await _SUBJECTS_OF_TOKENS.rows(self._statements, tokens)
        return {
            row.token: Subject(
                subject_id=row.subject_id,
                wrapped_key=row.wrapped_key,
                origins=tuple(row.origins.split()),
            )
            for row in rows
        }

    async def _consents(
        self, standing: Sequence[str], asked: Sequence[str]
    ) -> dict[str, list[ConsentOnFile]]:
        merged = {
            row.subject_id: row.merged_into
            for row in await _SURVIVORS.rows(self._statements, asked)
        }
        survivors = [*standing, *(merged.get(one, one) for one in asked)]
        found: dict[str, list[ConsentOnFile]] = defaultdict(list)
        for row in await _CONSENTS.rows(self._statements, survivors):
            found[row.subject_id].append(read_consent_row(row))
        for old, survivor in merged.items():
            found[old] = list(found[survivor])
        return dict(found)


async def read_tiles(statements: Statements, ids: Sequence[TileId]) -> dict[TileId, bytes]:
    """Those of the tiles that exist; one query a level, of which there are at most eight."""
    by_level: dict[int, list[int]] = defaultdict(list)
    for tile in ids:
        by_level[tile.level].append(tile.index)
    return {
        TileId(row.level, row.idx): row.hashes
        for level, indexes in by_level.items()
        for row in await _TILES.rows(statements, indexes, level=level)
    }
