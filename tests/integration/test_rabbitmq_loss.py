"""A connection or a whole RabbitMQ is lost, under load or not: nothing else is."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from adapters.rabbitmq import topology
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.publisher import RabbitPublisher
from exchange.errors import Unavailable
from tests.integration.rabbitmq_ground import (
    KAZAKHSTAN,
    connect,
    delivery,
    depth,
    open_source,
    publish,
)


async def test_a_tag_of_a_lost_connection_settles_nothing(stack, connection):
    for number in range(3):
        await publish(connection, b"%d" % number)
    source = open_source(stack, connection)
    old = []
    while len(old) < 3:
        old += await source.receive(3)

    await source._session.channel.connection.close()  # as a network does
    with pytest.raises(Unavailable):
        await source.dead_letter(old[0], "internal-error")
    await source.acknowledge(old)

    again = []
    while len(again) < 3:
        with suppress(Unavailable):
            batch = await source.receive(3)
            # The same numbers as on the old channel, but other messages: these must stay ours.
            await source.acknowledge(old)
            await source.acknowledge(batch)
            again += batch
    assert [one.received.body for one in again] == [b"0", b"1", b"2"]
    assert all(one.redelivered for one in again)
    await source.close()
    assert await depth(connection, topology.SUBMISSIONS) == 0


async def test_after_a_loss_the_full_prefetch_comes_back(stack, connection):
    source = open_source(stack, connection, prefetch=10)
    await publish(connection, b"first")
    await source.receive(1)
    await source._session.channel.connection.close()
    for number in range(12):
        await publish(connection, b"%d" % number)

    seen = 0
    largest = 0
    while seen < 13:
        try:
            batch = await source.receive(10)
        except Unavailable:
            continue
        await source.acknowledge(batch)
        seen += len(batch)
    for number in range(10):
        await publish(connection, b"more %d" % number)
    await asyncio.sleep(0.2)  # let them arrive; nothing tells us
    largest = len(await source.receive(10))

    assert largest == 10


class Load:
    """Messages submitted without a pause and forwarded to a registry, as a worker does."""

    def __init__(self, connection, source):
        self.confirmed: set[bytes] = set()
        self._connection = connection
        self._source = source
        self._publisher = RabbitPublisher(connection, timeout_seconds=5)
        self._marks: list[tuple[int, asyncio.Event]] = []
        self._tasks = [asyncio.create_task(self._submit()), asyncio.create_task(self._forward())]

    async def until(self, more):
        """Return when so many more were confirmed."""
        mark = (len(self.confirmed) + more, asyncio.Event())
        self._marks.append(mark)
        await mark[1].wait()

    async def end(self):
        """Submit no more, and forward what is there."""
        self._tasks[0].cancel()
        channel = await self._connection.channel()
        seen = set()
        while not self.confirmed <= seen:
            message = await channel.basic_get(topology.deliveries_queue(KAZAKHSTAN), no_ack=True)
            seen.add(message.body)
        await self._source.stop_receiving()
        await self._tasks[1]
        return seen

    async def _submit(self):
        while True:
            body = b"%d" % len(self.confirmed)
            try:
                await publish(self._connection, body)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            self.confirmed.add(body)
            for count, event in self._marks:
                if len(self.confirmed) >= count:
                    event.set()

    async def _forward(self):
        while True:
            try:
                batch = await self._source.receive(20)
                await self._publisher.publish([delivery(one.received.body) for one in batch])
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            if not batch:
                return
            await self._source.acknowledge(batch)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_nothing_is_lost_when_the_broker_ends_under_load(stack, private_rabbitmq, end):
    broker = private_rabbitmq()
    connection = await connect(stack, broker.url)
    load = Load(connection, open_source(stack, connection, prefetch=50))
    await load.until(100)

    await asyncio.to_thread(getattr(broker, end))
    await asyncio.to_thread(broker.start)
    await load.until(100)

    assert await load.end() >= load.confirmed


@pytest.mark.slow
async def test_a_broker_that_blocks_publishers_is_unavailable_and_recovers(stack, private_rabbitmq):
    broker = private_rabbitmq()
    connection = await connect(stack, broker.url)
    publisher = RabbitPublisher(connection, timeout_seconds=1)
    await publisher.publish([delivery(b"before")])
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.00001")

    with pytest.raises(Unavailable):
        await publisher.publish([delivery(b"blocked")])

    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.4")
    while True:
        with suppress(Unavailable):
            await publisher.publish([delivery(b"after")])
            break


async def test_a_broker_that_is_not_there_or_keeps_us_out_is_unavailable(amqp_url):
    parts = urlsplit(amqp_url)
    wrong = parts._replace(netloc=f"guest:wrong@{parts.hostname}:{parts.port}").geturl()
    for url in ("amqp://guest:guest@127.0.0.1:1/", wrong):
        with pytest.raises(Unavailable):
            await RabbitConnection.open(url)
