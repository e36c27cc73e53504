"""Every row of our table of cases (STANDARDS 3.5), by name."""

from datetime import timedelta

import pytest

from exchange.consent.decision import RULES, decide
from exchange.consent.resources import consents_from
from exchange.consent.self_test import packed_cases
from tests.support.consents import (
    ACT_CODE,
    CONFIDENTIALITY,
    PCF,
    REASON,
    UZ,
    a_consent,
    a_mandate,
    a_policy,
    a_request,
    actor,
    coded,
    decided,
    deny,
    opted,
    permit,
)
from tests.support.world import KG, KZ, NOON

LATER = "2026-05-02T10:00:00Z"


def test_no_consent_no_mandate_is_no_basis():
    decision = decided()

    assert (decision.decision, decision.basis, decision.view) == ("no-consent", None, None)


def test_a_mandate_that_overrides_objection_permits_the_minimum_and_the_dissent_is_recorded():
    policies = [a_policy(mandates=[a_mandate(overrides_objection=True)])]

    decision = decided(a_consent(permit(), status="rejected"), policies=policies)

    assert (decision.decision, decision.view) == ("permit", "minimum")
    assert decision.basis.mandate == "ihr"
    assert decision.objection
    assert "NOREUSE" in decision.obligations


def test_of_several_active_consents_any_deny_wins_unless_a_newer_one_replaces_it():
    denial = a_consent(deny(), name="old")
    newer = a_consent(permit(), name="new", given=LATER)
    replacing = {**newer, "sourceReference": {"identifier": denial["identifier"][0]}}

    assert decided(denial, newer).decision == "deny"
    assert decided(denial, replacing).decision == "permit"


def test_a_newer_one_of_the_same_grantor_does_not_silence_an_older_active_one():
    newer = a_consent(permit(), given=LATER)

    assert decided(a_consent(deny(), name="old"), newer).decision == "deny"
    superseded = a_consent(deny(), name="old", status="inactive")
    assert decided(superseded, newer).decision == "permit"


def test_a_future_consent_is_ignored_until_it_starts_with_five_minutes_of_skew():
    ahead = a_consent(permit(), given="2026-06-01T12:05:00Z")

    assert decided(ahead).decision == "permit"
    assert decided(ahead, at=NOON - timedelta(milliseconds=1)).decision == "no-consent"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("inactive", "no-consent"),
        ("entered-in-error", "no-consent"),
        ("draft", "no-consent"),
        ("proposed", "no-consent"),
        ("rejected", "deny"),
    ],
)
def test_a_status_that_is_not_active_never_grants(status, expected):
    assert decided(a_consent(permit(), status=status)).decision == expected


def test_an_expired_period_grants_nothing_and_has_no_grace():
    consent = a_consent(permit(period={"end": "2026-06-01T12:00:00Z"}))

    assert decided(consent).decision == "permit"
    assert decided(consent, at=NOON + timedelta(milliseconds=1)).decision == "no-consent"


def test_a_withdrawal_after_publishing_stops_what_was_not_delivered():
    given, withdrawn = a_consent(permit()), a_consent(permit(), status="inactive", given=LATER)
    request = a_request()

    assert decide(consents_from([given]), (), request, NOON).basis is not None
    assert decide(consents_from([given, withdrawn]), (), request, NOON).basis is None


def test_a_permit_nested_in_a_deny_overrides_it_for_its_scope_only():
    glass = a_consent(deny(permit(purpose=coded(REASON, "BTG"))))

    assert decided(glass, purpose="BTG").decision == "permit"
    assert decided(glass, purpose="TREAT").decision == "deny"
    assert decided(a_consent(permit(permit(permit(permit()))))).because == "too-deep"


def test_a_root_without_a_type_rests_on_its_policy_and_an_unknown_policy_denies():
    assert decided(opted("OPTIN")).decision == "permit"
    assert decided(opted("OPTOUT")).decision == "deny"
    assert decided(opted("OURS")).decision == "deny"
    assert decided(a_consent(permit())).decision == "permit"


def test_an_empty_element_matches_anything_and_an_unknown_one_only_denies():
    assert decided(a_consent(permit(actor=[]))).decision == "permit"
    assert decided(a_consent(permit(colour="red"))).decision == "no-consent"
    assert decided(a_consent(deny(colour="red"))).decision == "deny"
    modified = {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    assert decided(a_consent(permit(**modified))).decision == "no-consent"
    assert decided(a_consent(deny(**modified))).decision == "deny"
    assert decided(a_consent(permit(purpose=coded("urn:x", "y")))).decision == "no-consent"
    assert decided(a_consent(deny(purpose=coded("urn:x", "y")))).decision == "deny"


def test_a_record_without_a_label_is_normal_and_a_permit_scoped_to_a_label_does_not_reach_it():
    normal, low = coded(CONFIDENTIALITY, "N"), coded(CONFIDENTIALITY, "L")

    assert decided(a_consent(permit(securityLabel=normal))).decision == "permit"
    assert decided(a_consent(permit(securityLabel=low))).decision != "permit"
    assert decided(a_consent(permit(securityLabel=coded(ACT_CODE, "HIV")))).decision != "permit"


def test_a_grantor_who_is_not_the_patient_is_verified_and_speaks_for_a_minor():
    by_mother = {"performer": [{"reference": "RelatedPerson/m"}]}
    verified = {**by_mother, "verification": [{"verified": True}]}

    assert decided(a_consent(permit(), **by_mother), is_minor=True).decision == "no-consent"
    assert decided(a_consent(permit(), **verified), is_minor=True).decision == "permit"
    assert decided(a_consent(permit(), **verified), is_minor=False).decision == "no-consent"


def test_the_stricter_law_applies_and_another_country_needs_its_own_permit():
    strict = a_policy(jurisdiction="KG", views={"PUBHLTH": "minimum"})
    closed = a_policy(jurisdiction="UZ", forbids=[{"countries": ["UZ"]}])

    assert decided(a_consent(permit()), policies=[strict], recipient=KG).view == "minimum"
    assert decided(a_consent(permit()), recipient=UZ).rule == "origin-not-named"
    named = a_consent(permit(actor=[actor(UZ)]))
    assert decided(named, policies=[closed], recipient=UZ).rule == "policy-forbids"


def test_what_cannot_be_evaluated_denies():
    broken = a_consent(permit(), name="b", status=7)

    assert decided(a_consent(permit()), broken).decision == "deny"


def test_breaking_the_glass_is_a_purpose_that_only_its_own_consents_and_treatment_cover():
    only = a_consent(policy=[{"uri": f"{PCF}Policy-break-glass-only"}])

    assert decided(only, purpose="BTG").decision == "permit"
    assert decided(only, purpose="TREAT").decision == "deny"
    assert decided(a_consent(permit(actor=[actor(KZ)])), recipient=KG, purpose="BTG").decision == (
        "no-consent"
    )


@pytest.mark.parametrize("case", packed_cases(), ids=lambda case: case.name)
def test_the_built_in_pack(case):
    decision = case.decided()

    for name, value in case.expected.items():
        found = getattr(decision, name)
        assert (list(found) if isinstance(found, tuple) else found) == value


def test_the_pack_has_every_rule_and_both_outcomes():
    cases = packed_cases()

    assert len(cases) >= 40
    assert {case.expected["rule"] for case in cases} == set(RULES)
    assert {case.expected["decision"] for case in cases} == {"permit", "deny", "no-consent"}
    assert len({case.name for case in cases}) == len(cases)
