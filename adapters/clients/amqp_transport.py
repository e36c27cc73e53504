"""An exchange over RabbitMQ: messages into our own exchanges, receipts and deliveries out of ours.

The connection logs in as the participant (its RabbitMQ user is named by its id), which can declare
nothing. The queue only carries: the directory and the trail's proofs are read over HTTP.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiormq import Channel
from aiormq.abc import DeliveredMessage

from adapters.clients.retrying import Deadline
from adapters.clients.transport import Arrivals, Arrived, SignedMessage
from adapters.clients.verified_receipt import is_about
from adapters.rabbitmq.connection import RabbitConnection, broker_errors
from adapters.rabbitmq.publisher import RabbitSubmitter
from adapters.rabbitmq.topology import deliveries_queue, receipts_queue
from exchange.errors import Unavailable
from schemas.delivery import Delivery
from schemas.envelope import ACKNOWLEDGEMENT, CESSATION, FHIR_JSON
from schemas.receipt import Receipt
from schemas.violation import SchemaViolation

#: How long the exchange may take to answer a message before it counts as away.
RECEIPT_TIMEOUT_SECONDS = 60.0
#: A queue needs a moment to hand out what it has.
_LEAST_PATIENCE_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A message that waits for its receipt."""

    message: SignedMessage
    receipt: asyncio.Future[bytes]
    sent: bool = field(default=False)


class _Inbox:
    """A queue we read; whoever asks after a loss opens it again."""

    def __init__(self, connection: RabbitConnection, queue: str, *, prefetch: int) -> None:
        self._connection = connection
        self._queue = queue
        self._prefetch = prefetch
        self._channel: Channel | None = None
        self._arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Consume; does nothing while we do.

        Raises:
            Unavailable: the broker does not answer, or does not let us read the queue.
        """
        async with self._opening:
            if self._channel is not None and not self._channel.is_closed:
                return
            arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
            channel = await self._connection.channel()

            async def take(message: DeliveredMessage) -> None:
                await arrived.put(message)

            with broker_errors(f"read {self._queue}"):
                await channel.basic_qos(prefetch_count=self._prefetch)
                await channel.basic_consume(self._queue, take)
            # None wakes up whoever waits when the channel is gone.
            channel.closing.add_done_callback(lambda _: arrived.put_nowait(None))
            self._channel, self._arrived = channel, arrived

    async def take(self, limit: int, seconds: float | None) -> list[DeliveredMessage]:
        """At least one message, or none when none came in that time; None waits for ever.

        Raises:
            Unavailable: the queue cannot be read at the moment.
        """
        await self.open()
        try:
            async with asyncio.timeout(seconds):
                taken = [await self._arrived.get()]
        except TimeoutError:
            return []
        while len(taken) < limit and not self._arrived.empty():
            taken.append(self._arrived.get_nowait())
        messages = [one for one in taken if one is not None]
        if len(messages) != len(taken):
            # What the lost channel gave us comes again on the next one.
            msg = "RabbitMQ: the connection was lost."
            raise Unavailable(msg)
        return messages

    async def acknowledge(self, messages: Sequence[DeliveredMessage]) -> None:
        """Settle them, if the channel they came by still lives; else they come again."""
        for one in messages:
            if one.delivery_tag is not None and not one.channel.is_closed:
                with suppress(Unavailable), broker_errors("acknowledge"):
                    await one.channel.basic_ack(one.delivery_tag)

    async def close(self) -> None:
        """Stop reading; what is not settled goes back."""
        if self._channel is not None and not self._channel.is_closed:
            with suppress(Unavailable), broker_errors("close a channel"):
                await self._channel.close()


class AmqpPublishing:
    """A publisher's way (`MessageTransport`); one process at a time for each participant.

    Two would read each other's receipts from the one queue there is.
    """

    def __init__(
        self,
        connection: RabbitConnection,
        participant_id: str,
        *,
        receipt_timeout: float = RECEIPT_TIMEOUT_SECONDS,
        on_unclaimed: Callable[[Receipt], None] | None = None,
    ) -> None:
        """Publish over this connection.

        Args:
            connection: logged in as the participant.
            participant_id: names the exchange and the queue.
            receipt_timeout: seconds until a message without a receipt may be sent again.
            on_unclaimed: told of receipts nobody here waits for, such as those of an earlier run.
        """
        self._submitter = RabbitSubmitter(connection, participant_id)
        self._inbox = _Inbox(connection, receipts_queue(participant_id), prefetch=500)
        self._receipt_timeout = receipt_timeout
        self._on_unclaimed = on_unclaimed
        self._under_way: dict[int, _UnderWay] = {}
        self._sending = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def submit(self, message: SignedMessage) -> bytes:
        """See `MessageTransport`."""
        await self._read_receipts()
        waiting = _UnderWay(message, asyncio.get_running_loop().create_future())
        self._under_way[id(waiting)] = waiting
        try:
            async with self._sending:
                # While one batch is being confirmed, the next gathers.
                if not waiting.sent:
                    await self._send()
            async with asyncio.timeout(self._receipt_timeout):
                return await waiting.receipt
        except TimeoutError:
            msg = "No receipt came in time: is a worker of the exchange running?"
            raise Unavailable(msg) from None
        finally:
            self._under_way.pop(id(waiting), None)

    async def close(self) -> None:
        """Stop reading receipts and give back the channels."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._inbox.close()
        await self._submitter.close()

    async def _send(self) -> None:
        batch = [one for one in self._under_way.values() if not one.sent]
        await self._submitter.submit(
            [(one.message.body, one.message.signature) for one in batch], content_type=FHIR_JSON
        )
        for one in batch:
            one.sent = True

    async def _read_receipts(self) -> None:
        await self._inbox.open()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                taken = await self._inbox.take(limit=100, seconds=None)
            except Unavailable as lost:
                for one in self._under_way.values():
                    if not one.receipt.done():
                        one.receipt.set_exception(lost)
                return
            for message in taken:
                self._hand_over(message.body)
            await self._inbox.acknowledge(taken)

    def _hand_over(self, raw: bytes) -> None:
        try:
            receipt = Receipt.from_bytes(raw)
        except SchemaViolation:
            return
        for one in self._under_way.values():
            # Even if it is not confirmed yet: the exchange may be faster than the broker.
            if not one.receipt.done() and is_about(receipt, one.message):
                one.receipt.set_result(raw)
                return
        if self._on_unclaimed is not None:
            self._on_unclaimed(receipt)


class AmqpDeliveries:
    """A subscriber's way (`DeliveryTransport`); several processes may share the queue.

    Each of them needs a memory of its own, so a delivery that moves between them comes twice.
    """

    def __init__(
        self, connection: RabbitConnection, participant_id: str, *, prefetch: int = 400
    ) -> None:
        """Read over this connection.

        Args:
            connection: logged in as the participant.
            participant_id: names the queue and the exchange.
            prefetch: the most deliveries held unacknowledged.
        """
        self._submitter = RabbitSubmitter(connection, participant_id)
        self._inbox = _Inbox(connection, deliveries_queue(participant_id), prefetch=prefetch)

    async def receive(self, *, after: int, limit: int, patience: float) -> Arrivals:
        """See `DeliveryTransport`."""
        deadline = Deadline(max(patience, _LEAST_PATIENCE_SECONDS))
        taken = await self._inbox.take(limit, deadline.left)
        return Arrivals(arrived=[_arrived(one) for one in taken], cursor=after)

    async def acknowledge(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`; the exchange's own answer to it is the trail entry."""
        await self._submitter.submit(
            [(statement, signature)], content_type=ACKNOWLEDGEMENT, to="acknowledgements"
        )

    async def answer_recalls(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`; it takes the way of acknowledgements, signed as what it is."""
        await self._submitter.submit(
            [(statement, signature)], content_type=CESSATION, to="acknowledgements"
        )

    async def settle(self, arrived: Sequence[Arrived]) -> None:
        """See `DeliveryTransport`."""
        await self._inbox.acknowledge(
            [one.tag for one in arrived if isinstance(one.tag, DeliveredMessage)]
        )

    async def set_aside(self, arrived: Arrived) -> None:
        """See `DeliveryTransport`: the broker puts it among the dead letters, for the operator."""
        message = arrived.tag
        if isinstance(message, DeliveredMessage) and message.delivery_tag is not None:
            with suppress(Unavailable), broker_errors("set a delivery aside"):
                await message.channel.basic_reject(message.delivery_tag, requeue=False)

    async def close(self) -> None:
        """Stop reading; what is not settled goes back to the queue."""
        await self._inbox.close()
        await self._submitter.close()


def _arrived(message: DeliveredMessage) -> Arrived:
    try:
        headers = dict(message.header.properties.headers or {})
        return Arrived(delivery=Delivery.from_headers(headers, message.body), tag=message)
    except SchemaViolation:
        return Arrived(delivery=None, tag=message)
