"""What `bhx validate` tells of a message is what the exchange decides on it."""

import json

import pytest

from exchange.errors import InvalidRecord
from exchange.validation import judge, read_record
from tests.unit.schemas.profile_messages import AT, immunization, laboratory, message
from tests.unit.schemas.test_profile_rules import WRONG

MOST = 1 << 20


def told_by_validating(data):
    return set(judge(data, level="profile", at=AT, max_bytes=MOST).problems)


def told_by_reading(data):
    try:
        return set(read_record(data, at=AT, max_bytes=MOST).warnings)
    except InvalidRecord as refused:
        return set(refused.problems)


@pytest.mark.parametrize(
    "bundle", [message(immunization()), laboratory(), *(wrong for wrong, *_ in WRONG)]
)
def test_both_tell_the_same(bundle):
    data = json.dumps(bundle, ensure_ascii=False).encode()

    assert told_by_reading(data) == told_by_validating(data)
