"""A border post's side: sign a record, publish it, and believe only a proven receipt.

publisher = Publisher("poe:kz:ala", key, transport, log_verifier)
receipt = await publisher.publish(body)
"""

import time
from collections.abc import Callable

from adapters.clients.errors import NotAMessage
from adapters.clients.retrying import Patience, patiently
from adapters.clients.transport import MessageTransport, SignedMessage
from adapters.clients.verified_receipt import VerifiedReceipt, verify_receipt
from exchange.signing import SigningKey, sign_detached
from exchange.trail.checkpoint import NoteVerifier
from schemas.envelope import FHIR_JSON
from schemas.strict_json import read_json
from schemas.violation import SchemaViolation

#: The most that any exchange can be set to take; which one refuses more is its own decision.
MOST_BYTES = 64 * 1_048_576


class Publisher:
    """Signs and publishes messages of one participant; safe to share between tasks."""

    def __init__(
        self,
        participant_id: str,
        key: SigningKey,
        transport: MessageTransport,
        log_verifier: NoteVerifier,
        *,
        patience: Patience | None = None,
        seconds_now: Callable[[], float] = time.time,
    ) -> None:
        """Publish as this participant.

        Args:
            participant_id: as the directory has it; becomes `iss`.
            key: one of its keys in the directory.
            transport: how to reach the exchange.
            log_verifier: the pinned key of the exchange's trail.
            patience: how long to try while the exchange is away.
            seconds_now: seconds since 1970 for `iat`.
        """
        self.participant_id = participant_id
        self._key = key
        self._transport = transport
        self._log_verifier = log_verifier
        self._patience = patience or Patience()
        self._seconds_now = seconds_now

    def sign(self, body: bytes) -> SignedMessage:
        """The message with its signature over exactly these bytes; keep both to send again.

        Raises:
            NotAMessage: it has no MessageHeader id that could name it.
        """
        message_id = message_id_in(body)
        try:
            signature = sign_detached(
                self._key,
                body,
                issuer=self.participant_id,
                message_id=message_id,
                issued_at=int(self._seconds_now()),
                content_type=FHIR_JSON,
            )
        except SchemaViolation as violation:
            raise NotAMessage(f"The message cannot be signed: {violation}") from None
        return SignedMessage(
            body=body, signature=signature, message_id=message_id, key_id=self._key.key_id
        )

    async def publish(self, message: bytes | SignedMessage) -> VerifiedReceipt:
        """The proven receipt: acceptance or refusal, whichever the exchange decided.

        Sent again, with the same bytes and signature, only while the exchange is away: it decides
        on a message once, so a receipt that was lost on the way comes again.

        Raises:
            NotAMessage: it cannot be signed.
            Unavailable: no decision is known; publish the same `SignedMessage` later.
            UnprovenReceipt: the answer proves nothing; keep the message and ask the operator.
            RequestRefused: the exchange would not decide on it.
        """
        signed = self.sign(message) if isinstance(message, bytes) else message
        raw = await patiently(lambda: self._transport.submit(signed), self._patience)
        return verify_receipt(
            raw, signed, publisher=self.participant_id, verifier=self._log_verifier
        )


def message_id_in(body: bytes) -> str:
    """The id of the MessageHeader, the first entry of a message Bundle.

    Raises:
        NotAMessage: there is none.
    """
    try:
        bundle = read_json(body, max_bytes=MOST_BYTES)
    except SchemaViolation as violation:
        raise NotAMessage(f"This is not strict JSON: {violation}") from None
    try:
        header = bundle["entry"][0]["resource"]
        if header["resourceType"] == "MessageHeader" and isinstance(header["id"], str):
            return header["id"]
    except (KeyError, IndexError, TypeError):
        pass
    raise NotAMessage(
        "This is not a FHIR message: send a Bundle of type message whose first entry is a"
        " MessageHeader with an id."
    )
