"""How we reach RabbitMQ: one connection that is opened again when it was lost.

aio-pika connects and opens channels. On them we speak through aio-pika's own driver, aiormq: what a
publisher sent must be put aside and retried with the very properties it came with, and aio-pika's
message would make them anew.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self, cast
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError

from exchange.errors import Unavailable

#: How long a broken connection may look alive.
HEARTBEAT_SECONDS = 15
#: How long the broker may take to let us in or to open a channel.
OPEN_TIMEOUT_SECONDS = 10.0
_CLOSE_TIMEOUT_SECONDS = 5.0


@contextmanager
def broker_errors(doing: str) -> Iterator[None]:
    """Turn whatever the driver raises in the block into `Unavailable`.

    Raises:
        Unavailable: the broker, the network or the driver gave up on `doing`.
    """
    unavailable = Unavailable(f"RabbitMQ: could not {doing}.")
    try:
        yield
    except DeliveryError as error:
        # Its traceback would print the message, which is health data: keep its class only.
        name = type(error).__name__
        raise Unavailable(f"RabbitMQ: could not {doing} ({name}).") from None
    except ChannelNotFoundEntity as error:
        raise Unavailable(
            f"RabbitMQ: could not {doing}: what it needs is not there. `bhx serve --broker` makes"
            " it, on this virtual host."
        ) from error
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled us: the driver cancels its own calls when a channel closes.
        raise unavailable from cancelled
    except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
        raise unavailable from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise unavailable from error  # the driver's way to say "closed, nobody said why"


def _is_alive(connection: AbstractConnection) -> bool:
    """Whether the driver's own connection stands: aio-pika does not notice when its reader dies."""
    transport = connection.transport
    return not connection.is_closed and transport is not None and not transport.connection.is_closed


class RabbitConnection:
    """A connection to one vhost; whoever asks for a channel after a loss opens it again."""

    def __init__(self, url: str, *, name: str = "bhx") -> None:
        """Connect to `url` when first needed; RabbitMQ's listings show `name`."""
        self._url = url
        self._name = name
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()

    @classmethod
    async def open(cls, url: str, *, name: str = "bhx") -> Self:
        """A connection that is open.

        Raises:
            Unavailable: the broker does not answer or does not let us in.
        """
        connection = cls(url, name=name)
        await (await connection.channel()).close()
        return connection

    def another(self, name: str) -> "RabbitConnection":
        """A second connection to the same vhost, not open yet."""
        return RabbitConnection(self._url, name=f"{self._name} {name}")

    async def channel(self, *, confirms: bool = False) -> aiormq.Channel:
        """A new channel; with `confirms` a publish fails unless a queue has the message.

        Raises:
            Unavailable: the broker does not answer or does not let us in.
        """
        with broker_errors("open a channel"):
            async with asyncio.timeout(OPEN_TIMEOUT_SECONDS), self._opening:
                if self._connection is None or not _is_alive(self._connection):
                    await self.close()
                    self._connection = await self._connect()
                # on_return_raises: else an unroutable message would count as published.
                channel = self._connection.channel(
                    publisher_confirms=confirms, on_return_raises=confirms
                )
                await channel.initialize()
                return cast("aiormq.Channel", await channel.get_underlay_channel())

    async def close(self) -> None:
        """Close it and every channel; asking for a channel opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed:
            with suppress(Exception):
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await connection.close()

    async def _connect(self) -> AbstractConnection:
        parts = urlsplit(self._url)
        if "heartbeat=" not in parts.query:
            query = f"{parts.query}&heartbeat={HEARTBEAT_SECONDS}".removeprefix("&")
            parts = parts._replace(query=query)
        return await aio_pika.connect(
            urlunsplit(parts), client_properties={"connection_name": self._name}
        )
