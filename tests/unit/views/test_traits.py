"""The traits of a record, as docs/consent.md section 1 says them."""

from datetime import UTC, datetime

import pytest

from schemas.profile.message import judge_message
from schemas.record_traits import RecordTraits
from schemas.traits_reading import read_traits, traits_of
from schemas.traveller_traits import is_minor, origins_of
from tests.unit.schemas.profile_messages import (
    AT,
    PATIENT,
    RESULT,
    coded,
    immunization,
    laboratory,
    message,
    observation,
    patient,
    report,
)

LOINC = "http://loinc.org"


def traits(bundle, **changed):
    parts, _, problems = judge_message(bundle, AT)
    assert [one for one in problems if one.is_error] == []
    return read_traits(
        bundle, parts, **({"author": "poe:kz:ala", "collected_in": "KZ", "at": AT} | changed)
    )


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_a_vaccination():
    target = [{"doseNumberPositiveInt": 1, "targetDisease": [
        coded("http://snomed.info/sct", "16541001")]}]  # fmt: skip
    found = traits(message(immunization(protocolApplied=target)))

    assert found == RecordTraits(
        author="poe:kz:ala",
        collected_in="KZ",
        record_class="Immunization",
        record="urn:test|1",
        codes=(("http://hl7.org/fhir/sid/cvx", "37"), ("http://snomed.info/sct", "16541001")),
        diseases=("yellow-fever",),
        date=(utc(2026, 5, 19, 10), datetime(2026, 5, 21, 11, 59, 59, 999999, UTC)),
        is_minor=False,
    )
    assert RecordTraits.from_json(found.to_json()) == found


def test_a_report_has_its_own_code_and_those_of_its_results():
    panel = [{"code": coded(LOINC, "94558-4"), "valueBoolean": True}]
    found = traits(laboratory(result={"code": coded(LOINC, "94309-2"), "component": panel}))

    assert found.record_class == "DiagnosticReport"
    assert [code for _, code in found.codes] == ["94500-6", "94309-2", "94558-4"]
    assert found.date == (utc(2026, 5, 30, 8), utc(2026, 5, 30, 8))


def test_a_period_is_all_of_it_and_an_open_one_nothing_known():
    def date_of(**effective):
        focus = report(effectiveDateTime=None, effectivePeriod=effective)
        return traits(laboratory(focus)).date

    closed = date_of(start="2026-05-01T00:00:00Z", end="2026-05-03T00:00:00Z")
    assert closed == (utc(2026, 5, 1), utc(2026, 5, 3))
    assert date_of(start="2026-05-01") is None
    assert date_of(end="2026-05-01") is None


def test_a_report_without_a_date_has_that_of_all_its_results():
    focus = report(effectiveDateTime=None, status="preliminary")
    results = [{"reference": RESULT}, {"reference": PATIENT[:-1] + "9"}]
    later = observation(effectiveDateTime="2026-05-31T08:00:00Z")
    others = [(RESULT, observation()), (PATIENT[:-1] + "9", later)]
    bundle = message(
        focus | {"result": results, "specimen": []}, event="labresult-published", others=others
    )

    assert traits(bundle).date == (utc(2026, 5, 30, 8), utc(2026, 5, 31, 8))


def test_a_leap_second_is_no_moment_we_know():
    assert (
        traits(laboratory(report(effectiveDateTime="2016-12-31T23:59:60Z", issued=None))).date
        is None
    )


def test_a_message_about_a_consent_has_no_record():
    consent = {"resourceType": "Consent"}
    bundle = message(consent, event="consent-changed")
    parts, _, _ = judge_message(bundle, AT)

    assert read_traits(bundle, parts, author="a", collected_in="*", at=AT) is None


def test_one_resource():
    alone = traits_of(
        observation(code=coded(LOINC, "75622-1")),
        author="a",
        collected_in="*",
        at=AT,
        patient=patient(birthDate="2020"),
    )

    assert (alone.labels, alone.confidentiality, alone.is_minor) == (("HIV",), "R", True)
    assert alone.codes == ((LOINC, "75622-1"),)
    assert traits_of(patient(), author="a", collected_in="*", at=AT) is None


@pytest.mark.parametrize(
    ("system", "country"),
    [
        ("http://hl7.org/fhir/sid/passport-KAZ", "KZ"),
        ("http://hl7.org/fhir/sid/passport-uzb", "UZ"),
        ("urn:bhx:demo:passport:tj", "TJ"),
        ("urn:bhx:demo:national-id:pl", "PL"),
        ("urn:bhx:passport:kg", "KG"),
        ("http://hl7.org/fhir/sid/passport-UTO", None),
        ("http://hl7.org/fhir/sid/passport-", None),
        ("urn:bhx:demo:passport:zz", None),
        ("urn:bhx:test:passport", None),
        # `id` is Indonesia as a country, and here it is not.
        ("urn:bhx:demo:id", None),
        ("https://hospital.example/passport:kz", None),
        ("", None),
    ],
)
def test_a_country_of_origin_only_from_a_system_that_names_it(system, country):
    traveller = {"identifier": [{"system": system, "value": "N1"}, {"value": "N2"}]}

    assert origins_of(traveller) == (() if country is None else (country,))


def test_each_country_once():
    systems = ["urn:bhx:demo:passport:kz", "urn:bhx:demo:national-id:kz", "urn:bhx:passport:uz"]

    assert origins_of({"identifier": [{"system": one} for one in systems]}) == ("KZ", "UZ")


@pytest.mark.parametrize(
    ("birth", "minor"),
    [
        ("2000-01-01", False),
        ("2008-06-01", False),
        # On some islands it is this day already.
        ("2008-06-02", None),
        ("2008-06-03", True),
        ("2020-01-01", True),
        ("2008-05", False),
        ("2008-06", None),
        ("2008-07", True),
        ("2007", False),
        ("2008", None),
        ("2009", True),
        (None, None),
    ],
)
def test_of_age_only_when_every_reading_agrees(birth, minor):
    # 12:00 UTC on 1 June 2026: midnight of that day at UTC-12, and 2 June at UTC+14.
    assert is_minor(birth, AT) is minor


@pytest.mark.parametrize(
    ("at", "minor"),
    [
        (utc(2026, 2, 26, 9), True),
        # Where it is 28 February already, some countries call it the birthday.
        (utc(2026, 2, 27, 12), None),
        (utc(2026, 2, 28, 12), None),
        (utc(2026, 3, 1, 11), None),
        (utc(2026, 3, 2, 12), False),
    ],
)
def test_who_is_born_on_29_february(at, minor):
    assert is_minor("2008-02-29", at) is minor


def test_the_age_of_majority_is_the_countrys():
    assert is_minor("2006-01-01", AT, 21) is True
    assert is_minor("2006-01-01", AT, 18) is False
