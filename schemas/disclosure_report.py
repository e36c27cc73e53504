"""The disclosure report: everything that was let out about one traveller, each with its proof.

It is for the traveller, or for who acts for one: it names no person, no document number and no
result. What kind of record went out it says; which disease the record is about it says only where
that was asked for. A member that does not apply is absent, never null. Times are RFC 3339, UTC.
"""

from typing import Any, Literal, Self

from schemas.sentences.catalogue import LANGUAGES, say, sentence_keys
from schemas.wire_json import WireBytes, WireDocument

#: Languages of the texts in it.
Language = Literal["en", "ru"]


class Proof(WireDocument):
    """A trail entry and the proof that it is in the trail.

    Attributes:
        index: of the entry in the trail.
        entry: exact bytes of the leaf.
        proof: c2sp.org/tlog-proof@v1 text, which ends with the signed checkpoint.
    """

    index: int
    entry: WireBytes
    proof: str


class Moment(WireDocument):
    """When something was entered in the trail, and where.

    An acknowledgement or answer covers many deliveries in one entry, which would show the ids of
    other travellers' deliveries; so only its place is told.
    """

    at: str
    index: int


class Party(WireDocument):
    """A participant, by the name the directory has for it now.

    Attributes:
        jurisdiction: ISO 3166-1 alpha-2, or `*` for an international body.
    """

    id: str
    name: str | None = None
    jurisdiction: str | None = None


class Coded(WireDocument):
    """A word of a closed list, and what it means."""

    code: str
    text: str

    @classmethod
    def of(cls, code: str, key: str, language: str = LANGUAGES[0]) -> Self:
        """The word with the sentence of that key; where there is none it stands for itself."""
        return cls(code=code, text=say(key, (), language) if key in sentence_keys() else code)


class RecordKind(WireDocument):
    """What was let out, as far as it may be told.

    Attributes:
        type: `immunization` or `labresult`.
        event: of the message that brought it.
        accepted: when the exchange took custody of it.
        record_class: FHIR type; like `diseases` only where asked for and not erased.
        diseases: keys of the terminology.
    """

    type: Coded
    event: str
    accepted: Moment
    record_class: str | None = None
    diseases: tuple[str, ...] | None = None


class GivenConsent(WireDocument):
    """A statement of the traveller in the message that a basis names.

    Attributes:
        identity: `system|value` of the Consent.
        given_at: when the traveller gave it.
    """

    identity: str
    given_at: str


class ReportedBasis(WireDocument):
    """Why it was allowed; which members there are depends on `kind`.

    Attributes:
        sealed: the trail entry only commits to it, so that two recipients find nothing in common.
        entry: trail index of the message that brought the consent.
        policy: SHA-256 of the policy document.
        grant: id of the broken glass.
    """

    kind: Literal["consent", "mandate", "break-glass"]
    text: str
    sealed: bool = False
    entry: int | None = None
    consents: tuple[GivenConsent, ...] | None = None
    policy: str | None = None
    version: int | None = None
    mandate: str | None = None
    jurisdiction: str | None = None
    law: str | None = None
    citation: str | None = None
    grant: str | None = None


class ReportedRecall(WireDocument):
    """That the recipient was told to stop using it, and what it answered.

    Attributes:
        notice: delivery id of the notice.
        number: of the notice in the recipient's numbering.
        at: when it was let out; absent while it waits.
        deadline: until when the recipient is to answer.
        is_overdue: whether that time is over without an answer.
        answer: `ceased` or `deleted`.
    """

    notice: str
    number: int
    cause: Coded
    deadline: str
    is_overdue: bool
    at: str | None = None
    answer: Coded | None = None
    answered: Moment | None = None
    proof: Proof | None = None


class Disclosure(WireDocument):
    """One delivery.

    Attributes:
        number: in the recipient's own numbering.
        state: `released`; `withheld` when nothing was sent because the basis fell away; `recalled`
            when it was released and the recipient was told to stop using it.
        at: when it was let out, or withheld.
        reason: why it was withheld.
        proof: of the entry that let it out, or withheld it.
    """

    delivery: str
    number: int
    state: Coded
    at: str
    recipient: Party
    sender: Party
    record: RecordKind
    view: Coded
    purpose: Coded
    basis: ReportedBasis
    proof: Proof
    reason: Coded | None = None
    acknowledged: Moment | None = None
    recall: ReportedRecall | None = None


class ReportedGlass(WireDocument):
    """Somebody could see the traveller's records without a basis, for a while.

    Attributes:
        approver: the second participant who agreed.
        outcome: of the review: `justified` or `unjustified`; absent until there was one.
    """

    grant: str
    participant: Party
    reason: Coded
    opened_at: str
    until: str
    proof: Proof
    approver: Party | None = None
    outcome: Coded | None = None


class ReportedSlip(WireDocument):
    """A slip that opens this report: the traveller can see whether there are any they never got."""

    issued_at: str
    expires_at: str


class TrailName(WireDocument):
    """The trail the proofs are of.

    Attributes:
        key: C2SP verifier key of its checkpoints.
        checkpoint: the signed note that every proof in the report ends with.
    """

    origin: str
    key: str
    size: int
    checkpoint: str


class DisclosureReport(WireDocument):
    """Who received what about one traveller, when, for what and on which basis.

    Attributes:
        exchange: participant id of the exchange that says so.
        reader: who asked for it: a participant, `operator`, or `slip`.
        reading: the entry that says it was read.
        disclosures: in the order of the trail.
    """

    v: Literal[1] = 1
    language: Language = "en"
    exchange: str
    made_at: str
    reader: str
    trail: TrailName
    reading: Proof
    disclosures: tuple[Disclosure, ...]
    broken_glass: tuple[ReportedGlass, ...] = ()
    slips: tuple[ReportedSlip, ...] = ()

    def to_values(self) -> dict[str, Any]:
        """Its JSON values."""
        return self.model_dump(mode="json", exclude_none=True)
