"""Each rule of the profile: a valid message with one thing changed, and what is told about it."""

import pytest

from schemas.profile.profile import profile_problems
from tests.support.world import consent as usual_consent
from tests.unit.schemas.profile_messages import (
    AT,
    ORGANIZATION,
    PATIENT,
    RESULT,
    coded,
    immunization,
    laboratory,
    message,
    observation,
    organization,
    patient,
    report,
    specimen,
)

FOCUS = "Bundle.entry[1].resource"
PERSON = "Bundle.entry[2].resource"
POST = "Bundle.entry[3].resource"
HEAD = "Bundle.entry[0].resource"
SCT, LOINC, CVX = "http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/cvx"
ID_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def consent(**changed):
    return {**usual_consent(), "patient": {"reference": PATIENT}, **changed}


def location():
    return {"resourceType": "Location", "name": "Post"}


def single_result(**changed):
    """A test result sent by itself."""
    category = [coded("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")]
    usual = {"identifier": [{"system": "urn:test", "value": "3"}], "category": category}
    return observation(**{**usual, **changed})


def with_entry(entry):
    bundle = message(immunization())
    return {**bundle, "entry": [*bundle["entry"], entry]}


def told(resource):
    return {
        (one.severity, one.sentence.removeprefix("profile."), one.expression)
        for one in profile_problems(resource, AT)
    }


@pytest.mark.parametrize(
    "valid",
    [
        message(immunization()),
        message(immunization(status="entered-in-error"), event="immunization-withdrawn"),
        message(immunization(occurrenceDateTime="2026")),
        message(immunization(occurrenceDateTime="2026-06-02")),
        message(immunization(), patient=patient(birthDate="2026-05")),
        message(
            immunization(
                vaccineCode={"coding": [{"system": "urn:local", "code": "1"}]},
                status="entered-in-error",
                occurrenceDateTime=None,
            ),
            event="immunization-withdrawn",
            organization=organization(address=None),
        ),
        laboratory(),
        laboratory(report(status="amended"), event="labresult-corrected"),
        laboratory(report(status="cancelled", result=None), event="labresult-withdrawn"),
        laboratory(
            report(status="partial"), result={"status": "registered", "valueCodeableConcept": None}
        ),
        laboratory(result={"subject": {"display": "the traveller"}}, sample={"subject": None}),
        message(immunization(), patient=patient(deceasedDateTime="2026-05-31")),
    ],
)
def test_a_valid_message_has_no_error(valid):
    assert not [one for one in told(valid) if one[0] == "error"]


def test_a_good_message_has_nothing_at_all_to_mend():
    assert told(message(immunization())) == set()
    assert told(laboratory()) == set()


WRONG = [
    # the message
    (
        message(immunization(), event="labresult-published"),
        "error", "focus-type", f"{HEAD}.focus[0]",
    ),
    (message(immunization(), event="other"), "error", "event-unknown", f"{HEAD}.event"),
    (
        message(immunization(status="entered-in-error")),
        "error", "focus-status", f"{FOCUS}.status",
    ),
    (
        message(immunization(), event="immunization-withdrawn"),
        "error", "focus-status", f"{FOCUS}.status",
    ),
    (laboratory(report(status="registered")), "error", "no-result-yet", f"{FOCUS}.status"),
    (
        laboratory(report(status="final"), event="labresult-corrected"),
        "error", "focus-status", f"{FOCUS}.status",
    ),
    (
        message(immunization(), header={"destination": [{"endpoint": "https://example.org"}]}),
        "error", "destination-form", f"{HEAD}.destination[0].endpoint",
    ),
    (
        message(immunization(), header={"response": {}}),
        "error", "header-response", f"{HEAD}.response",
    ),
    (message(immunization(), header={"id": None}), "error", "header-id-missing", f"{HEAD}.id"),
    (message(immunization(), header={"focus": []}), "error", "focus-one", f"{HEAD}.focus"),
    (
        message(immunization(), header={"focus": [{"reference": "Immunization/1"}]}),
        "error", "focus-not-found", f"{HEAD}.focus[0].reference",
    ),
    (message(immunization(), patient=None), "error", "patient-one", "Bundle.entry"),
    (
        message(immunization(encounter={"reference": "Encounter/1"})),
        "error", "reference-not-in-message", f"{FOCUS}.encounter.reference",
    ),
    (
        message(immunization(patient={"display": "x"})),
        "error", "focus-about-patient", f"{FOCUS}.patient.reference",
    ),
    (
        laboratory(
            result={
                "contained": [{"resourceType": "Patient", "id": "p"}],
                "subject": {"reference": "#p"},
            }
        ),
        "error", "part-about-patient", "Bundle.entry[4].resource.subject.reference",
    ),
    (
        laboratory(sample={"subject": {"reference": ORGANIZATION}}),
        "error", "part-about-patient", "Bundle.entry[5].resource.subject.reference",
    ),
    (
        message(immunization(), others=[(RESULT, consent(dateTime="2026-06-03"))]),
        "error", "in-future", "Bundle.entry[4].resource.dateTime",
    ),
    (
        {**message(immunization()), "timestamp": None},
        "warning", "timestamp-missing", "Bundle.timestamp",
    ),
    (
        {**message(immunization()), "timestamp": "2026-06-01T12:06:00Z"},
        "error", "in-future", "Bundle.timestamp",
    ),
    (
        message(immunization(), others=[(RESULT, consent(patient={"display": "x"}))]),
        "error", "consent-about-patient", "Bundle.entry[4].resource.patient.reference",
    ),
    (
        with_entry({"fullUrl": RESULT}),
        "error", "entry-resource-missing", "Bundle.entry[4].resource",
    ),
    (
        with_entry({"fullUrl": RESULT, "resource": location(), "search": {}}),
        "error", "entry-not-message", "Bundle.entry[4].search",
    ),
    (
        with_entry({"fullUrl": "https://example.org/Location/1", "resource": location()}),
        "error", "full-url-form", "Bundle.entry[4].fullUrl",
    ),
    (
        with_entry({"fullUrl": RESULT.upper(), "resource": location()}),
        "error", "full-url-form", "Bundle.entry[4].fullUrl",
    ),
    (
        with_entry({"fullUrl": ORGANIZATION, "resource": location()}),
        "error", "full-url-twice", "Bundle.entry[4].fullUrl",
    ),
    (
        with_entry({"fullUrl": RESULT, "resource": {"resourceType": "Appointment"}}),
        "error", "resource-not-carried", "Bundle.entry[4].resource",
    ),
    (
        message(immunization(contained=[{"resourceType": "Basic", "id": "b"}])),
        "error", "resource-not-carried", f"{FOCUS}.contained[0]",
    ),
    (
        with_entry({"fullUrl": RESULT, "resource": {"resourceType": "MessageHeader"}}),
        "error", "header-once", "Bundle.entry[4].resource",
    ),
    # vaccinations
    (message(immunization(identifier=None)), "error", "identifier-missing", f"{FOCUS}.identifier"),
    (
        message(immunization(identifier=[{"value": "1"}])),
        "error", "identifier-missing", f"{FOCUS}.identifier",
    ),
    (
        message(immunization(occurrenceDateTime=None, occurrenceString="spring")),
        "error", "occurrence-not-dated", f"{FOCUS}.occurrence",
    ),
    (
        message(immunization(vaccineCode={"text": "Stamaril"})),
        "error", "text-only", f"{FOCUS}.vaccineCode",
    ),
    (
        message(immunization(vaccineCode=coded("urn:local", "1"))),
        "error", "system-unknown", f"{FOCUS}.vaccineCode.coding[0].system",
    ),
    (
        message(immunization(vaccineCode=coded(LOINC, "94500-6"))),
        "error", "system-wrong", f"{FOCUS}.vaccineCode.coding[0].system",
    ),
    (
        message(immunization(vaccineCode={"coding": [{"code": "37"}]})),
        "error", "system-missing", f"{FOCUS}.vaccineCode.coding[0].system",
    ),
    (
        message(immunization(vaccineCode=coded("urn:local", "EU/1/20/1528"))),
        "error", "product-code-misplaced", f"{FOCUS}.vaccineCode.coding[0].code",
    ),
    (
        message(immunization(vaccineCode=coded(CVX, "99999"))),
        "warning", "code-unknown", f"{FOCUS}.vaccineCode.coding[0].code",
    ),
    (
        message(
            immunization(
                vaccineCode={
                    "coding": [
                        {"system": CVX, "code": "37"},
                        {"system": "urn:local", "code": "1"},
                    ]
                }
            )
        ),
        "warning", "system-unknown", f"{FOCUS}.vaccineCode.coding[1].system",
    ),
    (
        laboratory(result={"valueCodeableConcept": coded(LOINC, "LA9999-9")}),
        "warning", "code-unknown", "Bundle.entry[4].resource.value.coding[0].code",
    ),
    (
        message(immunization(route=coded("urn:local", "1"))),
        "warning", "system-unknown", f"{FOCUS}.route.coding[0].system",
    ),
    (
        message(
            immunization(
                protocolApplied=[{"doseNumberPositiveInt": 3, "seriesDosesPositiveInt": 2}]
            )
        ),
        "warning", "dose-beyond-series", f"{FOCUS}.protocolApplied[0].doseNumber",
    ),
    (
        message(immunization(performer=None), organization=None),
        "error", "organization-missing", f"{FOCUS}.performer",
    ),
    (
        message(immunization(), organization=organization(address=None)),
        "error", "country-missing", FOCUS,
    ),
    (
        message(
            immunization(performer=None),
            others=[(RESULT, organization(address=[{"country": "KG"}]))],
        ),
        "error", "country-unclear", FOCUS,
    ),
    (
        message(immunization(), organization=organization(address=[{"country": "Kazakhstan"}])),
        "error", "country-not-code", f"{POST}.address[0].country",
    ),
    (
        message(immunization(protocolApplied=[{"targetDisease": [coded("urn:local", "1")]}])),
        "error", "system-unknown", f"{FOCUS}.protocolApplied[0].targetDisease[0].coding[0].system",
    ),
    (
        message(immunization(site=coded("urn:local", "1"))),
        "warning", "system-unknown", f"{FOCUS}.site.coding[0].system",
    ),
    # laboratory
    (
        laboratory(result={"code": coded("urn:local", "1")}),
        "error", "system-unknown", "Bundle.entry[4].resource.code.coding[0].system",
    ),
    (
        laboratory(sample={"type": coded("urn:local", "1")}),
        "error", "system-unknown", "Bundle.entry[5].resource.type.coding[0].system",
    ),
    (
        laboratory(report(code={"text": "PCR"})),
        "warning", "text-only", f"{FOCUS}.code",
    ),
    (
        message(single_result(category=None), event="labresult-published"),
        "warning", "category-missing", f"{FOCUS}.category",
    ),
    (laboratory(report(result=None)), "error", "result-missing", f"{FOCUS}.result"),
    (
        laboratory(report(effectiveDateTime=None)),
        "error", "effective-missing", f"{FOCUS}.effective",
    ),
    (laboratory(report(category=None)), "warning", "category-missing", f"{FOCUS}.category"),
    (
        laboratory(report(code=coded(LOINC, "LP6464-4"))),
        "error", "part-code", f"{FOCUS}.code.coding[0].code",
    ),
    (
        laboratory(result={"valueCodeableConcept": None}),
        "error", "value-missing", "Bundle.entry[4].resource.value",
    ),
    (
        laboratory(result={"valueCodeableConcept": None, "valueString": "negative"}),
        "warning", "result-not-coded", FOCUS,
    ),
    (
        laboratory(report(issued="2026-05-29T08:00:00Z")),
        "warning", "issued-before-effective", f"{FOCUS}.issued",
    ),
    (
        laboratory(sample={"collection": {"collectedDateTime": "2026-05-31T09:00:00Z"}}),
        "warning", "collected-after-issued", f"{FOCUS}.issued",
    ),
    # the traveller
    (message(immunization(), patient=patient(name=None)), "error", "patient-unknown", PERSON),
    (
        message(immunization(), patient=patient(birthDate=None)),
        "warning", "birth-date-missing", f"{PERSON}.birthDate",
    ),
    (
        message(immunization(), patient=patient(identifier=[{"value": "1"}])),
        "warning", "patient-identifier-incomplete", f"{PERSON}.identifier[0]",
    ),
    (
        message(immunization(), patient=patient(address=[{"line": ["1"], "country": "KZ"}])),
        "information", "address-not-needed", f"{PERSON}.address[0]",
    ),
    # dates
    (
        message(immunization(), patient=patient(birthDate="2026-05-24")),
        "error", "before-birth", f"{FOCUS}.occurrence",
    ),
    (
        message(immunization(), patient=patient(birthDate="2026-06-03")),
        "error", "birth-in-future", f"{PERSON}.birthDate",
    ),
    (
        message(immunization(), patient=patient(birthDate="1875")),
        "error", "birth-too-long-ago", f"{PERSON}.birthDate",
    ),
    (
        message(immunization(), patient=patient(deceasedDateTime="2026-05-17")),
        "error", "after-death", f"{FOCUS}.occurrence",
    ),
    (
        message(immunization(), patient=patient(deceasedDateTime="2026-06-03")),
        "error", "in-future", f"{PERSON}.deceased",
    ),
    (
        message(immunization(occurrenceDateTime="2026-06-03")),
        "error", "in-future", f"{FOCUS}.occurrence",
    ),
    (
        message(immunization(occurrenceDateTime="2026-06-01T18:06:00+06:00")),
        "error", "in-future", f"{FOCUS}.occurrence",
    ),
    (
        message(immunization(meta={"lastUpdated": "2026-06-01T12:06:00Z"})),
        "error", "in-future", f"{FOCUS}.meta.lastUpdated",
    ),
    (
        laboratory(sample={"collection": {"collectedDateTime": "2026-06-01T12:06:00Z"}}),
        "error", "in-future", "Bundle.entry[5].resource.collection.collected",
    ),
    (
        message(immunization(expirationDate="2026-05-17")),
        "warning", "expired-vaccine", f"{FOCUS}.expirationDate",
    ),
    (
        message(immunization(recorded="2026-05-17")),
        "warning", "recorded-before-given", f"{FOCUS}.recorded",
    ),
    (
        message(immunization(recorded="2026-06-03")),
        "error", "in-future", f"{FOCUS}.recorded",
    ),
    (
        laboratory(report(issued="2026-06-01T12:06:00Z")),
        "error", "in-future", f"{FOCUS}.issued",
    ),
    (
        laboratory(report(effectiveDateTime="2026-06-03", issued=None)),
        "error", "in-future", f"{FOCUS}.effective",
    ),
    (
        laboratory(result={"effectiveDateTime": None, "effectivePeriod": {"start": "2026-06-03"}}),
        "error", "in-future", "Bundle.entry[4].resource.effective.start",
    ),
    (
        laboratory(result={"effectiveDateTime": "1990-03-11"}),
        "error", "before-birth", "Bundle.entry[4].resource.effective",
    ),
    (
        laboratory(sample={"collection": {"collectedPeriod": {"start": "1990-03-11"}}}),
        "error", "before-birth", "Bundle.entry[5].resource.collection.collected.start",
    ),
    # migration status
    (
        message(
            immunization(),
            patient=patient(
                extension=[{"url": "http://hl7.org/fhir/StructureDefinition/patient-citizenship"}]
            ),
        ),
        "error", "migration-extension", f"{PERSON}.extension[0]",
    ),
    (
        message(immunization(), patient=patient(extension=[{"url": "urn:kz:VisaStatus"}])),
        "error", "migration-extension", f"{PERSON}.extension[0]",
    ),
    (
        message(
            immunization(),
            patient=patient(
                identifier=[{"type": coded(ID_TYPES, "PRC"), "system": "urn:x", "value": "1"}]
            ),
        ),
        "error", "migration-code", f"{PERSON}.identifier[0].type.coding[0]",
    ),
    (
        message(
            immunization(),
            patient=patient(identifier=[{"system": "urn:kz:residence-permit", "value": "1"}]),
        ),
        "error", "migration-identifier", f"{PERSON}.identifier[0].system",
    ),
    (
        message(immunization(reasonCode=[coded(SCT, "446654005")])),
        "error", "migration-code", f"{FOCUS}.reasonCode[0].coding[0]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "severity", "sentence", "expression"), WRONG)
def test_one_thing_wrong_is_told_with_its_place(wrong, severity, sentence, expression):
    problems = told(wrong)
    assert (severity, sentence, expression) in problems
    # One fault has one direct consequence at most, such as a reference to what was left out.
    assert len(problems) <= 2


def test_a_consent_of_tomorrow_is_refused_by_itself_too():
    """The latest consent wins: no withdrawal could stand against it until then."""
    assert told(consent(dateTime="2099-01-01T00:00:00Z")) == {
        ("error", "in-future", "Consent.dateTime")
    }
    assert told(consent(dateTime="2026-06-01T12:04:00Z")) == set()


def test_the_header_comes_first():
    bundle = message(immunization())
    bundle["entry"].append(bundle["entry"].pop(0))

    assert ("error", "header-first", "Bundle.entry[0]") in told(bundle)


def test_what_a_consent_lacks_is_told_in_a_message_and_by_itself():
    undated = consent(dateTime=None)

    assert profile_sentences(message(immunization(), others=[(RESULT, undated)])) == {
        ("consent.date-time", "Bundle.entry[4].resource.dateTime")
    }
    assert profile_sentences(undated) == {("consent.date-time", "Consent.dateTime")}


def profile_sentences(resource):
    return {(one.sentence, one.expression) for one in profile_problems(resource, AT)}


def test_a_test_result_sent_by_itself_is_a_record():
    assert told(message(single_result(), event="labresult-published")) == set()


def test_a_resource_alone_says_no_migration_status_and_names_a_country():
    country = {"url": "http://smart.who.int/ddcc/StructureDefinition/DDCCCountryOfEvent"}

    assert told(immunization(reasonCode=[coded(SCT, "446654005")])) == {
        ("error", "migration-code", "Immunization.reasonCode[0].coding[0]")
    }
    assert told(immunization(extension=[{**country, "valueCode": "Kenya"}])) == {
        ("error", "country-not-code", "Immunization.extension[0]")
    }


def test_everything_wrong_is_told_at_once():
    wrong = message(
        immunization(identifier=None, vaccineCode={"text": "x"}, occurrenceDateTime="2027"),
        patient=patient(name=None),
    )
    assert {sentence for _, sentence, _ in told(wrong)} == {
        "identifier-missing", "text-only", "in-future", "patient-unknown",
    }  # fmt: skip


def test_a_passport_is_no_migration_status():
    passport = [{"type": coded(ID_TYPES, "PPN"), "system": "urn:kz:passport", "value": "N1"}]
    assert told(message(immunization(), patient=patient(identifier=passport))) == set()


def test_the_maker_of_the_vaccine_answers_for_no_record_and_says_no_country():
    made = immunization(
        performer=None, manufacturer={"reference": "urn:uuid:00000000-0000-4000-8000-000000000003"}
    )
    assert {sentence for _, sentence, _ in told(message(made))} == {
        "organization-missing", "country-missing",
    }  # fmt: skip


def test_a_maker_inside_the_record_answers_for_it_no_more():
    maker = {**organization(), "id": "m"}
    made = immunization(performer=None, manufacturer={"reference": "#m"}, contained=[maker])

    assert {sentence for _, sentence, _ in told(message(made, organization=None))} == {
        "organization-missing", "country-missing",
    }  # fmt: skip


def test_a_bundle_that_is_no_message_is_refused():
    assert told({"resourceType": "Bundle", "type": "collection"}) == {
        ("error", "message-wanted", "Bundle.type")
    }


@pytest.mark.parametrize(
    "alone", [immunization(), report(), observation(), patient(), specimen(), organization()]
)
def test_a_resource_alone_is_judged_by_its_own_rules(alone):
    assert told(alone) == set()


def test_a_resource_alone_says_what_is_wrong_from_its_own_root():
    assert told(immunization(identifier=None, occurrenceDateTime="2027")) == {
        ("error", "identifier-missing", "Immunization.identifier"),
        ("error", "in-future", "Immunization.occurrence"),
    }
