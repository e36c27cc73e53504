import json
from collections import Counter
from datetime import date
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.terminology.diseases import (
    disease_keys,
    disease_names,
    disease_of,
    terminology_version,
)

CVX = "http://hl7.org/fhir/sid/cvx"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ICD_11_RELEASE = "http://id.who.int/icd/release/11/mms"
ICD_11_BROWSER = "http://id.who.int/icd11/mms"
EU_PRODUCTS = "https://ec.europa.eu/health/documents/community-register/html/"


def pinned(name):
    return json.loads(files("schemas.terminology").joinpath(f"{name}.json").read_text("utf-8"))


def document():
    return pinned("diseases")


def test_the_diseases_a_subscription_may_name():
    assert set(disease_keys()) == {
        "yellow-fever",
        "poliomyelitis",
        "measles",
        "meningococcal",
        "cholera",
        "influenza",
        "tuberculosis",
        "mpox",
        "covid-19",
        "rsv",
        "hpv",
    }


def test_every_disease_has_an_english_and_a_russian_name():
    for key in disease_keys():
        assert set(disease_names(key)) == {"en", "ru"}
    assert disease_names("measles") == {"en": "Measles", "ru": "Корь"}


def test_the_data_names_its_version_and_the_source_of_each_system():
    assert date.fromisoformat(terminology_version())
    for system in pinned("code_systems")["systems"].values():
        assert system["version"]
        assert system["source"]


# Expectations are those of the code systems' own publishers, not of our data.
@pytest.mark.parametrize(
    ("system", "code", "disease"),
    [
        (CVX, "37", "yellow-fever"),
        (CVX, "183", "yellow-fever"),
        (CVX, "10", "poliomyelitis"),
        (CVX, "120", "poliomyelitis"),  # DTaP-Hib-IPV
        (CVX, "03", "measles"),  # MMR
        (CVX, "114", "meningococcal"),
        (CVX, "173", "cholera"),
        (CVX, "150", "influenza"),
        (CVX, "19", "tuberculosis"),  # BCG
        (CVX, "206", "mpox"),
        (CVX, "207", "covid-19"),
        (CVX, "505", "covid-19"),  # Sputnik V
        (CVX, "305", "rsv"),
        (CVX, "165", "hpv"),
        (SCT, "840539006", "covid-19"),
        (SCT, "16541001", "yellow-fever"),
        (SCT, "398102009", "poliomyelitis"),
        (SCT, "1119349007", "covid-19"),
        (LOINC, "94500-6", "covid-19"),
        (LOINC, "71773-6", "tuberculosis"),
        (LOINC, "48508-6", "measles"),
        (ATC, "J07BL01", "yellow-fever"),
        (ATC, "J07BX03", "covid-19"),
        (ATC, "J07BX01", "mpox"),
        (EU_PRODUCTS, "EU/1/20/1528", "covid-19"),
        (EU_PRODUCTS, "EU/1/20/1528/001", "covid-19"),
        ("http://ec.europa.eu/temp/vaccineproductname", "Sputnik-V", "covid-19"),
    ],
)
def test_a_code_names_its_disease(system, code, disease):
    assert disease_of([(system, code)]) == disease


@pytest.mark.parametrize("system", [ICD_11_RELEASE, ICD_11_BROWSER])
@pytest.mark.parametrize(
    ("code", "disease"),
    [
        ("XM68M6", "covid-19"),
        ("RA01", "covid-19"),
        ("RA01.0", "covid-19"),
        ("RA01.0&XN109", "covid-19"),
        ("1D47", "yellow-fever"),
        ("XM0N24", "yellow-fever"),
        ("1C81", "poliomyelitis"),
        ("1C1C.0", "meningococcal"),
    ],
)
def test_icd_11_is_known_under_both_of_its_uris(system, code, disease):
    assert disease_of([(system, code)]) == disease


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (CVX, "998"),  # no vaccine administered
        (CVX, "999"),  # unknown
        (CVX, "07"),  # mumps alone
        (ATC, "J07BX"),  # other viral vaccines
        (ATC, "J07BX04"),  # dengue
        (LOINC, "LP6464-4"),  # a method, not a disease
        (LOINC, "95941-1"),  # panel for three diseases
        (ICD_11_RELEASE, "1C1"),
        (ICD_11_RELEASE, "1D470"),
        (EU_PRODUCTS, "EU/1/20/15281"),
        (EU_PRODUCTS, "EU"),
        ("http://example.org/codes", "37"),
        (None, "37"),
        (CVX, None),
        (CVX, ""),
    ],
)
def test_other_codes_name_no_disease(system, code):
    assert disease_of([(system, code)]) is None


def test_no_codings_name_no_disease():
    assert disease_of([]) is None


def test_a_stated_disease_wins_over_a_contradicting_product():
    assert disease_of([(SCT, "39114911000001105"), (SCT, "55735004")]) == "rsv"


def test_among_equals_the_first_decides():
    assert disease_of([(SCT, "14189004"), (SCT, "16541001")]) == "measles"
    assert disease_of([(SCT, "16541001"), (SCT, "14189004")]) == "yellow-fever"


def test_no_code_is_pinned_for_two_diseases_or_twice():
    pinned = Counter(
        (system, code)
        for disease in document()["diseases"].values()
        for system, kinds in disease["codes"].items()
        for codes in kinds.values()
        for code in codes
    )
    assert [entry for entry, times in pinned.items() if times > 1] == []


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text())))
def test_any_coding_gives_a_known_key_or_none(codings):
    assert disease_of(codings) in {None, *disease_keys()}


@given(st.sampled_from([CVX, SCT, ATC, ICD_11_RELEASE, EU_PRODUCTS]), st.text(max_size=20))
def test_any_code_of_a_known_system_gives_a_known_key_or_none(system, code):
    assert disease_of([(system, code)]) in {None, *disease_keys()}


def codings(concept):
    return [(coding.get("system"), coding.get("code")) for coding in concept.get("coding", [])]


def all_codings_of(record):
    found = codings(record["vaccineCode"])
    for protocol in record.get("protocolApplied", []):
        for disease in protocol["targetDisease"]:
            found += codings(disease)
    return found


@pytest.mark.needs_corpora
@pytest.mark.parametrize(
    ("name", "disease"),
    [
        ("completed_covid_immunization_event.json", "covid-19"),
        ("completed_covid_immunization_event_mandatory_fields_only.json", "covid-19"),
        ("completed_flu_immunization_event.json", "influenza"),
        ("completed_rsv_immunization_event.json", "rsv"),
        ("completed_hpv_immunization_event.json", "hpv"),
        ("completed_mmr_immunization_event.json", "measles"),
    ],
)
def test_real_records_of_the_nhs_are_about_their_disease(corpora, name, disease):
    path = corpora / "nhs-immunisation" / "Immunization" / name
    assert disease_of(all_codings_of(json.loads(path.read_text("utf-8")))) == disease


@pytest.mark.needs_corpora
@pytest.mark.parametrize(
    "name",
    ["disease-agent-targeted", "vaccine-prophylaxis", "vaccine-medicinal-product"],
)
def test_every_code_of_the_eu_value_sets_is_about_covid_19(corpora, name):
    value_set = json.loads((corpora / "eu-dcc-valuesets" / f"{name}.json").read_text("utf-8"))
    for code, value in value_set["valueSetValues"].items():
        assert disease_of([(value["system"], code)]) == "covid-19", code


@pytest.mark.needs_corpora
@pytest.mark.parametrize("name", ["example", "historical"])
def test_the_influenza_examples_of_fhir_are_about_influenza(corpora, name):
    path = corpora / "fhir-r4-examples" / f"Immunization-{name}.json"
    assert disease_of(all_codings_of(json.loads(path.read_text("utf-8")))) == "influenza"
