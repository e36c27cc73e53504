"""What `read_message` makes of a message: its facts, or every reason to refuse it."""

from datetime import UTC, datetime

import pytest

from schemas.fhir_message import read_message
from schemas.sentences.catalogue import LANGUAGES, sentence_keys, template
from schemas.violation import SchemaViolation
from tests.unit.schemas.profile_messages import AT, immunization, laboratory, message, report


def test_the_record_and_its_version_are_the_records_own():
    read = read_message(message(immunization(meta={"lastUpdated": "2026-05-21T10:00:00+06:00"})))
    assert (read.record, read.version_at) == (
        "urn:test|1",
        datetime(2026, 5, 21, 4, tzinfo=UTC),
    )


def test_the_version_of_a_report_is_when_it_was_issued_else_the_messages():
    assert read_message(laboratory()).version_at == datetime(2026, 5, 31, 8, tzinfo=UTC)
    unissued = read_message(laboratory(report(issued=None)))
    assert unissued.version_at == datetime(2026, 6, 1, 11, 59, tzinfo=UTC)


def test_warnings_do_not_stop_a_message_and_are_kept():
    read = read_message(message(immunization(recorded="2026-05-17")))
    assert [one.sentence for one in read.warnings] == ["profile.recorded-before-given"]


def test_errors_come_before_warnings_in_a_refusal():
    wrong = immunization(recorded="2026-05-17", identifier=None)
    with pytest.raises(SchemaViolation) as refusal:
        read_message(message(wrong), AT)
    assert [one.severity for one in refusal.value.problems] == ["error", "warning"]


def test_what_depends_on_the_hour_needs_the_hour():
    future = message(immunization(occurrenceDateTime="2026-06-03"))
    assert read_message(future).kind == "immunization"
    with pytest.raises(SchemaViolation):
        read_message(future, AT)


@pytest.mark.parametrize("tree", [None, [], {}, {"resourceType": "Patient"}])
def test_what_is_no_message_is_refused(tree):
    with pytest.raises(SchemaViolation):
        read_message(tree)


def test_a_refusal_does_not_grow_with_what_was_sent():
    wrong = message(immunization())
    wrong["entry"][1]["resource"]["note"] = [
        {"text": "x", "authorReference": {"reference": f"Patient/{n}"}} for n in range(500)
    ]
    with pytest.raises(SchemaViolation) as refusal:
        read_message(wrong)
    assert len(refusal.value.problems) == 100


def test_every_sentence_of_the_profile_is_said_in_every_language():
    for key in sentence_keys():
        if key.startswith("profile."):
            places = {template(key, language).count("{") for language in LANGUAGES}
            assert len(places) == 1, key
