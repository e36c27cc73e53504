"""JSONTestSuite (nst/JSONTestSuite, MIT): y_ must be accepted, n_ refused, i_ must not crash."""

import json

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


def has_duplicate_names(path):
    """Whether RFC 8259's SHOULD, which this exchange makes a MUST, is what the file tests."""
    return "duplicated_key" in path.name


def test_every_valid_text_is_accepted(vectors):
    refused = [path.name for path in vectors("y", 47) if not accepted(path)]
    assert refused == [path.name for path in vectors("y", 47) if has_duplicate_names(path)]


def test_accepted_values_agree_with_an_ordinary_reader(vectors):
    for path in vectors("y", 47):
        if not has_duplicate_names(path):
            assert read_json(path.read_bytes()) == pytest.approx(json.loads(path.read_bytes())), (
                path.name
            )


def test_every_invalid_text_is_refused(vectors):
    assert [path.name for path in vectors("n", 94) if accepted(path)] == []


def test_undefined_texts_do_not_crash(vectors):
    for path in vectors("i", 18):
        accepted(path)
