"""Who takes part: the directory document of one participant.

The closed lists here are the purpose wall (DESIGN P8): no role and no purpose for immigration or
law enforcement can be written down, so none can be admitted.
"""

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.jwk import PublicJwk

Role = Literal["publisher", "subscriber", "auditor", "operator", "witness"]

#: Health purposes of HL7 v3-ActReason that a standing wish may have.
StandingPurpose = Literal["TREAT", "ETREAT", "COC", "PUBHLTH", "THREAT", "DISASTER", "PATRQT"]

#: Every purpose there is; one outside this list does not exist here. Breaking the glass (BTG) is
#: asked for in an emergency, record by record, and nobody can subscribe to it.
Purpose = Literal["TREAT", "ETREAT", "COC", "PUBHLTH", "THREAT", "DISASTER", "PATRQT", "BTG"]

RecordType = Literal["immunization", "labresult"]

PARTICIPANT_ID = re.compile(r"[a-z][a-z0-9-]*(:[a-z0-9-]+){1,4}")

ParticipantId = Annotated[
    str, StringConstraints(pattern=rf"^{PARTICIPANT_ID.pattern}$", max_length=64)
]
#: ISO 3166-1 alpha-2, or `*` for an international body.
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|\*)$")]


class DirectoryModel(BaseModel):
    """Directory documents are closed: a member nobody defined is a mistake, not an extension."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ParticipantKey(DirectoryModel):
    """A public key and the time in which it may sign.

    Attributes:
        jwk: the public key; its `kid` is its RFC 7638 thumbprint unless given.
        valid_from: first instant at which a signature counts, by the exchange's clock.
        valid_until: first instant at which it no longer counts.
        revoked_at: when the key was withdrawn; from then on it verifies nothing.
        compromised_since: earliest time at which somebody else may have used it.
    """

    jwk: PublicJwk
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    revoked_at: AwareDatetime | None = None
    compromised_since: AwareDatetime | None = None

    @model_validator(mode="after")
    def _period_is_not_empty(self) -> Self:
        if self.valid_until <= self.valid_from:
            msg = "valid_until must be later than valid_from"
            raise ValueError(msg)
        return self

    def is_usable_at(self, at: datetime) -> bool:
        """Whether a signature received `at` (aware) may be trusted to this key."""
        return self.valid_from <= at < self.valid_until and self.revoked_at is None


class Subscription(DirectoryModel):
    """A standing wish for records; empty lists mean any.

    Attributes:
        diseases: keys of the terminology, such as `yellow-fever`; a record whose disease is
            unknown matches only a subscription to any disease.
        jurisdictions: where the record was collected (the publisher's jurisdiction).
    """

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
    record_types: tuple[RecordType, ...] = ()
    diseases: tuple[str, ...] = ()
    jurisdictions: tuple[Jurisdiction, ...] = ()
    purpose: StandingPurpose


class Participant(DirectoryModel):
    """One admitted organisation system.

    Attributes:
        delivery: `queue` for a RabbitMQ queue of its own, `pull` for HTTP by cursor only.
        window: how many unacknowledged deliveries may be on their way at once.
        max_message_age_hours: how old `iat` of its messages may be; posts may be offline for days.
    """

    id: ParticipantId
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    jurisdiction: Jurisdiction
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    purposes: tuple[Purpose, ...] = ()
    keys: Annotated[tuple[ParticipantKey, ...], Field(min_length=1)]
    subscriptions: tuple[Subscription, ...] = ()
    delivery: Literal["queue", "pull"] = "queue"
    window: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    max_message_age_hours: Annotated[int, Field(ge=1, le=24 * 366)] = 24 * 30
    suspended: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        key_ids = [key.jwk.key_id for key in self.keys]
        if len(set(key_ids)) != len(key_ids):
            msg = "two keys have the same kid"
            raise ValueError(msg)
        subscription_ids = [subscription.id for subscription in self.subscriptions]
        if len(set(subscription_ids)) != len(subscription_ids):
            msg = "two subscriptions have the same id"
            raise ValueError(msg)
        if self.subscriptions and "subscriber" not in self.roles:
            msg = "subscriptions need the role subscriber"
            raise ValueError(msg)
        if "subscriber" in self.roles and not self.purposes:
            msg = "a subscriber needs at least one purpose"
            raise ValueError(msg)
        if any(subscription.purpose not in self.purposes for subscription in self.subscriptions):
            msg = "a subscription's purpose must be one of the participant's purposes"
            raise ValueError(msg)
        return self

    def key(self, key_id: str) -> ParticipantKey | None:
        """The key of that id, whatever its validity, or None."""
        return next((key for key in self.keys if key.jwk.key_id == key_id), None)
