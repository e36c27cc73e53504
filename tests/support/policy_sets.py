"""Policies of several jurisdictions (docs/consent.md, section 7), drawn for one request."""

from random import Random
from typing import Any

from tests.support.provision_sets import OTHER_PURPOSES

Json = dict[str, Any]

COUNTRIES = ("KZ", "KG", "DE", "TJ")
DISEASES = ("measles", "yellow-fever", "mpox")
#: Around noon of the case, and at the very instant of it: the end is no longer part of a period.
VALIDITY = (("2020-01-01T00:00:00Z", None),) * 6 + (
    ("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"), ("2027-01-01T00:00:00Z", None),
    ("2025-01-01T00:00:00Z", "2025-12-31T00:00:00Z"), ("2026-11-25T12:00:00Z", None),
    ("2026-01-01T00:00:00Z", "2026-11-25T17:00:00+05:00"),
)  # fmt: skip


def policies_for(random: Random, request: Json) -> list[Json]:
    """Of some countries a policy, of some two versions or one version twice, in no order."""
    found = [
        policy(random, request, country, version)
        for country in (*COUNTRIES, "*")
        for version in random.choice(((), (1,), (1,), (1, 2), (3, 3)))
    ]
    random.shuffle(found)
    return found


def policy(random: Random, request: Json, jurisdiction: str, version: int) -> Json:
    valid_from, valid_until = random.choice(VALIDITY)
    found = {
        "jurisdiction": jurisdiction,
        "version": version,
        "valid_from": valid_from,
        "valid_until": valid_until,
        "authority": "Ministry of Health",
        "mandates": [
            mandate(random, request, f"law-{number}")
            for number in range(random.choice((0, 1, 1, 2)))
        ],
        "forbids": [forbid(random, request)] if random.random() < 0.12 else [],
        "views": random.choice(
            (
                {}, {}, {"TREAT": "full"}, {"PUBHLTH": "pseudonymous"}, {"PATRQT": "minimum"},
                {"TREAT": "minimum", "BTG": "full"}, {"THREAT": "verdict", "PUBHLTH": "minimum"},
            )
        ),
        "age_of_majority": 18,
        "sensitive": random.choice(
            ({}, {}, {}, {}, {"mpox": ["HIV"]}, {"measles": ["STD"], "yellow-fever": ["PSY"]})
        ),
        "retention": {"Immunization": 3650},
        "recall_deadline_hours": 72,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def mandate(random: Random, request: Json, name: str) -> Json:
    start, end = random.choice(VALIDITY)
    return {
        "id": name,
        "law": "Law on sanitary protection",
        "citation": "article 7",
        "period": {"start": start} if end is None else {"start": start, "end": end},
        "record_classes": random.choice(
            ([], ["Immunization"], ["Observation", "DiagnosticReport"], [request["record_class"]])
        ),
        "diseases": some(random, DISEASES),
        "purposes": random.choice(([], ["PUBHLTH"], ["THREAT", "DISASTER"], ["TREAT"])),
        "recipients": some(random, (request["recipient"], "registry:kz", "who:euro")),
        "labels": random.choice(([], ["HIV"], request["labels"], ["HIV", "STD", "PSY"])),
        "view": random.choice(("minimum", "pseudonymous", "verdict")),
        "overrides_objection": random.random() < 0.4,
    }


def forbid(random: Random, request: Json) -> Json:
    return {
        "recipients": some(random, (request["recipient"], "registry:tj")),
        "countries": some(random, (request["recipient_jurisdiction"], *COUNTRIES)),
        "purposes": some(random, (request["purpose"], "TREAT", "PUBHLTH", "PATRQT")),
        "record_classes": random.choice(
            ([], ["Immunization"], ["Observation", "DiagnosticReport"])
        ),
        "diseases": some(random, DISEASES),
        "labels": some(random, ("HIV", "STD")),
    }


def some(random: Random, pool: tuple[str, ...]) -> list[str]:
    """Empty (any) more often than not."""
    known = sorted({one for one in pool if one not in OTHER_PURPOSES})
    return random.sample(known, random.choice((0, 0, 0, 1, min(2, len(known)))))
