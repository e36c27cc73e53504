import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.terminology.code_systems import ancestors_of, canonical_system
from schemas.terminology.countries import country_of, is_travel_document_code
from schemas.terminology.judging import judge_coding

CVX = "http://hl7.org/fhir/sid/cvx"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_11 = "http://id.who.int/icd/release/11/mms"
EU_PRODUCTS = "https://ec.europa.eu/health/documents/community-register/html/"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
V2_SPECIMEN = "http://terminology.hl7.org/CodeSystem/v2-0487"
ISO_3166 = "urn:iso:std:iso:3166"

ROLES = [
    "vaccine",
    "target-disease",
    "test",
    "result",
    "specimen",
    "country",
    "manufacturer",
    "route",
    "site",
    "interpretation",
]


@pytest.mark.parametrize(
    ("variant", "canonical"),
    [
        ("http://id.who.int/icd11/mms", ICD_11),
        ("https://id.who.int/icd11/mms", ICD_11),
        ("http://hl7.org/fhir/sid/icd-11", ICD_11),
        ("urn:oid:2.16.840.1.113883.12.292", CVX),
        ("urn:oid:2.16.840.1.113883.6.96", SCT),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("https://loinc.org", LOINC),
        ("http://hl7.org/fhir/v3/ObservationInterpretation", INTERPRETATION),
        (CVX, CVX),
    ],
)
def test_the_variants_of_a_uri_are_one_system(variant, canonical):
    assert canonical_system(variant) == canonical


@pytest.mark.parametrize("uri", ["", "http://example.org/codes", CVX.upper(), CVX + "/"])
def test_any_other_uri_is_no_system_we_know(uri):
    assert canonical_system(uri) is None


@pytest.mark.parametrize(
    ("role", "system", "code"),
    [
        ("vaccine", CVX, "37"),
        ("vaccine", CVX, "01"),  # DTP, inactive
        ("vaccine", CVX, "333"),
        ("vaccine", CVX, "998"),
        ("vaccine", "urn:oid:2.16.840.1.113883.12.292", "37"),
        ("vaccine", SCT, "39114911000001105"),  # dm+d inside SNOMED CT
        ("vaccine", "urn:oid:1.2.36.1.2001.1005.17", "FLUVAX"),
        ("vaccine", ATC, "J07BL01"),
        ("vaccine", ATC, "J07BX03"),  # withdrawn, but certificates carry it
        ("vaccine", ICD_11, "XM0N24"),
        ("vaccine", EU_PRODUCTS, "EU/1/20/1528"),
        ("vaccine", EU_PRODUCTS, "EU/1/20/1528/001"),  # a package of it
        ("target-disease", SCT, "840539006"),
        ("target-disease", ICD_11, "RA01.0&XN109"),
        ("target-disease", "http://id.who.int/icd11/mms", "1D47"),
        ("target-disease", ICD_10, "A00.1"),  # below A00
        ("test", LOINC, "94500-6"),
        ("test", LOINC, "95941-1"),  # a panel for three viruses
        ("result", SCT, "260373001"),
        ("result", LOINC, "LA11882-0"),  # an answer is a result
        ("interpretation", INTERPRETATION, "POS"),
        ("specimen", V2_SPECIMEN, "SPT"),
        ("specimen", SCT, "258500001"),
        ("country", ISO_3166, "FR"),
        ("country", ISO_3166, "FRA"),
        ("country", ISO_3166, "250"),
        ("manufacturer", "http://hl7.org/fhir/sid/mvx", "MOD"),
        ("manufacturer", "https://spor.ema.europa.eu/v1/organisations", "ORG-100030215"),
        ("route", "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "IM"),
        ("site", "http://terminology.hl7.org/CodeSystem/v3-ActSite", "LA"),
    ],
)
def test_a_pinned_code_in_its_place_is_known(role, system, code):
    assert judge_coding(role, system, code) == "known"


@pytest.mark.parametrize(
    ("role", "system", "code"),
    [
        ("vaccine", CVX, "9999"),
        ("vaccine", CVX, None),
        ("vaccine", CVX, ""),
        ("vaccine", "http://hl7.org/fhir/sid/ndc", "49281-0915-01"),
        ("vaccine", SCT, "16541001"),  # yellow fever, the disease
        ("target-disease", ICD_11, "1D470"),
        ("test", LOINC, "718-7"),
        ("country", ISO_3166, "UTO"),  # no country of ISO 3166-1
        ("country", ISO_3166, "France"),
    ],
)
def test_an_unpinned_code_of_a_system_that_belongs_there_is_an_unknown_code(role, system, code):
    assert judge_coding(role, system, code) == "unknown-code"


@pytest.mark.parametrize(
    ("role", "system", "code"),
    [
        ("vaccine", LOINC, "94500-6"),
        ("vaccine", LOINC, "LP6464-4"),
        ("target-disease", CVX, "37"),
        ("test", CVX, "96"),  # a skin test of CVX stands in vaccineCode
        ("test", ATC, "J07BL01"),
        ("result", ICD_11, "RA01"),
        ("specimen", CVX, "37"),
        ("country", SCT, "840539006"),
    ],
)
def test_a_system_we_know_in_a_place_that_is_not_its_own_is_the_wrong_system(role, system, code):
    assert judge_coding(role, system, code) == "wrong-system"


@pytest.mark.parametrize("role", ROLES)
def test_a_system_we_do_not_know_and_no_system(role):
    assert judge_coding(role, "http://example.org/codes", "37") == "unknown-system"
    assert judge_coding(role, None, "37") == "no-system"
    assert judge_coding(role, "", "37") == "no-system"


# EU certificates name the kind of test by a part of LOINC (value set covid-19-lab-test-type).
@pytest.mark.parametrize("code", ["LP6464-4", "LP217198-3", "LA11882-0"])
def test_loinc_parts_and_answers_are_no_tests(code):
    assert judge_coding("test", LOINC, code) == "part-code"


def test_a_loinc_part_is_no_result_either():
    assert judge_coding("result", LOINC, "LP6464-4") == "part-code"


@pytest.mark.parametrize("system", [LOINC, SCT, CVX, ATC, "http://example.org/codes"])
@pytest.mark.parametrize("code", ["EU/1/20/1528", "EU/1/20/1528/001"])
def test_an_eu_product_under_another_system_is_a_part_code(system, code):
    assert judge_coding("vaccine", system, code) == "part-code"


def test_an_eu_product_without_a_system_says_nothing():
    assert judge_coding("vaccine", None, "EU/1/20/1528") == "no-system"


# DDCC's value set writes QA02 for "not detected", its concept map RA01.1, which is a diagnosis.
@pytest.mark.parametrize("code", ["QA02", "RA01.1"])
def test_the_two_not_detected_codes_of_ddcc_are_no_results(code):
    assert judge_coding("result", ICD_11, code) == "wrong-system"


@pytest.mark.parametrize(
    ("system", "code", "ancestors"),
    [
        (ICD_11, "RA01.0&XN109", ("RA01.0", "RA01")),
        (ATC, "J07BB02", ("J07BB",)),
        (EU_PRODUCTS, "EU/1/20/1528/001", ("EU/1/20/1528",)),
        (CVX, "207", ()),
        ("http://example.org/codes", "1.2", ()),
    ],
)
def test_ancestors_are_spelled_by_the_code_alone(system, code, ancestors):
    assert ancestors_of(system, code) == ancestors


@given(st.sampled_from(ROLES), st.none() | st.text(), st.none() | st.text())
def test_anything_gets_a_verdict(role, system, code):
    assert judge_coding(role, system, code) in {"no-system", "unknown-system", "part-code"}


@given(st.sampled_from(ROLES), st.sampled_from([CVX, SCT, LOINC, ATC, ICD_11, ISO_3166]), st.text())
def test_any_code_of_a_known_system_gets_a_verdict(role, system, code):
    assert judge_coding(role, system, code) not in {"no-system", "unknown-system"}


@pytest.mark.parametrize("code", ["FR", "FRA", "250"])
def test_alpha_2_alpha_3_and_numeric_are_one_country(code):
    assert country_of(code) == "FR"


@pytest.mark.parametrize("text", ["", "fr", "France", "UTO", "XXA", "EU", "FRX", "25"])
def test_anything_else_is_no_country(text):
    assert country_of(text) is None


def test_codes_of_travel_documents_are_marked_as_no_country():
    assert is_travel_document_code("UTO")
    assert is_travel_document_code("XXA")
    assert not is_travel_document_code("FRA")
