"""Every error has its row."""

import inspect

import pytest

import exchange.errors
from adapters.problem_details import TELLINGS, status_of, telling_of
from exchange.errors import ExchangeError, IntegrityBroken, Refusal

KINDS = [
    kind
    for _, kind in inspect.getmembers(exchange.errors, inspect.isclass)
    if issubclass(kind, ExchangeError) and kind.__module__ == "exchange.errors"
]
LEAVES = [kind for kind in KINDS if not any(kind in other.__bases__ for other in KINDS)]
ISSUE_CODES = {
    "structure",
    "security",
    "invalid",
    "forbidden",
    "not-supported",
    "conflict",
    "transient",
    "exception",
}


def test_there_are_leaves():
    assert {Refusal, ExchangeError}.isdisjoint(LEAVES)
    assert IntegrityBroken in LEAVES


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_is_in_the_table(leaf):
    telling = TELLINGS[leaf]
    assert 400 <= telling.status < 600
    assert telling.code in ISSUE_CODES
    if issubclass(leaf, Refusal):
        assert telling.status < 500
        assert status_of(leaf.reason) == telling.status


def test_an_acceptance_is_200_and_an_unknown_error_a_bug():
    assert status_of(None) == 200
    assert telling_of(KeyError("x")).status == 500
