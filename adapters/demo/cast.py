"""The demo's people and places: two points of entry, two registries, one auditor."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from adapters.key_files import read_signing_key, write_signing_key
from exchange.admission import Admissions
from exchange.signing import SigningKey
from schemas.jwk import PublicJwk
from schemas.participant import Participant, ParticipantKey, Subscription

ALMATY, OSH = "poe:kz:ala", "poe:kg:oss"
KAZAKHSTAN, KYRGYZSTAN = "registry:kz", "registry:kg"
AUDITOR = "auditor:who-euro"
POSTS = (ALMATY, OSH)
REGISTRIES = (KAZAKHSTAN, KYRGYZSTAN)


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody's document and current key; `expired` is an old key of the second post."""

    participants: tuple[Participant, ...]
    keys: dict[str, SigningKey] = field(repr=False)
    expired: SigningKey = field(repr=False)


def make_cast(folder: Path, now: datetime) -> Cast:
    """Documents and keys under that folder, made anew or read from an earlier demo.

    Raises:
        ConfigurationError: a key file is readable by others or cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = (*POSTS, *REGISTRIES, AUDITOR)
    keys = {name: _key(folder / f"{name.replace(':', '-')}.key", name) for name in names}
    expired = _key(folder / "poe-kg-oss.expired.key", ALMATY)
    current = {
        name: ParticipantKey(
            jwk=PublicJwk.model_validate(key.public_jwk()),
            valid_from=now - timedelta(days=1),
            valid_until=now + timedelta(days=365),
        )
        for name, key in keys.items()
    }
    old = ParticipantKey(
        jwk=PublicJwk.model_validate(expired.public_jwk()),
        valid_from=now - timedelta(days=400),
        valid_until=now - timedelta(days=35),
    )
    everything = Subscription(id="everything", purpose="PUBHLTH")
    vaccinations = Subscription(
        id="vaccinations", record_types=("immunization",), purpose="PUBHLTH"
    )
    participants = (
        _post(ALMATY, "Almaty International Airport", "KZ", (current[ALMATY],)),
        _post(OSH, "Osh International Airport", "KG", (current[OSH], old)),
        _registry(KAZAKHSTAN, "Immunization registry of Kazakhstan", "KZ", current, everything),
        _registry(KYRGYZSTAN, "Immunization registry of Kyrgyzstan", "KG", current, vaccinations),
        Participant(
            id=AUDITOR,
            name="Auditor",
            jurisdiction="*",
            roles=("auditor",),
            keys=(current[AUDITOR],),
        ),
    )
    for participant in participants:
        path = folder / f"{participant.id.replace(':', '-')}.json"
        path.write_text(participant.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Cast(participants, keys, expired)


async def admit(cast: Cast, admissions: Admissions) -> None:
    """Have the exchange know everybody."""
    for participant in cast.participants:
        await admissions.admit(participant)


def _key(path: Path, name: str) -> SigningKey:
    if not path.exists():
        # One post signs with P-256, as many a hardware token does; everybody else with Ed25519.
        write_signing_key(path, SigningKey.generate("ES256" if name == OSH else "Ed25519"))
    return read_signing_key(path)


def _post(
    name: str, title: str, jurisdiction: str, keys: tuple[ParticipantKey, ...]
) -> Participant:
    return Participant(
        id=name, name=title, jurisdiction=jurisdiction, roles=("publisher",), keys=keys
    )


def _registry(
    name: str,
    title: str,
    jurisdiction: str,
    keys: dict[str, ParticipantKey],
    subscription: Subscription,
) -> Participant:
    return Participant(
        id=name,
        name=title,
        jurisdiction=jurisdiction,
        roles=("subscriber",),
        purposes=("PUBHLTH",),
        keys=(keys[name],),
        subscriptions=(subscription,),
    )
