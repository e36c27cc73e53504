"""Whatever a Consent is, there is a decision, and damage never makes it permit more."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.consent.resources import consents_from, consents_in
from schemas.consent.statement import ConsentStatement
from tests.support.consents import (
    ACT_CODE,
    CONFIDENTIALITY,
    REASON,
    UZ,
    a_consent,
    actor,
    coded,
    concept,
    decided,
    deny,
    opted,
    permit,
)
from tests.support.thoroughness import examples
from tests.support.world import KG, KZ

RICH = a_consent(
    deny(
        permit(
            deny(securityLabel=coded(ACT_CODE, "HIV"), dataPeriod={"start": "2020", "end": "2021"}),
            actor=[actor(KZ), actor("KZ", system="urn:iso:std:iso:3166")],
            purpose=coded(REASON, "PUBHLTH"),
            period={"start": "2026-01-01", "end": "2026-12-31T00:00:00Z"},
            class_=coded("http://hl7.org/fhir/resource-types", "Immunization"),
            code=[concept("http://hl7.org/fhir/sid/cvx", "37")],
            securityLabel=coded(CONFIDENTIALITY, "R"),
            action=[concept("http://terminology.hl7.org/CodeSystem/consentaction", "disclose")],
            data=[
                {
                    "meaning": "instance",
                    "reference": {"identifier": {"system": "urn:test", "value": "r1"}},
                }
            ],
        )
    ),
    verification=[{"verified": True}],
    sourceReference={"identifier": {"system": "urn:test", "value": "b"}},
)
BASES = [RICH, a_consent(permit()), opted("OPTIN"), opted("OPTOUT", {"provision": [permit()]})]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["active", "rejected", "permit", "deny", "2026", "9" * 5000, "\ud800", KZ]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "provision", "coding", "code", "system", "start", "_x"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def replaced(value, path, new):
    found = copy.deepcopy(value)
    holder = found
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = new
    return found


@st.composite
def damaged(draw):
    base = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([one for one in places(base) if one]))
        base = replaced(base, path, draw(JSON))
    return base


def is_a_decision(decision):
    assert decision.decision in {"permit", "deny", "no-consent"}
    assert (decision.view is None) == (decision.decision != "permit")
    assert (decision.basis is None) == (decision.decision != "permit")
    assert decision.reason
    assert decision.reason_in("ru")
    assert len(decision.inputs_digest) == 43
    return decision.decision


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(damaged(), min_size=1, max_size=3), st.sampled_from([KZ, KG, UZ]))
def test_any_damaged_consents_get_a_decision(consents, recipient):
    is_a_decision(decided(*consents, recipient=recipient, part_labels=("HIV",)))


@settings(max_examples=examples(200), deadline=None)
@given(JSON)
def test_any_json_at_all_gets_a_decision(value):
    is_a_decision(decided(*consents_in(value)))
    is_a_decision(decided(value, {"resourceType": "Consent", "provision": value}))
    is_a_decision(decided(a_consent(value)))


@settings(max_examples=examples(200), deadline=None)
@given(damaged())
def test_any_statement_survives_the_store(consent):
    (on_file,) = consents_from([consent])
    stored = json.loads(json.dumps(on_file.statement.to_json()))

    assert ConsentStatement.from_json(stored) == on_file.statement


@settings(max_examples=examples(200), deadline=None)
@given(st.text(min_size=1, max_size=12), JSON, st.sampled_from(["root", "nested", "consent"]))
def test_an_element_more_never_makes_a_denial_a_permit(name, value, place):
    consent = a_consent(deny(permit(actor=[actor(KG)])))
    target = {
        "root": consent["provision"],
        "nested": consent["provision"]["provision"][0],
        "consent": consent,
    }[place]
    if name in target:
        return
    target[name] = value

    assert is_a_decision(decided(consent)) != "permit"


def test_ten_thousand_provisions_and_ten_thousand_levels():
    wide = a_consent(permit(*[deny(actor=[actor(KG)])] * 10_000))
    deep = permit()
    for _ in range(10_000):
        deep = {"type": "permit", "provision": [deep]}

    assert is_a_decision(decided(wide)) == "deny"
    assert is_a_decision(decided(a_consent(deep))) == "deny"


def test_a_thousand_consents_that_contradict_each_other():
    consents = [
        a_consent((permit if number % 2 else deny)(), name=str(number)) for number in range(1000)
    ]

    assert is_a_decision(decided(*consents)) == "deny"
    circle = [
        a_consent(
            permit(),
            name=str(number),
            sourceReference={"identifier": {"system": "urn:test", "value": str((number + 1) % 50)}},
        )
        for number in range(50)
    ]
    assert is_a_decision(decided(*circle)) == "permit"
