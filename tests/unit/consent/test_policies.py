"""The policy document, its signature, and what must follow from it."""

import json

import pytest

from adapters.policy_files import policies_to_serve, read_policies
from exchange.consent import decision as decision_module
from exchange.consent import outcome as outcome_module
from exchange.consent.self_test import self_test
from exchange.consent.signed_policy import read_signed_policy, sign_policy
from exchange.errors import ConfigurationError
from exchange.signing import SigningKey, VerifyingKey, sign_detached
from schemas.envelope import FHIR_JSON, POLICY
from schemas.jwk import PublicJwk
from schemas.policy import read_policy
from schemas.violation import SchemaViolation
from tests.support.consents import a_mandate, a_policy

WHOLE = {
    "jurisdiction": "KZ",
    "version": 3,
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2027-01-01T00:00:00Z",
    "authority": "Ministry of Health",
    "mandates": [
        {
            "id": "ihr-6",
            "law": "International Health Regulations (2005)",
            "citation": "Article 6",
            "period": {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"},
            "record_classes": ["Immunization"],
            "diseases": ["yellow-fever"],
            "purposes": ["PUBHLTH"],
            "recipients": ["registry:kz"],
            "labels": ["STD"],
            "view": "verdict",
            "overrides_objection": True,
        }
    ],
    "forbids": [{"countries": ["KG"], "labels": ["HIV"], "purposes": ["TREAT"]}],
    "views": {"PUBHLTH": "minimum"},
    "age_of_majority": 16,
    "sensitive": {"measles": ["STD"]},
    "break_glass": {"participants": ["registry:kz"], "max_hours": 4, "second_approver": True},
    "retention": {"Immunization": 3650},
    "recall_deadline_hours": 24,
}


def document(**changes):
    return json.dumps({**WHOLE, **changes}).encode()


def test_a_whole_policy_is_read_and_named_by_its_exact_bytes():
    body = document()
    policy = read_policy(body)

    assert policy.mandates[0].view == "verdict"
    assert policy.views == {"PUBHLTH": "minimum"}
    assert policy.age_of_majority == 16
    assert policy.digest == read_policy(body).digest
    assert policy.digest != read_policy(body + b"\n").digest
    assert len(policy.digest) == 43
    with pytest.raises(Exception, match="frozen"):
        policy.version = 4


SECRET = "immigration-enforcement"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (document(views={SECRET: "minimum"}), "Policy.views"),
        (document(views={"PUBHLTH": SECRET}), "Policy.views"),
        (document(mandates=[a_mandate(purposes=[SECRET])]), "Policy.mandates[0].purposes[0]"),
        (document(mandates=[a_mandate(view="full")]), "Policy.mandates[0].view"),
        (document(mandates=[a_mandate(diseases=[SECRET])]), "Policy.mandates[0].diseases[0]"),
        (document(mandates=[a_mandate(labels=[SECRET])]), "Policy.mandates[0].labels[0]"),
        (document(mandates=[a_mandate(recipients=["A B"])]), "Policy.mandates[0].recipients[0]"),
        (document(mandates=[a_mandate(**{SECRET: 1})]), "Policy.mandates[0]"),
        (document(mandates=[a_mandate(), a_mandate()]), "Policy"),
        (document(forbids=[{"countries": ["XX"]}]), "Policy.forbids[0].countries[0]"),
        (document(jurisdiction="KAZ"), "Policy.jurisdiction"),
        (document(version="1"), "Policy.version"),
        (document(version=True), "Policy.version"),
        (document(valid_from="2026-01-01T00:00:00"), "Policy.valid_from"),
        (document(valid_until="2025-01-01T00:00:00Z"), "Policy"),
        (document(break_glass={"participants": [], "max_hours": 1}), "Policy.break_glass"),
        (document(retention={"Immunization": 0}), "Policy.retention"),
        (document(**{SECRET: True}), "Policy"),
        (b'{"jurisdiction": "KZ", "jurisdiction": "KG"}', "$this"),
        (b"{}", "Policy.jurisdiction"),
        (b"[]", "Policy"),
        (b"\xff", "$this"),
        (b"", "$this"),
    ],
)
def test_any_other_bytes_are_refused_with_the_member_and_the_cure_and_never_a_value(body, place):
    with pytest.raises(SchemaViolation) as refused:
        read_policy(body)

    assert any(one.expression.startswith(place) for one in refused.value.problems)
    for one in refused.value.problems:
        told = one.expression + one.text + one.text_in("ru")
        assert SECRET not in told
        assert one.sentence is not None


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate()


def verifying(key):
    return VerifyingKey.from_jwk(PublicJwk.model_validate(key.public_jwk()))


def signed(body, key, **changes):
    header = {
        "issuer": "authority:kz",
        "message_id": "policy-kz-3",
        "issued_at": 1_780_000_000,
        "content_type": POLICY,
    }
    return sign_detached(key, body, **{**header, **changes})


def test_a_policy_is_taken_only_as_its_authority_signed_it(key):
    body = document()
    signature = sign_policy(body, key, authority="authority:kz", issued_at=1_780_000_000)

    assert read_signed_policy(body, signature, verifying(key)).version == 3
    for other_body, other_signature, other_key in (
        (body + b" ", signature, key),
        (body, signature, SigningKey.generate()),
        (body, signed(body, key, content_type=FHIR_JSON), key),
        (body, "nonsense", key),
        (b"{}", signed(b"{}", key), key),
    ):
        with pytest.raises(ConfigurationError):
            read_signed_policy(other_body, other_signature, verifying(other_key))


def test_what_is_no_policy_is_not_signed(key):
    with pytest.raises(SchemaViolation):
        sign_policy(document(version=0), key, authority="authority:kz", issued_at=1)


def test_a_folder_of_policies_is_read_whole_or_not_at_all(tmp_path, key):
    body = document()
    (tmp_path / "KZ.json").write_bytes(body)
    (tmp_path / "KZ.jwk").write_text(json.dumps(key.public_jwk()))
    with pytest.raises(ConfigurationError, match=r"KZ\.json\.jws"):
        read_policies(tmp_path)

    (tmp_path / "KZ.json.jws").write_text(signed(body, key) + "\n")
    assert [one.version for one in read_policies(tmp_path)] == [3]

    for suffix in (".json", ".json.jws", ".jwk"):
        (tmp_path / f"KZ-again{suffix}").write_bytes((tmp_path / f"KZ{suffix}").read_bytes())
    with pytest.raises(ConfigurationError, match="same version"):
        read_policies(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_policies(tmp_path / "none")


# --- the self-test -------------------------------------------------------------------------------


def test_the_rules_and_what_follows_from_a_policy_hold():
    assert self_test() == []
    assert self_test([read_policy(document()), a_policy(jurisdiction="*", forbids=[{}])]) == []
    assert policies_to_serve(None) == ()


@pytest.mark.parametrize(
    ("module", "name", "damaged", "case"),
    [
        (decision_module, "is_forbidden", lambda *_: False, "what the place of collection forbids"),
        (decision_module, "reaches_origin", lambda *_: False, "a country of origin must be named"),
        (outcome_module, "may_permit", lambda *_: True, "a guardian who was not verified"),
        (decision_module, "HEALTH_PURPOSES", {"HRESCH", "PUBHLTH"}, "research is outside"),
    ],
)
def test_damaged_rules_are_found_before_the_exchange_starts(
    monkeypatch, module, name, damaged, case
):
    monkeypatch.setattr(module, name, damaged)

    with pytest.raises(ConfigurationError, match="self-test"):
        policies_to_serve(None)
    assert any(one.name.startswith(case) for one in self_test())


def test_a_policy_whose_rules_are_not_followed_is_found(monkeypatch):
    monkeypatch.setattr("exchange.consent.decision.is_forbidden", lambda *_: False)

    names = [one.name for one in self_test([read_policy(document(mandates=[]))])]

    assert "KZ forbids[0]: a consent does not lift it" in names


def test_a_dissent_that_stops_nothing_is_found(monkeypatch):
    monkeypatch.setattr("exchange.consent.decision.outcome_of", lambda *_: outcome_module._NOTHING)

    names = [one.name for one in self_test([a_policy(mandates=[a_mandate()])])]

    assert "KZ ihr: a dissent stops it" in names
