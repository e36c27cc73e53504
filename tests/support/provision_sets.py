"""Provisions with every criterion of docs/consent.md, section 3, drawn near one request."""

from random import Random
from typing import Any

Json = dict[str, Any]

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
LOINC, SNOMED, CVX = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/cvx"
RECIPIENTS = {
    "registry:kz": "KZ", "registry:kg": "KG", "registry:de": "DE", "registry:tj": "TJ",
    "who:euro": "*",
}  # fmt: skip
PERIODS = (
    ("2026", "2026"), ("2026-01-01", "2027-12-31"), ("2026-11", None), (None, "2026-11-25"),
    ("2026-11-26", None), (None, "2026-11-24"), (None, "2026-11-24"), ("2026-11-27", None),
    ("2025", "2025"),
    ("2026-11-25T12:00:00Z", None), (None, "2026-11-25T17:00:00+05:00"),
    ("2027-01-01T00:00:00Z", None), ("2026-12", "2026-01"),
)  # fmt: skip
DATA_PERIODS = (
    ("2026-05", "2026-05"), ("2026-05-03", "2026-05-03"), ("2025", "2025"), (None, "2026-05-02"),
    ("2026-05-05", None), ("2026", None), ("2026-05-03T06:00:00Z", "2026-05-03T18:00:00Z"),
    ("2026-05-03T07:30:00Z", None), (None, "2026-05-03T12:30:00+05:00"),
)  # fmt: skip
PURPOSES = ("TREAT", "ETREAT", "COC", "PUBHLTH", "THREAT", "DISASTER", "PATRQT", "BTG")
OTHER_PURPOSES = ("HRESCH", "HPAYMT", "HMARKT", "CLINTRL", "FAMRQT", "ERTREAT")
LABELS = ("HIV", "STD", "PSY")
#: No type of a record, or all of them.
ABSTRACT = ("Vaccination", "Resource", "DomainResource")


def root_provision(random: Random, request: Json, typed: bool) -> Json:
    depth = random.choice((0, 0, 0, 0, 1, 1, 1, 2, 2)) if random.random() < 0.98 else 3
    if random.random() < 0.008:
        nested = {"type": "deny", "purpose": [coding(TERMINOLOGY + "v3-ActReason", "HMARKT")]}
        return {"type": "permit", "provision": [dict(nested)] * random.choice((199, 200, 250))}
    found = provision(random, request, depth, 0.12 if typed else 0.01)
    if typed:
        found["type"] = random.choice(("permit", "permit", "permit", "deny"))
    else:
        del found["type"]
    # An empty object is no FHIR.
    return found or {"provision": [{"type": "permit", "purpose": purposes(random, request)}]}


def provision(random: Random, request: Json, depth: int, likely: float) -> Json:
    """A rule with some criteria and nested rules down to a depth."""
    found: Json = {"type": random.choice(("permit", "deny"))}
    for name, values in CRITERIA.items():
        if random.random() < likely * (2.5 if name in ("actor", "purpose") else 1):
            found[name] = values(random, request)
    if request["labels"] and found["type"] == "permit" and random.random() < 0.4:
        found["securityLabel"] = [label(one) for one in request["labels"] + request["part_labels"]]
    if request["part_labels"] and found["type"] == "deny" and random.random() < 0.25:
        found["securityLabel"] = [label(one) for one in request["part_labels"]]
    if depth:
        found["provision"] = [
            provision(random, request, depth - 1, 0.2) for _ in range(random.choice((1, 1, 2)))
        ]
    return found


def several(random: Random, make: Any) -> list[Json]:
    return [make() for _ in range(random.choice((1, 1, 1, 2)))]


def actors(random: Random, request: Json) -> list[Json]:
    def one() -> Json:
        role = concept(
            pick(random, (TERMINOLOGY + "v3-ParticipationType",), ("urn:example:roles",), 0.02),
            pick(random, ("IRCP", "PRCP"), ("CST", "AUT"), 0.03),
        )
        if random.random() < 0.01:
            role["coding"].append(coding("urn:example:roles", "clinic"))
        who = own_or(random, request["recipient"], [*RECIPIENTS, "registry:uz"])
        country = own_or(random, request["recipient_jurisdiction"], ["KZ", "KG", "DE", "TJ"])
        if random.random() < 0.6 or country == "*":
            reference: Json = {"identifier": {"system": "urn:bhx:participant", "value": who}}
        else:
            reference = {"identifier": {"system": "urn:iso:std:iso:3166", "value": country}}
        other_kinds = (
            {"reference": "Organization/1"},
            {"display": "A clinic"},
            {"identifier": {"system": "urn:example:licences", "value": who}},
        )
        return {"role": role, "reference": pick(random, (reference,), other_kinds, 0.03)}

    return several(random, one)


def purposes(random: Random, request: Json) -> list[Json]:
    known = [own_or(random, request["purpose"], [*PURPOSES, "TREAT", *OTHER_PURPOSES])]
    return several(
        random,
        lambda: coding(
            pick(random, (TERMINOLOGY + "v3-ActReason",), ("urn:example:purposes",), 0.02),
            pick(random, known, ("BORDER", "PurposeOfUse"), 0.01),
        ),
    )


def actions(random: Random, request: Json) -> list[Json]:
    names = ("disclose",) * 4 + ("collect", "access", "use", "correct")
    system = pick(random, (TERMINOLOGY + "consentaction",), ("urn:example:actions",), 0.02)
    found = several(random, lambda: concept(system, pick(random, names, ("sell",), 0.02)))
    return found if random.random() < 0.98 else [{"text": "show it to my doctor"}]


def classes(random: Random, request: Json) -> list[Json]:
    names = ("Immunization", "Observation", "DiagnosticReport", "Condition")
    system = pick(random, ("http://hl7.org/fhir/resource-types",), ("urn:ietf:bcp:13",), 0.03)
    own = own_or(random, request["record_class"], names)
    return several(random, lambda: coding(system, pick(random, (own,), ABSTRACT, 0.04)))


def codes(random: Random, request: Json) -> list[Json]:
    pool = [[CVX, "03"], [CVX, "37"], [SNOMED, "840539006"], [LOINC, "94500-6"], ["urn:x", "1"]]
    own = random.choice(request["codes"]) if request["codes"] else pool[0]

    def one() -> Json:
        codings = [coding(*own_or(random, own, pool))]
        if random.random() < 0.3:
            codings.append(coding(*random.choice(pool)))
        return {"coding": codings}

    found = several(random, one)
    return found if random.random() < 0.97 else [{"text": "my vaccinations"}]


def labels(random: Random, request: Json) -> list[Json]:
    def one() -> Json:
        if random.random() < 0.4:
            return coding(TERMINOLOGY + "v3-Confidentiality", random.choice("LMNNRV"))
        if random.random() < 0.03:
            return random.choice((label("SUD"), coding("urn:example:labels", "secret")))
        return label(random.choice(request["labels"] + request["part_labels"] + list(LABELS)))

    return several(random, one)


def data(random: Random, request: Json) -> list[Json]:
    def one() -> Json:
        meaning = pick(random, ("instance", "authoredby"), ("related", "dependents"), 0.04)
        system, value = "urn:example:records", random.choice("12")
        if meaning == "authoredby":
            system, value = "urn:bhx:participant", own_or(random, request["author"], ["poe:uz:tas"])
        known = {"identifier": {"system": system, "value": value}}
        other = ({"reference": "Immunization/1"},)
        return {"meaning": meaning, "reference": pick(random, (known,), other, 0.03)}

    return several(random, one)


CRITERIA = {
    "period": lambda random, _: span(random.choice(PERIODS[:5] + PERIODS)),
    "actor": actors,
    "action": actions,
    "purpose": purposes,
    "class": classes,
    "code": codes,
    "securityLabel": labels,
    "dataPeriod": lambda random, _: span(random.choice(DATA_PERIODS)),
    "data": data,
}


def pick(random: Random, usual: Any, others: Any, chance: float) -> Any:
    return random.choice(others if random.random() < chance else usual)


def own_or(random: Random, own: Any, pool: Any) -> Any:
    return own if random.random() < 0.55 else random.choice(pool)


def coding(system: str, code: str) -> Json:
    return {"system": system, "code": code}


def concept(system: str, code: str) -> Json:
    return {"coding": [coding(system, code)]}


def label(code: str) -> Json:
    return coding(TERMINOLOGY + "v3-ActCode", code)


def span(ends: tuple[str | None, str | None]) -> Json:
    return {name: end for name, end in zip(("start", "end"), ends, strict=True) if end is not None}
