"""Met, not met or unknown: never met without a rule, and never a no where nobody can tell."""

import json
from datetime import UTC, datetime

import pytest

from schemas.record_facts import read_facts
from schemas.requirement import Requirement, read_requirement
from schemas.sentences.catalogue import LANGUAGES
from schemas.verdict import verdict_of
from schemas.violation import SchemaViolation
from tests.unit.schemas.profile_messages import AT, RESULT, coded, immunization, observation, report

YELLOW_FEVER = Requirement(
    id="kz:entry:yf", version="2026-05", disease="yellow-fever", kind="immunization",
    minimum_age_days=10,
)  # fmt: skip
COVID_TEST = Requirement(
    id="kz:entry:pcr", version="1", disease="covid-19", kind="labresult", result="not-detected",
    maximum_age_days=3,
)  # fmt: skip


def dose(date="2026-05-01", number=None, **changed):
    protocol = {} if number is None else {"protocolApplied": [{"doseNumberPositiveInt": number}]}
    return read_facts(immunization(occurrenceDateTime=date, **protocol, **changed), {})


def result_of(date="2026-05-30T08:00:00Z", code="260415000", **changed):
    result = observation(valueCodeableConcept=coded("http://snomed.info/sct", code))
    return read_facts(report(effectiveDateTime=date, **changed), {RESULT: result})


def decided(facts, requirement, at=AT):
    verdict = verdict_of(facts, requirement, at)
    assert all(len(verdict.texts(language)) == len(verdict.reasons) for language in LANGUAGES)
    return verdict.value, verdict.reasons


def doses(count, **changed):
    return YELLOW_FEVER.model_copy(update={"minimum_doses": count, **changed})


@pytest.mark.parametrize("facts", [[dose()], [result_of()], []])
def test_without_a_rule_nothing_is_met(facts):
    assert decided(facts, None) == ("unknown", ("no-rule",))


@pytest.mark.parametrize(
    ("facts", "requirement", "expected"),
    [
        ([dose()], YELLOW_FEVER, ("met", ("met",))),
        ([], YELLOW_FEVER, ("unknown", ("no-record",))),
        ([result_of()], YELLOW_FEVER, ("unknown", ("no-record",))),
        ([dose(status="not-done")], YELLOW_FEVER, ("not-met", ("not-given",))),
        ([dose(isSubpotent=True)], YELLOW_FEVER, ("not-met", ("not-given",))),
        ([dose(status="entered-in-error")], YELLOW_FEVER, ("unknown", ("withdrawn",))),
        ([dose("2026-05-30")], YELLOW_FEVER, ("not-met", ("too-recent",))),
        ([dose("2026-05-22")], YELLOW_FEVER, ("unknown", ("date-not-exact",))),
        ([dose("2026")], YELLOW_FEVER, ("unknown", ("date-not-exact",))),
        ([dose("2025")], YELLOW_FEVER, ("met", ("met",))),
        ([dose(None)], YELLOW_FEVER, ("unknown", ("date-not-stated",))),
        ([dose("2025-05-01")], doses(1, maximum_age_days=90), ("not-met", ("too-old",))),
        ([dose("2026")], doses(1, maximum_age_days=90), ("unknown", ("date-not-exact",))),
        ([dose(number=2)], doses(2), ("met", ("met",))),
        ([dose(number=1)], doses(2), ("not-met", ("doses-missing",))),
        ([dose()], doses(2), ("unknown", ("dose-not-stated",))),
        ([dose("2025-05-01"), dose("2026-05-01")], doses(2), ("met", ("met",))),
        ([dose("2026-05-01"), dose("2026-05-01")], doses(2), ("unknown", ("dose-not-stated",))),
        ([dose("2026-05-01"), dose("2026-05")], doses(2), ("unknown", ("dose-not-stated",))),
        ([dose("2025-05-01"), dose("2025")], doses(2), ("unknown", ("dose-not-stated",))),
    ],
)  # fmt: skip
def test_vaccinations(facts, requirement, expected):
    assert decided(facts, requirement) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([result_of()], ("met", ("met",))),
        ([result_of(code="260373001")], ("not-met", ("other-result",))),
        ([result_of(code="419984006")], ("unknown", ("result-not-clear",))),
        ([result_of(status="preliminary")], ("unknown", ("not-final",))),
        ([result_of(status="cancelled")], ("unknown", ("withdrawn",))),
        ([result_of("2026-05-28T08:00:00Z")], ("not-met", ("too-old",))),
        ([result_of("2026-05-29")], ("unknown", ("date-not-exact",))),
        ([result_of("2026-05-30T08:00:00Z"), result_of("2026-05-31T08:00:00Z", "260373001")],
         ("not-met", ("other-result",))),
        ([result_of("2026-05-30T08:00:00Z", "260373001"), result_of("2026-05-31T08:00:00Z")],
         ("met", ("met",))),
        ([result_of("2026-05-31T08:00:00Z"), result_of("2026-05-31T08:00:00Z", "260373001")],
         ("unknown", ("records-disagree",))),
    ],
)  # fmt: skip
def test_tests(facts, expected):
    assert decided(facts, COVID_TEST) == expected


def test_a_requirement_is_data():
    text = json.dumps(YELLOW_FEVER.model_dump(exclude_none=True))

    assert read_requirement(text.encode()) == YELLOW_FEVER


@pytest.mark.parametrize(
    "changed",
    [
        {"disease": "Иванов"},
        {"Иванов": 1},
        {"minimum_doses": 0},
        {"result": "detected"},
        {"kind": "labresult"},
        {"maximum_age_days": 1},
    ],
)
def test_a_requirement_that_asks_nothing_sensible_is_refused_and_not_quoted(changed):
    document = YELLOW_FEVER.model_dump(exclude_none=True) | changed

    with pytest.raises(SchemaViolation) as refused:
        read_requirement(json.dumps(document).encode())

    assert "Иванов" not in str(refused.value)
    assert "Иванов" not in str([one.expression for one in refused.value.problems])


def test_the_moment_may_be_told_in_any_zone():
    there = datetime.fromisoformat("2026-06-01T17:00:00+05:00")

    assert there == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert decided([dose()], YELLOW_FEVER, there) == decided([dose()], YELLOW_FEVER)
