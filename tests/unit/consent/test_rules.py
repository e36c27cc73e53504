"""Each criterion of a rule: yes, no and unsure, in a permit and in a deny (docs/consent.md 3).

What is unsure never permits and always denies; so every row is asked both ways.
"""

import pytest

from tests.support.consents import (
    ACT_CODE,
    ACTION,
    CONFIDENTIALITY,
    CVX,
    ISO,
    PARTICIPANT,
    REASON,
    TYPES,
    a_consent,
    actor,
    coded,
    concept,
    decided,
    deny,
    permit,
)
from tests.support.world import ALA, KG, KZ

LOINC = "http://loinc.org"


def instance(value, system="urn:test"):
    return {"meaning": "instance", "reference": {"identifier": {"system": system, "value": value}}}


def author(value):
    identifier = {"system": PARTICIPANT, "value": value}
    return {"meaning": "authoredby", "reference": {"identifier": identifier}}


LITERAL = {"meaning": "instance", "reference": {"reference": "Immunization/1"}}

#: criteria, what of the request is unusual, how it answers in a permit and in a deny
YES, NO, UNSURE = "yes", "no", "unsure"
ROWS = [
    # period: both ends included, a partial date covers all it names
    ({"period": {"start": "2026-06-01T12:00:00Z"}}, {}, YES, YES),
    ({"period": {"end": "2026-06-01T12:00:00Z"}}, {}, YES, YES),
    ({"period": {"end": "2026"}}, {}, YES, YES),
    ({"period": {"start": "2026-06-01T12:00:01Z"}}, {}, NO, NO),
    ({"period": {"end": "2026-05"}}, {}, NO, NO),
    ({"period": {"start": "2027", "end": "2020"}}, {}, NO, NO),
    ({"period": {"end": "whenever"}}, {}, UNSURE, UNSURE),
    ({"period": {}}, {}, YES, YES),
    ({"period": {"extension": [{"url": "urn:x"}]}}, {}, UNSURE, UNSURE),
    # actor
    ({"actor": [actor(KZ)]}, {}, YES, YES),
    ({"actor": [actor(KZ, role="PRCP")]}, {}, YES, YES),
    ({"actor": [actor("KZ", system=ISO)]}, {}, YES, YES),
    ({"actor": [actor(KG), actor(KZ)]}, {}, YES, YES),
    ({"actor": [actor(KG)]}, {}, NO, NO),
    ({"actor": [actor("KG", system=ISO)]}, {}, NO, NO),
    ({"actor": [actor("KAZ", system=ISO)]}, {}, UNSURE, UNSURE),
    ({"actor": [actor(KZ, role="CST")]}, {}, UNSURE, UNSURE),
    ({"actor": [actor(KZ, system="urn:x")]}, {}, UNSURE, UNSURE),
    ({"actor": [{"reference": {"reference": "Organization/kz"}}]}, {}, UNSURE, UNSURE),
    ({"actor": []}, {}, YES, YES),
    # action: only disclosing is permitted; forbidding to collect or use forbids to disclose
    ({"action": [concept(ACTION, "disclose")]}, {}, YES, YES),
    ({"action": [concept(ACTION, "collect")]}, {}, NO, YES),
    ({"action": [concept(ACTION, "access")]}, {}, NO, YES),
    ({"action": [concept(ACTION, "use")]}, {}, NO, YES),
    ({"action": [concept(ACTION, "correct")]}, {}, NO, NO),
    ({"action": [concept(ACTION, "sell")]}, {}, UNSURE, UNSURE),
    ({"action": [concept("urn:x", "disclose")]}, {}, UNSURE, UNSURE),
    ({"action": [{"text": "disclose"}]}, {}, UNSURE, UNSURE),
    # purpose
    ({"purpose": coded(REASON, "PUBHLTH")}, {"purpose": "THREAT"}, YES, YES),
    ({"purpose": coded(REASON, "TREAT")}, {"purpose": "COC"}, YES, YES),
    ({"purpose": coded(REASON, "THREAT")}, {}, NO, NO),
    ({"purpose": coded(REASON, "HRESCH")}, {}, NO, NO),
    ({"purpose": coded(REASON, "PurposeOfUse")}, {}, UNSURE, UNSURE),
    ({"purpose": coded("urn:x", "PUBHLTH")}, {}, UNSURE, UNSURE),
    # class
    ({"class_": coded(TYPES, "Immunization")}, {}, YES, YES),
    ({"class_": coded(TYPES, "Observation")}, {"record_class": "DiagnosticReport"}, YES, YES),
    ({"class_": coded(TYPES, "DiagnosticReport")}, {"record_class": "Observation"}, YES, YES),
    ({"class_": coded(TYPES, "Observation")}, {}, NO, NO),
    ({"class_": coded(TYPES, "Patient")}, {}, NO, NO),
    ({"class_": coded(TYPES, "Vaccination")}, {}, UNSURE, UNSURE),
    ({"class_": coded(TYPES, "Resource")}, {}, UNSURE, UNSURE),
    ({"class_": coded(TYPES, "DomainResource")}, {}, UNSURE, UNSURE),
    ({"class_": coded("urn:x", "Immunization")}, {}, UNSURE, UNSURE),
    # code
    ({"code": [concept(CVX, "37")]}, {}, YES, YES),
    ({"code": [concept(CVX, "1"), concept(CVX, "37")]}, {}, YES, YES),
    ({"code": [concept(CVX, "1")]}, {}, NO, NO),
    ({"code": [concept(LOINC, "1")]}, {}, UNSURE, UNSURE),
    ({"code": [{"coding": [*coded(CVX, "1"), *coded(LOINC, "1")]}]}, {}, UNSURE, UNSURE),
    ({"code": [{"text": "yellow fever"}]}, {}, UNSURE, UNSURE),
    # confidentiality
    ({"securityLabel": coded(CONFIDENTIALITY, "N")}, {}, YES, YES),
    ({"securityLabel": coded(CONFIDENTIALITY, "R")}, {}, YES, NO),
    ({"securityLabel": coded(CONFIDENTIALITY, "M")}, {}, NO, YES),
    ({"securityLabel": coded(CONFIDENTIALITY, "V")}, {"confidentiality": "Q"}, NO, YES),
    ({"securityLabel": coded(CONFIDENTIALITY, "Q")}, {}, UNSURE, UNSURE),
    # sensitivity, and labels that are neither
    ({"securityLabel": coded(ACT_CODE, "HIV")}, {"labels": ("HIV",)}, YES, YES),
    ({"securityLabel": coded(ACT_CODE, "PSY", "HIV")}, {"labels": ("HIV",)}, YES, YES),
    ({"securityLabel": coded(ACT_CODE, "HIV")}, {}, NO, NO),
    ({"securityLabel": coded(ACT_CODE, "HIV")}, {"part_labels": ("HIV",)}, NO, NO),
    ({"securityLabel": coded(ACT_CODE, "SUD")}, {}, UNSURE, UNSURE),
    ({"securityLabel": coded("urn:x", "HIV")}, {}, UNSURE, UNSURE),
    # dataPeriod: all of the record's date in a permit, some of it in a deny
    ({"dataPeriod": {"start": "2026-05-01", "end": "2026-05-31"}}, {}, YES, YES),
    ({"dataPeriod": {"start": "2026-05-20T12:00:00Z"}}, {}, NO, YES),
    ({"dataPeriod": {"end": "2026-04"}}, {}, NO, NO),
    ({"dataPeriod": {"end": "2027"}}, {"date": None}, UNSURE, UNSURE),
    ({"dataPeriod": {"end": "?"}}, {}, UNSURE, UNSURE),
    # data
    ({"data": [instance("r1")]}, {}, YES, YES),
    ({"data": [author(ALA)]}, {}, YES, YES),
    ({"data": [instance("r2")]}, {}, NO, NO),
    ({"data": [author("poe:kg:oss")]}, {}, NO, NO),
    ({"data": [instance("r1")]}, {"record": None}, UNSURE, UNSURE),
    ({"data": [instance("r1", system="urn:test|x")]}, {}, UNSURE, UNSURE),
    ({"data": [{**instance("r1"), "meaning": "related"}]}, {}, UNSURE, UNSURE),
    ({"data": [LITERAL]}, {}, UNSURE, UNSURE),
    # joined: one no is enough
    ({"actor": [actor(KZ)], "purpose": coded(REASON, "TREAT")}, {}, NO, NO),
    ({"actor": [actor(KG)], "purpose": coded("urn:x", "y")}, {}, NO, NO),
]  # fmt: skip


@pytest.mark.parametrize(("criteria", "request_", "as_permit", "as_deny"), ROWS)
def test_a_criterion(criteria, request_, as_permit, as_deny):
    labels = coded(ACT_CODE, *request_.get("labels", ()))
    anything = a_consent(permit(**({"securityLabel": labels} if labels else {})), name="other")

    permitted = decided(a_consent(permit(**criteria)), **request_)
    denied = decided(anything, a_consent(deny(**criteria)), **request_)

    assert (permitted.decision == "permit") == (as_permit == YES)
    assert (denied.decision == "deny") == (as_deny != NO)


#: Unsure for this request only: the rest of the consent can still be used.
ONLY_HERE = [
    ({"code": [concept(LOINC, "1")]}, {}),
    ({"dataPeriod": {"end": "2027"}}, {"date": None}),
    ({"data": [instance("r1")]}, {"record": None}),
]


@pytest.mark.parametrize(("criteria", "request_"), ONLY_HERE)
def test_what_is_unsure_for_this_request_leaves_the_rest_usable(criteria, request_):
    consent = a_consent(deny(permit(), permit(**criteria)))

    assert decided(consent, **request_).decision == "permit"


UNSURE_ALWAYS = [
    row[0] for row in ROWS if row[2] == UNSURE and (row[0], row[1]) not in ONLY_HERE
    and row[0] != {"code": [{"coding": [*coded(CVX, "1"), *coded(LOINC, "1")]}]}
]  # fmt: skip


@pytest.mark.parametrize("criteria", UNSURE_ALWAYS)
def test_what_is_unsure_for_every_request_makes_all_of_it_useless_for_permitting(criteria):
    others = {"purpose": coded(REASON, "TREAT")} if "actor" in criteria else {"actor": [actor(KG)]}
    consent = a_consent(permit(deny(**others, **criteria)))

    decision = decided(consent)

    assert (decision.decision, decision.rule) == ("no-consent", "not-understood")


def test_labels_of_both_kinds_are_two_criteria_of_a_permit_and_alternatives_of_a_deny():
    both = [*coded(CONFIDENTIALITY, "N"), *coded(ACT_CODE, "HIV")]
    restricted = {"confidentiality": "R", "labels": ("HIV",)}

    assert decided(a_consent(permit(securityLabel=both)), labels=("HIV",)).decision == "permit"
    assert decided(a_consent(permit(securityLabel=both)), **restricted).decision == "no-consent"
    assert decided(a_consent(permit(securityLabel=both))).decision == "no-consent"
    assert decided(a_consent(deny(securityLabel=both))).decision == "deny"
