"""Realistic generated vaccination and test records, as the messages that border posts would send.

The same state of `random` gives the same bytes. Every record is about an invented traveller
(`people.py`) and a real product or test (`products.py`).
"""

import random as random_module
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from adapters.demo.clinical import diagnostic_report, immunization, when_given
from adapters.demo.people import Traveller, human_names, travellers
from adapters.demo.products import TESTS, VACCINES, LaboratoryTest, Vaccine
from schemas.compose_message import compose_message
from schemas.fhir_names import (
    ACT_CODE,
    ACT_REASON,
    CONSENT_DOCUMENT,
    CONSENT_SCOPE,
    IMMUNIZATION_PUBLISHED,
    LABRESULT_PUBLISHED,
    LOINC,
    PARTICIPANT_IDENTIFIERS,
    PARTICIPATION_TYPE,
    RECIPIENT_ROLE,
)

RecordKind = Literal["immunization", "labresult"]

#: When each traveller (by key) was vaccinated against a disease, in order.
Doses = defaultdict[tuple[int, str], list[date]]

#: Two of three records are vaccinations; three travellers share about five records.
_VACCINATION_SHARE = 0.66
_TRAVELLERS_PER_RECORD = 0.6
_BETWEEN_DOSES = timedelta(days=28)

#: Places of the posts in the examples; any other post is named by its id.
_PLACES = {
    "poe:kz:ala": ("Almaty International Airport", "Алматы"),
    "poe:kz:khorgos": ("Khorgos road crossing", "Қорғас"),
    "poe:kg:oss": ("Osh International Airport", "Ош"),
    "poe:kg:fru": ("Manas International Airport", "Бишкек"),
    "poe:tj:dyu": ("Dushanbe International Airport", "Душанбе"),
    "poe:uz:tas": ("Tashkent International Airport", "Тошкент"),
}


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One message ready to be signed.

    Attributes:
        publisher: participant id of the post that sends it.
        message_id: MessageHeader.id, to be the envelope's `jti`.
        body: the exact bytes to sign.
        disease: key of our terminology that the record must be routed by.
        has_consent: whether the message carries a Consent that permits the registries.
    """

    publisher: str
    message_id: str
    body: bytes
    disease: str
    kind: RecordKind
    has_consent: bool

    def __repr__(self) -> str:
        """Nothing about the traveller, invented or not."""
        return f"SampleRecord(message_id={self.message_id!r}, kind={self.kind!r})"


def sample_records(
    random: random_module.Random,
    *,
    posts: Sequence[str],
    registries: Sequence[str],
    count: int,
    now: datetime,
    consent: float | Sequence[bool] = 1.0,
) -> list[SampleRecord]:
    """`count` records of the last three years, sent one second apart and the last one at `now`.

    Travellers who consent and those who do not are different people, so that a record without
    consent finds none given earlier either.

    Args:
        random: source of every choice.
        posts: participant ids of the points of entry that publish.
        registries: participant ids that the consents permit, for public health.
        count: how many.
        now: with a time zone.
        consent: the share of records with consent, or one flag per record.
    """
    flags = _consent_flags(random, count, consent)
    people = travellers(
        random, count=max(2, round(count * _TRAVELLERS_PER_RECORD)), today=now.date()
    )
    split = max(1, round(len(people) * sum(flags) / max(1, count)))
    # Each side keeps at least one traveller, also when nearly everybody is on the other.
    split = min(split, len(people) - 1)
    doses: Doses = defaultdict(list)
    records = []
    for index, has_consent in enumerate(flags):
        traveller = random.choice(people[:split] if has_consent else people[split:])
        sent_at = now - timedelta(seconds=count - 1 - index)
        post = random.choice(posts)
        product = _product(random, traveller, sent_at.date(), doses)
        consents = [_consent(random, sent_at, registries)] if has_consent else []
        records.append(_record(random, traveller, post, product, doses, consents, sent_at))
    return records


def _consent_flags(
    random: random_module.Random, count: int, consent: float | Sequence[bool]
) -> list[bool]:
    if isinstance(consent, int | float):
        return [random.random() < consent for _ in range(count)]
    return [consent[index] for index in range(count)]


def _product(
    random: random_module.Random,
    traveller: Traveller,
    today: date,
    doses: Doses,
) -> Vaccine | LaboratoryTest:
    """A vaccine this traveller can still be given at this age, or a test."""
    age = (today - traveller.birth_date).days // 365
    vaccines = [
        vaccine
        for vaccine in VACCINES
        if vaccine.ages[0] <= age <= vaccine.ages[1]
        and _is_due(vaccine, doses[traveller.key, vaccine.disease], today)
    ]
    if vaccines and random.random() < _VACCINATION_SHARE:
        return random.choice(vaccines)
    return random.choice([test for test in TESTS if test.youngest <= age])


def _is_due(vaccine: Vaccine, earlier: Sequence[date], today: date) -> bool:
    if not earlier:
        return True
    return len(earlier) < vaccine.doses and earlier[-1] + _BETWEEN_DOSES <= today


def _record(
    random: random_module.Random,
    traveller: Traveller,
    post: str,
    product: Vaccine | LaboratoryTest,
    doses: Doses,
    consents: Sequence[Mapping[str, Any]],
    sent_at: datetime,
) -> SampleRecord:
    message_id = _uuid(random)
    place = [_patient(traveller), *_place(post)]
    kind: RecordKind
    if isinstance(product, Vaccine):
        kind, event = "immunization", IMMUNIZATION_PUBLISHED
        series = doses[traveller.key, product.disease]
        given_at = when_given(random, product, traveller, sent_at, is_first=not series)
        series.append(given_at.date())
        focus = immunization(random, product, len(series), given_at, sent_at)
        others = place
    else:
        kind, event = "labresult", LABRESULT_PUBLISHED
        focus, results = diagnostic_report(random, product, sent_at)
        others = [*results, *place]
    body = compose_message(
        event=event,
        source=post,
        source_name=_place_names(post)[0],
        destinations=(),
        focus=focus,
        others=[*others, *consents],
        message_id=message_id,
        timestamp=sent_at,
    )
    return SampleRecord(post, message_id, body, product.disease, kind, bool(consents))


def _patient(traveller: Traveller) -> dict[str, Any]:
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": "traveller",
        "name": list(human_names(traveller)),
        "gender": traveller.gender,
        "birthDate": traveller.birth_date.isoformat(),
    }
    if traveller.identifiers:
        patient["identifier"] = [
            {"system": system, "value": value} for system, value in traveller.identifiers
        ]
    return patient


def _place_names(post: str) -> tuple[str, str | None]:
    return _PLACES.get(post, (f"Point of entry {post}", None))


def _place(post: str) -> Iterator[dict[str, Any]]:
    """The post as Organization and Location; its country is the second part of its id."""
    name, city = _place_names(post)
    address = {"country": post.split(":")[1].upper()}
    if city is not None:
        address = {"city": city, **address}
    yield {
        "resourceType": "Organization",
        "id": "post",
        "identifier": [{"system": PARTICIPANT_IDENTIFIERS, "value": post}],
        "name": f"Sanitary quarantine post, {name}",
    }
    yield {
        "resourceType": "Location",
        "id": "place",
        "name": name,
        "address": address,
        "managingOrganization": {"reference": "Organization/post"},
    }


def _consent(
    random: random_module.Random, sent_at: datetime, registries: Sequence[str]
) -> dict[str, Any]:
    """A permit for the registries, for public health, for one year; given at the post."""
    given_at = sent_at - timedelta(minutes=random.randint(2, 20))
    return {
        "resourceType": "Consent",
        "id": "consent",
        "identifier": [{"system": "urn:bhx:demo:consents", "value": _uuid(random)}],
        "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": LOINC, "code": CONSENT_DOCUMENT}]}],
        "patient": {"reference": "Patient/traveller"},
        "dateTime": given_at.isoformat(timespec="seconds"),
        "performer": [{"reference": "Patient/traveller"}],
        "policyRule": {"coding": [{"system": ACT_CODE, "code": "OPTIN"}]},
        "provision": {
            "type": "permit",
            "period": {
                "start": given_at.date().isoformat(),
                "end": (given_at.date() + timedelta(days=365)).isoformat(),
            },
            "actor": [_recipient(registry) for registry in registries],
            "purpose": [{"system": ACT_REASON, "code": "PUBHLTH"}],
        },
    }


def _recipient(registry: str) -> dict[str, Any]:
    return {
        "role": {"coding": [{"system": PARTICIPATION_TYPE, "code": RECIPIENT_ROLE}]},
        "reference": {"identifier": {"system": PARTICIPANT_IDENTIFIERS, "value": registry}},
    }


def _uuid(random: random_module.Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
