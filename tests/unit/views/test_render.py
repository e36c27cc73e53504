"""What a view shows, what it leaves out, and that it is FHIR again."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle

from exchange.validation import judge
from exchange.views.render import ViewImpossible, render, view_message_id
from schemas.fhir_instants import instant_at_start
from schemas.requirement import Requirement
from schemas.strict_json import read_json
from schemas.views.allow_list import VIEWS, allow_list
from tests.unit.schemas.profile_messages import (
    PATIENT,
    RECORD,
    RESULT,
    coded,
    immunization,
    laboratory,
    message,
    observation,
    organization,
    patient,
    report,
)
from tests.unit.views.view_requests import (
    AT,
    AUTHOR,
    VAULT,
    only,
    request_for,
    resources,
    shown,
)

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
COUNTRY_OF_EVENT = (
    "https://WorldHealthOrganization.github.io/ddcc/StructureDefinition/DDCCCountryOfEvent"
)
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DOSE = {
    "lotNumber": "LOT-4711",
    "occurrenceDateTime": "2026-05-20T10:11:12+06:00",
    "recorded": "2026-05-20T10:15:00+06:00",
    "note": [{"text": "NOTE"}],
    "manufacturer": {"display": "Sanofi Pasteur"},
    "protocolApplied": [
        {
            "series": "SERIES",
            "doseNumberString": "2",
            "seriesDosesString": "about three",
            "targetDisease": [coded(SNOMED, "16541001") | {"text": "TEXT"}],
        }
    ],
}
TRAVELLER = {
    "identifier": [{"system": "urn:bhx:demo:passport:kz", "value": "N1234567"}],
    "name": [{"family": "Иванова", "given": ["Анна"]}],
    "telecom": [{"system": "phone", "value": "+77010000000"}],
    "address": [{"line": ["Abay 1"], "city": "Almaty"}],
    "maritalStatus": {"text": "married"},
    "gender": "female",
}
HIV = {"code": coded(LOINC, "75622-1")}


def vaccination(**changed):
    return message(immunization(**(DOSE | changed)), patient=patient(**TRAVELLER))


def codes(resource, system):
    return [one["code"] for one in resource["meta"]["security"] if one["system"] == system]


@pytest.mark.parametrize("view", VIEWS[1:])
@pytest.mark.parametrize("bundle", [vaccination(), laboratory()], ids=["vaccination", "test"])
def test_a_view_is_fhir_again(view, bundle):
    data = render(view, bundle, request_for())

    judged = judge(data, level="structure", at=AT, max_bytes=len(data))
    assert judged.problems == ()
    Bundle.model_validate_json(data)


@pytest.mark.parametrize("view", VIEWS[1:])
def test_the_same_request_gives_the_same_bytes(view):
    assert render(view, vaccination(), request_for()) == render(view, vaccination(), request_for())


def test_subscribers_process_it_like_the_original():
    original = vaccination()
    view = shown("minimum", original)
    header = resources(view)[0]

    assert view["type"] == "message"
    assert header["resourceType"] == "MessageHeader"
    assert header["eventCoding"] == resources(original)[0]["eventCoding"]
    assert header["id"] == view_message_id("delivery to registry:kz")
    assert header["focus"] == [{"reference": view["entry"][1]["fullUrl"]}]
    assert header["destination"] == [{"endpoint": "urn:bhx:participant:registry:kz"}]
    assert header["source"] == {"endpoint": "urn:bhx:participant:exchange:cis"}


def test_the_minimum_of_a_vaccination():
    view = shown("minimum", vaccination())
    dose, traveller = only(view, "Immunization"), only(view, "Patient")

    assert {name: value for name, value in dose.items() if name not in {"meta", "patient"}} == {
        "resourceType": "Immunization",
        "identifier": [{"system": "urn:test", "value": "1"}],
        # The post that gave it lies there; the view names the country and not the post.
        "extension": [
            {
                "url": COUNTRY_OF_EVENT,
                "valueCoding": {"system": "urn:iso:std:iso:3166", "code": "KAZ"},
            }
        ],
        "status": "completed",
        "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "37"),
        "occurrenceDateTime": "2026-05-20T10:11:12+06:00",
        "manufacturer": {"display": "Sanofi Pasteur"},
        "lotNumber": "LOT-4711",
        "protocolApplied": [
            {
                "targetDisease": [coded(SNOMED, "16541001")],
                "doseNumberString": "2",
                "seriesDosesString": "masked",
            }
        ],
    }
    assert dose["patient"]["reference"] == view["entry"][2]["fullUrl"]
    assert {name: value for name, value in traveller.items() if name != "meta"} == {
        "resourceType": "Patient",
        "identifier": TRAVELLER["identifier"],
        "name": TRAVELLER["name"],
        "birthDate": "1990-04-12",
    }
    assert resources(view, "Organization") == []


def test_the_country_is_written_as_who_writes_it():
    post = organization()
    bundle = message(report(performer=[{"reference": PATIENT[:-1] + "3"}]), organization=post,
                     event="labresult-published", others=[(RESULT, observation())])  # fmt: skip
    (extension,) = only(shown("minimum", bundle), "DiagnosticReport")["extension"]

    assert extension["url"].endswith("/DDCCCountryOfEvent")
    assert extension["valueCoding"] == {"system": "urn:iso:std:iso:3166", "code": "KAZ"}


def test_a_result_keeps_its_digits_in_the_minimum_and_is_masked_without_a_name():
    result = {"valueCodeableConcept": None, "valueQuantity": {"value": 0.5, "unit": "mL"}}
    bundle = laboratory(result=result)
    data = json.dumps(bundle).replace('"value": 0.5', '"value": 0.500').encode()
    tree = read_json(data)

    assert b'"value":0.500' in render("minimum", tree, request_for())
    masked = only(shown("pseudonymous", tree), "Observation")
    assert not any(name.startswith("value") for name in masked)
    assert masked["dataAbsentReason"]["coding"][0]["code"] == "masked"


def test_free_text_results_are_masked_in_both():
    bundle = laboratory(result={"valueCodeableConcept": None, "valueString": "SECRET"})

    for view in ("minimum", "pseudonymous"):
        (result,) = resources(shown(view, bundle), "Observation")
        assert result["dataAbsentReason"]["coding"][0]["code"] == "masked"


def test_without_a_name():
    view = shown("pseudonymous", vaccination())
    dose, traveller = only(view, "Immunization"), only(view, "Patient")
    text = json.dumps(view, ensure_ascii=False)

    assert dose["occurrenceDateTime"] == "2026-05-20"
    assert traveller["birthDate"] == "1990"
    for gone in ("Иванова", "N1234567", "LOT-4711", "1990-04", "10:11", "12:34", AUTHOR, "NOTE",
                 "TEXT", "ORIGINALDIGEST", "display", "female", RECORD, PATIENT):  # fmt: skip
        assert gone not in text
    assert traveller["identifier"] == [
        {
            "system": "urn:bhx:pseudonym:traveller",
            "value": VAULT.pseudonym_for("registry:kz", request_for().subject_id),
        }
    ]


def test_a_traveller_without_documents_has_a_pseudonym_too():
    bundle = message(immunization(), patient=patient())

    assert len(only(shown("pseudonymous", bundle), "Patient")["identifier"]) == 1


def test_a_recipient_recognises_the_traveller_and_the_record_and_nobody_else_does():
    def names(bundle, recipient):
        view = shown("pseudonymous", bundle, recipient)
        return (
            only(view, "Patient")["identifier"][0]["value"],
            only(view, "Immunization")["identifier"][0]["value"],
        )

    corrected = vaccination(lotNumber="OTHER")
    other = vaccination(identifier=[{"system": "urn:test", "value": "2"}])

    assert names(vaccination(), "registry:kz") == names(corrected, "registry:kz")
    assert names(vaccination(), "registry:kz")[0] == names(other, "registry:kz")[0]
    assert names(vaccination(), "registry:kz")[1] != names(other, "registry:kz")[1]
    assert set(names(vaccination(), "registry:kz")).isdisjoint(names(vaccination(), "registry:uz"))


def test_the_records_of_two_publishers_never_share_a_pseudonym():
    def name(author):
        view = shown("pseudonymous", vaccination(), author=author)
        return only(view, "Immunization")["identifier"]

    assert name("poe:kz:ala") != name("poe:kg:oss")


def test_pseudonyms_of_framed_parts_differ():
    pseudonyms = VAULT.pseudonyms_for("registry:kz")

    assert pseudonyms.of("record", "a", "bc") != pseudonyms.of("record", "ab", "c")
    assert pseudonyms.of("record", "a") != pseudonyms.of("traveller", "a")


@pytest.mark.parametrize(
    "coding",
    [
        {"system": "urn:somebody", "code": "Ivanova-Anna"},
        {"system": LOINC, "code": "Ivanova Anna"},
        {"system": SNOMED, "code": "N1234567"},
        {"code": "Ivanova"},
        {"system": "urn:somebody", "display": "Ivanova"},
    ],
)
def test_a_name_in_a_code_does_not_pass(coding):
    value = {"coding": [{"system": SNOMED, "code": "260415000"}, coding]}
    view = shown("pseudonymous", laboratory(result={"valueCodeableConcept": value}))

    assert only(view, "Observation")["valueCodeableConcept"] == coded(SNOMED, "260415000")
    assert "Ivanova" not in json.dumps(view)
    assert "N1234567" not in json.dumps(view)


def test_what_r4_requires_and_a_view_leaves_out_is_masked():
    # A withdrawal may come with codes and dates that nobody knows.
    vague = immunization(
        status="entered-in-error",
        vaccineCode={"text": "SECRET"},
        occurrenceDateTime=None,
        occurrenceString="SECRET",
        protocolApplied=[{"doseNumberString": "SECRET"}],
    )
    bundle = message(vague, event="immunization-withdrawn")

    for view in ("minimum", "pseudonymous"):
        dose = only(shown(view, bundle), "Immunization")
        assert dose["vaccineCode"]["coding"][0]["code"] == "masked"
        assert dose["occurrenceString"] == "masked"
        assert dose["protocolApplied"] == [{"doseNumberString": "masked"}]


def test_every_view_says_what_its_recipient_is_bound_to():
    def obligations(view, **changed):
        return set(codes(shown(view, vaccination(), **changed), ACT_CODE))

    always = {"NOREUSE", "NORDSCLCD", "PERSISTLABEL"}
    assert obligations("minimum") == always | {"MINEC"}
    assert obligations("pseudonymous") == always | {"PSEUD"}
    assert obligations("verdict") == always | {"DELAU"}


def test_labels_travel_with_what_they_are_on():
    bundle = laboratory(report(code=coded(LOINC, "24323-8")), result=HIV)
    view = shown("minimum", bundle)
    result, record = only(view, "Observation"), only(view, "DiagnosticReport")
    confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

    assert codes(result, ACT_CODE) == ["HIV"]
    assert codes(result, confidentiality) == ["R"]
    assert codes(record, ACT_CODE) == []
    assert codes(record, confidentiality) == ["N"]
    assert codes(view, confidentiality) == ["R"]


def test_a_label_that_nobody_knows_is_a_text_and_stays_behind():
    secret = {"security": [{"system": ACT_CODE, "code": "Ivanova"}]}

    for view in VIEWS[1:]:
        assert "Ivanova" not in json.dumps(shown(view, message(immunization(meta=secret))))


def test_what_is_redacted_is_gone_with_every_reference_to_it():
    others = RESULT[:-1] + "9"
    focus = report(
        code=coded(LOINC, "24323-8"), result=[{"reference": RESULT}, {"reference": others}]
    )
    bundle = laboratory(focus)
    bundle["entry"].append({"fullUrl": others, "resource": observation(**HIV)})
    before, after = shown("minimum", bundle), shown("minimum", bundle, redact=["HIV"])
    record = only(after, "DiagnosticReport")
    integrity = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

    assert len(resources(before, "Observation")) == 2
    assert "75622-1" in json.dumps(before)
    assert len(resources(after, "Observation")) == 1
    assert "75622-1" not in json.dumps(after)
    assert record["result"] == [
        {"reference": entry["fullUrl"]}
        for entry in after["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    ]
    assert codes(record, integrity) == ["REDACTED"]
    assert codes(only(before, "DiagnosticReport"), integrity) == []
    confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    assert codes(after, confidentiality) == ["N"]


def test_what_only_a_policy_makes_sensitive_can_be_redacted():
    part = {"code": coded(LOINC, "38379-4")}
    bundle = laboratory(report(code=coded(LOINC, "24323-8")), result=part)
    policy = {"tuberculosis": ["TBOO"]}

    assert resources(shown("minimum", bundle, redact=["TBOO"]), "Observation") != []
    assert (
        resources(shown("minimum", bundle, redact=["TBOO"], sensitive=policy), "Observation") == []
    )


@pytest.mark.parametrize(
    ("bundle", "changed"),
    [
        (laboratory(report(code=coded(LOINC, "75622-1"))), {"redact": ["HIV"]}),
        (vaccination(modifierExtension=[{"url": "urn:x", "valueBoolean": True}]), {}),
        (vaccination(implicitRules="urn:rules"), {}),
        (vaccination(protocolApplied=[{"doseNumberPositiveInt": 1, "modifierExtension": [
            {"url": "urn:x", "valueBoolean": True}]}]), {}),
        (message({"resourceType": "Consent"}, event="consent-changed"), {}),
    ],
    ids=["focus-redacted", "modified", "rules", "modified-inside", "consent"],
)  # fmt: skip
@pytest.mark.parametrize("view", VIEWS[1:])
def test_what_cannot_be_shown_rightly_is_not_shown(view, bundle, changed):
    with pytest.raises(ViewImpossible):
        render(view, bundle, request_for(**changed))


def test_a_part_that_would_mean_something_else_is_left_out():
    changed = {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    about = {"focus": [{"reference": PATIENT}]}

    for part in (changed, about):
        view = shown("minimum", laboratory(result=part))
        assert resources(view, "Observation") == []
        assert "result" not in only(view, "DiagnosticReport")


def test_a_view_that_would_not_be_fhir_is_not_sent():
    # Masked, both codes are one code, and R4 then wants no value beside the components (obs-7).
    unknown = {
        "code": coded("urn:somebody", "1"),
        "component": [{"code": coded("urn:somebody", "2"), "valueBoolean": True}],
    }

    with pytest.raises(ViewImpossible):
        render("pseudonymous", laboratory(result=unknown), request_for())


def test_where_it_comes_from():
    minimum, pseudonymous = (
        only(shown(view, vaccination()), "Provenance") for view in ("minimum", "pseudonymous")
    )

    def named(provenance):
        return [one["who"]["identifier"]["value"] for one in provenance["agent"]]

    assert named(minimum) == ["exchange:cis", AUTHOR]
    assert named(pseudonymous) == ["exchange:cis"]
    assert minimum["activity"]["coding"][0]["code"] == "transform"
    assert pseudonymous["activity"]["coding"][0]["code"] == "pseudonymize"
    (entity,) = minimum["entity"]
    assert entity["role"] == "source"
    assert entity["what"]["identifier"]["value"] == "ORIGINALDIGEST"
    assert instant_at_start(minimum["recorded"]) == AT
    assert pseudonymous["recorded"] == "2026-06-01T00:00:00.000Z"


def test_a_view_keeps_the_time_of_its_version():
    dose = only(shown("minimum", vaccination()), "Immunization")

    assert dose["meta"]["lastUpdated"] == "2026-06-01T11:59:00.000Z"
    assert "lastUpdated" not in json.dumps(shown("pseudonymous", vaccination()))


def test_a_verdict_is_no_record():
    asked = Requirement(
        id="kz:entry:yf", version="2026-05", disease="yellow-fever", kind="immunization"
    )
    view = shown("verdict", vaccination(), requirement=asked)
    answer = only(view, "Parameters")["parameter"]
    text = json.dumps(view, ensure_ascii=False)

    assert answer[0] == {"name": "verdict", "valueCode": "met"}
    assert {one["resourceType"] for one in resources(view)} == {
        "MessageHeader", "Parameters", "Provenance",
    }  # fmt: skip
    for gone in ("Иванова", "N1234567", "LOT-4711", "1990", "16541001", AUTHOR):
        assert gone not in text
    languages = [part["name"] for part in answer[-1]["part"]]
    assert languages == ["code", "en", "ru"]


def test_a_verdict_does_not_use_what_is_redacted():
    asked = Requirement(
        id="a", version="1", disease="covid-19", kind="labresult", result="not-detected"
    )
    labelled = {"meta": {"security": [{"system": ACT_CODE, "code": "SDV"}]}}
    bundle = laboratory(result=labelled)

    def verdict(**changed):
        return only(shown("verdict", bundle, requirement=asked, **changed), "Parameters")[
            "parameter"
        ][0]["valueCode"]

    assert verdict() == "met"
    assert verdict(redact=["SDV"]) == "unknown"


def test_the_lists_name_only_elements_that_r4_has():
    for view in VIEWS[1:]:
        assert allow_list(view).version


def test_a_narrower_view_shows_no_element_that_a_wider_one_does_not():
    wider, narrower = (
        {path.replace(".identifier.", ".") for path in allow_list(view).paths()}
        for view in ("minimum", "pseudonymous")
    )

    assert narrower <= wider
