import pytest

from schemas.record_facts import read_facts

CVX = "http://hl7.org/fhir/sid/cvx"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD_11 = "http://id.who.int/icd/release/11/mms"
ICD_11_BROWSER = "http://id.who.int/icd11/mms"
NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ISO_3166 = "urn:iso:std:iso:3166"

DETECTED, NOT_DETECTED, INCONCLUSIVE = "260373001", "260415000", "419984006"


def concept(*codings, text=None):
    coded = {"coding": [{"system": system, "code": code} for system, code in codings]}
    return {**coded, "text": text} if text else coded


def protocol(*diseases, **stated):
    return {"targetDisease": [concept((SCT, code)) for code in diseases], **stated}


def vaccination(*codings, **elements):
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": concept(*codings),
        "occurrenceDateTime": "2026-03-01",
        **elements,
    }


def observation(code, value=None, **elements):
    record = {"resourceType": "Observation", "status": "final", "code": concept((LOINC, code))}
    if value is not None:
        record["valueCodeableConcept"] = concept((SCT, value))
    return {**record, **elements}


def report(*results, **elements):
    """A report on observations, and the entries it finds them in."""
    urls = [f"urn:uuid:{number}" for number in range(len(results))]
    focus = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": concept((LOINC, "11502-2")),
        "result": [{"reference": url} for url in urls],
        **elements,
    }
    return focus, dict(zip(urls, results, strict=True))


def test_a_vaccination():
    facts = read_facts(
        vaccination(
            (CVX, "37"),
            protocolApplied=[
                protocol("16541001", doseNumberPositiveInt=1, seriesDosesPositiveInt=1)
            ],
        ),
        {},
    )
    assert facts.kind == "immunization"
    assert facts.disease == "yellow-fever"
    assert facts.diseases == ("yellow-fever",)
    assert facts.product == (CVX, "37")
    assert (facts.dose, facts.doses_in_series) == (1, 1)
    assert facts.date == "2026-03-01"
    assert facts.status == "completed"
    assert facts.is_a_dose
    assert facts.no_dose is None
    assert facts.result is None


@pytest.mark.parametrize(
    "coding",
    [
        (CVX, "37"),
        (SCT, "1121000221106"),
        ("http://www.whocc.no/atc", "J07BL01"),
        (ICD_11, "XM3418"),
        (ICD_11_BROWSER, "XM3418"),
    ],
)
def test_the_facts_are_the_same_whatever_system_they_came_in(coding):
    assert read_facts(vaccination(coding), {}).disease == "yellow-fever"


def test_both_icd_11_uris_give_one_product():
    by_release = read_facts(vaccination((ICD_11, "XM3418")), {}).product
    by_browser = read_facts(vaccination((ICD_11_BROWSER, "XM3418")), {}).product
    assert by_release == by_browser == (ICD_11, "XM3418")


def test_a_combined_vaccine_is_about_all_its_diseases():
    facts = read_facts(vaccination((CVX, "03")), {})
    assert facts.disease == "measles"
    assert facts.diseases == ("measles", "mumps", "rubella")


def test_a_stated_disease_wins_over_a_contradicting_product():
    facts = read_facts(vaccination((CVX, "207"), protocolApplied=[protocol("16541001")]), {})
    assert facts.diseases == ("yellow-fever",)


def test_a_product_adds_to_the_disease_it_agrees_with():
    facts = read_facts(vaccination((CVX, "03"), protocolApplied=[protocol("36989005")]), {})
    assert facts.diseases == ("mumps", "measles", "rubella")
    assert facts.disease == "measles"


def test_display_text_is_never_read():
    record = vaccination(("http://example.org/codes", "1"))
    record["vaccineCode"]["text"] = "Yellow fever vaccine"
    record["vaccineCode"]["coding"][0]["display"] = "yellow fever live"
    facts = read_facts(record, {})
    assert facts.disease is None
    assert facts.product is None


def test_the_first_pinned_coding_is_the_product():
    codings = [("http://example.org/x", "1"), (CVX, "9999"), (ICD_11_BROWSER, "XM0N24")]
    assert read_facts(vaccination(*codings), {}).product == (ICD_11, "XM0N24")
    assert read_facts(vaccination(*codings[:2]), {}).product == (CVX, "9999")
    assert read_facts(vaccination((NULL_FLAVOR, "UNK")), {}).product is None
    assert read_facts(vaccination((LOINC, "94500-6")), {}).product is None


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"status": "not-done"}, "not-done"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"isSubpotent": True}, "subpotent"),
        ({"isSubpotent": False}, None),
        ({}, None),
    ],
)
def test_what_is_no_full_dose_says_why(elements, why):
    facts = read_facts(vaccination((CVX, "37"), **elements), {})
    assert facts.no_dose == why
    assert facts.is_a_dose is (why is None)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("998", "no-vaccine"),
        ("96", "not-a-vaccine"),  # a tuberculin skin test
        ("86", "not-a-vaccine"),  # immune globulin
        ("306", "not-a-vaccine"),  # nirsevimab, an antibody
    ],
)
def test_a_cvx_code_that_names_no_vaccine_is_no_dose(code, why):
    assert read_facts(vaccination((CVX, code)), {}).no_dose == why


def test_without_a_protocol_there_is_no_dose_number():
    facts = read_facts(vaccination((CVX, "37")), {})
    assert facts.dose is None
    assert facts.doses_in_series is None
    assert facts.is_a_dose


@pytest.mark.parametrize(
    ("stated", "dose"),
    [("2", 2), ("booster", None), ("0", None), ("", None), ("²", None), ("٢", None)],
)
def test_a_dose_number_given_as_a_string_counts_only_as_plain_digits(stated, dose):
    record = vaccination((CVX, "37"), protocolApplied=[protocol(doseNumberString=stated)])
    assert read_facts(record, {}).dose == dose


def test_of_several_protocols_that_of_the_routed_disease_gives_the_dose():
    record = vaccination(
        (CVX, "03"),
        protocolApplied=[
            protocol("36989005", doseNumberPositiveInt=1),
            protocol("14189004", doseNumberPositiveInt=2),
        ],
    )
    assert read_facts(record, {}).dose == 2


@pytest.mark.parametrize(
    "written",
    ["2021", "2021-05", "2021-05-07", "2021-05-07T23:30:00+09:00", "2021-05-07T00:00:00Z"],
)
def test_a_date_stays_as_precise_as_it_was_written(written):
    record = vaccination((CVX, "37"), occurrenceDateTime=written)
    assert read_facts(record, {}).date == written


def test_an_occurrence_in_words_is_no_date():
    record = vaccination((CVX, "37"), occurrenceString="last spring")
    del record["occurrenceDateTime"]
    assert read_facts(record, {}).date is None


def at(country):
    return {"resourceType": "Location", "address": {"country": country}}


@pytest.mark.parametrize(
    ("written", "country"), [("FR", "FR"), ("FRA", "FR"), ("France", None), ("UTO", None)]
)
def test_the_country_of_the_place_whichever_code_it_came_in(written, country):
    record = vaccination((CVX, "37"), location={"reference": "urn:uuid:place"})
    assert read_facts(record, {"urn:uuid:place": at(written)}).country == country


def test_the_country_of_a_contained_place():
    record = vaccination(
        (CVX, "37"),
        contained=[{**at("KEN"), "id": "place"}],
        location={"reference": "#place"},
    )
    assert read_facts(record, {}).country == "KE"


@pytest.mark.parametrize("name", ["DDCCCountryOfEvent", "DDCCCountryOfVaccination"])
def test_whos_extension_states_the_country_before_the_place(name):
    url = f"https://WorldHealthOrganization.github.io/ddcc/StructureDefinition/{name}"
    record = vaccination(
        (CVX, "37"),
        extension=[{"url": url, "valueCoding": {"system": ISO_3166, "code": "BRA"}}],
        location={"reference": "urn:uuid:place"},
    )
    assert read_facts(record, {"urn:uuid:place": at("FR")}).country == "BR"


def test_a_test():
    facts = read_facts(observation("94500-6", NOT_DETECTED, effectiveDateTime="2026-03-01"), {})
    assert facts.kind == "labresult"
    assert facts.disease == "covid-19"
    assert facts.result == "not-detected"
    assert facts.date == "2026-03-01"
    assert facts.product is None
    assert not facts.is_a_dose
    assert facts.no_dose is None


def test_a_report_takes_disease_date_and_result_from_its_observations():
    focus, entries = report(observation("38379-4", DETECTED, effectiveDateTime="2026-02"))
    facts = read_facts(focus, entries)
    assert facts.disease == "tuberculosis"
    assert facts.date == "2026-02"
    assert facts.result == "detected"


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ([NOT_DETECTED, NOT_DETECTED], "not-detected"),
        ([NOT_DETECTED, DETECTED], "detected"),
        ([NOT_DETECTED, INCONCLUSIVE], "inconclusive"),
        ([INCONCLUSIVE, DETECTED], "detected"),
        ([None], None),
    ],
)
def test_one_finding_among_several_targets_is_a_finding(values, result):
    focus, entries = report(*(observation("94500-6", value) for value in values))
    assert read_facts(focus, entries).result == result


def test_another_virus_in_a_panel_is_not_the_reports_result():
    focus, entries = report(observation("94500-6", NOT_DETECTED), observation("92142-9", DETECTED))
    facts = read_facts(focus, entries)
    assert facts.disease == "covid-19"
    assert facts.diseases == ("covid-19", "influenza")
    assert facts.result == "not-detected"


def test_the_result_is_about_the_disease_the_report_is_routed_by():
    focus, entries = report(observation("24116-6", NOT_DETECTED), observation("48508-6", DETECTED))
    facts = read_facts(focus, entries)
    assert facts.diseases == ("rubella", "measles")
    assert facts.disease == "measles"
    assert facts.result == "detected"


def test_a_result_that_is_no_observation_is_not_read():
    focus, entries = report({**observation("94500-6", DETECTED), "resourceType": "Procedure"})
    facts = read_facts(focus, entries)
    assert facts.diseases == ()
    assert facts.result is None


def test_members_and_components_of_a_panel_count():
    panel = observation("94531-1", hasMember=[{"reference": "urn:uuid:member"}])
    focus, entries = report(panel)
    entries["urn:uuid:member"] = observation("94500-6", DETECTED)
    assert read_facts(focus, entries).result == "detected"
    component = {
        "code": concept((LOINC, "94500-6")),
        "valueCodeableConcept": concept((SCT, DETECTED)),
    }
    assert read_facts(observation("94531-1", component=[component]), {}).result == "detected"


def test_a_panel_that_is_its_own_member_ends():
    panel = observation("94500-6", DETECTED, hasMember=[{"reference": "urn:uuid:0"}])
    focus, entries = report(panel)
    assert read_facts(focus, entries).result == "detected"


def test_the_interpretation_speaks_where_the_value_is_a_number():
    record = observation(
        "94745-7",
        valueQuantity={"value": 31.2},
        interpretation=[concept((INTERPRETATION, "POS"))],
    )
    assert read_facts(record, {}).result == "detected"


def test_a_value_and_an_interpretation_that_contradict_each_other_are_no_result():
    record = observation("94500-6", DETECTED, interpretation=[concept((INTERPRETATION, "NEG"))])
    assert read_facts(record, {}).result is None


def test_a_result_in_words_is_not_read():
    assert read_facts(observation("94500-6", valueString="Not detected"), {}).result is None


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_a_withdrawn_or_unfinished_test_has_no_result(status):
    assert read_facts(observation("94500-6", DETECTED, status=status), {}).result is None
    focus, entries = report(observation("94500-6", DETECTED, status=status))
    assert read_facts(focus, entries).result is None
    focus, entries = report(observation("94500-6", DETECTED), status=status)
    assert read_facts(focus, entries).result is None


def test_a_conclusion_code_counts():
    focus, entries = report(observation("94500-6"), conclusionCode=[concept((SCT, NOT_DETECTED))])
    assert read_facts(focus, entries).result == "not-detected"


def test_the_performing_organisation_places_a_test():
    record = observation("94500-6", DETECTED, performer=[{"reference": "urn:uuid:laboratory"}])
    laboratory = {"resourceType": "Organization", "address": [{"country": "DEU"}]}
    assert read_facts(record, {"urn:uuid:laboratory": laboratory}).country == "DE"


def test_an_organisation_in_two_countries_places_nothing():
    record = observation("94500-6", DETECTED, performer=[{"reference": "urn:uuid:laboratory"}])
    addresses = [{"country": "DE"}, {"country": "FR"}]
    laboratory = {"resourceType": "Organization", "address": addresses}
    assert read_facts(record, {"urn:uuid:laboratory": laboratory}).country is None


def test_a_reference_to_nowhere_is_no_fact():
    focus, _ = report(observation("94500-6", DETECTED))
    assert read_facts(focus, {}).disease is None
    record = vaccination((CVX, "37"), location={"reference": "urn:uuid:gone"})
    assert read_facts(record, {}).country is None
