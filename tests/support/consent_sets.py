"""Sets of consents, policies, a request and a moment that reach every row of docs/consent.md.

All of a case follows from its seed, so a failing test prints the seed alone. Values come from small
pools, and half of the time from the request itself, so that rules match often. Consents are
structurally valid FHIR R4. Shapes and values of which docs/consent.md says nothing
(doubtful_consents.py) are drawn only when `doubtful` is asked for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies

from tests.support.doubtful_consents import make_doubtful
from tests.support.near_provisions import near, willing_root
from tests.support.policy_sets import policies_for
from tests.support.provision_sets import (
    CVX,
    LABELS,
    LOINC,
    OTHER_PURPOSES,
    PURPOSES,
    RECIPIENTS,
    SNOMED,
    TERMINOLOGY,
    coding,
    concept,
    label,
    pick,
    root_provision,
)

Json = dict[str, Any]

PCF = "https://profiles.ihe.net/ITI/PCF/"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PATIENT = {"reference": "Patient/traveller"}

#: Around NOON: long ago, twice the same instant, within and at and beyond the five minutes.
DATE_TIMES = (
    "2025-03-01T08:00:00Z", "2026-01-10T10:00:00+05:00", "2026-06-01T09:00:00Z",
    "2026-06-01T14:00:00+05:00", "2026-09-09T09:09:09Z", "2026-11-25T11:59:59.999Z",
    "2026-11-25T12:04:59Z", "2026-11-25T12:05:00Z", "2026-11-25T12:05:01Z", "2027-02-01T00:00:00Z",
)  # fmt: skip
#: A day, a month, an instant: each as wide as a partial date can mean.
RECORD_DATES = (
    ["2026-05-02T10:00:00.000000Z", "2026-05-04T11:59:59.999999Z"],
    ["2026-04-30T10:00:00.000000Z", "2026-06-01T11:59:59.999999Z"],
    ["2026-05-03T07:30:00.000000Z", "2026-05-03T07:30:00.000000Z"],
    ["2025-07-07T07:07:07.000000Z", "2025-07-07T07:07:07.000000Z"],
    None,
)  # fmt: skip
RECORD_CODES = (
    [[CVX, "03"], [SNOMED, "14189004"]],
    [[LOINC, "94500-6"], [SNOMED, "840539006"]],
    [[CVX, "37"]],
    [],
)


class Draws(Random):
    """The standard generator, with a choice that is quick rather than exactly even."""

    def choice(self, pool: Sequence[Any]) -> Any:
        return pool[int(self.random() * len(pool))]


class ConsentSet(NamedTuple):
    """One case: what `decide` is asked."""

    consents: list[Json]
    policies: list[Json]
    request: Json
    time: datetime


def consent_set(seed: int, *, doubtful: bool = False) -> ConsentSet:
    """The case of a seed."""
    random = Draws(seed)
    request = request_of(random)
    consents = [consent(random, request) for _ in range(random.choice((1, 1, 2, 2, 3, 4)))]
    if random.random() < 0.45:
        consents = [*consents[: random.choice((0, 0, 1))], willing(random, request)]
        if request["part_labels"] and random.random() < 0.3:
            consents.append(objecting(random, request))
    replace_some(random, consents)
    if doubtful:
        for one in consents:
            make_doubtful(random, one)
    time = NOON + timedelta(milliseconds=random.choice((0, 0, 0, 1, -1)))
    return ConsentSet(consents, policies_for(random, request), request, time)


def consent_sets(*, doubtful: bool = False) -> strategies.SearchStrategy[ConsentSet]:
    """The same cases for hypothesis: it draws the seed."""
    seeds = strategies.integers(min_value=0, max_value=2**32 - 1)
    return seeds.map(lambda seed: consent_set(seed, doubtful=doubtful))


def request_of(random: Random) -> Json:
    recipient = random.choice(list(RECIPIENTS))
    labels = random.sample(LABELS, random.choice((0, 0, 0, 0, 1, 1, 2)))
    parts = [one for one in LABELS if one not in labels][: random.choice((0, 0, 0, 1, 1, 2))]
    return {
        "recipient": recipient,
        "recipient_jurisdiction": RECIPIENTS[recipient],
        "purpose": pick(random, (*PURPOSES, "BTG"), OTHER_PURPOSES, 0.03),
        "collected_in": random.choice(("KZ", "KZ", "KZ", "KG", "DE", "*")),
        "author": random.choice(("poe:kz:ala", "poe:kg:osh")),
        "record_class": random.choice(("Immunization", "Observation", "DiagnosticReport")),
        "record": random.choice(("urn:example:records|1", "urn:example:records|2", None)),
        "codes": random.choice(RECORD_CODES),
        "diseases": random.choice((["measles"], ["yellow-fever"], ["mpox", "measles"], [])),
        "date": random.choice(RECORD_DATES),
        "confidentiality": random.choice(("N", "N", "N", "N", "N", "L", "M", "R", "V", "secret")),
        "labels": sorted(labels),
        "part_labels": sorted(parts),
        "origins": random.choice(([], ["KG"], ["TJ"], ["KG", "TJ"], ["KZ"], ["UZ"])),
        "is_minor": random.choice((True, False, False, None)),
    }


# --- consents ----------------------------------------------------------------------------------


def consent(random: Random, request: Json) -> Json:
    """One Consent, of the PCF shape (typed root) or of core R4 (policy and exceptions)."""
    typed = random.random() < 0.6
    found: Json = {
        "resourceType": "Consent",
        "status": pick(random, ("active",) * 14, ("rejected", "inactive", "entered-in-error",
                       "draft", "proposed"), 0.2),
        "scope": concept(TERMINOLOGY + "consentscope", "patient-privacy"),
        "category": [concept(LOINC, "59284-0")],
        "patient": dict(PATIENT),
        "dateTime": random.choice(DATE_TIMES),
        **identity(random),
        **policies_named(random, typed),
    }  # fmt: skip
    if random.random() < 0.6:
        found["performer"] = [dict(PATIENT)]
    if typed or random.random() < 0.7:
        found["provision"] = root_provision(random, request, typed)
    for chance, change in ODDITIES:
        if random.random() < chance:
            change(random, found)
    return found


def willing(random: Random, request: Json) -> Json:
    """A Consent that comes near to permitting this very request, by one path or several."""
    found = consent(random, request)
    found.update({"status": "active", "dateTime": random.choice(DATE_TIMES[:7])})
    found["provision"] = willing_root(random, request)
    return found


def objecting(random: Random, request: Json) -> Json:
    """A dissent about some of the record's parts."""
    named = random.sample(request["part_labels"], 1)
    return {
        **consent(random, request),
        "identifier": [{"system": "urn:example:consents", "value": "D"}],
        "status": "rejected",
        "dateTime": random.choice(DATE_TIMES[:5]),
        "provision": {**near(random, request, random.choice(("permit", "deny"))),
                      "securityLabel": [label(one) for one in named]},
    }  # fmt: skip


def identity(random: Random) -> Json:
    name = random.choice("ABC")
    if random.random() < 0.25:
        return {"id": f"consent-{name}"}
    found = {"identifier": [{"system": "urn:example:consents", "value": name}]}
    return {"id": f"upload-{random.randrange(100)}", **found} if random.random() < 0.5 else found


def policies_named(random: Random, typed: bool) -> Json:
    pcf = PCF + random.choice(
        ("Policy-all-normal",) * 3 + ("Policy-basic-normal",) * 3
        + ("Policy-break-glass-only", "Policy-deny")
    )  # fmt: skip
    text = {"authority": "https://example.org/ministry"}
    act_code = TERMINOLOGY + "v3-ActCode"
    opted = pick(random, ("OPTIN", "OPTIN", "OPTIN", "OPTOUT"), ("ICOL", "EMRGONLY"), 0.06)
    rule = {"policyRule": concept(pick(random, (act_code,), ("urn:example:rules",), 0.03), opted)}
    if typed:
        return random.choice(
            (
                {"policy": [{"uri": "https://example.org/form-7"}]},
                {"policy": [{"uri": "https://example.org/form-7"}], **rule},
                {"policy": [{"uri": pcf}]},
                {"policy": [{"uri": pcf}, {**text, "uri": "https://example.org/form-7"}]},
                {"policy": [text]},
            )
        )
    return random.choice(
        (
            rule,
            rule,
            rule,
            {**rule, "policy": [text]},
            {"policy": [{"uri": pcf}]},
            {"policy": [{"uri": pcf}, {"uri": PCF + "Policy-all-normal"}]},
            {**rule, "policy": [{"uri": pcf}]},
            {"policy": [{"uri": PCF + random.choice(("Policy-unknown", "Policy-deny"))}], **rule},
        )
    )


def replace_some(random: Random, consents: list[Json]) -> None:
    """Some consents name another one, by its identifier, as the one that they replace."""
    for one in consents:
        if random.random() < 0.25:
            earlier = random.choice(consents)
            named = earlier.get("identifier", [{"system": "urn:example:consents", "value": "B"}])
            one["sourceReference"] = {"identifier": dict(named[0])}


# --- what makes a statement unusable -----------------------------------------------------------


def with_representative(random: Random, found: Json) -> None:
    found["performer"] = [{"reference": "RelatedPerson/mother"}]
    if random.random() < 0.75:
        found["verification"] = [{"verified": random.random() < 0.85}]


def with_other_scope(random: Random, found: Json) -> None:
    found["scope"] = concept(TERMINOLOGY + "consentscope", random.choice(("research", "treatment")))
    if random.random() < 0.5:
        found["scope"] = concept(TERMINOLOGY + "consentscope", "patient-privacy")
        found["scope"]["coding"].append(coding("urn:example:scopes", "all"))


def with_unknown_element(random: Random, found: Json) -> None:
    place = random.choice((found, found.get("provision", found)))
    if random.random() < 0.3:
        found["implicitRules"] = "https://example.org/rules"
    elif place is found or random.random() < 0.5:
        place["modifierExtension"] = [{"url": "https://example.org/not", "valueBoolean": True}]
    else:
        place["extension"] = [{"url": "https://example.org/only-if", "valueString": "asked"}]


def with_understood_elements(random: Random, found: Json) -> None:
    found["language"] = "en"
    found["meta"] = {"versionId": "3"}
    found["organization"] = [{"display": "Ministry of Health"}]
    found["extension"] = [{"url": "https://example.org/form", "valueString": "7"}]


ODDITIES = (
    (0.1, with_representative),
    (0.03, with_other_scope),
    (0.05, with_unknown_element),
    (0.1, with_understood_elements),
)
