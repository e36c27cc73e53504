"""What a participant signs besides messages: who said it, and when, before what it says is read."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from exchange.directory import Directory
from exchange.errors import MalformedMessage, UntrustedSender
from exchange.model import ReceivedMessage
from exchange.opening import MOST_AHEAD
from exchange.signing import verify_detached
from schemas.envelope import Envelope, open_envelope
from schemas.participant import Participant
from schemas.violation import SchemaViolation, problem
from schemas.wire_json import WireDocument

_Statement = TypeVar("_Statement", bound=WireDocument)


def verified_statement(
    received: ReceivedMessage,
    kind: type[_Statement],
    *,
    content_type: str,
    directory: Directory,
    at: datetime,
    lifetime: timedelta | None = None,
) -> tuple[Participant, _Statement]:
    """The subscriber that signed these bytes, and the statement of that kind that they are.

    Args:
        received: body and detached JWS.
        kind: the form of the statement.
        content_type: what `cty` must say, so that no statement is taken for another.
        directory: knows the subscriber and its keys.
        at: the moment of arrival.
        lifetime: how old the signature may be; None is as old as the participant's messages.

    Raises:
        Refusal: it is not such a statement, or it is not known to be the subscriber's of now.
    """
    try:
        envelope = open_envelope(received.signature or "")
    except SchemaViolation as violation:
        raise MalformedMessage(violation.problems) from None
    issuer = envelope.header.issuer
    if received.authenticated_as not in {None, issuer}:
        raise untrusted("acknowledgement.other-party", "iss")
    subscriber = directory.require_active(issuer, "subscriber")
    key = directory.require_key(subscriber, envelope.header.key_id, at)
    verify_detached(envelope, received.body, key)
    if envelope.header.content_type != content_type:
        raise untrusted("envelope.sign-with", "cty", content_type)
    if lifetime is None:
        lifetime = timedelta(hours=subscriber.max_message_age_hours)
    _require_current(envelope, at - lifetime, at)
    try:
        return subscriber, kind.from_bytes(received.body)
    except SchemaViolation as violation:
        raise MalformedMessage(violation.problems) from None


def content_type_of(received: ReceivedMessage) -> str | None:
    """What the signed header says that the body is; None when there is no such header."""
    try:
        return open_envelope(received.signature or "").header.content_type
    except SchemaViolation:
        return None


def statement_digest(body: bytes, signature: str) -> str:
    """SHA-256 over signature and body, which hold no health data, in base64url."""
    signed = signature.encode() + b"\n" + body
    return base64.urlsafe_b64encode(hashlib.sha256(signed).digest()).rstrip(b"=").decode()


def untrusted(sentence: str, member: str, *words: str) -> UntrustedSender:
    """A refusal for what a member of the signed header says."""
    return UntrustedSender(problem(sentence, "security", f"x-jws-signature.{member}", *words))


def _require_current(envelope: Envelope, oldest: datetime, at: datetime) -> None:
    issued_at = datetime.fromtimestamp(envelope.header.issued_at, UTC)
    if not oldest <= issued_at <= at + MOST_AHEAD:
        raise untrusted("acknowledgement.too-far", "iat")
