"""Publishing that returns only when the broker has every message durably in a queue."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiormq import Channel
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from adapters.rabbitmq.connection import RabbitConnection, broker_errors

#: How long the broker may take to confirm a batch; a broker out of memory or disk never does.
CONFIRM_TIMEOUT_SECONDS = 30.0
_CLOSE_TIMEOUT_SECONDS = 2.0

#: AMQP delivery mode: written to disk.
PERSISTENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One message and where it goes."""

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    properties: Basic.Properties = field(repr=False)


class ConfirmedPublishing:
    """Sends a batch at once and waits for all its confirms; safe to share between tasks."""

    def __init__(
        self, connection: RabbitConnection, *, timeout_seconds: float = CONFIRM_TIMEOUT_SECONDS
    ) -> None:
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._channel: Channel | None = None
        # One batch at a time: the driver finds a returned message by its message id, so the same
        # id in two batches could let the wrong one count as published.
        self._turn = asyncio.Lock()

    async def publish(self, publications: Sequence[Publication]) -> None:
        """Return when a queue has each of them durably.

        Raises:
            Unavailable: one was not confirmed or no queue takes it; others may be published.
        """
        async with self._turn:
            with broker_errors("publish"):
                await self._publish(publications)

    async def close(self) -> None:
        """Give back the channel; publishing again opens another."""
        channel, self._channel = self._channel, None
        if channel is None or channel.is_closed:
            return
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await channel.close()
        except Exception:  # noqa: BLE001 - a channel that cannot be closed: hang up instead
            await self._connection.close()

    async def _publish(self, publications: Sequence[Publication]) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if self._channel is None or self._channel.is_closed:
                    self._channel = await self._connection.channel(confirms=True)
                results = await asyncio.gather(
                    *(_publish_one(self._channel, one) for one in publications),
                    return_exceptions=True,
                )
        except BaseException:
            # Late confirms of this batch must not be taken for those of the next.
            with suppress(Exception):
                await self.close()
            raise
        failures = [one for one in results if isinstance(one, BaseException)]
        if not failures:
            return
        if not all(isinstance(one, DeliveryError) for one in failures):
            await self.close()  # not merely refused or unroutable
        raise failures[0]


async def _publish_one(channel: Channel, publication: Publication) -> None:
    await channel.basic_publish(
        publication.body,
        exchange=publication.exchange,
        routing_key=publication.routing_key,
        properties=publication.properties,
        mandatory=True,
        wait=False,
    )
