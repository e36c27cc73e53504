"""The policy of a jurisdiction: what its law lets move without a consent, and what it forbids.

A document is read strictly: a member nobody defined, or a purpose or view outside the closed lists,
refuses the whole. So immigration purposes cannot be written, and no mandate shows a full record.
docs/consent.md section 7 says what each member means. Whether the authority signed it is asked
before (`exchange.consent.signed_policy`).
"""

import hashlib
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from schemas.consent.sensitivity import SENSITIVITY
from schemas.jwk import write_base64url
from schemas.participant import Jurisdiction, ParticipantId, Purpose
from schemas.record_traits import RecordClass
from schemas.requirement import Requirement
from schemas.strict_json import read_json
from schemas.terminology.countries import country_of
from schemas.terminology.diseases import disease_keys, further_disease_keys
from schemas.views.allow_list import View
from schemas.violation import Problem, SchemaViolation, problem

#: A mandate of law never shows the full record.
MandateView = Literal["minimum", "pseudonymous", "verdict"]

MOST_BYTES: Final = 1_048_576
_ROOT: Final = "Policy"


def _known_disease(name: str) -> str:
    if name not in disease_keys() and name not in further_disease_keys():
        msg = "a key of the terminology"
        raise ValueError(msg)
    return name


def _known_label(code: str) -> str:
    if code not in SENSITIVITY:
        msg = "a sensitivity code of v3-ActCode"
        raise ValueError(msg)
    return code


def _known_country(code: str) -> str:
    if code != "*" and country_of(code) != code:
        msg = "ISO 3166-1 alpha-2"
        raise ValueError(msg)
    return code


Disease = Annotated[str, AfterValidator(_known_disease)]
Label = Annotated[str, AfterValidator(_known_label)]
Country = Annotated[Jurisdiction, AfterValidator(_known_country)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
Days = Annotated[int, Field(ge=1, le=36_525)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Term(_Closed):
    """When a mandate holds: from its start until its end, which is no longer part of it."""

    start: AwareDatetime
    end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.end is not None and self.end <= self.start:
            msg = "the end is later than the start"
            raise ValueError(msg)
        return self


class Mandate(_Closed):
    """An entry of a law that lets records move without a consent; empty lists mean any.

    Attributes:
        id: names it in the trail; stays the same over versions of the policy.
        citation: where in the law it stands.
        labels: the sensitivity labels it reaches; a label that is not named is not reached.
        view: what the recipient sees at most.
        overrides_objection: whether the law holds against a traveller's dissent.
    """

    id: Name
    law: Text
    citation: Text
    period: Term
    record_classes: tuple[RecordClass, ...] = ()
    diseases: tuple[Disease, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    recipients: tuple[ParticipantId, ...] = ()
    labels: tuple[Label, ...] = ()
    view: MandateView
    overrides_objection: bool = False


class Forbidden(_Closed):
    """What may not be disclosed at all, whoever permits; empty lists mean any."""

    recipients: tuple[ParticipantId, ...] = ()
    countries: tuple[Country, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    record_classes: tuple[RecordClass, ...] = ()
    diseases: tuple[Disease, ...] = ()
    labels: tuple[Label, ...] = ()


class BreakGlass(_Closed):
    """Who may break the glass, for how many hours, and whether a second person must agree."""

    participants: Annotated[tuple[ParticipantId, ...], Field(min_length=1)]
    max_hours: Annotated[int, Field(ge=1, le=168)]
    second_approver: bool = True


class Policy(_Closed):
    """One version of a jurisdiction's policy.

    Attributes:
        version: of the policies of a jurisdiction whose period holds, the highest counts.
        valid_from: first instant at which it counts.
        valid_until: first instant at which it no longer counts; None is until another does.
        authority: the name of who signs it.
        views: the widest view by purpose, which holds for the purposes below it too.
        sensitive: by disease, the sensitivity labels that its records carry here.
        retention: by record class, for how many days a record is kept.
        requirements: what somebody who enters must show; a verdict says whether a record does.
    """

    jurisdiction: Country
    version: Annotated[int, Field(ge=1, le=2**53 - 1)]
    valid_from: AwareDatetime
    valid_until: AwareDatetime | None = None
    authority: Text
    mandates: tuple[Mandate, ...] = ()
    forbids: tuple[Forbidden, ...] = ()
    views: dict[Purpose, View] = {}
    age_of_majority: Annotated[int, Field(ge=1, le=30)] = 18
    sensitive: dict[Disease, tuple[Label, ...]] = {}
    break_glass: BreakGlass | None = None
    retention: dict[RecordClass, Days] = {}
    recall_deadline_hours: Annotated[int, Field(ge=1, le=24 * 366)] | None = None
    requirements: tuple[Requirement, ...] = ()

    _digest: str = PrivateAttr(default="")
    _body: bytes = PrivateAttr(default=b"")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            msg = "valid_until is later than valid_from"
            raise ValueError(msg)
        names = [mandate.id for mandate in self.mandates]
        if len(set(names)) != len(names):
            msg = "two mandates have one id"
            raise ValueError(msg)
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the document's exact bytes, unpadded base64url."""
        return self._digest

    @property
    def body(self) -> bytes:
        """The document's exact bytes."""
        return self._body


def read_policy(body: bytes) -> Policy:
    """The policy that these exact bytes are.

    Raises:
        SchemaViolation: they are none; each problem names the member and what it must be.
    """
    read_json(body, max_bytes=MOST_BYTES)
    try:
        policy = Policy.model_validate_json(body)
    except ValidationError as error:
        raise SchemaViolation([_problem(one) for one in error.errors()]) from None
    policy._digest = write_base64url(hashlib.sha256(body).digest())
    policy._body = body
    return policy


#: Names that may be shown; whatever else stands in a place was received.
_MEMBERS: Final = frozenset(
    name
    for model in (Term, Mandate, Forbidden, BreakGlass, Requirement, Policy)
    for name in model.model_fields
)


def _problem(error: Any) -> Problem:
    """What to mend and where, in our own words: a value, and a name nobody defined, is not told."""
    kind: str = error["type"]
    place = _ROOT
    for part in error["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part in _MEMBERS:
            place += f".{part}"
    if kind == "extra_forbidden":
        return problem("policy.unknown-member", "structure", place)
    if kind == "missing":
        return problem("policy.missing-member", "required", place)
    if kind == "literal_error":
        # The list is of our own contract.
        return problem("policy.closed-list", "code-invalid", place, error["ctx"]["expected"])
    return problem("policy.member", "value", place)
