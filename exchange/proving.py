"""Receipts and deliveries with their proofs: from a batch just recorded, or from the store.

Both ways give the same bytes: a receipt or delivery is a function of what was recorded and of the
checkpoint signed with it, so it can be made again at any time, and nothing but that is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exchange.errors import IntegrityBroken
from exchange.model import (
    MadeView,
    MessageIdentity,
    ReceivedMessage,
    ReleasedDelivery,
    StandingDecision,
)
from exchange.ports import DeliveryRow, RecordedBatch, Store
from exchange.subjects import SubjectVault
from exchange.trail.proof import write_proof
from exchange.trail.tiles import TileId, inclusion_proofs, tiles_for_inclusion
from exchange.views.render import view_message_id
from schemas.delivery import Delivery
from schemas.receipt import Receipt, ReceiptIssue
from schemas.trail_entry import entry_time


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """A trail leaf's exact bytes and its tlog-proof text."""

    entry: bytes = field(repr=False)
    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProvenBatch:
    """What a batch gives out, by message identity."""

    receipts: Mapping[MessageIdentity, tuple[StandingDecision, Receipt]]
    deliveries: Mapping[MessageIdentity, tuple[Delivery, ...]]


@dataclass(frozen=True, slots=True)
class ProofDesk:
    """Hands out receipts and deliveries with their proofs.

    Attributes:
        exchange: this exchange's participant id, which signs the views it makes.
    """

    store: Store
    vault: SubjectVault
    exchange: str = ""

    async def prove(
        self,
        recorded: RecordedBatch | None,
        bodies: Mapping[MessageIdentity, ReceivedMessage],
        identities: Iterable[MessageIdentity],
    ) -> ProvenBatch:
        """Receipts for all these identities, and the deliveries released by the batch."""
        receipts: dict[MessageIdentity, tuple[StandingDecision, Receipt]] = {}
        deliveries: dict[MessageIdentity, tuple[Delivery, ...]] = {}
        if recorded is not None:
            released = [row for row in recorded.new_deliveries if isinstance(row, ReleasedDelivery)]
            proven = _prove_new(recorded, released)
            salts = {one.identity: one.content_salt for one in recorded.decisions}
            for decision in recorded.decisions:
                receipts[decision.identity] = (
                    decision,
                    _receipt(decision, proven[decision.entry_index]),
                )
            for row in released:
                identity = row.pending.identity
                content = _made(row.made)
                # A notice may be about a message that this batch only repeats.
                if content is None and row.state == "released" and identity in bodies:
                    received = bodies[identity]
                    content = Content(received.body, received.signature, salts[identity])
                delivery = self._delivery(row, proven[row.entry_index], content)
                # A notice goes with the message that caused it.
                cause = identity if identity in salts else recorded.decisions[0].identity
                deliveries[cause] = (*deliveries.get(cause, ()), delivery)
        for identity in identities:
            if identity not in receipts:
                receipts[identity] = await self._standing_receipt(identity)
        return ProvenBatch(receipts, deliveries)

    async def receipt_for(self, identity: MessageIdentity) -> Receipt | None:
        """The receipt of a standing decision, the same bytes as the first time, or None."""
        decision = await self.store.decision(identity)
        return None if decision is None else await self.receipt_of(decision)

    async def receipt_of(self, decision: StandingDecision) -> Receipt:
        """The receipt of a decision that stands."""
        place = (decision.entry_index, decision.tree_size)
        return _receipt(decision, (await self.proven_entries([place]))[place])

    async def deliveries_of(self, rows: Sequence[DeliveryRow]) -> list[Delivery]:
        """Deliveries for rows that were let out, in order; an erased body is left out."""
        let_out = [row.released for row in rows if row.released is not None]
        proven = await self.proven_entries([(one.entry_index, one.tree_size) for one in let_out])
        contents = await self._contents(rows)
        return [
            self._delivery(one, proven[one.entry_index, one.tree_size], contents.get(_id(one)))
            for one in let_out
            if one.state != "released" or _id(one) in contents
        ]

    async def _contents(self, rows: Sequence[DeliveryRow]) -> dict[str, "Content"]:
        """What the released ones carry, by delivery id, as far as it was not erased."""
        released = [row for row in rows if row.released and row.released.state == "released"]
        in_full = [row for row in released if row.pending.view == "full"]
        bodies = await self.store.sealed_bodies(
            list(dict.fromkeys(row.pending.identity for row in in_full))
        )
        found: dict[str, Content] = {}
        for row in in_full:
            stored = bodies.get(row.pending.identity)
            if stored is not None:
                found[row.pending.delivery_id] = Content(
                    self.vault.open(*stored), stored[1].signature, row.content_salt
                )
        views = await self.store.sealed_views(
            [row.pending.delivery_id for row in released if row.pending.view != "full"]
        )
        for delivery_id, (subject, view) in views.items():
            body = self.vault.open(subject, view.body)
            found[delivery_id] = Content(body, view.body.signature, view.content_salt)
        return found

    def _delivery(
        self, row: ReleasedDelivery, proven: ProvenEntry, content: "Content | None"
    ) -> Delivery:
        pending, is_released = row.pending, row.state == "released"
        is_own = is_released and pending.view != "full"
        hidden = is_own or not pending.is_joinable
        content = content if is_released else None
        return Delivery(
            delivery=pending.delivery_id,
            subscriber=pending.subscriber,
            number=pending.number,
            state=row.state,
            publisher=self.exchange if hidden else pending.identity.publisher,
            message=(
                view_message_id(pending.delivery_id) if hidden else pending.identity.message_id
            ),
            entry=proven.entry,
            proof=proven.proof,
            content_salt=content.salt if content else None,
            signature=content.signature if content else None,
            body=content.body if content else None,
            standing=row.standing,
            superseded_by=row.superseded_by if pending.is_joinable else None,
        )

    async def proven_entries(
        self, places: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], ProvenEntry]:
        """Entries and proofs for `(entry index, tree size)` pairs, by the checkpoint of that size.

        Raises:
            IntegrityBroken: the store lacks an entry, tile or checkpoint that it recorded.
        """
        entries = await self.store.entries_at([index for index, _ in places])
        wanted = {tile for place in places for tile in tiles_for_inclusion(*place)}
        tiles = await self.store.tiles(sorted(wanted))
        proven: dict[tuple[int, int], ProvenEntry] = {}
        for size in {size for _, size in places}:
            checkpoint = await self.store.checkpoint(size)
            if checkpoint is None:
                raise _missing("checkpoint")
            indexes = [index for index, of_size in places if of_size == size]
            proofs = inclusion_proofs(indexes, size, tiles)
            for index, proof in zip(indexes, proofs, strict=True):
                if index not in entries:
                    raise _missing("entry")
                text = write_proof(index, proof, checkpoint[1])
                proven[index, size] = ProvenEntry(entries[index], text)
        return proven

    async def _standing_receipt(
        self, identity: MessageIdentity
    ) -> tuple[StandingDecision, Receipt]:
        decision = await self.store.decision(identity)
        if decision is None:
            raise _missing("decision")
        return decision, await self.receipt_of(decision)


def _prove_new(
    recorded: RecordedBatch, released: Iterable[ReleasedDelivery]
) -> dict[int, ProvenEntry]:
    indexes = [
        *(decision.entry_index for decision in recorded.decisions),
        *(row.entry_index for row in released),
    ]
    tiles: dict[TileId, bytes] = {**recorded.edge, **recorded.tiles}
    proofs = inclusion_proofs(indexes, recorded.size, tiles)
    return {
        index: ProvenEntry(
            recorded.entries[index - recorded.first_index],
            write_proof(index, proof, recorded.checkpoint),
        )
        for index, proof in zip(indexes, proofs, strict=True)
    }


def _receipt(decision: StandingDecision, proven: ProvenEntry) -> Receipt:
    return Receipt(
        publisher=decision.identity.publisher,
        message=decision.identity.message_id,
        outcome=decision.outcome,
        reason=decision.reason,
        issues=tuple(ReceiptIssue.of(one) for one in decision.problems),
        decided_at=entry_time(decision.decided_at),
        entry=proven.entry,
        proof=proven.proof,
        content_salt=decision.content_salt,
        standing=decision.standing,
    )


class Content(NamedTuple):
    """What a released delivery carries."""

    body: bytes
    signature: str | None
    salt: bytes | None


def _made(view: MadeView | None) -> Content | None:
    return None if view is None else Content(view.body, view.signature, view.sealed.content_salt)


def _id(row: ReleasedDelivery) -> str:
    return row.pending.delivery_id


def _missing(what: str) -> IntegrityBroken:
    msg = f"The store lacks a {what} that it must have."
    return IntegrityBroken(msg)
