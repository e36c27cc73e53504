"""A subscriber's signed acknowledgement becomes a trail entry: non-repudiation of receipt."""

from dataclasses import dataclass

from exchange.directory_cache import DirectoryCache
from exchange.errors import InvalidRecord
from exchange.model import ReceivedMessage
from exchange.ports import Clock, DeliveryRow, LockedTrail, Store
from exchange.recording import Recording
from exchange.subscriber_statements import statement_digest, untrusted, verified_statement
from exchange.trail.checkpoint import NoteSigner
from schemas.acknowledgement import Acknowledgement
from schemas.envelope import ACKNOWLEDGEMENT
from schemas.violation import problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementDesk:
    """Records acknowledgements; safe to share between tasks."""

    clock: Clock
    store: Store
    directory: DirectoryCache
    signer: NoteSigner
    origin: str

    async def accept(self, received: ReceivedMessage) -> int:
        """Record it durably and return how many deliveries it newly acknowledges.

        Sending it again records nothing and returns 0.

        Raises:
            Refusal: it is not a signed acknowledgement of this subscriber's own deliveries;
                nothing was recorded.
            Unavailable: nothing was recorded, so retry.
        """
        at = self.clock.now()
        subscriber, statement = verified_statement(
            received,
            Acknowledgement,
            content_type=ACKNOWLEDGEMENT,
            directory=await self.directory.checked(),
            at=at,
        )
        if statement.subscriber != subscriber.id:
            raise untrusted("acknowledgement.for-another", "iss")
        async with self.store.locked() as trail:
            fresh = await _require_own(statement, trail)
            if not fresh:
                return 0
            facts = await trail.facts_about(subscribers=[statement.subscriber])
            recording = Recording(
                head=trail.head, facts=facts, windows={}, origin=self.origin, now=at
            )
            recording.acknowledge(
                statement.subscriber,
                [row.pending.delivery_id for row in fresh],
                received,
                statement_digest(received.body, received.signature or ""),
                given_up=sum(row.is_erased for row in fresh),
            )
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, the subscriber sends it again: recorded or not.
            await trail.commit()
        return len(fresh)


async def _require_own(statement: Acknowledgement, trail: LockedTrail) -> list[DeliveryRow]:
    """The deliveries not acknowledged before, in the order given."""
    rows = await trail.deliveries(statement.deliveries)
    for delivery_id in statement.deliveries:
        row = rows.get(delivery_id)
        if row is None or row.released is None or row.pending.subscriber != statement.subscriber:
            raise InvalidRecord(
                problem("acknowledgement.not-yours", "not-found", "Acknowledgement.deliveries")
            )
    return [rows[one] for one in dict.fromkeys(statement.deliveries) if not rows[one].acknowledged]
