"""One entry of the transparency trail: canonical JSON that names no traveller.

An entry is a JSON object in its RFC 8785 (JCS) form. Its members are short strings and small
integers under ASCII names, and for these Python's sorted, compact, unescaped JSON *is* the JCS
form. A member that does not apply is absent, never null. Every entry carries 16 random bytes of
salt, so that its leaf hash tells nothing to somebody who guesses at the rest. `content` is an
HMAC-SHA-256 commitment under a key that erasure destroys; `document` and `statement` are SHA-256
digests of what holds no health data. All three are unpadded base64url.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from schemas.violation import Problem, SchemaViolation

VERSION = 1
MAX_ENTRY_BYTES = 0xFFFF
SALT_BYTES = 16
MAX_ACKNOWLEDGED = 1000


def _real_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _not_null(value: object) -> object:
    if value is None:
        msg = "absent, or a value"
        raise ValueError(msg)
    return value


# The last character of unpadded base64url carries fewer bits: only these spell whole bytes.
Salt = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
Time = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
    ),
    AfterValidator(_real_time),
]
Name = Annotated[str, StringConstraints(min_length=1)]
# A Literal[1] would take `true` and `1.0` as well.
Version = Annotated[int, Field(ge=VERSION, le=VERSION)]
#: JCS writes integers as IEEE 754 doubles do; beyond this they would lose digits.
Index = Annotated[int, Field(ge=0, le=2**53 - 1)]
Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
#: A default is not validated, so this refuses only a null that is written: two spellings of one
#: meaning would be two leaves.
OptionalIndex = Annotated[Index | None, BeforeValidator(_not_null)]
OptionalDigest = Annotated[Digest | None, BeforeValidator(_not_null)]
OptionalName = Annotated[Name | None, BeforeValidator(_not_null)]
OptionalStanding = Annotated[Literal["current", "superseded"] | None, BeforeValidator(_not_null)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Entry(_Strict):
    """What every entry carries.

    Attributes:
        time: the exchange's clock, RFC 3339 UTC with milliseconds and `Z`.
        salt: 16 random bytes, base64url.
    """

    v: Version
    time: Time
    salt: Salt


class LogCreatedEntry(Entry):
    """The first entry: the trail begins and has this name."""

    type: Literal["log-created"]
    origin: Name


class AcceptedEntry(Entry):
    """A message passed every check and the exchange took custody of it.

    Attributes:
        key: id of the publisher's key that signed it.
        deliveries: how many recipients it was numbered for; older entries do not tell.
        supersedes: trail index of the version of the same record that this one replaces.
        superseded_by: trail index of the version that was accepted before and is newer.
    """

    type: Literal["accepted"]
    publisher: Name
    message: Name
    event: Name
    content: Digest
    key: Name
    deliveries: OptionalIndex = None
    supersedes: OptionalIndex = None
    superseded_by: OptionalIndex = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.supersedes is not None and self.superseded_by is not None:
            msg = "a version that is not the newest replaces none"
            raise ValueError(msg)
        return self


class RefusedEntry(Entry):
    """A message was refused; `publisher` is empty when nobody could be named."""

    type: Literal["refused"]
    publisher: str
    message: str
    reason: Name
    content: Digest


class ConsentEntryBasis(_Strict):
    """The traveller agreed.

    Attributes:
        consent: content commitment of the message that brought the consent.
        entry: trail index at which that message was accepted.
    """

    kind: Literal["consent"]
    consent: Digest
    entry: Index


class MandateEntryBasis(_Strict):
    """A law of the place of collection lets the record move.

    Attributes:
        policy: SHA-256 of the policy document's bytes.
        version: of that policy.
        mandate: id of the mandate in it.
    """

    kind: Literal["mandate"]
    policy: Digest
    version: Number
    mandate: Name


class BreakGlassEntryBasis(_Strict):
    """Somebody broke the glass: a time-boxed grant, opened by an entry of its own.

    Attributes:
        grant: id of the grant.
    """

    kind: Literal["break-glass"]
    grant: Name


class SealedEntryBasis(_Strict):
    """A basis that stands in the entry's `origin`, so that two recipients find nothing in common.

    Attributes:
        of: its kind.
    """

    kind: Literal["sealed"]
    of: Literal["consent", "mandate", "break-glass"]


#: Why a record may go to a recipient.
EntryBasis = Annotated[
    ConsentEntryBasis | MandateEntryBasis | BreakGlassEntryBasis | SealedEntryBasis,
    Field(discriminator="kind"),
]


class ReleasedEntry(Entry):
    """One delivery to one subscriber, on this basis and for this purpose.

    What is delivered is the received message (`view` is `full`), or a document that the exchange
    made of it and signed: then `publisher` and `message` are the exchange's own.

    Attributes:
        number: counts the subscriber's deliveries from 1, withheld ones and notices included.
        content: commitment of what is delivered.
        inputs: commitment of the digest of all that the decision was made on (docs/consent.md 8).
        accepted: trail index of the accepted message; absent where `origin` hides it.
        origin: commitment of the accepted message and the basis, in a view without names: by its
            entry the recipient could find others who received the same.
        standing: whether it was the newest version of its record then; absent for what is no
            version of a record.
        superseded_by: trail index of the version that was newer; absent where `origin` is there.
    """

    type: Literal["released"]
    delivery: Name
    subscriber: Name
    number: Number
    purpose: Name
    view: Name
    basis: EntryBasis
    content: Digest
    publisher: Name
    message: Name
    inputs: OptionalDigest = None
    accepted: OptionalIndex = None
    origin: OptionalDigest = None
    standing: OptionalStanding = None
    superseded_by: OptionalIndex = None

    @model_validator(mode="after")
    def _says_where_it_comes_from(self) -> Self:
        if (self.accepted is None) == (self.origin is None):
            msg = "the accepted message is named, or committed to"
            raise ValueError(msg)
        if (self.basis.kind == "sealed") != (self.origin is not None):
            msg = "the basis is sealed exactly where the origin is"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names_the_newer(self) -> Self:
        is_superseded = self.standing == "superseded" and self.origin is None
        if is_superseded != (self.superseded_by is not None):
            msg = "what is superseded names the newer version, and nothing else does"
            raise ValueError(msg)
        return self


class WithheldEntry(Entry):
    """A delivery was stopped because its basis no longer held; its number stays used.

    Attributes:
        accepted: trail index of the accepted message; absent in a view without names.
    """

    type: Literal["withheld"]
    delivery: Name
    subscriber: Name
    number: Number
    reason: Name
    accepted: OptionalIndex = None


class RecalledEntry(Entry):
    """A notice to one who received: stop using that delivery. The entry is the whole notice.

    Attributes:
        delivery: id of the notice.
        number: in the subscriber's numbering of deliveries.
        recalls: id of the delivery that is recalled.
        cause: `consent-withdrawn`, `entered-in-error` or `erased`.
        deadline: until when the subscriber is to answer that it ceased or deleted.
        because: trail index of the message that caused it; absent where it would join recipients.
    """

    type: Literal["recalled"]
    delivery: Name
    subscriber: Name
    number: Number
    recalls: Name
    cause: Name
    deadline: Time
    because: OptionalIndex = None


class RecallAnsweredEntry(Entry):
    """A subscriber signed that it stopped using, or deleted, what was recalled.

    Attributes:
        notices: ids of the notices that it answers.
        statement: digest of what it signed.
    """

    type: Literal["recall-answered"]
    subscriber: Name
    notices: tuple[Name, ...] = Field(min_length=1, max_length=MAX_ACKNOWLEDGED)
    answer: Literal["ceased", "deleted"]
    statement: Digest


class ErasedEntry(Entry):
    """The keys of one traveller were destroyed: what the trail commits to can no longer be opened.

    Attributes:
        erasure: a random id; nothing of the traveller.
        messages: how many stored messages became unreadable.
    """

    type: Literal["erased"]
    erasure: Name
    cause: Literal["request", "retention", "restored"]
    messages: Index


class HoldEntry(Entry):
    """A legal hold keeps one traveller's records from erasure, or no longer does."""

    type: Literal["hold-placed", "hold-lifted"]
    hold: Name
    authority: Name


class BreakGlassOpenedEntry(Entry):
    """A participant sees one traveller's records without a basis, for a while.

    Attributes:
        reason: a word of the closed list.
        approver: the second participant who agreed, where the policy wants one.
        statement: digest of the signed request, which names no traveller.
        approval: digest of the signed approval.
    """

    type: Literal["break-glass-opened"]
    grant: Name
    participant: Name
    reason: Name
    until: Time
    approver: OptionalName = None
    statement: OptionalDigest = None
    approval: OptionalDigest = None


class BreakGlassReviewedEntry(Entry):
    """Somebody else looked at a broken glass and said whether it was justified."""

    type: Literal["break-glass-reviewed"]
    grant: Name
    reviewer: Name
    outcome: Literal["justified", "unjustified"]


class PolicyAdoptedEntry(Entry):
    """From here on this version of a jurisdiction's policy is deployed.

    Attributes:
        document: SHA-256 of the policy's exact bytes.
    """

    type: Literal["policy-adopted"]
    jurisdiction: Name
    version: Number
    document: Digest


class DisclosuresReadEntry(Entry):
    """Somebody read who received what about one traveller.

    Attributes:
        reader: a participant, `operator`, or `slip` for a traveller who opened a slip.
    """

    type: Literal["disclosures-read"]
    reader: Name


class SlipIssuedEntry(Entry):
    """A traveller was handed a slip that opens their own disclosure report."""

    type: Literal["slip-issued"]
    issuer: Name


class AcknowledgedEntry(Entry):
    """A subscriber signed for these deliveries; `statement` is the digest of what it signed."""

    type: Literal["acknowledged"]
    subscriber: Name
    deliveries: tuple[Name, ...] = Field(min_length=1, max_length=MAX_ACKNOWLEDGED)
    statement: Digest


class ParticipantEntry(Entry):
    """The directory changed; `document` is the digest of the participant's new document."""

    type: Literal[
        "participant-admitted", "participant-suspended", "participant-changed", "key-rotated"
    ]
    participant: Name
    document: Digest


class ExchangeEntry(Entry):
    """A process of the exchange started or stopped in this role."""

    type: Literal["exchange-started", "exchange-stopped"]
    role: Name


class TrailReadEntry(Entry):
    """Somebody read entries of the trail, which only auditors may."""

    type: Literal["trail-read"]
    reader: Name
    what: Name


TrailEntry = Annotated[
    LogCreatedEntry
    | AcceptedEntry
    | RefusedEntry
    | ReleasedEntry
    | WithheldEntry
    | RecalledEntry
    | RecallAnsweredEntry
    | ErasedEntry
    | HoldEntry
    | BreakGlassOpenedEntry
    | BreakGlassReviewedEntry
    | PolicyAdoptedEntry
    | DisclosuresReadEntry
    | SlipIssuedEntry
    | AcknowledgedEntry
    | ParticipantEntry
    | ExchangeEntry
    | TrailReadEntry,
    Field(discriminator="type"),
]

_MODELS: tuple[type[Entry], ...] = (
    LogCreatedEntry,
    AcceptedEntry,
    RefusedEntry,
    ReleasedEntry,
    WithheldEntry,
    RecalledEntry,
    RecallAnsweredEntry,
    ErasedEntry,
    HoldEntry,
    BreakGlassOpenedEntry,
    BreakGlassReviewedEntry,
    PolicyAdoptedEntry,
    DisclosuresReadEntry,
    SlipIssuedEntry,
    AcknowledgedEntry,
    ParticipantEntry,
    ExchangeEntry,
    TrailReadEntry,
)
_COMMON = frozenset({*Entry.model_fields, "type"})
_OWN_FIELDS: Mapping[str, frozenset[str]] = {
    kind: frozenset(model.model_fields) - _COMMON
    for model in _MODELS
    for kind in model.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
}
_OPTIONAL_FIELDS = frozenset(
    name
    for model in _MODELS
    for name, member in model.model_fields.items()
    if not member.is_required()
)
_REQUIRED_FIELDS: Mapping[str, frozenset[str]] = {
    kind: fields - _OPTIONAL_FIELDS for kind, fields in _OWN_FIELDS.items()
}
_READER: TypeAdapter[TrailEntry] = TypeAdapter(TrailEntry)
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def entry(kind: str, /, *, time: datetime, salt: bytes, **fields: object) -> bytes:
    """Return the canonical bytes of an entry of type `kind` with its own `fields`.

    Made for the hot path: only field names, salt and size are checked; values were when read.

    Raises:
        SchemaViolation: no entry type has these fields, or the entry is too long.
    """
    own = _OWN_FIELDS.get(kind)
    if own is None or not own >= fields.keys() >= _REQUIRED_FIELDS[kind]:
        raise _violation("TrailEntry", "A trail entry has exactly the fields of its type")
    if len(salt) != SALT_BYTES:
        raise _violation("TrailEntry.salt", "A trail entry's salt is 16 bytes")
    encoded_salt = base64.urlsafe_b64encode(salt)[:-2].decode()
    return entry_bytes(
        {"v": VERSION, "type": kind, "time": entry_time(time), "salt": encoded_salt, **fields}
    )


def entry_time(at: datetime) -> str:
    """Return the time as entries spell it: RFC 3339, UTC, milliseconds cut off, `Z`."""
    if at.tzinfo is None:
        raise _violation("TrailEntry.time", "A trail entry's time has a time zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def entry_bytes(entry: TrailEntry | Mapping[str, object]) -> bytes:
    """Return the canonical (RFC 8785) bytes of an entry; they are what the trail hashes.

    Raises:
        SchemaViolation: the entry is longer than 65535 bytes or holds text that is not Unicode.
    """
    members = entry.model_dump(exclude_none=True) if isinstance(entry, BaseModel) else entry
    try:
        encoded = _ENCODER.encode(members).encode()
    except UnicodeEncodeError:
        raise _violation("TrailEntry", "A trail entry's text is Unicode") from None
    if len(encoded) > MAX_ENTRY_BYTES:
        raise _violation("TrailEntry", "A trail entry is at most 65535 bytes")
    return encoded


def read_entry(raw: bytes) -> TrailEntry:
    """Read an entry; only exactly the canonical bytes are one.

    Raises:
        SchemaViolation: the bytes are not a trail entry in canonical form.
    """
    if len(raw) > MAX_ENTRY_BYTES:
        raise _violation("TrailEntry", "A trail entry is at most 65535 bytes")
    try:
        read = _READER.validate_json(raw)
    except ValidationError as error:
        raise SchemaViolation([_problem(one) for one in error.errors()]) from None
    if not _is_canonical(raw):
        raise _violation("TrailEntry", "A trail entry is written in RFC 8785 canonical form")
    return read


def _is_canonical(raw: bytes) -> bool:
    try:
        return _ENCODER.encode(json.loads(raw)).encode() == raw
    except ValueError:
        # Two parsers that disagree about the same bytes: not an entry.
        return False


def _problem(error: Any) -> Problem:
    """Say where and what kind, from names that we chose; an unknown member's name is a value."""
    location = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        location = location[:-1]
    return Problem(
        code="structure",
        expression=".".join(["TrailEntry", *location]),
        text=f"The trail entry does not fit its schema ({error['type']})",
    )


def _violation(expression: str, text: str) -> SchemaViolation:
    return SchemaViolation(Problem(code="structure", expression=expression, text=text))
