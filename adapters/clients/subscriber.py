"""A registry's side: receive, verify, hand over, remember, acknowledge. In that order.

    subscriber = Subscriber("registry:kz", key, transport, log_verifier, reader, directory, memory)
    async for delivery in subscriber.deliveries():
        if delivery.body is not None:
            store(delivery.body, overwrite=delivery.standing != "superseded")
                                    # when this returns, it will be acknowledged

A notice of recall is handed to `on_recall`, which forgets what was kept of the delivery that the
notice names and returns what it did; the client signs that and sends it. What arrives after its
own notice, as may happen over a queue, is not handed over at all.

What a crash leaves behind:

    before the consumer is done     nothing remembered: the delivery comes again
    before it is remembered         the consumer has it, and gets it once more: make `store`
                                    idempotent on `delivery.delivery.delivery` if that matters
    before it is acknowledged       it is acknowledged at the next start; it also comes again and
                                    is dropped as a duplicate
    after forgetting, before the    the notice comes again, or was remembered with its answer, which
    answer                          is sent at the next start
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from typing import get_args

from adapters.clients.errors import UnprovenDelivery
from adapters.clients.retrying import Patience, patiently
from adapters.clients.subscriber_memory import SubscriberMemory
from adapters.clients.transport import (
    Arrivals,
    Arrived,
    ConsistencyReader,
    DeliveryTransport,
    PublisherKeys,
)
from adapters.clients.verified_delivery import DeliveryVerifier, VerifiedDelivery
from exchange.model import RecallAnswer
from exchange.signing import SigningKey, sign_detached
from exchange.trail.checkpoint import NoteVerifier
from schemas.acknowledgement import MOST_DELIVERIES, Acknowledgement
from schemas.cessation import MOST_NOTICES, Cessation
from schemas.delivery import Delivery
from schemas.envelope import ACKNOWLEDGEMENT, CESSATION
from schemas.trail_entry import RecalledEntry

#: Forgets what was kept of the delivery that a notice names, and returns what it did. It is told
#: whether that delivery was handed over here before.
OnRecall = Callable[[RecalledEntry, bool], RecallAnswer | None]


class Subscriber:
    """Receives the deliveries of one participant; for one task at a time.

    Every delivery is verified before the consumer sees it, by the numbered argument at the top of
    `adapters.clients.verified_delivery`. What is not proven is neither handed over nor
    acknowledged: `deliveries` raises `UnprovenDelivery`, or tells `on_unproven` and goes on.
    """

    def __init__(
        self,
        participant_id: str,
        key: SigningKey,
        transport: DeliveryTransport,
        log_verifier: NoteVerifier,
        trail: ConsistencyReader,
        publisher_keys: PublisherKeys,
        memory: SubscriberMemory,
        *,
        on_unproven: Callable[[UnprovenDelivery], None] | None = None,
        on_recall: OnRecall | None = None,
        patience: Patience | None = None,
        page: int = 200,
        seconds_now: Callable[[], float] = time.time,
    ) -> None:
        """Receive as this participant.

        Args:
            participant_id: as the directory has it.
            key: signs acknowledgements.
            transport: how deliveries come.
            log_verifier: the pinned key of the exchange's trail.
            trail: shows consistency proofs.
            publisher_keys: where to look publishers' keys up.
            memory: durable, and this subscriber's alone.
            on_unproven: told of each refused delivery; without it the first one is raised.
            on_recall: does what a notice asks for and returns what was done; None when it cannot
                say yet. It may be asked twice, and about what was never kept. Without it
                notices are handed over like deliveries, and nothing is answered.
            patience: how long to try while the exchange is away.
            page: the most deliveries taken, and acknowledged, at once.
            seconds_now: seconds since 1970, for acknowledgements.
        """
        self.participant_id = participant_id
        self._key = key
        self._transport = transport
        self._memory = memory
        self._verifier = DeliveryVerifier(
            participant_id,
            log_verifier=log_verifier,
            trail=trail,
            publisher_keys=publisher_keys,
            memory=memory,
        )
        self._on_unproven = on_unproven
        self._on_recall = on_recall
        self._patience = patience or Patience()
        self._page = min(page, MOST_DELIVERIES)
        self._seconds_now = seconds_now
        self._refused_any = False

    async def deliveries(
        self, *, follow: bool = True, poll_seconds: float = 20.0
    ) -> AsyncGenerator[VerifiedDelivery, None]:
        """Each proven delivery once, withheld ones and notices (without a body) included.

        Asking for the next one says that the last one is safe with the consumer.

        Args:
            follow: wait for more for ever; otherwise end when nothing more is there.
            poll_seconds: how long one request may wait for something to come.

        Raises:
            UnprovenDelivery: a delivery is not proven and there is no `on_unproven`.
            Unavailable: the exchange stayed away longer than patience lasts.
            RequestRefused: the exchange refuses the request or the acknowledgement.
        """
        await self.acknowledge_remembered()
        await self.answer_remembered()
        cursor = self._memory.cursor()
        while True:
            page = await self._receive(cursor, poll_seconds if follow else 0.0)
            if not page.arrived and page.cursor == cursor and not follow:
                return
            dealt_with: list[Arrived] = []
            for arrived in page.arrived:
                try:
                    verified = await self._verified(arrived)
                except UnprovenDelivery:
                    await self._finish_page(dealt_with)
                    raise
                if verified is not None:
                    answer = await self._forget_recalled(verified)
                    if not self._memory.is_recalled(verified.delivery.delivery):
                        yield verified
                    await asyncio.to_thread(self._remember, verified, answer)
                    dealt_with.append(arrived)
                else:
                    dealt_with.extend(self._repeated(arrived))
            await self._finish_page(dealt_with)
            moved, cursor = page.cursor > cursor, max(cursor, page.cursor)
            if moved and not self._refused_any:
                # Past a refused delivery the stored cursor stays, so that the next run asks again.
                self._memory.move_cursor(cursor)

    async def acknowledge_remembered(self) -> int:
        """Acknowledge everything that the consumer has and the exchange may not know of."""
        count = 0
        while delivery_ids := self._memory.unacknowledged(MOST_DELIVERIES):
            await self._acknowledge(delivery_ids)
            count += len(delivery_ids)
        return count

    async def answer_remembered(self) -> int:
        """Send every answer to a recall that the exchange may not know of."""
        count = 0
        for answer in get_args(RecallAnswer):
            while notices := self._memory.unanswered(answer, MOST_NOTICES):
                await self._answer(notices, answer)
                count += len(notices)
        return count

    def decide_recalls(self, answer: RecallAnswer) -> None:
        """Have everything that `on_recall` could say nothing about answered so, from now on."""
        self._memory.decide_recalls(answer)

    def undecided_recalls(self) -> Sequence[str]:
        """Notices that `on_recall` could say nothing about; the exchange waits for the answer."""
        return self._memory.undecided_recalls()

    def gaps(self) -> Sequence[tuple[int, int]]:
        """Ranges of numbers that never came although later ones did: ask the exchange why."""
        return self._memory.gaps()

    async def _receive(self, cursor: int, seconds: float) -> Arrivals:
        return await patiently(
            lambda: self._transport.receive(after=cursor, limit=self._page, patience=seconds),
            self._patience,
        )

    async def _verified(self, arrived: Arrived) -> VerifiedDelivery | None:
        """The proven delivery; None for a duplicate, and for one that was refused."""
        delivery = arrived.delivery
        try:
            if delivery is not None and self._memory.knows(delivery.delivery):
                return None
            return await self._verify(delivery)
        except UnprovenDelivery as unproven:
            self._refused_any = True
            await self._transport.set_aside(arrived)
            if self._on_unproven is None:
                raise
            self._on_unproven(unproven)
            return None

    def _repeated(self, arrived: Arrived) -> Sequence[Arrived]:
        """What came, when the consumer has it from before; nothing for what was refused."""
        delivery = arrived.delivery
        return [arrived] if delivery and self._memory.knows(delivery.delivery) else []

    async def _verify(self, delivery: Delivery | None) -> VerifiedDelivery:
        if delivery is None:
            msg = "What came does not have the form of a delivery."
            raise UnprovenDelivery(msg)
        return await patiently(lambda: self._verifier.verify(delivery), self._patience)

    async def _finish_page(self, dealt_with: Sequence[Arrived]) -> None:
        # A duplicate may be one whose acknowledgement was lost, so it is acknowledged again: an
        # acknowledgement that the exchange has already records nothing.
        delivery_ids = [one.delivery.delivery for one in dealt_with if one.delivery is not None]
        if delivery_ids:
            await self._acknowledge(list(dict.fromkeys(delivery_ids)))
            await self.answer_remembered()
            # Only now: before, a crash must bring them again.
            await self._transport.settle(dealt_with)

    async def _forget_recalled(self, verified: VerifiedDelivery) -> RecallAnswer | None:
        if verified.recall is None or self._on_recall is None:
            return None
        was_received = self._memory.knows(verified.recall.recalls)
        return await asyncio.to_thread(self._on_recall, verified.recall, was_received)

    def _remember(self, verified: VerifiedDelivery, answer: RecallAnswer | None) -> None:
        delivery_id, number = verified.delivery.delivery, verified.number
        if verified.recall is None:
            self._memory.remember(delivery_id, number)
        else:
            self._memory.remember_recall(delivery_id, number, verified.recall.recalls, answer)

    async def _acknowledge(self, delivery_ids: Sequence[str]) -> None:
        now = self._seconds_now()
        statement = Acknowledgement(
            subscriber=self.participant_id,
            deliveries=tuple(delivery_ids),
            at=datetime.fromtimestamp(now, UTC),
        ).to_bytes()
        signature = self._sign(statement, ACKNOWLEDGEMENT, delivery_ids[0], now)
        await patiently(lambda: self._transport.acknowledge(statement, signature), self._patience)
        self._memory.mark_acknowledged(delivery_ids)

    async def _answer(self, notices: Sequence[str], answer: RecallAnswer) -> None:
        now = self._seconds_now()
        statement = Cessation(
            subscriber=self.participant_id,
            notices=tuple(notices),
            answer=answer,
            at=datetime.fromtimestamp(now, UTC),
        ).to_bytes()
        signature = self._sign(statement, CESSATION, notices[0], now)
        await patiently(
            lambda: self._transport.answer_recalls(statement, signature), self._patience
        )
        self._memory.mark_answered(notices)

    def _sign(self, statement: bytes, content_type: str, message_id: str, now: float) -> str:
        return sign_detached(
            self._key,
            statement,
            issuer=self.participant_id,
            message_id=message_id,
            issued_at=int(now),
            content_type=content_type,
        )
