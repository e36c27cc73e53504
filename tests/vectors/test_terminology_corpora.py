"""The codes that real records and published value sets use, judged by the pinned data."""

import json

import pytest

from schemas.record_facts import read_facts
from schemas.terminology.countries import country_of
from schemas.terminology.judging import judge_coding
from schemas.terminology.translation import is_positive

pytestmark = pytest.mark.needs_corpora

#: System → why records of the corpora carry it in vaccineCode and we do not know it.
UNKNOWN_SYSTEMS = {
    "http://hl7.org/fhir/sid/cvx-TEMPORARY-CODE-SYSTEM": (
        "a stand-in of an early SMART Health Cards draft; real cards carry CVX"
    ),
}


def resources(node, resource_type):
    if isinstance(node, dict):
        if node.get("resourceType") == resource_type:
            yield node
        for value in node.values():
            yield from resources(value, resource_type)
    elif isinstance(node, list):
        for value in node:
            yield from resources(value, resource_type)


def immunizations(corpora, folder):
    for path in sorted((corpora / folder).rglob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
        except ValueError:  # the corpora hold files that are wrong on purpose
            continue
        yield from resources(document, "Immunization")


@pytest.mark.parametrize(
    ("folder", "at_least"),
    [("nhs-immunisation", 10), ("fhir-r4-examples", 3), ("gdhcn-qr", 9), ("smart-health-cards", 9)],
)
def test_every_vaccine_code_of_real_records_stands_in_a_known_system(corpora, folder, at_least):
    records = list(immunizations(corpora, folder))
    assert len(records) >= at_least
    for record in records:
        for coding in record.get("vaccineCode", {}).get("coding", ()):
            if coding.get("system") in UNKNOWN_SYSTEMS:
                continue
            verdict = judge_coding("vaccine", coding.get("system"), coding.get("code"))
            assert verdict in {"known", "unknown-code"}, coding


def test_every_stated_disease_of_real_records_is_known(corpora):
    for folder in ("nhs-immunisation", "fhir-r4-examples", "gdhcn-qr"):
        for record in immunizations(corpora, folder):
            for protocol in record.get("protocolApplied", ()):
                for disease in protocol.get("targetDisease", ()):
                    for coding in disease.get("coding", ()):
                        verdict = judge_coding("target-disease", coding["system"], coding["code"])
                        assert verdict == "known", coding


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("vaccine-prophylaxis", "vaccine"),
        ("vaccine-medicinal-product", "vaccine"),
        ("vaccine-mah-manf", "manufacturer"),
        ("disease-agent-targeted", "target-disease"),
        ("test-result", "result"),
    ],
)
def test_the_eu_value_sets_are_pinned(corpora, name, role):
    value_set = json.loads((corpora / "eu-dcc-valuesets" / f"{name}.json").read_text("utf-8"))
    for code, value in value_set["valueSetValues"].items():
        assert judge_coding(role, value["system"], code) == "known", code


def test_the_eu_test_types_are_parts_and_never_tests(corpora):
    value_set = json.loads((corpora / "eu-dcc-valuesets" / "test-type.json").read_text("utf-8"))
    for code, value in value_set["valueSetValues"].items():
        assert judge_coding("test", value["system"], code) == "part-code"


def test_the_eu_test_results_point_the_way_they_are_named(corpora):
    value_set = json.loads((corpora / "eu-dcc-valuesets" / "test-result.json").read_text("utf-8"))
    expected = {"Detected": "detected", "Not detected": "not-detected"}
    for code, value in value_set["valueSetValues"].items():
        assert is_positive([(value["system"], code)]) == expected[value["display"]]


def test_the_countries_of_the_eu_value_set_are_countries_of_iso_but_one(corpora):
    value_set = json.loads(
        (corpora / "eu-dcc-valuesets" / "country-2-codes.json").read_text("utf-8")
    )
    # XK is a code the EU assigned itself for Kosovo; ISO 3166-1 leaves it to its users.
    not_iso = {code for code in value_set["valueSetValues"] if country_of(code) != code}
    assert not_iso == {"XK"}


def test_a_vaccination_that_was_not_given_is_no_dose(corpora):
    path = corpora / "fhir-r4-examples" / "Immunization-notGiven.json"
    assert read_facts(json.loads(path.read_text("utf-8")), {}).no_dose == "not-done"


def test_an_expired_subpotent_dose_is_no_full_dose(corpora):
    path = corpora / "fhir-r4-examples" / "Immunization-example.json"
    assert read_facts(json.loads(path.read_text("utf-8")), {}).no_dose == "subpotent"


def test_an_mmr_record_of_the_nhs_is_about_three_diseases(corpora):
    folder = corpora / "nhs-immunisation" / "Immunization"
    record = json.loads((folder / "completed_mmr_immunization_event.json").read_text("utf-8"))
    assert read_facts(record, {}).diseases == ("measles", "mumps", "rubella")


@pytest.mark.parametrize(
    ("name", "country", "dose"),
    [
        ("EUItalyAcceptanceQRFHIRBundle.json", "IT", 1),
        ("ICAOAUQR1FHIRBundle.json", "AU", 1),
        ("WHOQR1FHIRBundle.json", "US", 1),
    ],
)
def test_country_and_dose_of_certificates(corpora, name, country, dose):
    document = json.loads((corpora / "gdhcn-qr" / name).read_text("utf-8"))
    facts = read_facts(next(resources(document, "Immunization")), {})
    assert facts.country == country
    assert facts.dose == dose
