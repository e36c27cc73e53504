"""Which version of which record a message says it brings; and the documents that tell of it."""

import json
from datetime import UTC, datetime

import pytest

from schemas.delivery import Delivery
from schemas.receipt import Receipt
from schemas.record_version import record_identifier, version_instant
from schemas.violation import SchemaViolation


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ([{"system": "urn:a", "value": "1"}], "urn:a|1"),
        ([{"value": "0"}, {"system": "urn:a"}, {"system": "urn:b", "value": "2"}], "urn:b|2"),
        ([{"system": "urn:a", "value": "1"}, {"system": "urn:b", "value": "2"}], "urn:a|1"),
        ([{"system": "urn:a", "value": "1|2"}], "urn:a|1|2"),
        ([{"system": "urn:a|1", "value": "2"}], None),
        ([{"value": "1"}], None),
        ([], None),
    ],
)
def test_a_record_is_named_by_its_first_whole_identifier(identifiers, expected):
    assert record_identifier({"identifier": identifiers}) == expected


def test_a_record_without_identifiers_has_no_name():
    assert record_identifier({}) is None


META = {"meta": {"lastUpdated": "2026-05-03T10:00:00.5+05:00"}}
ISSUED = {"issued": "2026-05-02T10:00:00Z"}
BUNDLE = {"timestamp": "2026-05-01T10:00:00Z"}


@pytest.mark.parametrize(
    ("focus", "bundle", "expected"),
    [
        ({**META, **ISSUED}, BUNDLE, datetime(2026, 5, 3, 5, 0, 0, 500_000, tzinfo=UTC)),
        ({"meta": {"versionId": "1"}, **ISSUED}, BUNDLE, datetime(2026, 5, 2, 10, tzinfo=UTC)),
        ({}, BUNDLE, datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ({}, {}, None),
    ],
)
def test_a_version_is_dated_by_the_record_before_the_message(focus, bundle, expected):
    assert version_instant(focus, bundle) == expected


@pytest.mark.parametrize("text", ["", "now", "2026-05-01T10:00:00", "2026-05-01T99:00:00Z"])
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(SchemaViolation):
        version_instant({"meta": {"lastUpdated": text}}, {})


RECEIPT = {
    "publisher": "poe:kz:ala",
    "message": "m-1",
    "outcome": "accepted",
    "decided_at": "2026-05-01T10:00:00.000Z",
    "entry": b"{}",
    "proof": "p",
    "content_salt": b"s",
}
DELIVERY = {
    "delivery": "0" * 32,
    "subscriber": "registry:kz",
    "number": 1,
    "state": "released",
    "publisher": "poe:kz:ala",
    "message": "m-1",
    "entry": b"{}",
    "proof": "p",
    "content_salt": b"s",
    "signature": "a..b",
    "body": b"{}",
}


def test_documents_about_no_version_keep_the_bytes_they_had_before_versions():
    assert Receipt(**RECEIPT).to_bytes() == (
        b'{"v":1,"publisher":"poe:kz:ala","message":"m-1","outcome":"accepted","reason":null,'
        b'"issues":[],"decided_at":"2026-05-01T10:00:00.000Z","entry":"e30","proof":"p",'
        b'"content_salt":"cw"}'
    )
    assert Delivery(**DELIVERY).to_bytes() == (
        b'{"v":1,"delivery":"00000000000000000000000000000000","subscriber":"registry:kz",'
        b'"number":1,"state":"released","publisher":"poe:kz:ala","message":"m-1","entry":"e30",'
        b'"proof":"p","content_salt":"cw","signature":"a..b","body":"e30"}'
    )


@pytest.mark.parametrize(
    "says", [{}, {"standing": "current"}, {"standing": "superseded", "superseded_by": 7}]
)
def test_a_delivery_keeps_its_standing_in_json_and_in_headers(says):
    delivery = Delivery(**DELIVERY, **says)

    assert Delivery.from_bytes(delivery.to_bytes()) == delivery
    assert Delivery.from_headers(delivery.to_headers(), delivery.body) == delivery
    stated = json.loads(delivery.to_bytes())
    assert {name: stated[name] for name in ("standing", "superseded_by") if name in stated} == says
