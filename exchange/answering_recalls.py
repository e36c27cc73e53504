"""A subscriber's signed answer to notices of recall becomes a trail entry, and ends their clocks.

A notice is answered once, or twice: `deleted` may follow `ceased`, because it says more. Everything
else that says nothing new (the same again, `ceased` after `deleted`) is taken and not recorded, so
that sending again is always safe.
"""

from dataclasses import dataclass

from exchange.directory_cache import DirectoryCache
from exchange.errors import InvalidRecord
from exchange.facts import Facts
from exchange.model import RecallAnswer, ReceivedMessage
from exchange.ports import Clock, DeliveryRow, LockedTrail, Store
from exchange.recording import Recording
from exchange.subscriber_statements import statement_digest, untrusted, verified_statement
from exchange.trail.checkpoint import NoteSigner
from schemas.cessation import Cessation
from schemas.envelope import CESSATION
from schemas.violation import problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallDesk:
    """Records answers to recalls; safe to share between tasks."""

    clock: Clock
    store: Store
    directory: DirectoryCache
    signer: NoteSigner
    origin: str

    async def accept(self, received: ReceivedMessage) -> int:
        """Record it durably and return how many notices it newly answers.

        Raises:
            Refusal: it is not a signed answer to this subscriber's own notices; nothing was
                recorded.
            Unavailable: nothing was recorded, so retry.
        """
        at = self.clock.now()
        subscriber, statement = verified_statement(
            received,
            Cessation,
            content_type=CESSATION,
            directory=await self.directory.checked(),
            at=at,
        )
        if statement.subscriber != subscriber.id:
            raise untrusted("recall.for-another", "iss")
        async with self.store.locked() as trail:
            fresh = await _require_own(statement, trail)
            if not fresh:
                return 0
            recording = Recording(
                head=trail.head, facts=Facts(), windows={}, origin=self.origin, now=at
            )
            recording.answer_recalls(
                statement.subscriber,
                fresh,
                statement.answer,
                received,
                statement_digest(received.body, received.signature or ""),
            )
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, the subscriber sends it again: recorded or not.
            await trail.commit()
        return len(fresh)


def says_more(answer: RecallAnswer, before: RecallAnswer | None) -> bool:
    """Whether an answer adds to the one that stands."""
    return before is None or (before == "ceased" and answer == "deleted")


async def _require_own(statement: Cessation, trail: LockedTrail) -> list[str]:
    """The notices for which the answer says something new, in the order given."""
    rows = await trail.deliveries(statement.notices)
    if not all(_is_notice_to(statement.subscriber, rows.get(one)) for one in statement.notices):
        raise InvalidRecord(problem("recall.not-yours", "not-found", "Cessation.notices"))
    return [
        one
        for one in dict.fromkeys(statement.notices)
        if says_more(statement.answer, rows[one].answer)
    ]


def _is_notice_to(subscriber: str, row: DeliveryRow | None) -> bool:
    """Whether it was let out to that subscriber: nobody can answer what still waits."""
    return (
        row is not None
        and row.released is not None
        and row.released.state == "recalled"
        and row.pending.subscriber == subscriber
    )
