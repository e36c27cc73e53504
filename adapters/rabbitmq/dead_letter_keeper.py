"""Seals dead letters as they come: RabbitMQ puts some aside by itself, and cannot seal them.

A letter is acknowledged only when its sealed copy is durable, so a crash in between leaves it once
in the clear and once sealed, never not at all; the next start seals it again.
"""

import asyncio
from contextlib import suppress

from aiormq import Channel
from aiormq.abc import DeliveredMessage

from adapters.rabbitmq.confirms import ConfirmedPublishing
from adapters.rabbitmq.connection import RabbitConnection, broker_errors
from adapters.rabbitmq.sealed_letters import Letter, sealed
from adapters.rabbitmq.topology import AUTHENTICATED_AS_HEADER, DEAD_LETTERS, OUR_HEADERS
from exchange.errors import Unavailable
from exchange.subjects import SubjectVault

_PREFETCH = 20
_PAUSE_SECONDS = 2.0


class DeadLetterKeeper:
    """Empties the queue of unsealed dead letters into the sealed one; one is enough."""

    def __init__(self, connection: RabbitConnection, vault: SubjectVault) -> None:
        self._connection = connection
        self._vault = vault
        self._publishing = ConfirmedPublishing(connection)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop; a broker that is away is waited for."""
        while not self._stopping.is_set():
            with suppress(Unavailable):
                await self._session()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._stopping.wait()

    async def stop(self) -> None:
        """Take no more."""
        self._stopping.set()

    async def close(self) -> None:
        """Give back the channel."""
        await self._publishing.close()

    async def _session(self) -> None:
        """Consume on one channel until it is lost or we are told to stop."""
        channel = await self._connection.channel()
        try:
            with broker_errors("read the dead letters"):
                await channel.basic_qos(prefetch_count=_PREFETCH)
            arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
            with broker_errors("read the dead letters"):
                await channel.basic_consume(DEAD_LETTERS, arrived.put)
            await self._seal_what_arrives(channel, arrived)
        finally:
            with suppress(Unavailable), broker_errors("close a channel"):
                await channel.close()

    async def _seal_what_arrives(
        self, channel: Channel, arrived: asyncio.Queue[DeliveredMessage]
    ) -> None:
        stopped = asyncio.ensure_future(self._stopping.wait())
        closed = asyncio.ensure_future(asyncio.shield(channel.closing))
        try:
            while not stopped.done() and not closed.done():
                taken = asyncio.ensure_future(arrived.get())
                await asyncio.wait({stopped, closed, taken}, return_when=asyncio.FIRST_COMPLETED)
                if not taken.done():
                    taken.cancel()
                    return
                await self._seal(channel, taken.result())
        finally:
            stopped.cancel()
            closed.cancel()

    async def _seal(self, channel: Channel, message: DeliveredMessage) -> None:
        await self._publishing.publish([sealed(letter_of(message), self._vault)])
        # If we crash here, it comes again and is kept twice.
        with broker_errors("settle a dead letter"):
            await channel.basic_ack(message.delivery_tag or 0)


def letter_of(message: DeliveredMessage) -> Letter:
    """The letter that a message is, with whom the broker vouched for.

    What the broker put aside by itself has the sender's own headers, and an `x-death` that we never
    send on: of these, what looks like ours is the sender's invention.
    """
    properties = message.header.properties
    headers = dict(properties.headers or {})
    if "x-death" in headers:
        headers = {name: value for name, value in headers.items() if name not in OUR_HEADERS}
        if properties.user_id is not None:
            headers[AUTHENTICATED_AS_HEADER] = properties.user_id
    return Letter(body=message.body, headers=headers, content_type=properties.content_type)
