"""The measure: a plain aio-pika program that takes, publishes three times, and acknowledges.

It checks nothing and stores nothing. Quorum queues, persistent messages, publisher confirms, and
as many messages in flight as it is given: what a user of aio-pika would write.
"""

import asyncio
import time
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import FieldTable

_PREFETCH = 100
_QUORUM: FieldTable = {"x-queue-type": "quorum"}
_OUTPUTS = ("raw.first", "raw.second", "raw.receipts")


async def passthrough_per_second(url: str, bodies: Sequence[bytes]) -> float:
    """Messages a second from a backlog, each published to two queues and a receipt queue."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=_PREFETCH)
        source = await channel.declare_queue("raw.in", durable=True, arguments=_QUORUM)
        for name in _OUTPUTS:
            await channel.declare_queue(name, durable=True, arguments=_QUORUM)
        exchange = channel.default_exchange
        for start in range(0, len(bodies), 200):
            await asyncio.gather(
                *(
                    exchange.publish(_persistent(body), routing_key="raw.in")
                    for body in bodies[start : start + 200]
                )
            )
        left = len(bodies)
        done = asyncio.Event()

        async def pass_on(message: AbstractIncomingMessage) -> None:
            nonlocal left
            await asyncio.gather(
                *(exchange.publish(_persistent(message.body), routing_key=to) for to in _OUTPUTS)
            )
            await message.ack()
            left -= 1
            if not left:
                done.set()

        began = time.perf_counter()
        tag = await source.consume(pass_on)
        await done.wait()
        seconds = time.perf_counter() - began
        await source.cancel(tag)
        for name in ("raw.in", *_OUTPUTS):
            await channel.queue_delete(name)
    return len(bodies) / seconds


def _persistent(body: bytes) -> aio_pika.Message:
    return aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
