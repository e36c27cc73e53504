"""The naive reading says what docs/consent.md and the cases named in the standards say, by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support import naive_codes as codes
from tests.support.naive_consent import decide

Json = dict[str, Any]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SOON = "2026-11-25T12:05:00Z"
TOO_SOON = "2026-11-25T12:05:00.001Z"
LOINC = "http://loinc.org"
OPTIN, OPTOUT = (
    {"policyRule": {"coding": [{"system": codes.ACT_CODE, "code": code}]}}
    for code in ("OPTIN", "OPTOUT")
)
MANDATE = {
    "id": "kz-ihr",
    "period": {"start": "2026-01-01T00:00:00Z"},
    "purposes": ["PUBHLTH"],
    "recipients": ["registry:kz"],
    "view": "pseudonymous",
    "overrides_objection": True,
}


def request(**changes: Any) -> Json:
    """A vaccination from Almaty, asked for treatment by the Kazakh registry."""
    return {
        "recipient": "registry:kz",
        "recipient_jurisdiction": "KZ",
        "purpose": "TREAT",
        "collected_in": "KZ",
        "author": "poe:kz:ala",
        "record_class": "Immunization",
        "record": "urn:x|1",
        "codes": [["http://hl7.org/fhir/sid/cvx", "03"]],
        "diseases": ["measles"],
        "date": ["2026-05-03T07:30:00.000000Z", "2026-05-03T07:30:00.000000Z"],
        "confidentiality": "N",
        "labels": [],
        "part_labels": [],
        "origins": ["KG"],
        "is_minor": False,
        **changes,
    }


def consent(provision: Json | None = None, **changes: Any) -> Json:
    found = {
        "resourceType": "Consent",
        "id": "a",
        "status": "active",
        "scope": {"coding": [{"system": codes.SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": LOINC, "code": "59284-0"}]}],
        "patient": {"reference": "Patient/1"},
        "dateTime": "2026-01-01T00:00:00Z",
        "policy": [{"uri": "https://example.org/form"}],
        **changes,
    }
    if provision is not None:
        found["provision"] = provision
    if "policyRule" in changes:
        del found["policy"]
    return found


def rule(kind: str, *nested: Json, **members: Any) -> Json:
    return {"type": kind, **members, **({"provision": list(nested)} if nested else {})}


def actor(value: str, system: str = codes.PARTICIPANT, role: str = "IRCP") -> Json:
    coded = {"coding": [{"system": codes.PARTICIPATION, "code": role}]}
    return {"role": coded, "reference": {"identifier": {"system": system, "value": value}}}


def purpose(code: str) -> Json:
    return {"system": codes.ACT_REASON, "code": code}


def label(code: str) -> Json:
    return {"system": codes.ACT_CODE, "code": code}


def confidentiality(code: str) -> Json:
    return {"system": codes.CONFIDENTIALITY, "code": code}


def policy(jurisdiction: str = "KZ", **members: Any) -> Json:
    return {"jurisdiction": jurisdiction, "version": 1, **members}


def said(consents: list[Json], asked: Json | None = None, *policies: Json) -> tuple[str, str]:
    answer = decide(consents, list(policies), asked or request(), NOW)
    return answer["decision"], answer["rule"]


PERMIT, DENY = ("permit", "consent-permits"), ("deny", "consent-denies")
NOTHING = ("no-consent", "no-consent")
NOT_UNDERSTOOD, REPRESENTATIVE = ("no-consent", "not-understood"), ("no-consent", "representative")
UNKNOWN = [{"url": "https://example.org/not", "valueBoolean": True}]
ANYTHING = rule("permit")
TWO_DEEP = rule("permit", rule("deny", rule("permit", purpose=[purpose("TREAT")])))
THREE_DEEP = rule("permit", TWO_DEEP)
BREAK_GLASS = rule("deny", rule("permit", purpose=[purpose("BTG")]))
NOT_TO_DE = rule("deny", actor=[actor("DE", codes.COUNTRY)])

#: One consent, one request, what is said: name of the row, consent, changes of the request, answer.
ONE_CONSENT = {
    # STANDARDS 3.5 and section 2
    "a permit permits": (consent(ANYTHING), {}, PERMIT),
    "a purpose outside the closed list": (
        consent(ANYTHING), {"purpose": "HRESCH"}, ("deny", "purpose-wall")),
    "an expired period gives no grace": (
        consent(rule("permit", period={"end": "2026-11-20"})), {}, NOTHING),
    "a period not yet started": (
        consent(rule("permit", period={"start": "2026-11-27"})), {}, NOTHING),
    "tomorrow has begun in UTC+14": (
        consent(rule("permit", period={"start": "2026-11-26"})), {}, PERMIT),
    "yesterday has ended in UTC-12": (
        consent(rule("permit", period={"end": "2026-11-24"})), {}, NOTHING),
    "inactive never grants": (consent(ANYTHING, status="inactive"), {}, NOTHING),
    "rejected denies whatever its types say": (consent(ANYTHING, status="rejected"), {}, DENY),
    "rejected without provision denies": (
        consent(None, status="rejected", **OPTIN), {}, DENY),
    "rejected for another purpose": (
        consent(rule("permit", purpose=[purpose("PATRQT")]), status="rejected"), {}, NOTHING),
    "in the future by five minutes": (consent(ANYTHING, dateTime=SOON), {}, PERMIT),
    "in the future by more": (consent(ANYTHING, dateTime=TOO_SOON), {}, NOTHING),
    "deny, except permit for these (break-glass)": (
        consent(BREAK_GLASS), {"purpose": "BTG"}, PERMIT),
    "that exception is for its scope alone": (consent(BREAK_GLASS), {}, DENY),
    "two levels are evaluated": (consent(TWO_DEEP), {}, PERMIT),
    "three are refused": (consent(THREE_DEEP), {}, DENY),
    "201 nested are refused": (
        consent(rule("permit", *[rule("deny", purpose=[purpose("HMARKT")])] * 201)), {}, DENY),
    "siblings: deny beats permit": (
        consent(rule("permit", rule("permit"), rule("deny"))), {}, DENY),
    "a modifier extension cannot permit": (
        consent(ANYTHING, modifierExtension=UNKNOWN), {}, NOT_UNDERSTOOD),
    "and can deny": (consent(rule("deny"), modifierExtension=UNKNOWN), {}, DENY),
    "an extension of a provision": (consent(rule("permit", extension=UNKNOWN)), {}, NOT_UNDERSTOOD),
    "an extension of the consent": (consent(ANYTHING, extension=UNKNOWN), {}, PERMIT),
    "implicitRules": (consent(ANYTHING, implicitRules="urn:x"), {}, NOT_UNDERSTOOD),
    "other scope": (consent(ANYTHING, scope={"coding": [{"system": codes.SCOPE, "code":
        "research"}]}), {}, NOT_UNDERSTOOD),
    "a mother, not verified": (
        consent(ANYTHING, performer=[{"reference": "RelatedPerson/1"}]), {"is_minor": True},
        NOT_UNDERSTOOD),
    "a mother, verified, of a minor": (
        consent(ANYTHING, performer=[{"reference": "RelatedPerson/1"}],
            verification=[{"verified": True}]), {"is_minor": True}, PERMIT),
    "of somebody whose age is not known": (
        consent(ANYTHING, performer=[{"reference": "RelatedPerson/1"}],
            verification=[{"verified": True}]), {"is_minor": None}, REPRESENTATIVE),
    # section 3
    "a treatment permit covers emergencies": (
        consent(rule("permit", purpose=[purpose("TREAT")])), {"purpose": "BTG"}, PERMIT),
    "an emergency permit does not cover treatment": (
        consent(rule("permit", purpose=[purpose("ETREAT")])), {}, NOTHING),
    "named recipient": (consent(rule("permit", actor=[actor("registry:kz")])), {}, PERMIT),
    "its country": (consent(rule("permit", actor=[actor("KZ", codes.COUNTRY)])), {}, PERMIT),
    "another recipient": (consent(rule("permit", actor=[actor("registry:kg")])), {}, NOTHING),
    "one of two": (
        consent(rule("permit", actor=[actor("registry:kg"), actor("registry:kz")])), {}, PERMIT),
    "denied to somebody in an unknown role": (
        consent(rule("deny", actor=[actor("registry:kg", role="CST")])), {}, DENY),
    "permitted to somebody in an unknown role": (
        consent(rule("permit", actor=[actor("registry:kz", role="CST")])), {}, NOTHING),
    "a deny of another country": (consent(rule("permit", NOT_TO_DE)), {}, PERMIT),
    "one laboratory class": (
        consent(rule("permit", **{"class": [{"system": codes.RESOURCE_TYPES, "code":
            "Observation"}]})), {"record_class": "DiagnosticReport"}, PERMIT),
    "a code of a system the record does not use, denied": (
        consent(rule("deny", code=[{"coding": [{"system": LOINC, "code": "1"}]}])), {}, DENY),
    "the same, permitted": (
        consent(rule("permit", code=[{"coding": [{"system": LOINC, "code": "1"}]}])), {}, NOTHING),
    "confidentiality is a high-water mark": (
        consent(rule("permit", securityLabel=[confidentiality("R")])), {}, PERMIT),
    "and not reached": (
        consent(rule("permit", securityLabel=[confidentiality("N")])),
        {"confidentiality": "R"}, NOTHING),
    "a deny reaches what is above": (
        consent(rule("deny", securityLabel=[confidentiality("R")])),
        {"confidentiality": "V"}, DENY),
    "labels of a deny are alternatives": (
        consent(rule("deny", securityLabel=[confidentiality("R"), label("HIV")])),
        {"labels": ["HIV"]}, DENY),
    "labels of a permit are two criteria": (
        consent(rule("permit", securityLabel=[confidentiality("R"), label("HIV")])), {}, NOTHING),
    "data of that month": (consent(rule("permit", dataPeriod={"start": "2026-05"})), {}, PERMIT),
    "a date not stated, denied": (
        consent(rule("deny", dataPeriod={"start": "2030"})), {"date": None}, DENY),
    # section 4
    "opted in": (consent(None, **OPTIN), {}, PERMIT),
    "opted out": (consent(None, **OPTOUT), {}, DENY),
    "opted in, except": (consent({"provision": [rule("deny")]}, **OPTIN), {}, DENY),
    "opted out, except": (
        consent({"provision": [rule("permit", purpose=[purpose("TREAT")])]}, **OPTOUT), {}, PERMIT),
    "opted in, root in either sense, which matches": (
        consent({"period": {"start": "2020"}}, **OPTIN), {}, DENY),
    "opted in, root in either sense, which does not match": (
        consent({"period": {"end": "2020"}}, **OPTIN), {}, NOT_UNDERSTOOD),
    "no known policy": (consent(None), {}, DENY),
    "a policy that says nothing beside one that permits": (
        consent(None, policy=[{"uri": codes.PCF + one} for one in
            ("Policy-all-normal", "Policy-basic-normal")]), {"purpose": "PUBHLTH"}, NOTHING),
    "an exception that the policy does not carry": (
        consent(BREAK_GLASS, policy=[{"uri": codes.PCF + "Policy-all-normal"}]),
        {"purpose": "BTG", "confidentiality": "R"}, DENY),
    "basic policy is for treatment": (
        consent(ANYTHING, policy=[{"uri": codes.PCF + "Policy-basic-normal"}]),
        {"purpose": "PUBHLTH"}, NOTHING),
    "break-glass-only denies the rest": (
        consent(None, policy=[{"uri": codes.PCF + "Policy-break-glass-only"}]), {}, DENY),
    # section 6
    "a country of origin is not named": (
        consent(ANYTHING),
        {"recipient": "registry:kg", "recipient_jurisdiction": "KG"},
        ("no-consent", "origin-not-named")),
    "a country of origin is named": (
        consent(rule("permit", actor=[actor("KG", codes.COUNTRY)])),
        {"recipient": "registry:kg", "recipient_jurisdiction": "KG"}, PERMIT),
    "any country abroad may be the origin": (
        consent(ANYTHING),
        {"recipient": "registry:de", "recipient_jurisdiction": "DE", "origins": []},
        ("no-consent", "origin-not-named")),
    "an international body is no origin": (
        consent(ANYTHING),
        {"recipient": "who:euro", "recipient_jurisdiction": "*", "origins": []}, PERMIT),
    "a label is not named": (
        consent(ANYTHING), {"labels": ["HIV"]}, ("no-consent", "label-not-permitted")),
    "a label is named": (
        consent(rule("permit", securityLabel=[label("HIV")])), {"labels": ["HIV"]}, PERMIT),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_CONSENT)
def test_one_consent(name: str) -> None:
    one, changes, expected = ONE_CONSENT[name]

    assert expected == said([one], request(**changes))


def test_no_consent_and_no_mandate() -> None:
    assert said([]) == NOTHING


def test_any_denial_beats_a_later_permit() -> None:
    assert said([consent(rule("deny")), consent(ANYTHING, id="b", dateTime=SOON)]) == DENY


def test_a_later_version_takes_the_place_of_the_one_before() -> None:
    withdrawn = consent(ANYTHING, status="inactive", dateTime="2026-02-01")

    assert said([withdrawn, consent(ANYTHING)]) == NOTHING


def test_of_equal_times_what_stops_wins() -> None:
    assert said([consent(ANYTHING, status="inactive"), consent(ANYTHING)]) == NOTHING


def test_a_version_of_the_future_leaves_the_one_before() -> None:
    assert said([consent(ANYTHING), consent(rule("deny"), dateTime=TOO_SOON)]) == PERMIT


def test_a_newer_consent_that_names_the_older_replaces_it() -> None:
    older = consent(rule("deny"), identifier=[{"system": "urn:c", "value": "1"}])
    reference = {"identifier": {"system": "urn:c", "value": "1"}}
    newer = consent(ANYTHING, id="b", dateTime=SOON, sourceReference=reference)
    not_understood = {**newer, "implicitRules": "urn:x"}

    assert said([older, newer]) == PERMIT
    assert said([older, not_understood]) == DENY


def test_a_part_that_is_not_permitted_is_taken_out() -> None:
    answer = decide([consent(ANYTHING)], [], request(part_labels=["HIV"]), NOW)

    assert answer == {
        "decision": "permit",
        "rule": "consent-permits",
        "basis": 0,
        "view": "minimum",
        "redact": ["HIV"],
        "obligations": ["MINEC", "NORDSCLCD", "NOREUSE", "PERSISTLABEL", "REDACT"],
        "objection": False,
    }


def test_a_mandate_permits_its_own_view_over_an_objection() -> None:
    asked = request(purpose="PUBHLTH")
    answer = decide([consent(rule("deny"))], [policy(mandates=[MANDATE])], asked, NOW)

    assert answer == {
        "decision": "permit",
        "rule": "mandate-permits",
        "basis": [1, "kz-ihr"],
        "view": "pseudonymous",
        "redact": [],
        "obligations": ["NORDSCLCD", "NOREUSE", "PERSISTLABEL", "PSEUD"],
        "objection": True,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"overrides_objection": False}, DENY),
        ({"recipients": ["registry:kg"]}, DENY),
        ({"period": {"start": "2026-01-01T00:00:00Z", "end": "2026-11-25T12:00:00Z"}}, DENY),
        ({"purposes": ["TREAT", "ETREAT"]}, DENY),
        ({"record_classes": ["Observation"]}, DENY),
    ],
)
def test_a_mandate_that_does_not_fit(changes: Json, expected: tuple[str, str]) -> None:
    mandates = [{**MANDATE, **changes}]

    assert expected == said(
        [consent(rule("deny"))], request(purpose="PUBHLTH"), policy(mandates=mandates)
    )


def test_a_mandate_never_reaches_a_country_of_origin_nor_an_unnamed_label() -> None:
    law = policy(mandates=[{**MANDATE, "recipients": []}])
    home = request(purpose="PUBHLTH", recipient="registry:kg", recipient_jurisdiction="KG")

    assert said([], home, law) == NOTHING
    labelled = request(purpose="PUBHLTH", labels=["HIV"])
    assert said([], labelled, law) == NOTHING


def test_the_law_of_another_place_is_no_mandate() -> None:
    asked = request(purpose="PUBHLTH", origins=["KG"])

    assert said([], asked, policy("KG", mandates=[MANDATE])) == NOTHING


def test_any_policy_involved_can_forbid() -> None:
    forbids = [{"purposes": ["TREAT"], "countries": ["KZ"]}]

    assert said([consent(ANYTHING)], None, policy("KG", forbids=forbids)) == (
        "deny",
        "policy-forbids",
    )
    assert said([consent(ANYTHING)], None, policy("DE", forbids=forbids)) == PERMIT


def test_the_highest_version_in_force_counts() -> None:
    old = policy(views={"TREAT": "verdict"})
    new = policy(version=2, views={"TREAT": "pseudonymous"})
    not_yet = policy(version=3, valid_from="2027-01-01T00:00:00Z")

    assert decide([consent(ANYTHING)], [new, old, not_yet], request(), NOW)["view"] == (
        "pseudonymous"
    )


def test_nothing_makes_it_fail() -> None:
    deep: Json = rule("deny")
    for _ in range(5000):
        deep = {"type": "deny", "provision": [deep]}
    override = policy(mandates=[MANDATE])

    assert said([consent(deep)]) == DENY
    assert said([consent(deep)], request(purpose="PUBHLTH"), override)[0] == "permit"
    assert said([{"resourceType": "Consent"}]) == DENY


def test_one_path_alone_names_all_that_has_to_be_named() -> None:
    country = rule("permit", actor=[actor("KG", codes.COUNTRY)])
    labelled = rule("permit", securityLabel=[label("HIV")])
    both = rule("permit", actor=[actor("KG", codes.COUNTRY)], securityLabel=[label("HIV")])
    asked = request(recipient="registry:kg", recipient_jurisdiction="KG", labels=["HIV"])

    assert said([consent(rule("permit", country, labelled))], asked) == (
        "no-consent",
        "label-not-permitted",
    )
    assert said([consent(rule("permit", country, labelled, both))], asked) == PERMIT


def test_nothing_lifts_a_denial_in_what_was_not_understood() -> None:
    assert said([consent(BREAK_GLASS, implicitRules="urn:x")], request(purpose="BTG")) == DENY


def test_a_denied_label_of_a_part_is_taken_out_whatever_permits_it() -> None:
    permit = consent(rule("permit", securityLabel=[label("HIV")]))
    other = consent(rule("deny", securityLabel=[label("HIV")]), id="b", dateTime=SOON)
    draft = {**other, "status": "draft"}
    asked = request(labels=["HIV"])
    parts = request(part_labels=["HIV"])

    assert said([permit, other], asked) == DENY
    assert decide([consent(ANYTHING), other], [], parts, NOW)["redact"] == ["HIV"]
    named = consent(rule("permit", rule("permit"), rule("deny", securityLabel=[label("HIV")])))
    assert decide([named], [], parts, NOW)["redact"] == ["HIV"]
    opted = consent(
        {"provision": [rule("permit", securityLabel=[label("STD"), label("HIV")])]}, **OPTIN
    )
    labelled = request(labels=["STD"], part_labels=["HIV"])
    assert decide([opted], [], labelled, NOW)["redact"] == []
    assert decide([opted, draft], [], labelled, NOW)["redact"] == []
    assert decide([opted, other], [], labelled, NOW)["redact"] == ["HIV"]


def test_a_record_of_no_known_disease_may_be_of_any() -> None:
    forbids = policy(forbids=[{"diseases": ["mpox"]}])

    assert said([consent(ANYTHING)], None, forbids) == PERMIT
    assert said([consent(ANYTHING)], request(diseases=[]), forbids) == ("deny", "policy-forbids")


def test_of_mandates_that_fit_the_narrowest_is_the_basis() -> None:
    wide = {**MANDATE, "id": "wide", "view": "minimum"}
    law = policy(mandates=[wide, MANDATE, {**MANDATE, "id": "later"}])

    assert decide([], [law], request(purpose="PUBHLTH"), NOW)["basis"] == [1, "kz-ihr"]
