"""`bhx consent` and `bhx policy`: a decision explained, whatever lies in the files."""

import json

import pytest
from typer.testing import CliRunner

from adapters.cli import app
from tests.support.consents import (
    ACT_CODE,
    ISO,
    UZ,
    a_consent,
    a_mandate,
    actor,
    coded,
    deny,
    permit,
)
from tests.support.world import KG, KZ, vaccination


@pytest.fixture
def bhx(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def bhx(*arguments, code=0):
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    return bhx


@pytest.fixture
def file(tmp_path):
    def file(value, name="consent.json"):
        path = tmp_path / name
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        return path

    return file


@pytest.fixture
def decided(bhx):
    def decided(*consents, code=0, actor=KZ, purpose="PUBHLTH", **options):
        arguments = [part for one in consents for part in ("--consent", one)]
        for name, value in options.items():
            arguments += [f"--{name.replace('_', '-')}", value]
        answer = bhx(
            "consent", "decide", "--json", *arguments, "--purpose", purpose, "--actor", actor,
            code=code,
        )  # fmt: skip
        return json.loads(answer)

    return decided


def test_a_permit_is_exit_0_and_tells_everything(file, decided):
    found = decided(file(a_consent(permit())), at="2026-06-01T12:00:00Z")

    assert list(found) == [
        "decision", "basis", "rule", "view", "redact", "obligations", "inputs_digest", "reason",
    ]  # fmt: skip
    assert found["decision"] == "permit"
    assert found["basis"] == {"kind": "consent", "consent": "urn:test|a"}
    assert found["view"] == "full"
    assert found["obligations"] == ["NOREUSE", "NORDSCLCD", "PERSISTLABEL"]
    assert len(found["inputs_digest"]) == 43


def test_a_denial_and_no_consent_are_exit_1(file, decided):
    assert decided(file(a_consent(deny())), code=1)["decision"] == "deny"
    assert decided(file(a_consent(permit(actor=[actor(KG)]))), code=1)["decision"] == "no-consent"
    assert decided(file(a_consent(permit())), purpose="HRESCH", code=1)["rule"] == "purpose-wall"


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": 1, "a": 2}',
     {"resourceType": "Patient"}, {"resourceType": "Consent"}, a_consent(permit(), status=7)],
)  # fmt: skip
def test_any_content_is_a_decision_with_its_reason(file, decided, content):
    found = decided(file(content), file(a_consent(permit()), "good.json"), code=1)

    assert (found["decision"], found["rule"]) == ("deny", "consent-denies")
    assert "mend it" in found["reason"]


def test_a_bundle_holds_several_and_one_without_any_is_no_consent(file, decided):
    bundle = {"resourceType": "Bundle", "entry": [{"resource": a_consent(permit())}, {}, 7]}

    assert decided(file(bundle))["decision"] == "permit"
    assert decided(file({"resourceType": "Bundle"}), code=1)["decision"] == "no-consent"


def test_the_time_the_class_and_the_actor_are_asked(file, decided):
    classes = coded("http://hl7.org/fhir/resource-types", "Observation")
    consent = file(a_consent(permit(class_=classes, period={"end": "2026"})))

    assert decided(consent, category="labresult", at="2026-12-31")["decision"] == "permit"
    assert decided(consent, category="Observation", at="2026-12-31")["decision"] == "permit"
    assert decided(consent, category="immunization", at="2026-12-31", code=1)
    assert decided(consent, category="labresult", at="2027-01-02T12:00:00Z", code=1)
    named = file(a_consent(permit(actor=[actor("UZ", system=ISO)])))
    assert decided(named, actor=f"urn:bhx:participant:{UZ}")["decision"] == "permit"
    assert decided(named, actor="clinic:tashkent", code=1)["decision"] == "no-consent"
    assert decided(named, actor="clinic:tashkent", actor_jurisdiction="uz")["decision"] == "permit"


def test_a_record_tells_its_place_its_labels_and_its_parts(file, decided):
    _, body = vaccination(documents=())
    message = json.loads(body)
    resources = {one["resource"]["resourceType"]: one["resource"] for one in message["entry"]}
    resources["Organization"]["meta"] = {"security": coded(ACT_CODE, "HIV")}
    record = file(message, "record.json")
    consent = file(a_consent(permit(code=[{"coding": coded("http://hl7.org/fhir/sid/cvx", "37")}])))

    found = decided(consent, record=record)
    assert (found["redact"], found["view"]) == (["HIV"], "minimum")
    assert decided(consent, record=record, actor=KG, code=1)["rule"] == "origin-not-named"
    assert decided(consent, record=record, actor=KG, origin="UZ")["decision"] == "permit"
    single = {**resources["Immunization"], "meta": {"security": coded(ACT_CODE, "STD")}}
    only = file(single, "single.json")
    assert decided(consent, record=only, code=1)["rule"] == "label-not-permitted"


def test_a_policy_is_asked_as_it_is(file, decided):
    policy = {
        "jurisdiction": "KZ",
        "version": 1,
        "valid_from": "2026-01-01T00:00:00Z",
        "authority": "Ministry of Health",
        "mandates": [a_mandate()],
    }
    path = file(policy, "KZ.json")

    found = decided(file({"resourceType": "Bundle"}), policy=path, at="2026-06-01")

    assert found["decision"] == "permit"
    assert (found["basis"]["kind"], found["basis"]["mandate"]) == ("mandate", "ihr")
    assert found["view"] == "minimum"


def test_what_cannot_be_read_is_exit_2(file, decided):
    good = file(a_consent(permit()))

    assert decided("missing.json", code=2)["error"] == "configuration"
    assert decided(good, record="missing.json", code=2)["error"] == "configuration"
    assert decided(good, record=file({"resourceType": "Patient"}, "p.json"), code=2)
    assert decided(good, policy=file({}, "p.json"), code=2)["error"] == "configuration"
    assert decided(good, at="yesterday", code=2)["error"] == "usage"
    assert decided(good, category="visa", code=2)["error"] == "usage"


def test_people_get_a_table_in_their_language(file, bhx):
    consent = file(a_consent(deny()))
    arguments = ["--consent", consent, "--purpose", "PUBHLTH", "--actor", KZ]

    assert "consent-denies" in bhx("consent", "decide", *arguments, code=1)
    russian = bhx("consent", "decide", *arguments, "--lang", "ru", code=1)
    assert "волеизъявление" in russian


def test_the_self_test_is_well(bhx):
    found = json.loads(bhx("consent", "self-test", "--json"))

    assert found["cases"] >= 40
    assert found["failed"] == []


def test_a_failing_self_test_names_the_case_and_serve_does_not_start(bhx, monkeypatch):
    monkeypatch.setattr("exchange.consent.decision.is_forbidden", lambda *_: False)

    failed = json.loads(bhx("consent", "self-test", "--json", code=1))["failed"]
    assert "what the place of collection forbids" in [one["case"] for one in failed]
    refused = bhx("serve", "--json", code=2)
    assert json.loads(refused)["error"] == "configuration"
    assert "what the place of collection forbids" in refused


def test_a_policy_is_signed_shown_and_checked(file, bhx, tmp_path):
    policy = file(
        {
            "jurisdiction": "KZ",
            "version": 7,
            "valid_from": "2026-01-01T00:00:00Z",
            "authority": "Ministry of Health",
        },
        "KZ.json",
    )
    bhx("key", "new", "--out", "authority.key")
    (tmp_path / "authority.jwk").write_text(bhx("key", "show", "authority.key"))

    bhx("policy", "sign", policy, "--key", "authority.key", "--authority", "authority:kz")
    checked = json.loads(bhx("policy", "check", policy, "--key", "authority.jwk", "--json"))
    assert (checked["version"], checked["signed"], checked["failed"]) == (7, True, [])
    assert json.loads(bhx("policy", "show", policy, "--json"))["digest"] == checked["digest"]

    policy.write_bytes(policy.read_bytes() + b" ")
    bhx("policy", "check", policy, "--key", "authority.jwk", code=2)
