"""The relay: what could not go at once goes when there is room, by the same code.

Three jobs, each safe to repeat and to run beside other relays:

    release   waiting deliveries of a subscriber with room get their basis checked again, and
              whether their record got a newer version or was entered in error, and their
              `released` or `withheld` leaf,
              in one transaction under the tree head's lock
    resend    deliveries released a while ago but never marked sent are published again: a process
              died between its commit and its mark
    prepare   participants admitted meanwhile get their queues
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.dispatch import Dispatcher
from exchange.errors import Unavailable
from exchange.model import PendingDelivery, SealedBody, Subject
from exchange.ports import Clock, Store
from exchange.proving import ProofDesk
from exchange.recalls import is_withdrawal
from exchange.record_versions import newer_than, records_among
from exchange.recording import Recording
from exchange.releasing import StoredRecord
from exchange.trail.checkpoint import NoteSigner
from exchange.views.making import ViewMaker
from schemas.delivery import Delivery
from schemas.policy import Policy
from schemas.strict_json import read_json
from schemas.structure.reading import read_resource

#: The most deliveries in one transaction or one publish.
BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Lets waiting deliveries out, and sends again what was never marked sent.

    Attributes:
        resend_after: older than any publish still under way in a live process.
        idle_seconds: how long to rest when there was nothing to do.
    """

    clock: Clock
    store: Store
    directory: DirectoryCache
    dispatcher: Dispatcher
    proofs: ProofDesk
    signer: NoteSigner
    origin: str
    resend_after: timedelta = timedelta(seconds=10)
    idle_seconds: float = 0.2
    policies: tuple[Policy, ...] = ()
    views: ViewMaker | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; a store or broker that is away is waited for."""
        while not stop.is_set():
            try:
                moved = await self.release_waiting() + await self.resend_unsent()
                await self.dispatcher.prepare()
            except Unavailable:
                moved = 0
            if not moved:
                await _rest(stop, self.idle_seconds)

    async def release_waiting(self) -> int:
        """Release or withhold what fits every subscriber's window now; how many."""
        directory = await self.directory.checked()
        windows = {one.id: one.window for one in directory.subscribers()}
        moved = 0
        for subscriber in await self.store.subscribers_with_room(windows):
            deliveries = await self._let_out(subscriber, windows[subscriber], directory)
            await self.dispatcher.dispatch(deliveries)
            moved += len(deliveries)
        return moved

    async def resend_unsent(self) -> int:
        """Publish again what was released before `resend_after` and not marked sent; how many."""
        before = self.clock.now() - self.resend_after
        rows = await self.store.unsent(released_before=before, limit=BATCH)
        recalled = await self.store.recalled_among([one.pending.delivery_id for one in rows])
        kept = [one for one in rows if one.pending.delivery_id not in recalled]
        await self.dispatcher.dispatch(await self.proofs.deliveries_of(kept))
        if recalled:
            # Never to be sent: the notice follows, and says of what.
            await self.store.mark_sent(sorted(recalled), self.clock.now())
        return len(rows)

    async def _let_out(self, subscriber: str, window: int, directory: Directory) -> list[Delivery]:
        async with self.store.locked() as trail:
            facts = await trail.facts_about(subscribers=[subscriber])
            room = window - facts.outbox(subscriber).in_flight
            waiting = await trail.waiting(subscriber, min(max(room, 0), BATCH))
            if not waiting:
                return []
            now_known = await trail.facts_about(
                subject_ids=[one.subject_id for one in waiting], records=records_among(waiting)
            )
            facts.consents, facts.versions = now_known.consents, now_known.versions
            recording = Recording(
                head=trail.head,
                facts=facts,
                windows={subscriber: window},
                origin=self.origin,
                now=self.clock.now(),
                jurisdictions=directory.jurisdictions(),
                policies=self.policies,
                views=self.views,
            )
            overtaken = {
                one.delivery_id: facts.versions[one.record].identity
                for one in waiting
                if one.record is not None
                and newer_than(one.record, one.accepted_entry, facts.versions) is not None
            }
            named = (*(one.identity for one in waiting), *overtaken.values())
            bodies = await trail.sealed_bodies(list(dict.fromkeys(named)))
            withdrawn = {
                newest
                for newest in set(overtaken.values())
                if self._is_withdrawal(bodies.get(newest))
            }
            for pending in waiting:
                if pending.recall is None and overtaken.get(pending.delivery_id) in withdrawn:
                    recording.withhold(pending, "entered-in-error")
                else:
                    self._let_out_one(recording, pending, bodies.get(pending.identity))
            recorded = recording.close(self.signer)
            await trail.save(recorded)
            # If we crash before this returns: waiting as before, or released and unsent.
            await trail.commit()
        numbers = [one.number for one in waiting]
        rows = await self.store.delivery_rows(
            subscriber, after=min(numbers) - 1, limit=len(numbers)
        )
        return await self.proofs.deliveries_of(rows)

    def _is_withdrawal(self, stored: tuple[Subject, SealedBody] | None) -> bool:
        """Whether that version says that its record was entered in error."""
        return stored is not None and is_withdrawal(read_json(self.proofs.vault.open(*stored)))

    def _let_out_one(
        self,
        recording: Recording,
        pending: PendingDelivery,
        stored: tuple[Subject, SealedBody] | None,
    ) -> None:
        """A record that was erased meanwhile goes nowhere; its notices still do."""
        if stored is None:
            if pending.recall is None:
                recording.withhold(pending, "erased")
            else:
                recording.let_out(pending)
            return
        subject, sealed = stored
        vault = self.proofs.vault
        traits = vault.traits_of(subject, sealed)
        record = StoredRecord(subject, lambda: read_resource(vault.open(subject, sealed))[0])
        recording.let_out(replace(pending, traits=traits), record)


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
