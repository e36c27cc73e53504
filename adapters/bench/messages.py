"""The load: signed vaccination messages of about two kilobytes, each for two registries."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from exchange.signing import SigningKey, sign_detached
from schemas.compose_message import compose_message
from schemas.envelope import FHIR_JSON
from schemas.fhir_names import (
    ACT_CODE,
    ACT_REASON,
    CONSENT_DOCUMENT,
    CONSENT_SCOPE,
    CVX,
    IMMUNIZATION_PUBLISHED,
    LOINC,
    PARTICIPANT_IDENTIFIERS,
    PARTICIPATION_TYPE,
    RECIPIENT_ROLE,
)
from schemas.jwk import PublicJwk
from schemas.participant import Participant, ParticipantKey, Subscription

POST = "poe:kz:ala"
REGISTRIES = ("registry:kz", "registry:kg")


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A body and its detached JWS."""

    body: bytes = field(repr=False)
    signature: str = field(repr=False)


def bench_participants(key: SigningKey, window: int) -> list[Participant]:
    """One post and two registries that want everything."""
    now = datetime.now(UTC)
    keys = (
        ParticipantKey(
            jwk=PublicJwk.model_validate(key.public_jwk()),
            valid_from=now - timedelta(days=1),
            valid_until=now + timedelta(days=1),
        ),
    )
    post = Participant(
        id=POST, name="Bench post", jurisdiction="KZ", roles=("publisher",), keys=keys
    )
    wanted = (Subscription(id="all", purpose="PUBHLTH"),)
    return [
        post,
        *(
            Participant(
                id=name,
                name=name,
                jurisdiction=name[-2:].upper(),
                roles=("subscriber",),
                purposes=("PUBHLTH",),
                keys=keys,
                subscriptions=wanted,
                window=window,
            )
            for name in REGISTRIES
        ),
    ]


def signed_messages(key: SigningKey, count: int) -> Iterator[SignedMessage]:
    """That many messages, each with a new id, a new traveller and the traveller's consent."""
    now = datetime.now(UTC).replace(microsecond=0)
    template_id = str(uuid.uuid4())
    # Composed once: what differs between messages is replaced in the bytes, as ids have one length.
    template = _compose(template_id, now)
    for number in range(count):
        message_id = str(uuid.uuid4())
        body = template.replace(template_id.encode(), message_id.encode())
        body = body.replace(b"N0000000", b"N%07d" % number)
        yield SignedMessage(
            body,
            sign_detached(
                key,
                body,
                issuer=POST,
                message_id=message_id,
                issued_at=int(now.timestamp()),
                content_type=FHIR_JSON,
            ),
        )


def _compose(message_id: str, now: datetime) -> bytes:
    subject = {"reference": "Patient/p"}
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "urn:bhx:bench:passport", "value": "N0000000"}],
        "name": [{"family": "Ахметова", "given": ["Айгерим"]}],
        "birthDate": "1990-04-12",
    }
    immunization = {
        "resourceType": "Immunization",
        "identifier": [{"system": "urn:bhx:bench", "value": message_id}],
        "status": "completed",
        "vaccineCode": {"coding": [{"system": CVX, "code": "37", "display": "Yellow fever"}]},
        "patient": subject,
        "occurrenceDateTime": "2026-05-20",
        "lotNumber": "YF-4711",
        "performer": [{"actor": {"reference": "Organization/o"}}],
    }
    post = {
        "resourceType": "Organization",
        "id": "o",
        "identifier": [{"system": PARTICIPANT_IDENTIFIERS, "value": POST}],
        "name": "Bench post",
        "address": [{"country": "KZ"}],
    }
    consent = {
        "resourceType": "Consent",
        "identifier": [{"system": "urn:bhx:bench", "value": f"consent-{message_id}"}],
        "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": LOINC, "code": CONSENT_DOCUMENT}]}],
        "patient": subject,
        "dateTime": (now - timedelta(hours=1)).isoformat(),
        "policyRule": {"coding": [{"system": ACT_CODE, "code": "OPTIN"}]},
        "provision": {
            "type": "permit",
            "actor": [
                {
                    "role": {"coding": [{"system": PARTICIPATION_TYPE, "code": RECIPIENT_ROLE}]},
                    "reference": {"identifier": {"system": PARTICIPANT_IDENTIFIERS, "value": name}},
                }
                for name in REGISTRIES
            ],
            "purpose": [{"system": ACT_REASON, "code": "PUBHLTH"}],
        },
    }
    return compose_message(
        event=IMMUNIZATION_PUBLISHED,
        source=POST,
        source_name="Bench post",
        destinations=(),
        focus=immunization,
        others=[patient, post, consent],
        message_id=message_id,
        timestamp=now,
    )
