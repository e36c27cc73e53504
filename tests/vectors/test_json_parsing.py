"""JSONTestSuite (nst/JSONTestSuite, MIT): y_ is accepted, n_ refused, i_ does not crash.

One y_ text is refused on purpose: it repeats a member name. RFC 8259 (4) says names SHOULD be
unique; here they must be, because readers disagree on which one counts.
"""

import json
from decimal import Decimal

import pytest

from schemas.strict_json import read_json
from schemas.violation import SchemaViolation

pytestmark = pytest.mark.needs_corpora


@pytest.fixture
def vectors(corpora):
    def named(prefix, count):
        found = sorted((corpora / "json-parsing").rglob(f"{prefix}_*.json"))
        assert len(found) == count
        return found

    return named


def accepted(path):
    try:
        read_json(path.read_bytes())
    except SchemaViolation:
        return False
    return True


REPEATS_A_NAME = "y_object_duplicated_key_and_value.json"


def test_every_valid_text_but_the_one_that_repeats_a_name_is_accepted(vectors):
    assert [path.name for path in vectors("y", 47) if not accepted(path)] == [REPEATS_A_NAME]


def test_accepted_values_agree_with_an_ordinary_reader(vectors):
    for path in vectors("y", 47):
        if path.name != REPEATS_A_NAME:
            data = path.read_bytes()
            assert read_json(data) == json.loads(data, parse_float=Decimal), path.name


def test_every_invalid_text_is_refused(vectors):
    assert [path.name for path in vectors("n", 94) if accepted(path)] == []


def test_undefined_texts_do_not_crash(vectors):
    for path in vectors("i", 18):
        accepted(path)
