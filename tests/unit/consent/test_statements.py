"""What a consent says as a whole: what makes it useless, its base, its exceptions, its versions."""

import pytest

from exchange.consent.resources import consents_from
from schemas.consent.reading import read_consent
from schemas.consent.statement import ConsentStatement
from schemas.violation import SchemaViolation
from tests.support.consents import (
    ACT_CODE,
    CONFIDENTIALITY,
    PCF,
    REASON,
    a_consent,
    actor,
    coded,
    concept,
    decided,
    deny,
    opted,
    permit,
    rule,
)
from tests.support.world import KG, KZ

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
MOTHER = [{"reference": "RelatedPerson/mother"}]
VERIFIED = [{"verified": True}]


def reasons(consent):
    return read_consent(consent, "Consent").unusable


# --- section 2: what makes it useless for permitting ---------------------------------------------


@pytest.mark.parametrize(
    ("consent", "reason"),
    [
        (a_consent(permit(), implicitRules="urn:x"), "unknown-element"),
        (a_consent(permit(), _status={"extension": []}), "unknown-element"),
        (a_consent(permit(), modifierExtension=[{"url": "urn:x"}]), "unknown-element"),
        (a_consent(permit(), policy=[{"modifierExtension": [{}], "uri": "u"}]), "unknown-element"),
        (a_consent(permit(extension=[{"url": "urn:x"}])), "unknown-element"),
        (a_consent(permit(id="p")), "unknown-element"),
        (a_consent(permit(permit(verdict="x"))), "unknown-element"),
        (a_consent(permit(actor={})), "unknown-element"),
        (a_consent([]), "unknown-element"),
        (a_consent({"type": "maybe"}), "unknown-code"),
        (a_consent(permit({"actor": [actor(KZ)]})), "unknown-code"),
        (a_consent(permit(), scope=concept(SCOPE, "research")), "other-scope"),
        (a_consent(permit(), scope=concept(SCOPE, "patient-privacy", "research")), "other-scope"),
        (
            a_consent(
                permit(),
                scope={"coding": [*coded(SCOPE, "patient-privacy"), *coded("urn:x", "y")]},
            ),
            "other-scope",
        ),
        (a_consent(permit(), scope=None), "other-scope"),
        (a_consent(permit(), performer=MOTHER), "grantor-not-verified"),
        (a_consent(permit(), performer=[{"display": "mother"}]), "grantor-not-verified"),
        (
            a_consent(permit(), performer=MOTHER, verification=[{"verified": False}]),
            "grantor-not-verified",
        ),
        (a_consent(policy=None), "unknown-policy"),
        (opted("HOUSE-RULES"), "unknown-policy"),
        (a_consent(policy=[{"uri": "https://example.org"}]), "unknown-policy"),
        (
            a_consent(policy=[{"uri": f"{PCF}Policy-all-normal"}, {"authority": "urn:x"}]),
            "unknown-policy",
        ),
        (opted("OPTIN", rule(None, actor=[actor(KZ)])), "ambiguous-root"),
    ],
)
def test_what_is_not_understood_is_named_and_never_permits(consent, reason):
    assert reasons(consent)[0] == reason
    assert decided(consent).decision != "permit"


def test_elements_that_say_nothing_about_the_decision_are_understood():
    consent = a_consent(
        permit(),
        id="c",
        meta={"versionId": "1"},
        language="ru",
        text={"status": "generated", "div": "<div/>"},
        contained=[{"resourceType": "Organization", "id": "o"}],
        extension=[{"url": "urn:x", "valueString": "y"}],
        organization=[{"reference": "#o"}],
        sourceAttachment={"title": "form"},
        policyRule={"text": "our house rules"},
    )

    assert reasons(consent) == ()
    assert decided(consent).decision == "permit"


@pytest.mark.parametrize(
    "consent",
    [
        a_consent(permit(), status=None),
        a_consent(permit(), status="maybe"),
        a_consent(permit(), status=["active"]),
        a_consent(permit(), given=None),
        a_consent(permit(), given="yesterday"),
        a_consent(permit(), given="9" * 5000),
        a_consent(permit(), identifier=None),
        a_consent(permit(), identifier=[{"value": 7}]),
        "Consent",
        None,
    ],
)
def test_a_consent_without_status_time_or_identity_denies_everything(consent):
    decision = decided(a_consent(permit(), name="b"), consent)

    assert (decision.decision, decision.rule) == ("deny", "consent-denies")
    assert "status, a time or an identity" in decision.reason
    if isinstance(consent, dict):
        with pytest.raises(SchemaViolation):
            read_consent(consent, "Consent")


def test_a_statement_that_cannot_permit_can_still_deny():
    unknown = {"implicitRules": "urn:x"}

    assert decided(a_consent(deny(), **unknown), a_consent(permit(), name="b")).decision == "deny"


def test_in_a_consent_not_understood_no_permit_lifts_the_denial_around_it():
    exception = deny(permit(actor=[actor(KZ)]))

    assert decided(a_consent(exception)).decision == "permit"
    assert decided(a_consent(exception, implicitRules="urn:x")).decision == "deny"
    optout = rule(None, permit(actor=[actor(KZ)]))
    assert decided(opted("OPTOUT", optout)).decision == "permit"
    assert decided(opted("OPTOUT", optout, implicitRules="urn:x")).decision == "deny"


# --- too deep, too large -------------------------------------------------------------------------


def nested(levels):
    provision = permit()
    for _ in range(levels):
        provision = permit(provision)
    return provision


def test_two_levels_below_the_root_are_read_and_a_third_denies_everything():
    assert decided(a_consent(nested(2))).decision == "permit"
    decision = decided(a_consent(nested(3)))
    assert (decision.decision, decision.because) == ("deny", "too-deep")
    assert decided(a_consent(nested(500)), recipient=KG).because == "too-deep"


def test_two_hundred_provisions_are_read_and_one_more_denies_everything():
    assert decided(a_consent(permit(*[permit()] * 199))).decision == "permit"
    decision = decided(a_consent(permit(*[permit()] * 200)))
    assert (decision.decision, decision.because) == ("deny", "too-large")
    assert decided(a_consent(permit(*[permit()] * 10_000))).because == "too-large"


def test_what_is_not_in_force_is_not_too_deep_either():
    consent = a_consent(nested(3), name="b", status="inactive")

    assert decided(a_consent(permit()), consent).decision == "permit"


# --- section 3: exceptions -----------------------------------------------------------------------


def test_deny_except_permit_for_these_except_deny_for_those():
    consent = a_consent(deny(permit(deny(purpose=coded(REASON, "THREAT")), actor=[actor(KZ)])))

    assert decided(consent).decision == "permit"
    assert decided(consent, purpose="THREAT").decision == "deny"
    assert decided(consent, recipient=KG).decision == "deny"


def test_among_siblings_deny_beats_permit_whatever_their_order():
    one, other = permit(actor=[actor(KZ)]), deny(purpose=coded(REASON, "PUBHLTH"))

    assert decided(a_consent(deny(one, other))).decision == "deny"
    assert decided(a_consent(deny(other, one))).decision == "deny"


def test_what_is_nested_is_looked_at_only_where_the_root_matches():
    consent = a_consent(permit(deny(), actor=[actor(KG)]))

    assert decided(consent).decision == "no-consent"
    assert decided(a_consent(permit(), name="b"), consent).decision == "permit"


# --- section 4: bases ----------------------------------------------------------------------------


def pcf(*names, provision=None):
    return a_consent(provision, policy=[{"uri": f"{PCF}Policy-{name}"} for name in names])


@pytest.mark.parametrize(
    ("policy", "request_", "expected"),
    [
        ("all-normal", {}, "permit"),
        ("all-normal", {"purpose": "BTG"}, "permit"),
        ("all-normal", {"confidentiality": "R"}, "no-consent"),
        ("basic-normal", {"purpose": "TREAT"}, "permit"),
        ("basic-normal", {"purpose": "COC"}, "permit"),
        ("basic-normal", {}, "no-consent"),
        ("basic-normal", {"purpose": "TREAT", "confidentiality": "R"}, "no-consent"),
        ("break-glass-only", {"purpose": "BTG"}, "permit"),
        ("break-glass-only", {"purpose": "ETREAT"}, "deny"),
        ("deny", {"purpose": "BTG"}, "deny"),
    ],
)
def test_a_policy_of_pcf_with_and_without_a_typed_root(policy, request_, expected):
    assert decided(pcf(policy), **request_).decision == expected
    assert decided(pcf(policy, provision=permit()), **request_).decision == expected


def test_opting_in_and_out_with_exceptions():
    exception = rule(None, deny(actor=[actor(KZ)]))

    assert decided(opted("OPTIN")).decision == "permit"
    assert decided(opted("OPTIN", exception)).decision == "deny"
    assert decided(opted("OPTIN", exception), recipient=KG, origins=("UZ",)).decision == "permit"
    assert decided(opted("OPTOUT")).decision == "deny"
    assert decided(opted("OPTOUT", rule(None, permit()))).decision == "permit"


def test_policies_are_joined_and_deny_wins():
    joined = a_consent(
        policy=[{"uri": f"{PCF}Policy-basic-normal"}], policyRule=concept(ACT_CODE, "OPTIN")
    )

    assert decided(joined, purpose="TREAT").decision == "permit"
    assert decided(joined).decision == "no-consent"
    assert decided(pcf("all-normal", "deny")).decision == "deny"


def test_an_unknown_policy_denies():
    for consent in (a_consent(), opted("HOUSE-RULES"), a_consent(policy=None)):
        assert decided(consent).decision == "deny"


def test_with_a_typed_root_other_policies_are_text():
    assert decided(opted("OPTOUT", permit())).decision == "permit"


def test_an_exception_that_the_policy_does_not_allow_leaves_the_denial():
    consent = pcf("basic-normal", provision=deny(permit()))

    assert decided(consent, purpose="TREAT").decision == "permit"
    assert decided(consent).decision == "deny"


def test_criteria_of_an_untyped_root_deny_by_one_reading_and_permit_by_none():
    consent = opted("OPTIN", rule(None, actor=[actor(KZ)]))

    assert decided(consent).decision == "deny"
    assert decided(consent, recipient=KG).rule == "not-understood"


# --- section 5: what is in force -----------------------------------------------------------------


def test_a_dissent_denies_what_its_criteria_match_whatever_its_types_say():
    given = a_consent(permit())
    about_kz = a_consent(permit(actor=[actor(KZ)]), name="b", status="rejected")

    assert decided(given, about_kz).decision == "deny"
    assert decided(given, about_kz, recipient=KG).decision == "permit"
    assert decided(given, a_consent(name="b", status="rejected")).decision == "deny"
    excepting = a_consent(deny(permit()), name="b", status="rejected")
    assert decided(given, excepting).decision == "deny"


def test_of_two_versions_of_one_moment_an_unusable_one_and_a_denial_are_the_stop():
    for other in (
        a_consent(deny()),
        a_consent(permit(), implicitRules="urn:x"),
        opted("OPTOUT"),
        a_consent(permit(), policy=[{"uri": f"{PCF}Policy-deny"}]),
    ):
        assert decided(other, a_consent(permit())).decision != "permit"
        assert decided(a_consent(permit()), other).decision != "permit"


def test_of_two_permits_of_one_moment_the_one_that_arrived_later_stands():
    kz, kg = a_consent(permit(actor=[actor(KZ)])), a_consent(permit(actor=[actor(KG)]))

    assert decided(kz, kg).decision == "no-consent"
    assert decided(kg, kz).decision == "permit"


def replacing(earlier, **elements):
    identifier = {"system": "urn:test", "value": earlier}
    return {
        "provision": permit(),
        "name": "new",
        "given": "2026-05-02T10:00:00Z",
        "sourceReference": {"identifier": identifier},
        **elements,
    }


def test_a_later_consent_that_names_an_earlier_one_replaces_it():
    denial = a_consent(deny(), name="old")

    assert decided(denial, a_consent(**replacing("old"))).decision == "permit"
    assert decided(denial, a_consent(**replacing("other"))).decision == "deny"
    assert (
        decided(denial, a_consent(**replacing("old", given="2026-05-01T10:00:00Z"))).decision
        == "deny"
    )
    assert decided(denial, a_consent(**replacing("old", implicitRules="urn:x"))).decision == "deny"
    assert decided(denial, a_consent(**replacing("old", status="inactive"))).decision == "deny"
    by_mother = replacing("old", performer=MOTHER, verification=VERIFIED)
    assert decided(denial, a_consent(**by_mother)).decision == "deny"
    assert decided(denial, a_consent(**by_mother), is_minor=True).decision == "permit"


def test_consents_that_replace_each_other_in_a_circle_are_decided():
    one = a_consent(**replacing("b", name="a"))
    other = a_consent(**replacing("a", name="b", provision=deny()))

    assert decided(one, other).decision == "deny"


def test_a_chain_of_replacements_leaves_the_last():
    first = a_consent(deny(), name="1")
    second = a_consent(**replacing("1", name="2", provision=permit(actor=[actor(KG)])))
    third = a_consent(**replacing("2", name="3", given="2026-05-03T10:00:00Z"))

    assert decided(first, second, third).decision == "permit"


def test_the_latest_that_permits_is_the_basis():
    older, newer = a_consent(permit(), name="1"), a_consent(permit(), name="2", given="2026-05-04")

    assert decided(newer, older).basis.entry == 0
    assert decided(older, newer).basis.entry == 1


# --- what the store keeps ------------------------------------------------------------------------


def test_a_statement_survives_the_store():
    everything = permit(
        deny(
            period={"start": "2026", "end": "2026-12"},
            actor=[actor(KZ), actor("KG", system="urn:iso:std:iso:3166"), {}],
            action=[concept("http://terminology.hl7.org/CodeSystem/consentaction", "use")],
            purpose=coded(REASON, "TREAT", "x"),
            class_=coded("http://hl7.org/fhir/resource-types", "Observation"),
            code=[concept("urn:x", "1"), {"text": "y"}],
            securityLabel=[
                *coded(CONFIDENTIALITY, "R"),
                *coded(ACT_CODE, "HIV"),
                *coded("urn:x", "z"),
            ],
            dataPeriod={"end": "?"},
            data=[{"meaning": "authoredby", "reference": {"identifier": {"value": "v"}}}],
        )
    )
    for consent in (
        a_consent(everything, performer=MOTHER, sourceReference={"identifier": {"value": "x"}}),
        opted("OPTIN"),
        a_consent(nested(3)),
    ):
        (on_file,) = consents_from([consent])
        statement = on_file.statement
        assert ConsentStatement.from_json(statement.to_json()) == statement


def test_a_statement_of_the_first_version_is_read():
    stored = {
        "identity": "urn:test|a",
        "status": "active",
        "given_at": "2026-05-01T10:00:00+00:00",
        "permits": True,
        "usable_to_permit": False,
        "not_before": None,
        "not_after": "2026-05-01T10:00:00+00:00",
        "recipients": ["registry:kz"],
        "purposes": ["PUBHLTH"],
        "record_types": ["labresult"],
    }

    statement = ConsentStatement.from_json(stored)

    assert statement.root.type == "permit"
    assert statement.root.actors == (("participant", "registry:kz"),)
    assert statement.root.classes == ("Observation", "DiagnosticReport")
    assert not statement.is_usable
