"""The drawn consent sets are FHIR, come again from their seed, and reach what they are meant to."""

import json

import pytest
from fhir.resources.R4B.consent import Consent

from tests.support.consent_reach import reach
from tests.support.consent_sets import consent_set
from tests.support.naive_consent import decide

DECISIONS = ("permit", "deny", "no-consent")
RULES = (
    "purpose-wall",
    "consent-denies",
    "origin-not-named",
    "label-not-permitted",
    "policy-forbids",
    "consent-permits",
    "mandate-permits",
    "not-understood",
    "representative",
    "no-consent",
)
REASONS = (
    "unknown-element",
    "unknown-code",
    "other-scope",
    "grantor-not-verified",
    "unknown-policy",
    "ambiguous-root",
    "too-deep",
    "too-large",
)


@pytest.mark.parametrize("doubtful", [False, True])
def test_consents_are_structurally_valid(doubtful: bool) -> None:
    for seed in range(150):
        for one in consent_set(seed, doubtful=doubtful).consents:
            Consent.model_validate_json(json.dumps(one))


def test_a_seed_gives_its_case_again() -> None:
    assert consent_set(7) == consent_set(7)
    assert consent_set(7) != consent_set(8)


def test_every_outcome_rule_and_reason_is_reached() -> None:
    counts = reach(consent_set(seed) for seed in range(1000))

    assert all(counts[f"6 decision {one}"] >= 50 for one in DECISIONS)
    assert all(counts[f"6 rule {one}"] >= 5 for one in RULES)
    assert all(any(row.startswith(f"2 {one},") for row in counts) for one in REASONS)


def test_what_the_page_leaves_open_never_fails_either() -> None:
    for seed in range(1000):
        assert decide(*consent_set(seed, doubtful=True))["decision"] in DECISIONS
