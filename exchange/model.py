"""The values that travel the path of a message; all frozen, none prints what it carries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from schemas.break_glass import ReviewOutcome
from schemas.consent.statement import ConsentStatement
from schemas.fhir_message import FhirMessage
from schemas.record_traits import RecordTraits
from schemas.terminology.diseases import routed_disease
from schemas.views.allow_list import View
from schemas.violation import Problem

ParticipantId = str
SubjectId = str

#: Views by which two recipients must find nothing that they have in common.
WITHOUT_NAMES: Final[frozenset[View]] = frozenset({"pseudonymous", "verdict"})

DeliveryState = Literal["pending", "released", "withheld", "recalled"]

#: What a recipient answers to a recall.
RecallAnswer = Literal["ceased", "deleted"]

#: Why a delivery is recalled from who received it.
RecallCause = Literal["consent-withdrawn", "entered-in-error", "erased"]

#: How a version of a record stands among those accepted so far (exchange.record_versions).
Standing = Literal["current", "superseded"]


class MessageIdentity(NamedTuple):
    """What makes two arrivals the same message: the party and its message id (DESIGN 3.6).

    The party is the verified signer. Bytes whose signer is not verified are named by the party
    the transport authenticated (or the empty string) and the keyed digest of all that was
    received, so that nobody can use up another participant's message ids.
    """

    publisher: ParticipantId
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """Exactly what arrived.

    Attributes:
        body: the bytes, never re-serialised.
        signature: the detached JWS that came with them, or None.
        authenticated_as: the participant the transport vouches for (broker-checked user id,
            access token), never a name the sender chose; None when it vouches for nobody.
    """

    body: bytes = field(repr=False)
    signature: str | None = field(repr=False)
    authenticated_as: ParticipantId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMessage:
    """A message whose signature, structure and profile hold; who may have it is still open.

    Attributes:
        digest: keyed digest of the body, for the idempotent receiver.
        jurisdiction: the publisher's.
        subject_tokens: HMACs of the traveller's normalised document identifiers.
        origins: countries that issued the documents this message names.
        traits: what consents and policies ask of the record; None for a consent.
        record: keyed digest of the publisher and its record's identifier, the same for every
            version; None for what is no version of a record.
    """

    received: ReceivedMessage
    identity: MessageIdentity
    digest: bytes
    key_id: str
    jurisdiction: str
    message: FhirMessage
    subject_tokens: tuple[bytes, ...]
    origins: tuple[str, ...] = field(default=(), repr=False)
    traits: RecordTraits | None = field(default=None, repr=False)
    record: bytes | None = None

    @property
    def disease(self) -> str | None:
        """The disease it is routed by, a key of our terminology; None when no coding names one."""
        return None if self.traits is None else routed_disease(self.traits.diseases)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentBasis:
    """The traveller agreed (DESIGN P3).

    Attributes:
        consent: content commitment of the message that brought the consent.
        entry: trail index at which that message was accepted.
    """

    consent: str
    entry: int

    def to_entry(self) -> dict[str, Any]:
        """As a trail entry names it."""
        return {"kind": "consent", "consent": self.consent, "entry": self.entry}


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateBasis:
    """A law of the place of collection lets the record move (DESIGN P3).

    Attributes:
        policy: digest of the policy's bytes, unpadded base64url.
        version: of that policy.
        mandate: id of the mandate in it.
    """

    policy: str
    version: int
    mandate: str

    def to_entry(self) -> dict[str, Any]:
        """As a trail entry names it."""
        return {
            "kind": "mandate",
            "policy": self.policy,
            "version": self.version,
            "mandate": self.mandate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassBasis:
    """Somebody broke the glass; `exchange.break_glass` says who may.

    Attributes:
        grant: id of the grant.
    """

    grant: str

    def to_entry(self) -> dict[str, Any]:
        """As a trail entry names it."""
        return {"kind": "break-glass", "grant": self.grant}


#: Why a record may go to a recipient.
Basis = ConsentBasis | MandateBasis | BreakGlassBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentOnFile:
    """A traveller's consent statement and where the trail has it."""

    statement: ConsentStatement
    basis: ConsentBasis


@dataclass(frozen=True, slots=True)
class Recipient:
    """A subscriber that asked for, or was named for, a record, and for what purposes.

    Attributes:
        jurisdiction: its country (ISO 3166-1 alpha-2), or `*` for an international body.
    """

    participant: ParticipantId
    purposes: tuple[str, ...]
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A recipient with the purpose and the basis that allow it this record, and how.

    Attributes:
        view: what it may see.
        redact: sensitivity labels whose parts it may not see.
        inputs: digest of all that was decided on, made when it is asked for.
    """

    recipient: ParticipantId
    purpose: str
    basis: Basis
    view: View = "full"
    redact: tuple[str, ...] = ()
    inputs: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The exchange takes custody.

    `entitlements` is empty only for consents, and for the withdrawal of a record that somebody has
    and nobody may see any more.
    """

    opened: OpenedMessage
    at: datetime
    entitlements: tuple[Entitlement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The exchange refuses, and says what to mend.

    Attributes:
        reason: the stable word of the `Refusal`.
        digest: keyed digest of what was received, as in `OpenedMessage`.
    """

    identity: MessageIdentity
    digest: bytes
    received: ReceivedMessage
    at: datetime
    reason: str
    problems: tuple[Problem, ...]


Decision = Accepted | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingDecision:
    """A decision as it was recorded; a receipt can be rebuilt from it at any time.

    Attributes:
        entry_index: trail index of its `accepted` or `refused` leaf.
        tree_size: size of the checkpoint signed in the decision's transaction.
        content_salt: opens the leaf's content commitment; None once erased.
        record: as in `OpenedMessage`.
        standing: of this version when it was accepted; None for what is no version of a record.
    """

    identity: MessageIdentity
    digest: bytes
    outcome: Literal["accepted", "refused"]
    reason: str | None
    problems: tuple[Problem, ...]
    decided_at: datetime
    entry_index: int
    tree_size: int
    content_salt: bytes | None = field(repr=False)
    record: bytes | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestVersion:
    """The newest version of a record among those that were accepted.

    Attributes:
        version_at: when it was made, by the record itself.
        entry_index: trail index of its `accepted` leaf.
        subject_id: the traveller it is about, under whom it can be erased.
    """

    version_at: datetime
    entry_index: int
    identity: MessageIdentity
    subject_id: SubjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A traveller as the store knows one: a random id and the wrapped key of their records.

    Attributes:
        origins: countries that issued documents of theirs, as every message so far told; sorted.
    """

    subject_id: SubjectId
    wrapped_key: bytes = field(repr=False)
    origins: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBody:
    """A received body, encrypted under its subject's key, and the signature that came with it.

    Attributes:
        traits: what a basis is decided on, under the same key; None for what is no record, and
            for what was stored before there were any.
    """

    subject_id: SubjectId
    ciphertext: bytes = field(repr=False)
    signature: str = field(repr=False)
    traits: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedView:
    """What the exchange made for one recipient, sealed like a body.

    Attributes:
        body: the document, encrypted, and the exchange's signature over it.
        content_salt: opens the entry's commitment to the document.
        origin_salt: opens the entry's `origin`, and never leaves the exchange but to an auditor.
    """

    body: SealedBody
    content_salt: bytes = field(repr=False)
    origin_salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What a notice is about.

    Attributes:
        delivery_id: the delivery that is recalled.
        deadline: until when the recipient is to answer.
        because: trail index of the message that caused it; None for an erasure.
    """

    delivery_id: str
    cause: RecallCause
    deadline: datetime
    because: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDelivery:
    """A delivery that was decided and numbered but not yet let out.

    Attributes:
        number: position in the subscriber's own gap-free numbering, from 1.
        accepted_entry: trail index of the accepted leaf.
        content: the content commitment that leaf holds.
        record_type: `immunization` or `labresult`.
        view: what the recipient sees; what its basis allows is checked again at release.
        traits: of the record, for that check; None where they are still sealed.
        record: as in `OpenedMessage`; whether a newer version came is checked again with it.
        content_salt: opens `content`; None once erased.
        until: after this it is withheld; None unless it is let out by broken glass.
        recall: what it is a notice of; None for a record.
    """

    delivery_id: str
    subscriber: ParticipantId
    number: int
    identity: MessageIdentity
    subject_id: SubjectId
    record_type: str
    purpose: str
    basis: Basis
    content: str
    accepted_entry: int
    view: View = "full"
    traits: RecordTraits | None = field(default=None, repr=False)
    record: bytes | None = None
    content_salt: bytes | None = field(default=None, repr=False)
    until: datetime | None = None
    recall: Recall | None = None

    @property
    def is_joinable(self) -> bool:
        """Whether what it says of its origin may be seen by the recipient."""
        return self.view not in WITHOUT_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedDelivery:
    """A delivery that was let out, or withheld, by its own leaf.

    Attributes:
        state: `released`; `withheld` when its basis no longer held; `recalled` for a notice.
        entry_index: trail index of that leaf.
        tree_size: size of the checkpoint signed in the same transaction.
        superseded_by: trail index of the version that was newer when this one was released.
        made: what the exchange made of the record, when the view is not `full`.
    """

    pending: PendingDelivery
    state: Literal["released", "withheld", "recalled"]
    entry_index: int
    tree_size: int
    superseded_by: int | None = None
    made: "MadeView | None" = field(default=None, repr=False)

    @property
    def standing(self) -> Standing | None:
        """Of the version when it was released; None for a tombstone and for no version."""
        if self.state != "released" or self.pending.record is None:
            return None
        return "current" if self.superseded_by is None else "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeView:
    """A document of the exchange in the place of a received body, and the seal it is stored under.

    Attributes:
        body: its exact bytes.
        signature: the exchange's detached JWS over them.
        message_id: its MessageHeader.id, of no other delivery.
    """

    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    message_id: str
    sealed: SealedView


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """A delivery that was let out and not recalled, with what its basis can be asked again for.

    Attributes:
        pending: with its traits.
        entry_index: trail index of its `released` leaf.
    """

    pending: PendingDelivery
    entry_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What is to be destroyed.

    Attributes:
        erasure_id: a random id, which the trail names.
        cause: asked for; kept long enough; or found again in a restored backup.
        subject_ids: travellers of whom nothing stays, merged ones included.
        messages: how many stored messages become unreadable.
        identities: of these messages.
    """

    erasure_id: str
    cause: Literal["request", "retention", "restored"]
    subject_ids: tuple[SubjectId, ...]
    messages: int
    identities: tuple[MessageIdentity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: the traveller's records may not be erased.

    Attributes:
        authority: who asked for it; an office, never a person.
        placed_entry: trail index of its `hold-placed` leaf.
        lifted_entry: trail index at which it ended; None while it stands.
    """

    hold_id: str
    subject_id: SubjectId
    authority: str
    placed_entry: int
    lifted_entry: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """A stored message, as retention looks at it.

    Attributes:
        subject: whose key seals it.
        decided_at: when it was accepted.
    """

    identity: MessageIdentity
    decided_at: datetime
    subject: Subject
    sealed: SealedBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A paper that opens one traveller's disclosure report; the token itself is on the paper only.

    Attributes:
        token_digest: SHA-256 of the token.
        expires_at: first instant at which it opens nothing.
    """

    token_digest: bytes = field(repr=False)
    subject_id: SubjectId
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Broken glass: one participant sees one traveller's records, for a while.

    Attributes:
        reason: a word of the closed list.
        approver: the second participant who agreed, where one did.
        until: nothing is let out after this.
        outcome: what a reviewer found; None while nobody looked.
    """

    grant_id: str
    participant: ParticipantId
    subject_id: SubjectId
    reason: str
    approver: ParticipantId | None
    opened_at: datetime
    until: datetime
    outcome: ReviewOutcome | None = None


@dataclass(slots=True, kw_only=True)
class Outbox:
    """How far one subscriber's numbering has come.

    Attributes:
        last_number: the last number given out.
        waiting: deliveries decided but not yet released.
        in_flight: deliveries released but not yet acknowledged; at most the window.
    """

    last_number: int = 0
    waiting: int = 0
    in_flight: int = 0
