"""The exchange under load: every check on, RabbitMQ and PostgreSQL, in this process."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from adapters.bench.messages import POST, REGISTRIES, SignedMessage, bench_participants
from adapters.bootstrap import Exchange, open_exchange
from adapters.rabbitmq.source import RabbitSource
from adapters.rabbitmq.topology import (
    SIGNATURE_HEADER,
    SUBMISSIONS,
    deliveries_queue,
    receipts_queue,
    submissions_exchange,
)
from adapters.settings import read_settings
from exchange.errors import IntegrityBroken
from exchange.ports import Incoming
from exchange.processor import Outcome
from exchange.signing import SigningKey
from exchange.worker import Worker
from schemas.envelope import FHIR_JSON

_PAGE_KIB = resource.getpagesize() // 1024
_PUBLISHED_AT_ONCE = 200


@dataclass(slots=True)
class _Settled:
    """Counts what the worker has settled, and wakes who waits for a number."""

    count: int = 0
    refused: int = 0
    awaited: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, _: Incoming, outcome: Outcome) -> None:
        self.count += 1
        self.refused += outcome.decision.outcome == "refused"
        if self.count >= self.awaited:
            self.reached.set()

    async def reach(self, count: int) -> None:
        self.awaited = count
        self.reached.clear()
        if self.count < count:
            await self.reached.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeUnderLoad:
    """A running exchange and the means to feed it."""

    exchange: Exchange
    channel: AbstractChannel
    settled: _Settled

    async def publish(self, messages: Sequence[SignedMessage]) -> None:
        """Put messages into the post's exchange, confirmed."""
        own = await self.channel.get_exchange(submissions_exchange(POST), ensure=False)
        for start in range(0, len(messages), _PUBLISHED_AT_ONCE):
            await asyncio.gather(
                *(
                    own.publish(_incoming(one), routing_key="")
                    for one in messages[start : start + _PUBLISHED_AT_ONCE]
                )
            )

    async def drain(self, messages: Sequence[SignedMessage]) -> float:
        """Work off a backlog of these messages; messages a second."""
        await self.publish(messages)
        before = self.settled.count
        async with self._worker():
            began = time.perf_counter()
            await self.settled.reach(before + len(messages))
            seconds = time.perf_counter() - began
        if self.settled.refused:
            msg = "The exchange refused messages of the bench, so its figure means nothing."
            raise IntegrityBroken(msg)
        return len(messages) / seconds

    async def latencies_ms(self, messages: Sequence[SignedMessage], rate: float) -> list[float]:
        """Milliseconds from when each message was due to its arrival at one registry.

        Open loop: messages are due at a fixed rate whether or not the exchange keeps up, and a
        late sending counts against it.
        """
        arrived: list[float] = []
        due: dict[str, float] = {}
        all_here = asyncio.Event()

        async def on_delivery(message: AbstractIncomingMessage) -> None:
            name = str(message.headers.get(SIGNATURE_HEADER))
            if name in due:
                arrived.append((time.perf_counter() - due[name]) * 1_000)
                if len(arrived) == len(messages):
                    all_here.set()

        own = await self.channel.get_exchange(submissions_exchange(POST), ensure=False)
        queue = await self.channel.get_queue(deliveries_queue(REGISTRIES[0]), ensure=False)
        tag = await queue.consume(on_delivery, no_ack=True)
        sending: set[asyncio.Task[object]] = set()
        async with self._worker():
            start = time.perf_counter() + 0.2
            for number, message in enumerate(messages):
                due[message.signature] = start + number / rate
                await asyncio.sleep(max(0.0, due[message.signature] - time.perf_counter()))
                task = asyncio.ensure_future(own.publish(_incoming(message), routing_key=""))
                sending.add(task)
                task.add_done_callback(sending.discard)
            async with asyncio.timeout(60):
                await all_here.wait()
            await asyncio.gather(*sending)
        await queue.cancel(tag)
        return arrived

    async def empty_queues(self) -> None:
        """Throw away what went out, so that the broker's memory is not what is measured."""
        for name in (*map(deliveries_queue, REGISTRIES), receipts_queue(POST)):
            queue = await self.channel.get_queue(name, ensure=False)
            await queue.purge()

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[None]:
        exchange = self.exchange
        if exchange.broker is None:
            msg = "The bench needs a broker."
            raise IntegrityBroken(msg)
        source = RabbitSource(
            exchange.broker.another("bench"), SUBMISSIONS, prefetch=exchange.settings.prefetch
        )
        worker = Worker(
            source=source,
            store=exchange.store,
            processor=exchange.processor,
            dispatcher=exchange.dispatcher,
            batch_size=exchange.settings.batch_size,
            observe=self.settled.observe,
        )
        running = asyncio.ensure_future(worker.run())
        try:
            yield
        finally:
            await worker.stop()
            await running
            await source.close()


@asynccontextmanager
async def exchange_under_load(
    *, broker: str, database: str, folder: Path, key: SigningKey, window: int
) -> AsyncIterator[ExchangeUnderLoad]:
    """An exchange on an empty store with the bench's participants admitted."""
    settings = read_settings(data=folder, broker=broker, database=database, role="worker")
    async with open_exchange(settings) as exchange:
        for participant in bench_participants(key, window):
            await exchange.admissions.admit(participant)
        await exchange.directory.reloaded()
        await exchange.dispatcher.prepare()
        connection = await aio_pika.connect(broker)
        async with connection:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            yield ExchangeUnderLoad(exchange=exchange, channel=channel, settled=_Settled())


def resident_megabytes() -> float:
    """Resident memory of this process, now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * _PAGE_KIB / 1024, 1)


def _incoming(message: SignedMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers={SIGNATURE_HEADER: message.signature},
        content_type=FHIR_JSON,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
