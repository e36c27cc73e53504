"""What the core needs of the world. Each docstring is the contract that every adapter must keep.

Adapters turn their drivers' errors into `exchange.errors`; tests/contract holds one suite a port.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from exchange.disclosure_rows import DisclosureRows
from exchange.facts import Facts
from exchange.model import (
    ConsentOnFile,
    Erasure,
    Grant,
    Hold,
    KeptRecord,
    MessageIdentity,
    NewestVersion,
    Outbox,
    PendingDelivery,
    RecallAnswer,
    ReceivedMessage,
    ReleasedDelivery,
    SealedBody,
    SealedView,
    Slip,
    StandingDecision,
    Subject,
    SubjectId,
)
from exchange.trail.tiles import TileId
from schemas.break_glass import ReviewOutcome
from schemas.participant import Participant
from schemas.policy import Policy


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message for one participant's queue of deliveries or receipts."""

    kind: Literal["delivery", "receipt"]
    to: str
    message_id: str
    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Publisher(Protocol):
    """Puts messages into participants' queues."""

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when the broker has confirmed that every message is durable in its queue.

        May publish some before it fails; publishing again is safe, for receivers drop repeats.

        Raises:
            Unavailable: the broker did not confirm, or a participant has no queue.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message in our custody but not yet acknowledged to its source.

    Attributes:
        tag: the source's own handle.
        redelivered: whether the source handed it out before.
    """

    tag: object = field(repr=False)
    received: ReceivedMessage
    redelivered: bool = False


class MessageSource(Protocol):
    """A durable queue of messages: each comes again until acknowledged or dead-lettered."""

    async def receive(self, limit: int) -> Sequence[Incoming]:
        """Wait for at least one message and return what is there, at most `limit`.

        Returns an empty sequence only after `stop_receiving`.

        Raises:
            Unavailable: the source is gone for now; call again.
        """

    async def acknowledge(self, incoming: Sequence[Incoming]) -> None:
        """Tell the source these are settled. If this is lost, they come again: that is safe."""

    async def dead_letter(self, incoming: Incoming, reason: str) -> None:
        """Put it aside durably, with its reason, then acknowledge it.

        Raises:
            Unavailable: it could not be put aside; it is not acknowledged and comes again.
        """

    async def retry_later(self, incoming: Incoming) -> None:
        """Have it come again after a pause, and be dead-lettered when that happened too often."""

    async def stop_receiving(self) -> None:
        """Take no more messages; those unacknowledged go back. `receive` then returns nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """The trail as it stands, locked.

    Attributes:
        edge: the tiles needed to grow the tree (exchange.trail.tiles.right_edge).
        last_entry_at: time of the last entry; the next may not be earlier.
        directory_version: see `exchange.directory.Directory.version`.
    """

    size: int
    edge: Mapping[TileId, bytes] = field(repr=False)
    last_entry_at: datetime | None
    directory_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedBatch:
    """All that one transaction writes; see `exchange.recording`.

    Attributes:
        entries: trail leaves; the first has index `first_index`.
        tiles: full content of every tile that changed.
        edge: the tiles the tree grew from; with `tiles` they prove every new leaf.
        checkpoint: signed note for `size`.
        merges: `(from, into)` subject ids that turned out to be one traveller: tokens, consents
            and waiting deliveries move; bodies stay under the key they were sealed with.
        origins: countries of a traveller's documents, by subject id, where they became more.
        new_deliveries: rows that did not exist before, in the state they now have.
        let_out: deliveries that were waiting before and are now released or withheld.
        acknowledged: delivery ids now acknowledged.
        statements: signed acknowledgements by the digest their trail entry names.
        outboxes: new counters of the subscribers touched.
        versions: the newest version of each record that got a newer one, by `OpenedMessage.record`.
        participants: directory documents as they now are.
        answers: `(notice id, answer, trail index)` of recalls that were answered.
        erasures: what is destroyed in the same transaction.
        holds: legal holds that begin.
        lifted: ids of legal holds that end, each with the trail index that says so.
        grants: broken glass, each with the trail index that says so.
        reviews: `(grant id, outcome, trail index)` of those looked at.
        policies: versions adopted, each with its exact bytes and the trail index that says so.
        slips: papers that open a traveller's disclosure report.
    """

    at: datetime
    first_index: int
    entries: Sequence[bytes] = field(repr=False)
    size: int
    tiles: Mapping[TileId, bytes] = field(repr=False)
    edge: Mapping[TileId, bytes] = field(repr=False)
    checkpoint: str
    decisions: Sequence[StandingDecision] = ()
    bodies: Sequence[tuple[MessageIdentity, SealedBody]] = ()
    subjects: Sequence[Subject] = ()
    tokens: Sequence[tuple[bytes, str]] = ()
    consents: Sequence[tuple[str, ConsentOnFile]] = ()
    merges: Sequence[tuple[str, str]] = ()
    origins: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    new_deliveries: Sequence[PendingDelivery | ReleasedDelivery] = ()
    let_out: Sequence[ReleasedDelivery] = ()
    acknowledged: Sequence[str] = ()
    statements: Sequence[tuple[str, ReceivedMessage]] = ()
    outboxes: Mapping[str, Outbox] = field(default_factory=dict)
    versions: Mapping[bytes, NewestVersion] = field(default_factory=dict, repr=False)
    participants: Sequence[Participant] = ()
    answers: Sequence[tuple[str, RecallAnswer, int]] = ()
    erasures: Sequence[Erasure] = ()
    holds: Sequence[Hold] = ()
    lifted: Sequence[tuple[str, int]] = ()
    policies: Sequence[tuple[Policy, bytes, int]] = ()
    slips: Sequence[Slip] = ()
    grants: Sequence[tuple[Grant, int]] = ()
    reviews: Sequence[tuple[str, ReviewOutcome, int]] = ()


class LockedTrail(Protocol):
    """A transaction that holds the tree head: nobody else decides until it ends."""

    head: TreeHead

    async def participants(self) -> Sequence[Participant]:
        """Every directory document."""

    async def facts_about(
        self,
        *,
        identities: Sequence[MessageIdentity] = (),
        tokens: Sequence[bytes] = (),
        subject_ids: Sequence[str] = (),
        subscribers: Sequence[str] = (),
        records: Sequence[bytes] = (),
    ) -> Facts:
        """What the store knows about these, in a number of queries that does not grow with them.

        Consents are those of the subjects the tokens lead to and of `subject_ids`.
        """

    async def waiting(self, subscriber: str, limit: int) -> Sequence[PendingDelivery]:
        """The subscriber's waiting deliveries in the order of their numbers."""

    async def deliveries(self, delivery_ids: Sequence[str]) -> Mapping[str, "DeliveryRow"]:
        """Those of these deliveries that exist."""

    async def disclosed(
        self, subject_ids: Sequence[str]
    ) -> Mapping[str, Sequence[tuple["DeliveryRow", tuple[Subject, SealedBody] | None]]]:
        """By subject asked for: what was released and not recalled, each with its sealed record.

        Deliveries of subjects merged into one of these count as its own.
        """

    async def records_about(self, subject_ids: Sequence[str]) -> Sequence["RecordOnFile"]:
        """Every version of every record about these travellers whose body is still kept."""

    async def grants(self, grant_ids: Sequence[str]) -> Mapping[str, Grant]:
        """Those of these grants that exist."""

    async def sealed_bodies(
        self, identities: Sequence[MessageIdentity]
    ) -> Mapping[MessageIdentity, tuple[Subject, SealedBody]]:
        """As `Store.sealed_bodies`, within the transaction."""

    async def traveller(
        self, *, tokens: Sequence[bytes] = (), subject_ids: Sequence[SubjectId] = ()
    ) -> "Traveller":
        """All that is kept of the traveller whom these lead to; empty when they lead to nobody."""

    async def holds(self) -> Sequence[Hold]:
        """Every legal hold, lifted ones included, in the order of their placing."""

    async def adopted_policies(self) -> frozenset[str]:
        """Digests of every version of a policy that was ever adopted."""

    async def save(self, batch: RecordedBatch) -> None:
        """Write everything; nothing is visible to others before `commit`."""

    async def commit(self) -> None:
        """Make it durable, all or nothing.

        A crash before this returns may have committed or not: the messages come again, and the
        idempotent receiver finds out.

        Raises:
            Unavailable: it is not known to be durable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as it is recorded.

    Attributes:
        released: None while it waits.
        content_salt: opens the content commitment; None once erased.
        answer: what the recipient answered, when this is a notice of recall.
    """

    pending: PendingDelivery
    released: ReleasedDelivery | None
    acknowledged: bool
    content_salt: bytes | None = field(repr=False)
    answer: RecallAnswer | None = None

    @property
    def is_erased(self) -> bool:
        """Whether it was let out and what it carried was erased since."""
        is_record = self.released is not None and self.released.state == "released"
        return is_record and self.content_salt is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traveller:
    """All that is kept of one traveller.

    Attributes:
        subject_ids: merged ones included; empty when nobody is known.
        tokens: what leads to them.
        holds: legal holds that stand.
        messages: accepted and not erased.
        deliveries: in every state, notices included.
    """

    subject_ids: tuple[SubjectId, ...] = ()
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    holds: tuple[Hold, ...] = ()
    messages: tuple[MessageIdentity, ...] = ()
    deliveries: tuple[DeliveryRow, ...] = ()


class ErasureLedger(Protocol):
    """Which travellers were erased, kept apart from the store and its backups; only added to.

    It is what makes a restored backup forget again. It holds random ids, nothing of anybody.
    """

    async def add(self, erasure: Erasure) -> None:
        """Return when it is durable; called before the erasure is committed.

        Raises:
            Unavailable: it is not; then nothing may be committed.
        """

    async def subjects(self) -> Sequence[SubjectId]:
        """Every subject of every erasure that was added.

        Raises:
            ConfigurationError: the ledger cannot be read, or is damaged.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOnFile:
    """A record that is kept.

    Attributes:
        pending: one of its deliveries, whose own id, number and recipient mean nothing here.
        subject: whose key seals the body.
    """

    pending: PendingDelivery
    subject: Subject
    sealed: SealedBody = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice of recall as it stands.

    Attributes:
        row: its delivery.
        issued_at: when it was let out, by its trail entry; None while it waits.
        is_sent: whether it left for its recipient, or lies where that fetches it.
        answered_entry: trail index of the answer that stands.
    """

    row: DeliveryRow
    issued_at: datetime | None
    is_sent: bool
    answered_entry: int | None


class Store(Protocol):
    """Everything durable. All methods raise `Unavailable` when the database gives no answer."""

    def locked(self) -> AbstractAsyncContextManager[LockedTrail]:
        """Begin a transaction that holds the tree head; leaving without `commit` undoes it."""

    async def directory_version(self) -> int:
        """The version of the directory now, without the lock."""

    async def participants(self) -> tuple[int, Sequence[Participant]]:
        """The directory version and every document, from one snapshot."""

    async def decision(self, identity: MessageIdentity) -> StandingDecision | None:
        """The decision that stands for that identity."""

    async def sealed_bodies(
        self, identities: Sequence[MessageIdentity]
    ) -> Mapping[MessageIdentity, tuple[Subject, SealedBody]]:
        """The sealed bodies that exist, each with its subject's key."""

    async def sealed_views(
        self, delivery_ids: Sequence[str]
    ) -> Mapping[str, tuple[Subject, SealedView]]:
        """What the exchange made for these deliveries, where it was not erased."""

    async def kept_subjects(self, subject_ids: Sequence[SubjectId]) -> Sequence[SubjectId]:
        """Those of these travellers whose keys are still kept."""

    async def kept_records(
        self, *, accepted_by: datetime, after: MessageIdentity | None, limit: int
    ) -> tuple[Sequence[KeptRecord], MessageIdentity | None]:
        """Stored messages accepted by that time, and what to ask for the next ones with.

        Looks at `limit` decisions in the order of their identities, so a page may be empty; the
        second is None after the last.
        """

    async def any_subject(self) -> Subject | None:
        """Some traveller's key, if any is kept: whoever opens the store can try the master key."""

    async def disclosures(self, subject_id: str) -> DisclosureRows:
        """All that was let out or withheld about that traveller, merged subjects included."""

    async def slip(self, token_digest: bytes) -> Slip | None:
        """The slip of that digest, expired or not; None also after its traveller was erased."""

    async def delivery_rows(
        self, subscriber: str, *, after: int, limit: int
    ) -> Sequence[DeliveryRow]:
        """The subscriber's released and withheld deliveries with numbers above `after`."""

    async def unsent(self, *, released_before: datetime, limit: int) -> Sequence[DeliveryRow]:
        """Deliveries let out before that time and never marked sent, oldest first."""

    async def recalled_among(self, delivery_ids: Sequence[str]) -> frozenset[str]:
        """Those of these deliveries for which there is a notice of recall, let out or waiting."""

    async def mark_sent(self, delivery_ids: Sequence[str], at: datetime) -> None:
        """Remember that the broker confirmed these. If we crash before, they are sent again."""

    async def subscribers_with_room(self, windows: Mapping[str, int]) -> Sequence[str]:
        """Subscribers that have waiting deliveries and fewer in flight than their window."""

    async def notices(
        self, *, after: str, limit: int, overdue_at: datetime | None = None
    ) -> Sequence[Notice]:
        """Notices of recall whose ids come after that one, in the order of their ids.

        Args:
            after: id of the last notice one has; empty at the beginning.
            limit: the most to return.
            overdue_at: only those unanswered whose deadline was before this.
        """

    async def grants(self, *, only_unreviewed: bool = False) -> Sequence[Grant]:
        """Broken glass, in the order of its trail entries."""

    async def overdue_recalls(self, at: datetime) -> int:
        """How many notices of recall are unanswered whose deadline was before that time."""

    async def statement(self, digest: str) -> tuple[bytes, str] | None:
        """Body and detached JWS of the signed acknowledgement of that digest."""

    async def entries(self, start: int, limit: int) -> Sequence[bytes]:
        """Trail entries from that index on, in order."""

    async def entries_at(self, indexes: Sequence[int]) -> Mapping[int, bytes]:
        """Those trail entries."""

    async def message_entries(self, message_id: str) -> Sequence[tuple[int, bytes]]:
        """Entries of one message id: its decisions, releases, tombstones, acknowledgements."""

    async def tiles(self, ids: Sequence[TileId]) -> Mapping[TileId, bytes]:
        """Those of the tiles that exist, each as full as it is now."""

    async def checkpoint(self, size: int | None = None) -> tuple[int, str] | None:
        """The signed checkpoint of exactly that size, or the latest; with its size."""

    async def checkpoint_sizes(self, after: int, limit: int) -> Sequence[int]:
        """Sizes above `after` for which a checkpoint was signed, ascending."""

    async def remember_login(self, assertion_id: str, expires_at: datetime) -> bool:
        """True the first time; False when that login assertion was used before."""

    async def close(self) -> None:
        """Give back every connection."""
