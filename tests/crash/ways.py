"""How the load reaches an exchange that comes and goes: over HTTP, or through RabbitMQ.

Both note everything that arrives, repeats included, and start over whenever a connection is lost.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress

import aio_pika
from aio_pika.exceptions import AMQPError

from adapters.clients.http_transport import HttpTransport
from adapters.rabbitmq.topology import (
    DEAD_LETTERS,
    SIGNATURE_HEADER,
    SUBMISSIONS,
    deliveries_queue,
    publishers_of,
    queue_subscribers_of,
    receipts_queue,
    submissions_exchange,
    topology_for,
)
from exchange.errors import Unavailable
from schemas.delivery import Delivery
from schemas.envelope import FHIR_JSON
from schemas.receipt import Receipt
from tests.crash.load import SUBSCRIBERS
from tests.support.world import ALA

#: Long enough to be cut off by every stop.
_LONG_POLL_SECONDS = 20
_LOST = (AMQPError, OSError, RuntimeError, asyncio.CancelledError)


class _Way:
    """Notes what arrives: `deliveries` of each subscriber, in order, and the load's receipts."""

    def __init__(self, load):
        self.load = load
        self.deliveries = defaultdict(list)
        self._reading = []

    def has_all_deliveries(self):
        for reading in self._reading:
            if reading.done():
                reading.result()
        return all(
            {one.message for one in self.deliveries[name]}
            >= {id_ for id_, sent in self.load.sent.items() if name in sent.entitled}
            for name in SUBSCRIBERS
        )

    async def close(self):
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)


class HttpWay(_Way):
    """The publisher sends the same bytes until they are answered; subscribers poll by cursor."""

    def __init__(self, load, url, *, client=None):
        super().__init__(load)
        self._url = url
        self._transports = [HttpTransport(url, client=client)]

    async def open(self):
        for name in SUBSCRIBERS:
            transport = HttpTransport(self._url, name, self.load.cast.keys[name])
            self._transports.append(transport)
            self._reading.append(asyncio.create_task(self._read(name, transport)))

    async def submit(self, message):
        while True:
            try:
                receipt = await self._transports[0].submit(message)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                self.load.receipts[message.message_id].append(receipt)
                return

    async def settled(self):
        """A cursor knows no queue."""

    async def close(self):
        await super().close()
        for transport in self._transports:
            await transport.close()

    async def _read(self, name, transport):
        cursor = 0
        while True:
            try:
                page = await transport.receive(after=cursor, limit=50, patience=_LONG_POLL_SECONDS)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            cursor = page.cursor
            self.deliveries[name] += [one.delivery for one in page.arrived]


class AmqpWay(_Way):
    """Published with confirms; a message whose confirm was lost is published again."""

    def __init__(self, load, url):
        super().__init__(load)
        self._url = url
        self._receipts = defaultdict(asyncio.Event)
        self._connection = None
        self._channel = None
        self._opening = asyncio.Lock()

    async def open(self):
        """Read the queues, which must exist."""
        queues = {deliveries_queue(name): self._take_delivery(name) for name in SUBSCRIBERS}
        queues[receipts_queue(ALA)] = self._take_receipt
        self._reading = [asyncio.create_task(self._read(*one)) for one in queues.items()]

    async def submit(self, message):
        while True:
            try:
                channel = await self._open_channel()
                own = await channel.get_exchange(submissions_exchange(ALA), ensure=False)
                async with asyncio.timeout(10):
                    await own.publish(_published(message), routing_key="")
                break
            except (TimeoutError, *_LOST):
                _raise_if_cancelled()
                await asyncio.sleep(0.05)
        await self._receipts[message.message_id].wait()

    async def settled(self):
        """Return once every queue is empty, and require that nothing went to the dead letters."""
        names = [SUBMISSIONS, receipts_queue(ALA), *map(deliveries_queue, SUBSCRIBERS)]
        deadline = asyncio.get_running_loop().time() + 60
        while left := sum([await self._count(name) for name in names]):
            assert asyncio.get_running_loop().time() < deadline, f"{left} messages stay in queues"
            await asyncio.sleep(0.05)
        assert await self._count(DEAD_LETTERS) == 0

    async def close(self):
        await super().close()
        known = list(self.load.cast.participants.values())
        with suppress(*_LOST):  # what a stopped broker has goes with it
            channel = await self._open_channel()
            names = topology_for(publishers_of(known), queue_subscribers_of(known))
            for queue in names.queues:
                await channel.queue_delete(queue.name)
        _raise_if_cancelled()
        if self._connection is not None:
            await self._connection.close()

    def _take_delivery(self, name):
        def take(message):
            delivery = Delivery.from_headers(dict(message.headers), message.body)
            self.deliveries[name].append(delivery)

        return take

    def _take_receipt(self, message):
        message_id = Receipt.from_bytes(message.body).message
        self.load.receipts[message_id].append(message.body)
        self._receipts[message_id].set()

    async def _open_channel(self):
        async with self._opening:
            if self._channel is None or self._channel.is_closed or self._connection.is_closed:
                self._connection = await aio_pika.connect(self._url, timeout=10)
                self._channel = await self._connection.channel(on_return_raises=True)
            return self._channel

    async def _count(self, name):
        channel = await self._open_channel()
        return (await channel.declare_queue(name, passive=True)).declaration_result.message_count

    async def _read(self, name, take):
        while True:
            with suppress(*_LOST):
                connection = await aio_pika.connect(self._url, timeout=10)
                async with connection:
                    await _consume(connection, name, take)
            _raise_if_cancelled()
            await asyncio.sleep(0.1)


async def _consume(connection, name, take):
    """Hand over what arrives until the connection is lost."""
    lost = asyncio.Event()
    failed = []
    connection.close_callbacks.add(lambda *_: lost.set())
    channel = await connection.channel()
    channel.close_callbacks.add(lambda *_: lost.set())
    await channel.set_qos(prefetch_count=100)

    async def arrived(message):
        try:
            take(message)
            await message.ack()
        except Exception as error:  # noqa: BLE001 - raised where the test sees it
            failed.append(error)
            lost.set()

    queue = await channel.get_queue(name, ensure=False)
    await queue.consume(arrived)
    await lost.wait()
    for error in failed:
        if not isinstance(error, _LOST):
            raise AssertionError(name) from error


def _raise_if_cancelled():
    """aio-pika cancels its own calls when a connection is lost; that is not about us."""
    if asyncio.current_task().cancelling():
        raise asyncio.CancelledError


def _published(message):
    return aio_pika.Message(
        message.body,
        headers={SIGNATURE_HEADER: message.signature},
        content_type=FHIR_JSON,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
