"""The pinned data itself: sourced, closed, and complete for the diseases that matter at borders."""

import json
from collections import Counter
from importlib.resources import files

import pytest

from schemas.terminology.code_systems import canonical_system
from schemas.terminology.judging import judge_coding
from schemas.terminology.translation import Mapped, equivalents_of, is_positive

CVX = "http://hl7.org/fhir/sid/cvx"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_11 = "http://id.who.int/icd/release/11/mms"
EU_PRODUCTS = "https://ec.europa.eu/health/documents/community-register/html/"
EU_NAMES = "http://ec.europa.eu/temp/vaccineproductname"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"

BORDER_DISEASES = [
    "yellow-fever",
    "poliomyelitis",
    "measles",
    "meningococcal",
    "cholera",
    "influenza",
    "tuberculosis",
    "mpox",
    "covid-19",
]
CODE_FILES = ["vaccines", "tests", "results", "specimens", "administration", "manufacturers"]


def pinned(name):
    return json.loads(files("schemas.terminology").joinpath(f"{name}.json").read_text("utf-8"))


def systems():
    return pinned("code_systems")["systems"]


def code_lists():
    """(where, system key, codes) of every list of codes in the data."""
    for name in CODE_FILES:
        document = pinned(name)
        for role, by_system in document["codes"].items():
            yield from ((f"{name}/{role}", key, codes) for key, codes in by_system.items())
        for part in ("meanings", "no_dose"):
            for what, by_system in document.get(part, {}).items():
                yield from ((f"{name}/{what}", key, codes) for key, codes in by_system.items())
    for section in ("diseases", "further_diseases"):
        for disease, entry in pinned("diseases")[section].items():
            for key, kinds in entry["codes"].items():
                yield from ((f"{disease}/{kind}", key, codes) for kind, codes in kinds.items())


def placed():
    for concept, entry in pinned("concept_maps")["concepts"].items():
        for where in ("same", "within"):
            for key, codes in entry.get(where, {}).items():
                yield from ((concept, where, key, code) for code in codes)


def test_every_pinned_code_is_of_a_system_with_version_and_source():
    for where, key, codes in code_lists():
        assert systems()[key]["version"], where
        assert systems()[key]["source"], where
        assert all(isinstance(code, str) and code for code in codes), where


def test_no_list_holds_a_code_twice():
    for where, key, codes in code_lists():
        twice = [code for code, times in Counter(codes).items() if times > 1]
        assert twice == [], (where, key)


def test_no_two_systems_share_a_uri():
    uris = [uri for s in systems().values() for uri in (s["uri"], *s["aliases"])]
    assert len(uris) == len(set(uris))
    assert all(canonical_system(s["uri"]) == s["uri"] for s in systems().values())


def test_concept_maps_are_closed():
    concepts = pinned("concept_maps")["concepts"]
    for concept, entry in concepts.items():
        assert entry.get("broader") in {None, *concepts}, concept
    roles = {"vaccine": "vaccine", "product": "vaccine", "disease": "target-disease"}
    for concept, _, key, code in placed():
        kind = concept.partition(":")[0]
        verdict = judge_coding(roles.get(kind, kind), systems()[key]["uri"], code)
        assert verdict == "known", (concept, key, code)


def test_no_concept_lies_above_itself():
    concepts = pinned("concept_maps")["concepts"]
    for start in concepts:
        seen, at = set(), start
        while at is not None:
            assert at not in seen
            seen.add(at)
            at = concepts[at].get("broader")


def test_a_code_has_one_place_in_the_maps():
    places = Counter((key, code) for _, _, key, code in placed())
    assert [place for place, times in places.items() if times > 1] == []


def test_codes_of_one_concept_are_about_the_same_diseases():
    from schemas.terminology.diseases import disease_of

    for concept, entry in pinned("concept_maps")["concepts"].items():
        about = {
            disease_of([(systems()[key]["uri"], code)])
            for key, codes in entry.get("same", {}).items()
            for code in codes
        }
        assert len(about) == 1, concept


@pytest.mark.parametrize("disease", BORDER_DISEASES)
def test_a_border_disease_has_codes_of_every_kind(disease):
    codes = pinned("diseases")["diseases"][disease]["codes"]
    assert codes["cvx"]["vaccine"]
    assert codes["atc"]["vaccine"]
    assert codes["snomed-ct"]["vaccine"]
    assert codes["snomed-ct"]["disease"]
    assert codes["icd-11"]["disease"]
    assert codes["icd-10"]["disease"]
    assert codes["loinc"]["test"]
    if disease != "mpox":  # no ICD-11 code for its vaccine could be sourced
        assert codes["icd-11"]["vaccine"]


def test_every_country_has_three_codes_of_its_own():
    countries = pinned("countries")["countries"]
    assert len(countries) == 249
    codes = [code for country in countries for code in country]
    assert len(codes) == len(set(codes))
    assert all([len(code) for code in country] == [2, 3, 3] for country in countries)
    assert not set(codes) & set(pinned("countries")["not_iso"]["codes"])


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((SCT, "836385002"), ATC, Mapped("J07BL", "equivalent")),
        ((SCT, "836385002"), CVX, Mapped("37", "narrower")),
        ((CVX, "37"), ATC, Mapped("J07BL01", "broader")),
        ((CVX, "37"), SCT, Mapped("836385002", "broader")),
        ((EU_PRODUCTS, "EU/1/20/1528"), ICD_11, Mapped("XM8NQ0", "equivalent")),
        ((EU_PRODUCTS, "EU/1/20/1528"), SCT, Mapped("1119349007", "broader")),
        ((CVX, "505"), EU_NAMES, Mapped("Sputnik-V", "equivalent")),
        ((SCT, "16541001"), ICD_10, Mapped("A95", "equivalent")),
        ((SCT, "840539006"), ICD_10, Mapped("U07.1", "narrower")),
        ((SCT, "260373001"), INTERPRETATION, Mapped("DET", "equivalent")),
        (("http://id.who.int/icd11/mms", "XM0N24"), CVX, Mapped("184", "equivalent")),
    ],
)
def test_a_code_in_another_system(source, target, expected):
    assert expected in equivalents_of(*source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((CVX, "37"), "http://example.org/codes"),
        (("http://example.org/codes", "37"), CVX),
        ((CVX, "9999"), SCT),
        ((CVX, "37"), LOINC),
    ],
)
def test_what_no_map_holds_has_no_equivalent(source, target):
    assert equivalents_of(*source, target) == ()


def test_equivalent_codes_come_first():
    relations = [mapped.relation for mapped in equivalents_of(SCT, "836385002", CVX)]
    assert relations == sorted(relations, key=["equivalent", "narrower", "broader"].index)


# CVX 503 is a live vaccine named COVIVAC, the EU's CoviVac of the Chumakov centre an inactivated
# one: the same display text, two products.
def test_display_text_makes_no_two_codes_equivalent():
    assert equivalents_of(CVX, "503", EU_NAMES) == ()


# DDCC maps ICAO's molecular(other) to a rapid antigen test and 98069-8, an antibody test, to NAAT.
def test_ddccs_wrong_maps_of_test_methods_were_not_imported():
    for code in ("98069-8", "94500-6", "LP6464-4", "LP217198-3"):
        assert equivalents_of(LOINC, code, LOINC) == ()
    assert "molecular(other)" not in files("schemas.terminology").joinpath(
        "concept_maps.json"
    ).read_text("utf-8")
    assert not [concept for concept, *_ in placed() if concept.startswith("test:")]


@pytest.mark.parametrize(
    ("codings", "meaning"),
    [
        ([(SCT, "260373001")], "detected"),
        ([(SCT, "10828004")], "detected"),
        ([("urn:oid:2.16.840.1.113883.6.96", "260373001")], "detected"),
        ([(SCT, "260415000")], "not-detected"),
        ([(SCT, "260385009")], "not-detected"),
        ([(LOINC, "LA11883-8")], "not-detected"),
        ([(INTERPRETATION, "POS")], "detected"),
        ([(INTERPRETATION, "ND")], "not-detected"),
        ([(INTERPRETATION, "IND")], "inconclusive"),
        ([(SCT, "419984006")], "inconclusive"),
        ([(SCT, "260373001"), (INTERPRETATION, "POS")], "detected"),
        ([(SCT, "260373001"), (INTERPRETATION, "NEG")], None),  # they contradict each other
        ([(SCT, "260373001"), (INTERPRETATION, "A")], "detected"),
        ([(INTERPRETATION, "A")], None),
        ([(ICD_11, "QA02")], None),
        ([(ICD_11, "RA01.1")], None),
        ([(ICD_11, "RA01.0")], None),
        ([(None, "260373001")], None),
        ([("http://example.org/codes", "POS")], None),
        ([], None),
    ],
)
def test_which_way_a_coded_result_points(codings, meaning):
    assert is_positive(codings) == meaning
