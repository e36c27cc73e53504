"""From received bytes to an opened message: is it what it claims, and from whom it claims?

The argument, in the order of the code; each step returns something more trusted or raises.

    1. The signature is a detached JWS with a protected header we understand.
    2. Its issuer is the party the transport authenticated, if it authenticated one.
    3. The issuer is admitted as a publisher, and the key is its own and valid now.
    4. The signature holds over exactly the received bytes: from here on they are the issuer's.
    5. The statement is meant for us and now: content type, and time of signing.
       From here on the message's identity is (issuer, jti); before, a refusal is filed under the
       bytes' own name, so that signing again, better, is a new try.
    6. The bytes are strict JSON and a FHIR message we carry.
    7. The message id that was signed is the MessageHeader's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from exchange.directory import Directory
from exchange.errors import InvalidRecord, MalformedMessage, Refusal, UntrustedSender
from exchange.model import MessageIdentity, OpenedMessage, ReceivedMessage, Refused
from exchange.signing import verify_detached
from exchange.subjects import SubjectVault
from exchange.validation import read_record
from schemas.envelope import FHIR_JSON, Envelope, open_envelope
from schemas.fhir_message import FhirMessage
from schemas.fhir_names import participant_of
from schemas.participant import Participant
from schemas.record_traits import RecordTraits
from schemas.traits_reading import read_traits
from schemas.traveller_traits import AGE_OF_MAJORITY, origins_of
from schemas.violation import SchemaViolation, problem

MOST_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class MessageOpener:
    """Opens messages; pure but for the vault's keys, safe to share.

    Attributes:
        max_bytes: the largest body that is read.
        ages: the age of majority by country, where a policy states one.
    """

    vault: SubjectVault
    max_bytes: int
    ages: Mapping[str, int] = field(default_factory=dict)

    def open(
        self, received: ReceivedMessage, directory: Directory, at: datetime
    ) -> OpenedMessage | Refused:
        """The opened message, or the refusal that is its decision; never raises."""
        digest = self.vault.digest_of(received.body, (received.signature or "").encode())
        identity = MessageIdentity(received.authenticated_as or "", digest.hex())
        try:
            envelope = _envelope(received)  # 1
            _require_same_party(envelope, received)  # 2
            publisher = directory.require_active(envelope.header.issuer, "publisher")  # 3
            key = directory.require_key(publisher, envelope.header.key_id, at)
            verify_detached(envelope, received.body, key)  # 4
            identity = MessageIdentity(publisher.id, digest.hex())
            _require_current(envelope, publisher, at)  # 5
            identity = MessageIdentity(publisher.id, envelope.header.message_id)
            digest = self.vault.digest_of(received.body)
            message = read_record(received.body, at=at, max_bytes=self.max_bytes)  # 6
            _require_same_id(envelope, message.message_id)  # 7
        except Refusal as refusal:
            return Refused(
                identity=identity,
                digest=digest,
                received=received,
                at=at,
                reason=refusal.reason,
                problems=refusal.problems,
            )
        key_id = envelope.header.key_id
        return self._opened(received, identity, digest, key_id, publisher, message, at)

    def read(self, received: ReceivedMessage, directory: Directory, at: datetime) -> OpenedMessage:
        """The message as if the participant that its header names had signed it; for a preview.

        Raises:
            Refusal: it is no message that would be accepted from that participant.
        """
        message = read_record(received.body, at=at, max_bytes=self.max_bytes)
        header = {} if message.parts is None else message.parts.header
        sender = participant_of(header.get("source", {}).get("endpoint", ""))
        publisher = directory.require_active(sender or "", "publisher")
        identity = MessageIdentity(publisher.id, message.message_id)
        digest = self.vault.digest_of(received.body)
        return self._opened(received, identity, digest, "", publisher, message, at)

    def _opened(
        self,
        received: ReceivedMessage,
        identity: MessageIdentity,
        digest: bytes,
        key_id: str,
        publisher: Participant,
        message: FhirMessage,
        at: datetime,
    ) -> OpenedMessage:
        patient = None if message.parts is None else message.parts.patient
        return OpenedMessage(
            received=received,
            identity=identity,
            digest=digest,
            key_id=key_id,
            jurisdiction=publisher.jurisdiction,
            message=message,
            subject_tokens=self.vault.tokens_of(message.patient_identifiers),
            origins=() if patient is None else origins_of(patient),
            traits=self._traits(publisher, message, at),
            record=self._record(publisher, message),
        )

    def _traits(
        self, publisher: Participant, message: FhirMessage, at: datetime
    ) -> RecordTraits | None:
        if message.parts is None:
            return None
        return read_traits(
            message.bundle,
            message.parts,
            author=publisher.id,
            collected_in=publisher.jurisdiction,
            at=at,
            age_of_majority=self.ages.get(publisher.jurisdiction, AGE_OF_MAJORITY),
        )

    def _record(self, publisher: Participant, message: FhirMessage) -> bytes | None:
        """The record it is a version of."""
        if message.record is None or message.version_at is None:
            return None
        return self.vault.record_digest(publisher.id, message.record)


def _envelope(received: ReceivedMessage) -> Envelope:
    if received.signature is None:
        raise MalformedMessage(problem("envelope.missing", "required", "x-jws-signature"))
    try:
        return open_envelope(received.signature)
    except SchemaViolation as violation:
        raise MalformedMessage(violation.problems) from None


def _require_same_party(envelope: Envelope, received: ReceivedMessage) -> None:
    if received.authenticated_as not in {None, envelope.header.issuer}:
        raise UntrustedSender(problem("sender.other-party", "security", "x-jws-signature.iss"))


def _require_current(envelope: Envelope, publisher: Participant, at: datetime) -> None:
    header = envelope.header
    if header.content_type != FHIR_JSON:
        raise UntrustedSender(
            problem("envelope.sign-with", "security", "x-jws-signature.cty", FHIR_JSON)
        )
    oldest = at - timedelta(hours=publisher.max_message_age_hours)
    try:
        issued_at = datetime.fromtimestamp(header.issued_at, UTC)
    except (OverflowError, ValueError, OSError):
        issued_at = datetime.max.replace(tzinfo=UTC)
    if issued_at > at + MOST_AHEAD:
        raise UntrustedSender(problem("sender.clock-ahead", "security", "x-jws-signature.iat"))
    if issued_at < oldest:
        raise UntrustedSender(problem("sender.too-old", "expired", "x-jws-signature.iat"))


def _require_same_id(envelope: Envelope, message_id: str) -> None:
    if envelope.header.message_id != message_id:
        raise InvalidRecord(problem("message.other-id", "business-rule", "MessageHeader.id"))
