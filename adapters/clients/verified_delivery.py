"""Is this delivery logged, ours, intact, and really its publisher's?

The argument; each number stands again at the code that makes the step. Steps 1 to 3 and 6 need
nothing but the delivery and the pinned key; 4 and 7 also ask the exchange, which then has to show
what a liar could not.

    1. The entry's bytes are a canonical trail entry of the delivery's own state: `released`,
       `withheld`, or `recalled`. So it means one thing to every reader, auditors included.
    2. The entry names this subscriber, this delivery id (of the one form it may have, so that it
       can safely be a file's name; what a notice recalls has that form too) and this number, and
       what is released names the delivery's publisher and message, and says the same of its
       version: current, or superseded and by which. So it is about this disclosure, to us, and no
       older version passes for the newest.
    3. The inclusion proof leads from exactly the entry's bytes to the root of a checkpoint that
       the pinned key signed. So the disclosure is in the trail.
    4. The checkpoint's tree and the newest one we saw are one tree at two sizes, proven by hashes
       (or by equal roots at equal size). So there is one trail, for us as for yesterday's us.
    5. No other delivery had this number. So nothing is logged to us twice under one number.
    6. The entry's content commitment opens over exactly the body. So what is logged is what came.
    7. The publisher's detached JWS names the same publisher and message, its key stands in the
       directory, and there was a moment at which the exchange could accept it by that key: after
       its signing (less five minutes for clocks) and before its release, while the key was valid
       and before it was revoked or compromised.
    8. That key verifies the signature over exactly the body. So the publisher said it. What is
       not delivered in full the exchange made and signed: there the key is the pinned one.

A withheld delivery has no body, nor has a notice of recall: for these the argument ends with
step 5.

Not proven: that the directory shown is the right one. Who must not rely on the exchange for that
reads the publishers' keys from documents of its own (`PinnedKeys` in publisher_keys.py).
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from adapters.clients.errors import RequestRefused, Unproven, UnprovenDelivery
from adapters.clients.subscriber_memory import SubscriberMemory
from adapters.clients.transport import ConsistencyReader, PublisherKeys
from exchange.commitment import CommitmentBroken, require_commitment
from exchange.errors import UntrustedSender
from exchange.opening import MOST_AHEAD
from exchange.signing import VerifyingKey, verify_detached
from exchange.trail.checkpoint import Checkpoint, NoteVerifier, open_checkpoint
from exchange.trail.errors import CheckpointInvalid, ProofInvalid
from exchange.trail.merkle import verify_consistency
from exchange.trail.proof import read_proof, verify_proof
from schemas.delivery import Delivery
from schemas.envelope import FHIR_JSON, Envelope, open_envelope
from schemas.jwk import PublicJwk
from schemas.participant import ParticipantKey
from schemas.trail_entry import RecalledEntry, ReleasedEntry, WithheldEntry, read_entry
from schemas.violation import SchemaViolation
from schemas.wire_json import encode_bytes

_DELIVERY_ID = re.compile(r"[0-9a-f]{32}")
#: Entries tell time in milliseconds, cut off.
_CUT_OFF = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDelivery:
    """A delivery for which the whole argument holds.

    Attributes:
        delivery: as it came; with `signature` and `body` it is evidence for anyone.
        entry: the trail entry of this disclosure: purpose, basis, time.
        index: its place in the trail.
        checkpoint: the tree head that covers it.
    """

    delivery: Delivery = field(repr=False)
    entry: ReleasedEntry | WithheldEntry | RecalledEntry
    index: int
    checkpoint: Checkpoint

    @property
    def body(self) -> bytes | None:
        """Exactly the publisher's bytes; None for what was withheld and for a notice of recall."""
        return self.delivery.body

    @property
    def recall(self) -> RecalledEntry | None:
        """The notice, when this is one: `recalls` is the delivery to stop using."""
        return self.entry if isinstance(self.entry, RecalledEntry) else None

    @property
    def number(self) -> int:
        """Its place in the subscriber's own numbering."""
        return self.entry.number

    @property
    def standing(self) -> Literal["current", "superseded"] | None:
        """Whether it was the newest version of its record when it was released.

        What is `superseded` must not replace anything. Of two that were `current`, the one with
        the higher number is newer. None for a tombstone, and for what is no version of a record.
        """
        return self.entry.standing if isinstance(self.entry, ReleasedEntry) else None

    @property
    def superseded_by(self) -> int | None:
        """Trail index at which the newer version was accepted: `accepted` in its own entry."""
        return self.entry.superseded_by if isinstance(self.entry, ReleasedEntry) else None


class DeliveryVerifier:
    """Verifies deliveries of one subscriber, one after the other; remembers checkpoints."""

    def __init__(
        self,
        subscriber: str,
        *,
        log_verifier: NoteVerifier,
        trail: ConsistencyReader,
        publisher_keys: PublisherKeys,
        memory: SubscriberMemory,
    ) -> None:
        """Verify for this subscriber; see `Subscriber` for the arguments."""
        self._subscriber = subscriber
        self._log_verifier = log_verifier
        self._trail = trail
        self._publisher_keys = publisher_keys
        self._memory = memory
        self._newest: Checkpoint | None = None
        self._consistent: set[Checkpoint] = set()

    async def verify(self, delivery: Delivery) -> VerifiedDelivery:
        """Return the delivery when every step of the module's argument holds.

        Raises:
            UnprovenDelivery: a step does not hold.
            Unavailable: what a step needs from the exchange could not be had; try again.
        """
        entry = self._own_entry(delivery)  # 1, 2
        try:
            checkpoint = verify_proof(delivery.proof, delivery.entry, self._log_verifier)  # 3
        except (ProofInvalid, CheckpointInvalid) as invalid:
            raise _unproven(delivery, f"is not proven by the pinned log key: {invalid}") from None
        await self._require_one_trail(delivery, checkpoint)  # 4
        if self._memory.holder_of(entry.number) not in {None, delivery.delivery}:  # 5
            raise _unproven(delivery, "has the number of another delivery: the log equivocates")
        if isinstance(entry, ReleasedEntry):
            _require_content(delivery, entry)  # 6
            await self._require_publisher(delivery, entry)  # 7, 8
        return VerifiedDelivery(
            delivery=delivery,
            entry=entry,
            index=read_proof(delivery.proof).index,
            checkpoint=checkpoint,
        )

    def _own_entry(self, delivery: Delivery) -> ReleasedEntry | WithheldEntry | RecalledEntry:
        try:
            entry = read_entry(delivery.entry)  # 1
        except SchemaViolation as violation:
            raise _unproven(delivery, f"has no readable trail entry: {violation}") from None
        kinds = ReleasedEntry | WithheldEntry | RecalledEntry
        if not isinstance(entry, kinds) or entry.type != delivery.state:
            raise _unproven(delivery, f"is not logged as {delivery.state}")
        if not _DELIVERY_ID.fullmatch(delivery.delivery):  # 2
            raise _unproven(delivery, "has an id that no delivery can have")
        if isinstance(entry, RecalledEntry) and not _DELIVERY_ID.fullmatch(entry.recalls):
            raise _unproven(delivery, "recalls what no delivery can be")
        named = (entry.subscriber, entry.delivery, entry.number)
        if named != (self._subscriber, delivery.delivery, delivery.number) or (
            delivery.subscriber != self._subscriber
        ):
            raise _unproven(delivery, "comes with the trail entry of another delivery")
        if isinstance(entry, ReleasedEntry) and (entry.publisher, entry.message) != (
            delivery.publisher,
            delivery.message,
        ):
            raise _unproven(delivery, "comes with the trail entry of another message")
        standing = (
            (entry.standing, entry.superseded_by)
            if isinstance(entry, ReleasedEntry)
            else (None, None)
        )
        if (delivery.standing, delivery.superseded_by) != standing:
            raise _unproven(delivery, "says otherwise than is logged whether it is superseded")
        return entry

    async def _require_one_trail(self, delivery: Delivery, checkpoint: Checkpoint) -> None:
        """4. One tree, whichever of the two checkpoints is the larger."""
        newest = self._newest_seen()
        if newest is not None and checkpoint not in self._consistent:
            older, newer = sorted((newest, checkpoint), key=lambda one: one.size)
            try:
                same_size = older.size == newer.size
                verify_consistency(
                    first_size=older.size,
                    second_size=newer.size,
                    proof=(
                        ()
                        if same_size or not older.size
                        else await self._trail.consistency_proof(older.size, newer.size)
                    ),
                    first_root=older.root,
                    second_root=newer.root,
                )
            except (ProofInvalid, RequestRefused, Unproven) as missing:
                raise _unproven(
                    delivery, "shows a trail that is not the one seen before, only longer"
                ) from missing
            self._consistent.add(checkpoint)
        if newest is None or checkpoint.size > newest.size:
            # Before the consumer gets anything: a fork that follows a crash must still be seen.
            self._memory.remember_checkpoint(read_proof(delivery.proof).checkpoint_note)
            self._newest = checkpoint
            self._consistent = {checkpoint}

    def _newest_seen(self) -> Checkpoint | None:
        if self._newest is None:
            note = self._memory.checkpoint()
            if note is not None:
                self._newest = open_checkpoint(note, self._log_verifier)
                self._consistent = {self._newest}
        return self._newest

    async def _require_publisher(self, delivery: Delivery, entry: ReleasedEntry) -> None:
        try:
            envelope = open_envelope(delivery.signature or "")
        except SchemaViolation as violation:
            raise _unproven(delivery, f"has no readable signature: {violation}") from None
        header = envelope.header
        if (header.issuer, header.message_id) != (entry.publisher, entry.message):  # 7
            raise _unproven(delivery, "is signed as another message than is logged")
        if header.content_type != FHIR_JSON:
            raise _unproven(delivery, "is signed as another type of content")
        if entry.view != "full":
            self._require_made(delivery, envelope)  # 8, by the pinned key
            return
        try:
            listed = await self._publisher_keys.key_of(entry.publisher, header.key_id)
        except Unproven as unproven:
            raise _unproven(delivery, f"has no publisher to be found: {unproven}") from None
        if listed is None:
            raise _unproven(delivery, "is signed with a key that the directory does not have")
        _require_acceptable(delivery, listed, envelope, datetime.fromisoformat(entry.time))
        try:
            key = VerifyingKey.from_jwk(listed.jwk)
            verify_detached(envelope, delivery.body or b"", key)  # 8
        except UntrustedSender as untrusted:
            raise _unproven(delivery, f"is not what its publisher signed: {untrusted}") from None

    def _require_made(self, delivery: Delivery, envelope: Envelope) -> None:
        """8. The exchange itself signed it, with the key of its trail."""
        try:
            jwk = PublicJwk.model_validate(
                {"kty": "OKP", "crv": "Ed25519", "x": encode_bytes(self._log_verifier.key_bytes)}
            )
            verify_detached(envelope, delivery.body or b"", VerifyingKey.from_jwk(jwk))
        except UntrustedSender as untrusted:
            raise _unproven(delivery, f"is not what the exchange signed: {untrusted}") from None


def _require_content(delivery: Delivery, entry: ReleasedEntry) -> None:
    """6. The entry commits to exactly this body."""
    try:
        require_commitment(entry.content, delivery.body or b"", delivery.content_salt or b"")
    except CommitmentBroken:
        raise _unproven(delivery, "has another body than is logged") from None


def _require_acceptable(
    delivery: Delivery, key: ParticipantKey, envelope: Envelope, released_at: datetime
) -> None:
    """7. From signing to release there was a moment at which the key could be trusted.

    The delivery does not say when its message was accepted, and a release may wait for days; a
    rule on the release alone would refuse what was rightly accepted before the key ended.
    """
    earliest = datetime.fromtimestamp(envelope.header.issued_at, UTC) - MOST_AHEAD
    latest = released_at + _CUT_OFF
    if key.revoked_at is not None and ((key.compromised_since or key.revoked_at) <= released_at):
        # The time of signing is the thief's to choose, so only the trail's time counts here.
        raise _unproven(delivery, "was released after its publisher's key was withdrawn")
    if not (earliest <= latest and earliest < key.valid_until and key.valid_from <= latest):
        raise _unproven(delivery, "is signed with a key that was not valid then")


def _unproven(delivery: Delivery, sentence: str) -> UnprovenDelivery:
    return UnprovenDelivery(f"Delivery {delivery.number} {sentence}.")
