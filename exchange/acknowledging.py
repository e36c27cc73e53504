"""A subscriber's signed acknowledgement becomes a trail entry: non-repudiation of receipt."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.errors import InvalidRecord, MalformedMessage, UntrustedSender
from exchange.model import ReceivedMessage
from exchange.opening import MOST_AHEAD
from exchange.ports import Clock, DeliveryRow, LockedTrail, Store
from exchange.recording import Recording
from exchange.signing import verify_detached
from exchange.trail.checkpoint import NoteSigner
from schemas.acknowledgement import Acknowledgement
from schemas.envelope import ACKNOWLEDGEMENT, Envelope, open_envelope
from schemas.violation import SchemaViolation, problem


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
        directory = await self.directory.checked()
        statement = self._verified(received, directory, at)
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

    def _verified(
        self, received: ReceivedMessage, directory: Directory, at: datetime
    ) -> Acknowledgement:
        try:
            envelope = open_envelope(received.signature or "")
        except SchemaViolation as violation:
            raise MalformedMessage(violation.problems) from None
        issuer = envelope.header.issuer
        if received.authenticated_as not in {None, issuer}:
            raise _untrusted("acknowledgement.other-party", "iss")
        subscriber = directory.require_active(issuer, "subscriber")
        key = directory.require_key(subscriber, envelope.header.key_id, at)
        verify_detached(envelope, received.body, key)
        _require_current(envelope, at - timedelta(hours=subscriber.max_message_age_hours), at)
        try:
            statement = Acknowledgement.from_bytes(received.body)
        except SchemaViolation as violation:
            raise MalformedMessage(violation.problems) from None
        if statement.subscriber != issuer:
            raise _untrusted("acknowledgement.for-another", "iss")
        return statement


def _require_current(envelope: Envelope, oldest: datetime, at: datetime) -> None:
    if envelope.header.content_type != ACKNOWLEDGEMENT:
        raise _untrusted("envelope.sign-with", "cty", ACKNOWLEDGEMENT)
    issued_at = datetime.fromtimestamp(envelope.header.issued_at, UTC)
    if not oldest <= issued_at <= at + MOST_AHEAD:
        raise _untrusted("acknowledgement.too-far", "iat")


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


def statement_digest(body: bytes, signature: str) -> str:
    """SHA-256 over signature and body, which hold no health data, in base64url."""
    signed = signature.encode() + b"\n" + body
    return base64.urlsafe_b64encode(hashlib.sha256(signed).digest()).rstrip(b"=").decode()


def _untrusted(sentence: str, member: str, *words: str) -> UntrustedSender:
    return UntrustedSender(problem(sentence, "security", f"x-jws-signature.{member}", *words))
