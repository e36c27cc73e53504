"""In which country it was done: the profile asks for it exactly when the facts cannot tell."""

import json

import pytest

from exchange.errors import InvalidRecord
from exchange.validation import read_record
from schemas.record_country import record_country
from schemas.record_facts import read_facts
from tests.unit.schemas.profile_messages import (
    AT,
    ORGANIZATION,
    RESULT,
    immunization,
    message,
    organization,
    patient,
)

DDCC = "http://smart.who.int/ddcc/StructureDefinition/DDCCCountryOfEvent"
PLACE = RESULT


def location(country, **more):
    return {"resourceType": "Location", "name": "Post", "address": {"country": country}, **more}


def role(**more):
    return {"resourceType": "PractitionerRole", **more}


def stated(code):
    return {"extension": [{"url": DDCC, "valueCode": code}]}


def in_kg(**more):
    return organization(address=[{"country": "KG"}], **more)


HERE = {"reference": ORGANIZATION}
THERE = {"reference": PLACE}
CASES = {
    "who did it": (message(immunization()), "KZ"),
    "nobody referred to, one country brought along": (message(immunization(performer=None)), "KZ"),
    "the place before who did it": (
        message(immunization(location=THERE), others=[(PLACE, location("KG"))]), "KG",
    ),
    "a place without a country, of an organisation with one": (
        message(
            immunization(location=THERE, performer=None),
            others=[(PLACE, {"resourceType": "Location", "managingOrganization": HERE})],
        ),
        "KZ",
    ),
    "a role leads to its organisation": (
        message(
            immunization(performer=[{"actor": THERE}]),
            others=[(PLACE, role(organization=HERE)), (f"{PLACE[:-1]}7", in_kg())],
        ),
        "KZ",
    ),
    "two countries and no way to either": (
        message(immunization(performer=None), others=[(PLACE, in_kg())]), None,
    ),
    "an organisation in two countries": (
        message(
            immunization(),
            organization=organization(address=[{"country": "KZ"}, {"country": "KG"}]),
        ),
        None,
    ),
    "WHO's extension before all": (message(immunization(**stated("KGZ"))), "KG"),
    "WHO's extension that names none": (message(immunization(**stated("UTO"))), "KZ"),
    "the traveller's own doctor did nothing here": (
        message(immunization(performer=None), patient=patient(generalPractitioner=[HERE])), None,
    ),
    "the traveller's own doctor beside the post": (
        message(
            immunization(performer=None),
            patient=patient(generalPractitioner=[THERE]),
            others=[(PLACE, in_kg())],
        ),
        "KZ",
    ),
    "the maker made it elsewhere": (
        message(immunization(performer=None, manufacturer=THERE), others=[(PLACE, in_kg())]), "KZ",
    ),
    "nowhere": (message(immunization(), organization=organization(address=None)), None),
    "a name is no code": (
        message(immunization(), organization=organization(address=[{"country": "Kyrgyzstan"}])),
        None,
    ),
}  # fmt: skip


def focus_and_entries(bundle):
    entries = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    return bundle["entry"][1]["resource"], entries


@pytest.mark.parametrize(("bundle", "country"), CASES.values(), ids=CASES)
def test_the_country_is_where_it_was_done(bundle, country):
    focus, entries = focus_and_entries(bundle)

    assert record_country(focus, entries) == country
    assert read_facts(focus, entries).country == country


@pytest.mark.parametrize(("bundle", "country"), CASES.values(), ids=CASES)
def test_a_vaccination_is_refused_exactly_when_nobody_can_tell(bundle, country):
    try:
        read_record(json.dumps(bundle).encode(), at=AT, max_bytes=1 << 20)
        refused = []
    except InvalidRecord as refusal:
        refused = [one.sentence for one in refusal.problems if one.is_error]

    assert [one for one in refused if "country" in one] == refused
    assert bool(refused) == (country is None)
