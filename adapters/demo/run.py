"""The demo itself: a day at two points of entry, and then every promise checked from outside."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.bootstrap import Exchange, open_exchange
from adapters.clients.auditor import Auditor
from adapters.clients.errors import UnprovenDelivery
from adapters.clients.local_transport import LocalTransport
from adapters.clients.publisher import Publisher
from adapters.clients.publisher_keys import PinnedKeys
from adapters.clients.stored_trail import StoredTrail
from adapters.clients.subscriber import Subscriber
from adapters.clients.subscriber_memory import SqliteMemory
from adapters.clients.verified_delivery import DeliveryVerifier
from adapters.demo.cast import POSTS, REGISTRIES, Cast, admit, make_cast
from adapters.demo.plan import Submission, plan
from adapters.in_process.client_transport import InProcessDeliveries, InProcessMessages
from adapters.in_process.transport import InProcessBroker
from adapters.settings import read_settings
from exchange.acknowledgement_worker import AcknowledgementWorker
from exchange.trail.checkpoint import NoteVerifier
from exchange.trail.verify import TrailReport
from exchange.worker import Worker
from schemas.delivery import Delivery

#: How long everything may take to arrive once everything is sent.
_SETTLE_SECONDS = 30.0


@dataclass(slots=True)
class Tally:
    """What happened so far.

    Attributes:
        surprises: decisions that were not the expected ones.
        verified: deliveries whose whole argument held, seen from outside.
        unproven: deliveries for which it did not hold.
    """

    to_submit: int = 0
    submitted: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    surprises: int = 0
    received: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    deliveries: int = 0
    verified: int = 0
    unproven: list[str] = field(default_factory=list)
    trail: TrailReport | None = None
    trail_read: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    stage: str = "sending"

    @property
    def holds(self) -> bool:
        """Whether every promise the demo checks held."""
        return (
            self.submitted == self.to_submit
            and not self.surprises
            and not self.unproven
            and self.deliveries > 0
            and self.verified == self.deliveries == self.acknowledged
            and self.trail is not None
            and self.trail.holds
        )

    def to_json(self) -> dict[str, Any]:
        """The summary as one object; `accepted` counts messages, a repeat is not another one."""
        trail = self.trail
        return {
            "submitted": self.submitted,
            "accepted": self.accepted,
            "repeated": self.repeated,
            "refused": dict(sorted(self.refused.items())),
            "deliveries": self.deliveries,
            "verified": self.verified,
            "acknowledged": self.acknowledged,
            "trail": {
                "size": trail.size if trail else 0,
                "root": trail.root.hex() if trail else None,
                "verified": bool(trail and trail.holds),
            },
            "seconds": round(self.seconds, 2),
        }


async def run_demo(folder: Path, *, count: int, show: Callable[[Tally], None]) -> Tally:
    """Play the day in that folder and return what happened; `show` is told of every step.

    Raises:
        ConfigurationError: the folder cannot be used.
    """
    began = time.perf_counter()
    settings = read_settings(data=folder)
    broker = InProcessBroker()
    tally = Tally()
    async with open_exchange(settings, in_process=broker) as exchange:
        now = exchange.clock.now()
        cast = make_cast(folder / "participants", now)
        await admit(cast, exchange.admissions)
        await exchange.directory.reloaded()
        await exchange.dispatcher.prepare()
        submissions = plan(cast, count=count, now=now, run=now.isoformat())
        tally.to_submit = len(submissions)
        before = await _delivery_count(exchange)
        async with _running(exchange, broker), _registries(exchange, broker, cast, tally, show):
            await _send_all(exchange, broker, cast, submissions, tally, show)
            tally.stage = "acknowledging"
            await _until_acknowledged(exchange, before, tally, show)
        await _verify_from_outside(exchange, cast, tally, show)
        tally.stage = "done"
        tally.seconds = time.perf_counter() - began
        show(tally)
    return tally


@asynccontextmanager
async def _running(exchange: Exchange, broker: InProcessBroker) -> AsyncIterator[None]:
    worker = Worker(
        source=broker.source(),
        store=exchange.store,
        processor=exchange.processor,
        dispatcher=exchange.dispatcher,
    )
    acknowledgements = AcknowledgementWorker(
        source=broker.source("acknowledgements"),
        desk=exchange.acknowledgements,
        recalls=exchange.recalls,
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as running:
        running.create_task(worker.run())
        running.create_task(acknowledgements.run())
        running.create_task(exchange.relay.run(stop))
        yield
        stop.set()
        await worker.stop()
        await acknowledgements.stop()


@asynccontextmanager
async def _registries(
    exchange: Exchange,
    broker: InProcessBroker,
    cast: Cast,
    tally: Tally,
    show: Callable[[Tally], None],
) -> AsyncIterator[None]:
    """Every registry receives, verifies and acknowledges until the block ends."""

    async def receive(name: str) -> None:
        folder = exchange.settings.data / "participants"
        with SqliteMemory.open(folder / f"{name.replace(':', '-')}.inbox.sqlite") as memory:
            subscriber = Subscriber(
                name,
                cast.keys[name],
                InProcessDeliveries(broker, name),
                exchange.keys.note_signer.verifier,
                LocalTransport(exchange, name),
                PinnedKeys(cast.participants),
                memory,
                on_unproven=lambda unproven: tally.unproven.append(str(unproven)),
            )
            async for _ in subscriber.deliveries(poll_seconds=0.2):
                tally.received[name] += 1
                show(tally)

    tasks = [asyncio.ensure_future(receive(name)) for name in REGISTRIES]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def _send_all(
    exchange: Exchange,
    broker: InProcessBroker,
    cast: Cast,
    submissions: list[Submission],
    tally: Tally,
    show: Callable[[Tally], None],
) -> None:
    """The posts send at the same time, each its own messages in order."""

    async def send(post: str) -> None:
        publisher = Publisher(
            post,
            cast.keys[post],
            InProcessMessages(broker, post),
            exchange.keys.note_signer.verifier,
        )
        for submission in submissions:
            if submission.publisher != post:
                continue
            receipt = await publisher.publish(submission.message)
            tally.submitted += 1
            decided = receipt.reason or receipt.outcome
            if receipt.reason:
                tally.refused[receipt.reason] += 1
            elif submission.expected == "repeated":
                tally.repeated += 1
                decided = "repeated"
            else:
                tally.accepted += 1
            tally.surprises += decided != submission.expected
            show(tally)

    async with asyncio.TaskGroup() as posts:
        for post in POSTS:
            posts.create_task(send(post))


async def _until_acknowledged(
    exchange: Exchange, before: int, tally: Tally, show: Callable[[Tally], None]
) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    tally.deliveries = await _delivery_count(exchange) - before
    while time.monotonic() < deadline:
        rows = [
            row
            for name in REGISTRIES
            for row in await exchange.store.delivery_rows(name, after=0, limit=1_000_000)
        ]
        tally.acknowledged = sum(row.acknowledged for row in rows) - before
        show(tally)
        if tally.acknowledged >= tally.deliveries:
            return
        await asyncio.sleep(0.05)


async def _delivery_count(exchange: Exchange) -> int:
    counts = [
        len(await exchange.store.delivery_rows(name, after=0, limit=1_000_000))
        for name in REGISTRIES
    ]
    return sum(counts)


async def _verify_from_outside(
    exchange: Exchange, cast: Cast, tally: Tally, show: Callable[[Tally], None]
) -> None:
    """As somebody would who has only the participants' documents and the trail's public key."""
    verifier = NoteVerifier.from_vkey(exchange.keys.note_signer.verifier_key)
    trail = StoredTrail(exchange.store, exchange.proofs)
    tally.stage = "verifying deliveries"
    tally.deliveries = 0
    tally.acknowledged = 0
    for name in REGISTRIES:
        rows = await exchange.store.delivery_rows(name, after=0, limit=1_000_000)
        tally.deliveries += len(rows)
        tally.acknowledged += sum(row.acknowledged for row in rows)
        with SqliteMemory.open(None) as memory:
            deliveries = DeliveryVerifier(
                name,
                log_verifier=verifier,
                trail=trail,
                publisher_keys=PinnedKeys(cast.participants),
                memory=memory,
            )
            for delivery in await exchange.proofs.deliveries_of(rows):
                await _verify(deliveries, delivery, tally)
                show(tally)
    tally.stage = "verifying the trail"

    def progress(done: int, total: int) -> None:
        tally.trail_read = (done, total)
        show(tally)

    tally.trail = await Auditor(trail, verifier).verify_trail(progress)


async def _verify(verifier: DeliveryVerifier, delivery: Delivery, tally: Tally) -> None:
    # Through the form in which it travels, so that nothing is checked that a registry lacks.
    travelled = Delivery.from_headers(dict(delivery.to_headers()), delivery.body or b"")
    try:
        await verifier.verify(travelled)
    except UnprovenDelivery as unproven:
        tally.unproven.append(str(unproven))
    else:
        tally.verified += 1
