"""Policies of several jurisdictions (docs/consent.md, section 7), drawn for one request."""

from random import Random
from typing import Any

Json = dict[str, Any]

COUNTRIES = ("KZ", "KG", "DE", "TJ")
DISEASES = ("measles", "yellow-fever", "hiv")
VALIDITY = ((None, None),) * 5 + (
    ("2026-01-01", None), ("2026-01-01", "2026-12-31"), ("2025-01-01", "2025-12-31"),
    ("2027-01-01", None),
)  # fmt: skip


def policies_for(random: Random, request: Json) -> list[Json]:
    """Of some countries a policy, of some two versions, in no order."""
    found = [
        policy(random, request, country, version)
        for country in COUNTRIES
        for version in range(1, random.choice((0, 1, 1, 2)) + 1)
    ]
    random.shuffle(found)
    return found


def policy(random: Random, request: Json, jurisdiction: str, version: int) -> Json:
    valid_from, valid_until = random.choice(VALIDITY)
    return {
        "jurisdiction": jurisdiction,
        "version": version,
        "valid_from": valid_from,
        "valid_until": valid_until,
        "authority": f"authority:{jurisdiction.lower()}",
        "mandates": [
            mandate(random, request, f"{jurisdiction.lower()}-law-{number}")
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
        "sensitive": {"hiv": ["HIV"]} if random.random() < 0.15 else {},
        "break_glass": None,
        "retention": {"Immunization": 3650},
        "recall_deadline_hours": 72,
    }  # fmt: skip


def mandate(random: Random, request: Json, name: str) -> Json:
    valid_from, valid_until = random.choice(VALIDITY)
    return {
        "id": name,
        "law": "Law on sanitary protection",
        "citation": "article 7",
        "valid_from": valid_from,
        "valid_until": valid_until,
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
    known = sorted({one for one in pool if one != "*" and one not in ("HRESCH", "HPAYMT")})
    return random.sample(known, random.choice((0, 0, 0, 1, min(2, len(known)))))
