"""Erasure of a traveller: afterwards the exchange can neither read nor find anything about them.

In one transaction under the tree head's lock, so that no message about them is decided meanwhile:

    1. find the traveller, under every subject that was merged; a legal hold that stands refuses
    2. deliveries that wait and whose turn it is are withheld; those behind others are withheld by
       the relay in their turn, for a number let out early would hide the ones before it
    3. everybody who received, and was not told before, gets a notice of recall
    4. the `erased` leaf; the store destroys keys, mapping, consents, records and salts
    5. the ledger has the subjects' ids, durably          if we crash here, the next start erases
    6. commit                                             if we crash here, all is done

The trail keeps who received something, when and on what kind of basis; nothing says about whom.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.errors import ExchangeError
from exchange.model import Disclosed, Erasure, Recall
from exchange.ports import Clock, DeliveryRow, ErasureLedger, LockedTrail, Store, Traveller
from exchange.recalls import deadline_of
from exchange.recording import Recording
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import NoteSigner
from schemas.policy import Policy

#: Deliveries withheld in the erasure's own transaction, at most, for each subscriber.
_MOST_AT_ONCE = 200


class NobodyKnown(ExchangeError):
    """No document leads to a traveller."""


class HoldStands(ExchangeError):
    """A legal hold keeps the traveller's records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure came to.

    Attributes:
        messages: how many stored messages became unreadable.
        withheld: deliveries stopped at once.
        waiting: deliveries that the relay will stop in their turn.
        recalled: recipients' deliveries that a notice was given for.
    """

    erasure_id: str
    messages: int
    withheld: int
    waiting: int
    recalled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureDesk:
    """Erases travellers; safe to share between tasks."""

    clock: Clock
    store: Store
    directory: DirectoryCache
    vault: SubjectVault = field(repr=False)
    signer: NoteSigner
    origin: str
    ledger: ErasureLedger
    policies: tuple[Policy, ...] = ()

    async def find(self, documents: Iterable[tuple[str, str]]) -> Traveller:
        """What is kept of the traveller with one of these documents, to be erased.

        Args:
            documents: `(system, value)` pairs.

        Raises:
            NobodyKnown: nothing is.
            HoldStands: it may not be erased.
            Unavailable: the store gives no answer.
        """
        tokens = self.vault.tokens_of(documents)
        async with self.store.locked() as trail:
            return await _erasable(trail, tokens)

    async def erase(self, documents: Iterable[tuple[str, str]]) -> Erased:
        """Destroy everything about the traveller with one of these documents.

        Raises:
            NobodyKnown: nothing is kept; so erasing twice says.
            HoldStands: a legal hold stands; nothing was changed.
            Unavailable: try again; if it had gone that far, the next start finishes it.
        """
        tokens = self.vault.tokens_of(documents)
        async with self.store.locked() as trail:
            return await self._erase(trail, await _erasable(trail, tokens), "request")

    async def erase_restored(self) -> list[Erased]:
        """Erase again whom the ledger names and the store has.

        The store was restored from a backup, or a process ended between ledger and commit. A hold
        that such a backup brings back stops nothing: when the erasure was decided, none stood.
        """
        done: list[Erased] = []
        for subject_id in await self.store.kept_subjects(await self.ledger.subjects()):
            async with self.store.locked() as trail:
                traveller = await trail.traveller(subject_ids=[subject_id])
                # Gone when it was merged with one before it, or another process was faster.
                if traveller.subject_ids:
                    done.append(await self._erase(trail, traveller, "restored"))
        return done

    async def _erase(
        self, trail: LockedTrail, traveller: Traveller, cause: Literal["request", "restored"]
    ) -> Erased:
        directory = await self.directory.refreshed(trail)
        recording = await begin_erasing(
            trail, directory, traveller.deliveries, clock=self.clock, origin=self.origin
        )
        withheld, waiting = await stop(recording, trail, traveller.deliveries)
        disclosed = _disclosed(traveller.deliveries)
        jurisdictions = directory.jurisdictions()
        for one in disclosed:
            collected_in = jurisdictions.get(one.pending.identity.publisher, "")
            deadline = deadline_of(self.policies, collected_in, recording.at)
            recording.recall(
                one,
                Recall(delivery_id=one.pending.delivery_id, cause="erased", deadline=deadline),
            )
        erasure = Erasure(
            erasure_id=uuid.uuid4().hex,
            cause=cause,
            subject_ids=traveller.subject_ids,
            messages=len(traveller.messages),
            identities=traveller.messages,
        )
        recording.erase(erasure)
        await finish_erasing(trail, recording, erasure, signer=self.signer, ledger=self.ledger)
        return Erased(
            erasure_id=erasure.erasure_id,
            messages=erasure.messages,
            withheld=withheld,
            waiting=waiting,
            recalled=len(disclosed),
        )


async def begin_erasing(
    trail: LockedTrail,
    directory: Directory,
    rows: Iterable[DeliveryRow],
    *,
    clock: Clock,
    origin: str,
) -> Recording:
    """A recording that knows the counters of everybody who has or awaits one of these."""
    subscribers = sorted({row.pending.subscriber for row in rows})
    return Recording(
        head=trail.head,
        facts=await trail.facts_about(subscribers=subscribers),
        windows={one.id: one.window for one in directory.subscribers()},
        origin=origin,
        now=clock.now(),
        jurisdictions=directory.jurisdictions(),
    )


async def finish_erasing(
    trail: LockedTrail,
    recording: Recording,
    erasure: Erasure,
    *,
    signer: NoteSigner,
    ledger: ErasureLedger,
) -> None:
    """Write it all, the ledger first made durable.

    Raises:
        Unavailable: it is not known to be done.
    """
    await trail.save(recording.close(signer))
    if erasure.subject_ids:
        # If we crash after this and before the commit, nothing is erased yet; the next start finds
        # the subjects in the ledger and in the store, and erases them. The other order would let
        # a backup bring back somebody of whose erasure nothing but the restored store could tell.
        await ledger.add(erasure)
    await trail.commit()


async def stop(
    recording: Recording, trail: LockedTrail, rows: Sequence[DeliveryRow]
) -> tuple[int, int]:
    """Have none of these go out any more; how many were withheld now, and how many will be.

    Notices that wait still go: they hold nothing, and recipients must get them.
    """
    for row in rows:
        is_out = row.released is not None and row.released.state == "released"
        if is_out and not row.acknowledged and not row.is_erased:
            recording.give_up(row.pending)
    doomed = {
        row.pending.delivery_id
        for row in rows
        if row.released is None and row.pending.recall is None
    }
    withheld = 0
    waiting_for = {row.pending.subscriber for row in rows if row.pending.delivery_id in doomed}
    for subscriber in sorted(waiting_for):
        room = min(recording.room_of(subscriber), _MOST_AT_ONCE)
        for pending in await trail.waiting(subscriber, room) if room > 0 else ():
            if pending.delivery_id not in doomed:
                break  # somebody else's goes first
            recording.withhold(pending, "erased")
            withheld += 1
    return withheld, len(doomed) - withheld


async def _erasable(trail: LockedTrail, tokens: Sequence[bytes]) -> Traveller:
    traveller = await trail.traveller(tokens=tokens)
    if not traveller.subject_ids:
        msg = "Nothing is kept about a traveller with this document."
        raise NobodyKnown(msg)
    if traveller.holds:
        named = ", ".join(f"{one.hold_id} ({one.authority})" for one in traveller.holds)
        msg = f"A legal hold stands: {named}. Nothing was erased; see `bhx hold list`."
        raise HoldStands(msg)
    return traveller


def _disclosed(rows: Sequence[DeliveryRow]) -> list[Disclosed]:
    """What was released and not recalled, in the order of the trail."""
    recalled = {row.pending.recall.delivery_id for row in rows if row.pending.recall is not None}
    found = [
        Disclosed(pending=row.pending, entry_index=row.released.entry_index)
        for row in rows
        if row.released is not None
        and row.released.state == "released"
        and row.pending.delivery_id not in recalled
    ]
    return sorted(found, key=lambda one: one.entry_index)
