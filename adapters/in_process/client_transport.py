"""A participant's way to an exchange over the in-process queues (`adapters.clients.transport`)."""

import asyncio
from collections.abc import Sequence

from adapters.clients.transport import Arrivals, Arrived, SignedMessage
from adapters.in_process.transport import InProcessBroker
from exchange.errors import Unavailable
from exchange.model import ReceivedMessage
from exchange.ports import Outgoing
from schemas.delivery import Delivery
from schemas.violation import SchemaViolation

_RECEIPT_TIMEOUT_SECONDS = 60.0


class InProcessMessages:
    """One publisher's submissions and receipts; one message under way at a time."""

    def __init__(self, broker: InProcessBroker, participant_id: str) -> None:
        self._broker = broker
        self._participant_id = participant_id

    async def submit(self, message: SignedMessage) -> bytes:
        """See `MessageTransport`: receipts come in the order in which messages were sent."""
        await self._broker.submit(_received(self._participant_id, message.body, message.signature))
        try:
            async with asyncio.timeout(_RECEIPT_TIMEOUT_SECONDS):
                receipt = await self._broker.inbox("receipt", self._participant_id).get()
        except TimeoutError as error:
            msg = "No receipt came."
            raise Unavailable(msg) from error
        return receipt.body


class InProcessDeliveries:
    """One subscriber's deliveries and acknowledgements."""

    def __init__(self, broker: InProcessBroker, participant_id: str) -> None:
        self._broker = broker
        self._participant_id = participant_id

    async def receive(self, *, after: int, limit: int, patience: float) -> Arrivals:
        """See `DeliveryTransport`."""
        inbox = self._broker.inbox("delivery", self._participant_id)
        taken: list[Outgoing] = []
        try:
            async with asyncio.timeout(patience or None):
                taken.append(await inbox.get())
        except TimeoutError:
            return Arrivals(arrived=(), cursor=after)
        while len(taken) < limit and not inbox.empty():
            taken.append(inbox.get_nowait())
        arrived = [_arrived(one) for one in taken]
        numbers = [one.delivery.number for one in arrived if one.delivery is not None]
        return Arrivals(arrived=arrived, cursor=max([after, *numbers]))

    async def acknowledge(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`."""
        received = _received(self._participant_id, statement, signature)
        await self._broker.submit(received, "acknowledgements")

    async def answer_recalls(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`."""
        await self.acknowledge(statement, signature)

    async def settle(self, arrived: Sequence[Arrived]) -> None:
        """Nothing to do: what was taken from the inbox is gone from it."""

    async def set_aside(self, arrived: Arrived) -> None:
        """Nothing to do: what is not acknowledged stays on the exchange's list."""


def _arrived(outgoing: Outgoing) -> Arrived:
    try:
        return Arrived(delivery=Delivery.from_headers(dict(outgoing.headers), outgoing.body))
    except SchemaViolation:
        return Arrived(delivery=None)


def _received(participant_id: str, body: bytes, signature: str) -> ReceivedMessage:
    return ReceivedMessage(body=body, signature=signature, authenticated_as=participant_id)
