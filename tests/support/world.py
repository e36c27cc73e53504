"""A small world for tests: two posts, two registries, an auditor, their keys, and a clock."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exchange.model import ReceivedMessage
from exchange.signing import SigningKey, sign_detached
from schemas.acknowledgement import Acknowledgement
from schemas.cessation import Cessation
from schemas.compose_message import compose_message
from schemas.envelope import ACKNOWLEDGEMENT, CESSATION, FHIR_JSON
from schemas.jwk import PublicJwk
from schemas.participant import Participant, ParticipantKey, Subscription

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ALA, OSS = "poe:kz:ala", "poe:kg:oss"
KZ, KG = "registry:kz", "registry:kg"
AUDITOR = "auditor:who-euro"


@dataclass
class SetClock:
    """A clock that stands still until told otherwise."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Cast:
    """Participants and their private keys."""

    keys: dict[str, SigningKey] = field(default_factory=dict)
    participants: dict[str, Participant] = field(default_factory=dict)

    def add(
        self,
        name: str,
        *roles: str,
        algorithm: str = "Ed25519",
        valid_from: datetime = NOON - timedelta(days=30),
        valid_until: datetime = NOON + timedelta(days=365),
        **members: Any,
    ) -> Participant:
        self.keys[name] = SigningKey.generate(algorithm)
        if "subscriber" in roles:
            members.setdefault("purposes", ("PUBHLTH",))
        jwk = PublicJwk.model_validate(self.keys[name].public_jwk())
        participant = Participant(
            id=name,
            name=name,
            jurisdiction=members.pop("jurisdiction", name.split(":")[1].upper()[:2]),
            roles=roles,
            keys=(ParticipantKey(jwk=jwk, valid_from=valid_from, valid_until=valid_until),),
            **members,
        )
        self.participants[name] = participant
        return participant

    def signed(
        self,
        name: str,
        body: bytes,
        *,
        message_id: str,
        at: datetime = NOON,
        authenticated_as: str | None = None,
        issuer: str | None = None,
        content_type: str = FHIR_JSON,
    ) -> ReceivedMessage:
        signature = sign_detached(
            self.keys[name],
            body,
            issuer=issuer or name,
            message_id=message_id,
            issued_at=int(at.timestamp()),
            content_type=content_type,
        )
        return ReceivedMessage(body=body, signature=signature, authenticated_as=authenticated_as)

    def acknowledgement(
        self, name: str, deliveries: Sequence[str], *, at: datetime = NOON
    ) -> ReceivedMessage:
        body = Acknowledgement(subscriber=name, deliveries=tuple(deliveries), at=at).to_bytes()
        return self.signed(
            name, body, message_id=str(uuid.uuid4()), at=at, content_type=ACKNOWLEDGEMENT
        )

    def cessation(
        self, name: str, notices: Sequence[str], answer: str, *, at: datetime = NOON
    ) -> ReceivedMessage:
        body = Cessation(subscriber=name, notices=tuple(notices), answer=answer, at=at).to_bytes()
        return self.signed(name, body, message_id=str(uuid.uuid4()), at=at, content_type=CESSATION)


def usual_cast(**members: Any) -> Cast:
    """Two posts; a registry that wants everything, one that wants vaccinations; an auditor."""
    cast = Cast()
    cast.add(ALA, "publisher")
    cast.add(OSS, "publisher", algorithm="ES256")
    everything = Subscription(id="all", purpose="PUBHLTH")
    vaccinations = Subscription(id="vacc", record_types=("immunization",), purpose="PUBHLTH")
    cast.add(KZ, "subscriber", subscriptions=(everything,), **members)
    cast.add(KG, "subscriber", subscriptions=(vaccinations,), **members)
    cast.add(AUDITOR, "auditor", jurisdiction="*")
    return cast


def consent(
    *,
    recipients: Sequence[str] = (KZ, KG),
    decision: str = "permit",
    status: str = "active",
    given: str = "2026-05-01T10:00:00Z",
    identifier: str = "consent-1",
    period: dict[str, str] | None = None,
    purposes: Sequence[str] = ("PUBHLTH",),
    **provision: Any,
) -> dict[str, Any]:
    """A Consent of the message's Patient (`Patient/p`)."""
    provision = {"type": decision, **provision}
    if period:
        provision["period"] = period
    if recipients:
        role = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
        provision["actor"] = [
            {
                "role": {"coding": [{"system": role, "code": "IRCP"}]},
                "reference": {"identifier": {"system": "urn:bhx:participant", "value": one}},
            }
            for one in recipients
        ]
    if purposes:
        reason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
        provision["purpose"] = [{"system": reason, "code": one} for one in purposes]
    return {
        "resourceType": "Consent",
        "identifier": [{"system": "urn:bhx:test", "value": identifier}],
        "status": status,
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                }
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"},
        "dateTime": given,
        "policyRule": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}
            ]
        },
        "provision": provision,
    }


def patient(*documents: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "p",
        "name": [{"family": "Иванова", "given": ["Анна"]}],
        "birthDate": "1990-04-12",
        **(
            {"identifier": [{"system": "urn:bhx:test:passport", "value": one} for one in documents]}
            if documents
            else {}
        ),
    }


def post() -> dict[str, Any]:
    """Who answers for a record, and in which country."""
    return {"resourceType": "Organization", "name": "Post", "address": [{"country": "KZ"}]}


def vaccination(
    *others: dict[str, Any],
    source: str = ALA,
    message_id: str | None = None,
    documents: Sequence[str] = ("N 1234567",),
    destinations: Sequence[str] = (),
    cvx: str = "37",
    record: str | None = None,
    made_at: datetime | None = None,
    event: str = "immunization-published",
) -> tuple[str, bytes]:
    """A yellow fever vaccination with these consents; its message id and bytes.

    Each is a record of its own, unless `record` names it: then it is the version of `made_at`.
    """
    message_id = message_id or str(uuid.uuid4())
    immunization = {
        "resourceType": "Immunization",
        "identifier": [{"system": "urn:bhx:test", "value": record or f"imm-{message_id}"}],
        **({"meta": {"lastUpdated": made_at.isoformat()}} if made_at else {}),
        "status": "entered-in-error" if event.endswith("-withdrawn") else "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": cvx}]},
        "patient": {"reference": "Patient/p"},
        "occurrenceDateTime": "2026-05-20",
    }
    body = compose_message(
        event=event,
        source=source,
        source_name="Test post",
        destinations=destinations,
        focus=immunization,
        others=[patient(*documents), post(), *others],
        message_id=message_id,
        timestamp=NOON,
    )
    return message_id, body


def consent_message(
    statement: dict[str, Any], *, source: str = ALA, documents: Sequence[str] = ("N 1234567",)
) -> tuple[str, bytes]:
    """A consent sent by itself; its message id and bytes."""
    message_id = str(uuid.uuid4())
    body = compose_message(
        event="consent-changed",
        source=source,
        source_name="Test post",
        destinations=(),
        focus=statement,
        others=[patient(*documents)],
        message_id=message_id,
        timestamp=NOON,
    )
    return message_id, body
