"""Receipts and deliveries with their proofs: from a batch just recorded, or from the store.

Both ways give the same bytes: a receipt or delivery is a function of what was recorded and of the
checkpoint signed with it, so it can be made again at any time, and nothing but that is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exchange.errors import IntegrityBroken
from exchange.model import (
    MessageIdentity,
    ReceivedMessage,
    ReleasedDelivery,
    StandingDecision,
)
from exchange.ports import DeliveryRow, RecordedBatch, Store
from exchange.subjects import SubjectVault
from exchange.trail.proof import write_proof
from exchange.trail.tiles import TileId, inclusion_proofs, tiles_for_inclusion
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
    """Hands out receipts and deliveries with their proofs."""

    store: Store
    vault: SubjectVault

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
                received = bodies[identity]
                delivery = _delivery(
                    row,
                    proven[row.entry_index],
                    received.body,
                    received.signature,
                    salts[identity],
                )
                deliveries[identity] = (*deliveries.get(identity, ()), delivery)
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
        bodies = await self.store.sealed_bodies(
            list(dict.fromkeys(one.pending.identity for one in let_out if one.state == "released"))
        )
        salts = {row.pending.delivery_id: row.content_salt for row in rows}
        deliveries: list[Delivery] = []
        for row in let_out:
            entry = proven[row.entry_index, row.tree_size]
            stored = bodies.get(row.pending.identity)
            if row.state == "released" and stored is None:
                continue
            body = self.vault.open(*stored) if stored and row.state == "released" else None
            signature = stored[1].signature if stored and row.state == "released" else None
            salt = salts[row.pending.delivery_id]
            deliveries.append(_delivery(row, entry, body, signature, salt))
        return deliveries

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


def _delivery(
    row: ReleasedDelivery,
    proven: ProvenEntry,
    body: bytes | None,
    signature: str | None,
    content_salt: bytes | None,
) -> Delivery:
    is_released = row.state == "released"
    return Delivery(
        delivery=row.pending.delivery_id,
        subscriber=row.pending.subscriber,
        number=row.pending.number,
        state=row.state,
        publisher=row.pending.identity.publisher,
        message=row.pending.identity.message_id,
        entry=proven.entry,
        proof=proven.proof,
        content_salt=content_salt if is_released else None,
        signature=signature if is_released else None,
        body=body if is_released else None,
        standing=row.standing,
        superseded_by=row.superseded_by,
    )


def _missing(what: str) -> IntegrityBroken:
    msg = f"The store lacks a {what} that it must have."
    return IntegrityBroken(msg)
