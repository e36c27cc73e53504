"""An exchange in this very process: the same ports as over HTTP, without a socket.

For the demonstration and for tests. It hands out what the exchange would send, so whoever reads it
verifies exactly as much. An auditor's side is `stored_trail.StoredTrail`.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from adapters.clients.errors import RequestRefused
from adapters.clients.retrying import Deadline
from adapters.clients.stored_trail import StoredTrail
from adapters.clients.transport import Arrivals, Arrived, SignedMessage
from exchange.acknowledging import AcknowledgementDesk
from exchange.answering_recalls import RecallDesk
from exchange.directory_cache import DirectoryCache
from exchange.errors import Refusal
from exchange.intake import Intake
from exchange.model import ReceivedMessage
from exchange.ports import Store
from exchange.proving import ProofDesk
from exchange.redelivering import RedeliveryDesk
from schemas.participant import Participant

_POLL_SECONDS = 0.02


class ExchangeParts(Protocol):
    """The parts of a composed exchange that participants meet."""

    @property
    def intake(self) -> Intake:
        """Takes messages; somebody must run it."""

    @property
    def acknowledgements(self) -> AcknowledgementDesk:
        """Takes acknowledgements."""

    @property
    def recalls(self) -> RecallDesk:
        """Takes answers to recalls."""

    @property
    def directory(self) -> DirectoryCache:
        """Knows the participants."""

    @property
    def proofs(self) -> ProofDesk:
        """Makes deliveries."""

    @property
    def redeliveries(self) -> RedeliveryDesk:
        """What may be handed out, for the first time or again."""

    @property
    def store(self) -> Store:
        """Holds the trail."""


class LocalTransport:
    """One participant's way to an exchange in this process; fits every port but the auditor's."""

    def __init__(self, exchange: ExchangeParts, participant_id: str) -> None:
        """Speak as this participant; nobody checks that here but the signatures."""
        self._exchange = exchange
        self._participant_id = participant_id

    async def submit(self, message: SignedMessage) -> bytes:
        """See `MessageTransport`."""
        outcome = await self._exchange.intake.submit(
            self._received(message.body, message.signature)
        )
        return outcome.receipt.to_bytes()

    async def receive(self, *, after: int, limit: int, patience: float) -> Arrivals:
        """See `DeliveryTransport`."""
        deadline = Deadline(patience)
        while True:
            rows = await self._exchange.store.delivery_rows(
                self._participant_id, after=after, limit=limit
            )
            if rows or not deadline.left:
                deliveries = await self._exchange.redeliveries.deliveries_of(rows)
                return Arrivals(
                    arrived=[Arrived(delivery=one) for one in deliveries],
                    cursor=max([after, *(row.pending.number for row in rows)]),
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def acknowledge(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`."""
        try:
            await self._exchange.acknowledgements.accept(self._received(statement, signature))
        except Refusal as refusal:
            raise RequestRefused(f"The exchange refuses the acknowledgement: {refusal}") from None

    async def answer_recalls(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`."""
        try:
            await self._exchange.recalls.accept(self._received(statement, signature))
        except Refusal as refusal:
            raise RequestRefused(f"The exchange refuses the answer: {refusal}") from None

    async def settle(self, arrived: Sequence[Arrived]) -> None:
        """Nothing to do: the cursor says where to go on."""

    async def set_aside(self, arrived: Arrived) -> None:
        """Nothing to do: what is not acknowledged stays on the exchange's list."""

    async def participant(self, participant_id: str) -> Participant | None:
        """See `DirectoryReader`."""
        return (await self._exchange.directory.checked()).participant(participant_id)

    async def consistency_proof(self, first: int, second: int) -> Sequence[bytes]:
        """See `ConsistencyReader`."""
        trail = StoredTrail(self._exchange.store, self._exchange.proofs)
        return await trail.consistency_proof(first, second)

    def _received(self, body: bytes, signature: str) -> ReceivedMessage:
        return ReceivedMessage(
            body=body, signature=signature, authenticated_as=self._participant_id
        )
