"""From statements and law to the decision (docs/consent.md sections 6 to 8)."""

import base64
import hashlib
import json
from datetime import timedelta

import pytest
import rfc8785

from exchange.consent.decision import RULES, decide
from exchange.consent.request import DisclosureRequest
from exchange.consent.resources import consents_from
from exchange.model import ConsentBasis, MandateBasis
from schemas.consent.purposes import COVERED_BY, is_within
from schemas.jwk import write_base64url
from schemas.record_traits import RecordTraits
from tests.support.consents import (
    ACT_CODE,
    CONFIDENTIALITY,
    CVX,
    ISO,
    PCF,
    REASON,
    UZ,
    a_consent,
    a_mandate,
    a_policy,
    a_request,
    actor,
    coded,
    concept,
    decided,
    deny,
    opted,
    permit,
)
from tests.support.world import KG, KZ, NOON

HIV = coded(ACT_CODE, "HIV")
PSY = coded(ACT_CODE, "PSY")


def mandates(*several, **members):
    return [a_policy(mandates=list(several) or [a_mandate(**members)])]


# --- 1: the purpose wall -------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["HRESCH", "HMARKT", "HPAYMT", "CLINTRL", "IMMIGRATION", ""])
def test_no_permit_and_no_law_reaches_beyond_the_purpose_wall(purpose):
    decision = decided(a_consent(permit()), policies=mandates(), purpose=purpose)

    assert (decision.decision, decision.rule) == ("deny", "purpose-wall")


def test_the_hierarchy_of_purposes():
    assert is_within("BTG", "TREAT")
    assert is_within("BTG", "ETREAT")
    assert is_within("HTEST", "HOPERAT")
    assert is_within("PUBHLTH", "PUBHLTH")
    assert not is_within("TREAT", "BTG")
    assert not is_within("HRESCH", "TREAT")
    assert not is_within("IMMIGRATION", "IMMIGRATION")
    assert len(COVERED_BY) == 60


# --- 4: countries of origin ----------------------------------------------------------------------


def test_a_country_of_origin_must_be_named():
    anybody = a_consent(permit())

    assert decided(anybody, recipient=UZ).rule == "origin-not-named"
    assert decided(a_consent(permit(actor=[actor(UZ)])), recipient=UZ).decision == "permit"
    by_country = a_consent(permit(actor=[actor("UZ", system=ISO)]))
    assert decided(by_country, recipient=UZ).decision == "permit"
    assert decided(anybody, recipient=KG).decision == "permit"
    assert decided(anybody, recipient=KG, origins=()).rule == "origin-not-named"
    assert decided(anybody, recipient=KZ, origins=("KZ",)).decision == "permit"
    assert decided(anybody, recipient=KG, country="*", origins=()).decision == "permit"
    assert decided(opted("OPTIN"), recipient=UZ).rule == "origin-not-named"


def test_a_denial_on_the_path_names_the_recipient_too():
    consent = a_consent(deny(permit(), actor=[actor(UZ)]))

    assert decided(consent, recipient=UZ).decision == "permit"


# --- 5: labels -----------------------------------------------------------------------------------


def test_every_label_of_the_record_must_be_named():
    both = {"labels": ("HIV", "PSY")}

    assert decided(a_consent(permit()), **both).rule == "label-not-permitted"
    assert decided(a_consent(permit(securityLabel=HIV)), **both).rule == "label-not-permitted"
    assert decided(a_consent(permit(securityLabel=[*HIV, *PSY])), **both).decision == "permit"
    on_the_path = a_consent(permit(permit(securityLabel=PSY), securityLabel=HIV))
    assert decided(on_the_path, **both).decision == "permit"
    assert decided(opted("OPTIN"), **both).rule == "label-not-permitted"


def test_one_path_alone_must_name_all_that_has_to_be_named():
    apart = deny(permit(actor=[actor(UZ)]), permit(securityLabel=HIV))
    together = deny(permit(actor=[actor(UZ)], securityLabel=HIV))

    assert decided(a_consent(apart), recipient=UZ, labels=("HIV",)).decision == "no-consent"
    assert decided(a_consent(together), recipient=UZ, labels=("HIV",)).decision == "permit"


def test_an_older_permit_that_names_the_label_is_the_basis():
    older = a_consent(permit(securityLabel=HIV), name="1")
    newer = a_consent(permit(), name="2", given="2026-05-04")

    assert decided(older, newer, labels=("HIV",)).basis.entry == 0


def test_parts_whose_label_nobody_named_are_left_out():
    decision = decided(a_consent(permit()), part_labels=("PSY", "HIV"))

    assert decision.decision == "permit"
    assert decision.redact == ("HIV", "PSY")
    assert decision.view == "minimum"
    assert decision.obligations == ("NOREUSE", "NORDSCLCD", "PERSISTLABEL", "MINEC", "REDACT")


def test_a_part_goes_when_a_path_that_permits_names_its_label():
    named = a_consent(deny(permit(), permit(securityLabel=[*HIV, *PSY])))
    request = {"labels": ("PSY",), "part_labels": ("HIV",)}

    assert decided(named, **request).redact == ()
    assert decided(named, **request).view == "full"


@pytest.mark.parametrize(
    "denial",
    [
        a_consent(deny(securityLabel=HIV), name="b"),
        a_consent(permit(deny(securityLabel=HIV)), name="b"),
        a_consent(deny(securityLabel=HIV), name="b", implicitRules="urn:x"),
        a_consent(permit(securityLabel=HIV), name="b", status="rejected"),
    ],
)
def test_a_denial_of_a_label_leaves_out_the_parts_that_carry_it(denial):
    permitted = a_consent(deny(permit(securityLabel=[*HIV, *PSY])))
    request = {"labels": ("PSY",), "part_labels": ("HIV",)}

    assert decided(permitted, **request).redact == ()
    assert decided(permitted, denial, **request).redact == ("HIV",)
    assert decided(permitted, denial, labels=("PSY", "HIV")).decision == "deny"


def test_a_denial_of_a_label_for_others_leaves_nothing_out():
    permitted = a_consent(deny(permit(securityLabel=[*HIV, *PSY])))
    denial = a_consent(deny(securityLabel=HIV, actor=[actor(KG)]), name="b")

    assert decided(permitted, denial, labels=("PSY",), part_labels=("HIV",)).redact == ()


# --- 7: mandates ---------------------------------------------------------------------------------


def test_a_mandate_permits_without_a_consent_and_names_its_law():
    policies = mandates()

    decision = decided(policies=policies)

    assert decision.decision == "permit"
    assert decision.rule == "mandate-permits"
    assert decision.basis == MandateBasis(policy=policies[0].digest, version=1, mandate="ihr")
    assert decision.view == "minimum"
    assert decision.obligations == ("NOREUSE", "NORDSCLCD", "PERSISTLABEL", "MINEC")
    assert not decision.objection


@pytest.mark.parametrize(
    ("members", "request_", "fits"),
    [
        ({"recipients": [KZ]}, {}, True),
        ({"recipients": [KG]}, {}, False),
        ({"purposes": ["PUBHLTH"]}, {}, True),
        ({"purposes": ["PUBHLTH"]}, {"purpose": "THREAT"}, False),
        ({"record_classes": ["Observation"]}, {"record_class": "DiagnosticReport"}, True),
        ({"record_classes": ["Observation"]}, {}, False),
        ({"diseases": ["measles", "yellow-fever"]}, {}, True),
        ({"diseases": ["measles"]}, {}, False),
        ({"diseases": ["measles"]}, {"diseases": ()}, False),
        ({"labels": ["HIV"]}, {"labels": ("HIV",)}, True),
        ({"labels": ["HIV"]}, {"labels": ("HIV", "PSY")}, False),
        ({}, {"labels": ("HIV",)}, False),
        ({"period": {"start": "2026-06-01T12:00:00Z"}}, {}, True),
        ({"period": {"start": "2026-06-01T12:00:01Z"}}, {}, False),
        ({"period": {"start": "2026-01-01T00:00:00Z", "end": "2026-06-01T12:00:00Z"}}, {}, False),
        ({}, {"recipient": UZ}, False),
        ({"recipients": [UZ]}, {"recipient": UZ}, False),
        ({}, {"recipient": KG}, True),
        ({}, {"recipient": KG, "origins": ()}, False),
    ],
)
def test_a_mandate_reaches_what_it_names_and_never_a_country_of_origin(members, request_, fits):
    decision = decided(policies=mandates(**members), **request_)

    assert decision.decision == ("permit" if fits else "no-consent")


def test_only_law_of_the_place_of_collection_mandates():
    elsewhere = [a_policy(jurisdiction="KG", mandates=[a_mandate()])]

    assert decided(policies=elsewhere, recipient=KG).decision == "no-consent"


def test_an_objection_stops_a_mandate_unless_the_law_overrides_it():
    dissent = a_consent(deny())

    stopped = decided(dissent, policies=mandates())
    overridden = decided(dissent, policies=mandates(overrides_objection=True))

    assert (stopped.decision, stopped.rule, stopped.objection) == ("deny", "consent-denies", True)
    assert (overridden.decision, overridden.objection) == ("permit", True)
    assert isinstance(overridden.basis, MandateBasis)


def test_a_mandate_leaves_out_the_parts_whose_label_it_does_not_name():
    request = {"part_labels": ("HIV",)}

    assert decided(policies=mandates(), **request).redact == ("HIV",)
    assert decided(policies=mandates(labels=["HIV"]), **request).redact == ()


def test_of_several_mandates_the_one_that_shows_least_is_the_basis():
    policies = mandates(a_mandate(id="a"), a_mandate(id="b", view="verdict"), a_mandate(id="c"))

    decision = decided(policies=policies)

    assert (decision.basis.mandate, decision.view) == ("b", "verdict")
    assert decision.obligations[-1] == "DELAU"


def test_a_consent_that_permits_goes_before_a_mandate():
    decision = decided(a_consent(permit()), policies=mandates())

    assert isinstance(decision.basis, ConsentBasis)
    assert decision.view == "full"


# --- policies ------------------------------------------------------------------------------------


def test_the_view_is_the_narrowest_that_a_policy_involved_allows():
    here = a_policy(views={"PUBHLTH": "minimum", "TREAT": "verdict"})
    there = a_policy(jurisdiction="KG", views={"PUBHLTH": "pseudonymous"})
    consent = a_consent(permit())

    assert decided(consent, policies=[here]).view == "minimum"
    assert decided(consent, policies=[here], purpose="THREAT").view == "minimum"
    assert decided(consent, policies=[here, there]).view == "minimum"
    abroad = decided(consent, policies=[here, there], recipient=KG)
    assert abroad.view == "pseudonymous"
    assert "PSEUD" in abroad.obligations
    origin = a_policy(jurisdiction="UZ", views={"PUBHLTH": "verdict"})
    assert decided(consent, policies=[here, origin]).view == "verdict"


@pytest.mark.parametrize(
    ("forbidden", "request_", "is_forbidden"),
    [
        ({}, {}, True),
        ({"recipients": [KZ]}, {}, True),
        ({"recipients": [KG]}, {}, False),
        ({"countries": ["KG"]}, {"recipient": KG}, True),
        ({"countries": ["KG"]}, {}, False),
        ({"purposes": ["PUBHLTH"]}, {"purpose": "THREAT"}, True),
        ({"purposes": ["THREAT"]}, {}, False),
        ({"record_classes": ["DiagnosticReport"]}, {"record_class": "Observation"}, True),
        ({"record_classes": ["DiagnosticReport"]}, {}, False),
        ({"diseases": ["yellow-fever"]}, {}, True),
        ({"diseases": ["measles"]}, {}, False),
        ({"diseases": ["measles"]}, {"diseases": ()}, True),
        ({"labels": ["HIV"]}, {"part_labels": ("HIV",)}, True),
        ({"labels": ["HIV"]}, {}, False),
        ({"purposes": ["PUBHLTH"], "countries": ["KG"]}, {}, False),
    ],
)
def test_what_a_policy_forbids_nobody_permits(forbidden, request_, is_forbidden):
    policies = [a_policy(forbids=[forbidden], mandates=[a_mandate(overrides_objection=True)])]

    decision = decided(a_consent(permit()), policies=policies, **request_)

    assert decision.decision == ("deny" if is_forbidden else "permit")
    assert (decision.rule == "policy-forbids") == is_forbidden


def test_the_highest_version_whose_period_holds_counts():
    closed = a_policy(version=2, forbids=[{}])
    consent = a_consent(permit())

    assert decided(consent, policies=[a_policy(), closed]).decision == "deny"
    assert decided(consent, policies=[closed, a_policy(version=3)]).decision == "permit"
    later = a_policy(version=3, valid_from="2026-06-02T00:00:00Z")
    assert decided(consent, policies=[closed, later]).decision == "deny"
    over = a_policy(version=3, valid_until="2026-06-01T12:00:00Z")
    assert decided(consent, policies=[closed, over]).decision == "deny"
    uninvolved = a_policy(jurisdiction="FR", version=9, forbids=[{}])
    assert decided(consent, policies=[uninvolved]).decision == "permit"


def test_law_may_make_a_disease_sensitive():
    policies = [a_policy(sensitive={"yellow-fever": ["STD"], "measles": ["HIV"]})]

    assert decided(a_consent(permit()), policies=policies).rule == "label-not-permitted"
    named = a_consent(permit(securityLabel=coded(ACT_CODE, "STD")))
    assert decided(named, policies=policies).decision == "permit"
    assert decided(a_consent(deny(securityLabel=coded(ACT_CODE, "STD")))).decision == "no-consent"


# --- representatives -----------------------------------------------------------------------------


def test_a_representative_permits_for_a_known_minor_and_denies_for_anybody():
    mother = {"performer": [{"reference": "RelatedPerson/m"}], "verification": [{"verified": True}]}

    assert decided(a_consent(permit(), **mother), is_minor=True).decision == "permit"
    assert decided(a_consent(permit(), **mother), is_minor=False).rule == "representative"
    assert decided(a_consent(permit(), **mother), is_minor=None).rule == "representative"
    assert decided(a_consent(deny(), **mother), is_minor=False).decision == "deny"
    assert decided(a_consent(deny(permit()), **mother), is_minor=None).decision == "deny"


# --- section 8, and what a decision says ---------------------------------------------------------


def test_the_digest_is_of_the_canonical_inputs_in_their_own_order():
    consents = consents_from(
        [a_consent(permit(), name="b"), a_consent(deny(actor=[actor(KG)]), name="a")]
    )
    policies = [a_policy(version=2), a_policy()]
    request = a_request(origins=("UZ", "KG"), part_labels=("PSY", "HIV"))

    decision = decide(consents, policies, request, NOON)

    inputs = {
        "consents": [one.statement.to_json() for one in reversed(consents)],
        "policies": sorted(one.digest for one in policies),
        "request": {
            "recipient": KZ,
            "recipient_jurisdiction": "KZ",
            "purpose": "PUBHLTH",
            "author": "poe:kz:ala",
            "collected_in": "KZ",
            "record_class": "Immunization",
            "record": "urn:test|r1",
            "codes": [["http://hl7.org/fhir/sid/cvx", "37"]],
            "diseases": ["yellow-fever"],
            "date": ["2026-05-20T00:00:00.000000+00:00", "2026-05-20T23:59:59.000000+00:00"],
            "confidentiality": "N",
            "labels": [],
            "part_labels": ["HIV", "PSY"],
            "origins": ["KG", "UZ"],
            "is_minor": False,
        },
        "time": "2026-06-01T12:00:00.000Z",
    }
    expected = write_base64url(hashlib.sha256(rfc8785.dumps(inputs)).digest())
    assert decision.inputs_digest == expected
    shuffled = decide(consents[::-1], policies[::-1], request, NOON)
    assert shuffled.inputs_digest == expected
    assert (
        decide(consents, policies, request, NOON + timedelta(seconds=1)).inputs_digest != expected
    )


def test_the_digest_by_the_standard_library_alone():
    consents = [
        a_consent(
            permit(
                deny(actor=[actor("KG", system=ISO)], purpose=coded(REASON, "TREAT")),
                securityLabel=coded(ACT_CODE, "HIV") + coded(CONFIDENTIALITY, "R"),
                period={"start": "2026-01-01T00:00:00Z"},
                code=[concept(CVX, "37")],
            ),
            name='Ж\u2028"\x7f',
        ),
        opted("OPTIN", name="a", sourceReference={"identifier": {"value": "b"}}),
    ]
    statements = [
        {
            "identity": "urn:test|a",
            "status": "active",
            "given_at": "2026-05-01T10:00:00.000000+00:00",
            "root": None,
            "base": ["OPTIN"],
            "replaces": "|b",
            "unusable": [],
            "unevaluated": None,
            "of_representative": False,
        },
        {
            "identity": 'urn:test|Ж\u2028"\x7f',
            "status": "active",
            "given_at": "2026-05-01T10:00:00.000000+00:00",
            "root": {
                "type": "permit",
                "period": ["2026-01-01T00:00:00.000000+00:00", None, True],
                "codes": [[[CVX, "37"]]],
                "confidentiality": ["R"],
                "sensitivity": ["HIV"],
                "exceptions": [
                    {"type": "deny", "actors": [["country", "KG"]], "purposes": ["TREAT"]}
                ],
            },
            "base": [],
            "replaces": None,
            "unusable": [],
            "unevaluated": None,
            "of_representative": False,
        },
    ]
    request = {
        "purpose": "PUBHLTH",
        "author": "poe:kz:ala",
        "collected_in": "KZ",
        "record_class": "Immunization",
        "record": None,
        "codes": [],
        "diseases": ["measles", "yellow-fever"],
        "date": None,
        "confidentiality": "N",
        "labels": [],
        "part_labels": [],
        "origins": [],
        "is_minor": None,
    }
    traits = RecordTraits(
        author="poe:kz:ala",
        collected_in="KZ",
        record_class="Immunization",
        diseases=("yellow-fever", "measles"),
    )
    on_file = consents_from(consents)

    # The same consents and record for two recipients: what was written once is not mixed up.
    for recipient, country in ((KZ, "KZ"), (KG, "KG"), (KZ, "KZ")):
        asked = DisclosureRequest(
            recipient=recipient, recipient_jurisdiction=country, purpose="PUBHLTH", traits=traits
        )
        inputs = {
            "consents": statements,
            "policies": [],
            "request": {"recipient": recipient, "recipient_jurisdiction": country, **request},
            "time": "2026-06-01T12:00:00.000Z",
        }
        text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        octets = hashlib.sha256(text.encode()).digest()
        expected = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

        assert expected == decide(on_file, (), asked, NOON).inputs_digest


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_sentence_in_every_language(rule):
    from schemas.sentences.catalogue import LANGUAGES, say

    assert all(say(f"basis.{rule}", ("x",), language) for language in LANGUAGES)


def test_a_reason_names_what_was_not_understood():
    decision = decided(a_consent(permit(), implicitRules="urn:x"))

    assert "unknown-element" in decision.reason
    assert "unknown-element" in decision.reason_in("ru")
    assert decision.reason_in("ru") != decision.reason


def test_breaking_the_glass_rests_on_a_permit_for_treatment_or_for_itself():
    treatment = a_consent(permit(purpose=coded(REASON, "TREAT")))
    emergency = a_consent(policy=[{"uri": f"{PCF}Policy-break-glass-only"}])

    assert decided(treatment, purpose="BTG").decision == "permit"
    assert decided(emergency, purpose="BTG").decision == "permit"
    assert decided(a_consent(permit(purpose=coded(REASON, "PUBHLTH"))), purpose="BTG").decision == (
        "no-consent"
    )
