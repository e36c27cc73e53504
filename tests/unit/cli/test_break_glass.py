"""`bhx break-glass`: ask, approve, open, receive, list and review, over a real socket."""

import json

import pytest
from typer.testing import CliRunner

from adapters.cli import app
from tests.support.consents import a_policy
from tests.support.world import ALA, AUDITOR, KZ, consent, vaccination
from tests.unit.cli.test_cli import Served, as_json

HOSPITAL, MINISTRY = "hospital:kz:ala", "ministry:kz"
DOCUMENT = "urn:bhx:test:passport|N 1234567"


@pytest.fixture
def bhx(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("BHX_DATA", "BHX_DATABASE", "BHX_BROKER"):
        monkeypatch.delenv(name, raising=False)

    def bhx(*arguments, code=0):
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return bhx


@pytest.fixture
def url(bhx, tmp_path):
    subscriber = ["--jurisdiction", "KZ", "--role", "subscriber", "--purpose"]
    options = {
        ALA: ["--jurisdiction", "KZ", "--role", "publisher"],
        KZ: [*subscriber, "PUBHLTH", "--subscribe", "*"],
        HOSPITAL: [*subscriber, "TREAT", "--purpose", "BTG", "--subscribe", "labresult"],
        MINISTRY: [*subscriber, "TREAT", "--subscribe", "labresult"],
        AUDITOR: ["--jurisdiction", "*", "--role", "auditor"],
    }
    for name, chosen in options.items():
        file = name.replace(":", "-")
        bhx("key", "new", "--out", f"{file}.key")
        bhx("participant", "new", name, "--name", name, *chosen,
            "--key", f"{file}.key", "-o", f"{file}.json")  # fmt: skip
        bhx("participant", "admit", f"{file}.json")
    policy = a_policy(break_glass={"participants": [HOSPITAL], "max_hours": 8})
    with Served(tmp_path / "bhx-data", (policy,)) as served:
        (tmp_path / "record.json").write_bytes(vaccination(consent(recipients=[KZ]))[1])
        bhx("publish", "record.json", *by(ALA), "--to", served)
        yield served


def by(name):
    return ["--as", name, "--key", f"{name.replace(':', '-')}.key"]


def asked(bhx, *, hours=4):
    return as_json(
        bhx("break-glass", "request", *by(HOSPITAL), "--document", DOCUMENT, "--hours", hours,
            "--reason", "emergency-treatment", "-o", "request.json", "--json")
    )  # fmt: skip


def test_from_the_request_to_the_review(bhx, url, tmp_path):
    grant = asked(bhx)["grant"]
    assert (tmp_path / "request.json").stat().st_mode & 0o777 == 0o600
    assert b"1234567" in (tmp_path / "request.json").read_bytes()
    to_approve = (tmp_path / "request.json.to-approve").read_bytes()
    assert b"1234567" not in to_approve

    opening = ["break-glass", "open", "request.json", *by(HOSPITAL), "--to", url]
    assert "second approver" in bhx(*opening, code=1).stderr
    wrong = ["break-glass", "approve", "request.json", *by(MINISTRY), "-o", "approval.json"]
    assert "FILE.to-approve" in bhx(*wrong, code=2).stderr
    agreed = as_json(
        bhx("break-glass", "approve", "request.json.to-approve", *by(MINISTRY),
            "-o", "approval.json", "--json")
    )  # fmt: skip
    assert (agreed["participant"], agreed["hours"]) == (HOSPITAL, 4)
    opened = as_json(bhx(*opening, "--approval", "approval.json", "--json"))
    assert (opened["grant"], opened["released"], opened["waiting"]) == (grant, 1, 0)

    received = bhx("subscribe", *by(HOSPITAL), "--from", url, "--once", "--out", "in", "--json")
    (one, _) = map(json.loads, received.stdout.splitlines())
    assert (one["purpose"], one["state"]) == ("BTG", "released")
    assert (tmp_path / one["file"]).read_bytes() == (tmp_path / "record.json").read_bytes()
    life = " ".join(bhx("audit", "trail", one["message"]).stdout.split())
    assert "break-glass" in life

    listed = bhx("break-glass", "list", "--unreviewed", "--json", code=1)
    [shown] = as_json(listed)["grants"]
    assert (shown["grant"], shown["approver"], shown["outcome"]) == (grant, MINISTRY, None)
    review = ["break-glass", "review", grant, "--outcome", "justified", "--reviewer"]
    assert "role auditor or operator" in bhx(*review, HOSPITAL, code=2).stderr
    assert as_json(bhx(*review, AUDITOR, "--json"))["outcome"] == "justified"
    assert as_json(bhx("break-glass", "list", "--unreviewed", "--json")) == {"grants": []}
    assert grant[:8] in bhx("break-glass", "list").stdout

    report = as_json(bhx("audit", "verify", "--json"))
    assert report["verified"], report["findings"]
    kinds = report["entries_by_type"]
    assert (kinds["refused"], kinds["break-glass-opened"]) == (1, 1)
    assert kinds["break-glass-reviewed"] == 1


def test_what_the_policy_does_not_allow(bhx, url):
    asked(bhx, hours=9)
    refused = bhx("break-glass", "open", "request.json", *by(HOSPITAL), "--to", url, code=1)

    assert "8 hours at most" in refused.stderr
    assert "1234567" not in refused.output


def test_a_document_has_a_system(bhx):
    bhx("key", "new", "--out", f"{HOSPITAL.replace(':', '-')}.key")
    told = bhx(
        "break-glass", "request", *by(HOSPITAL), "--document", "N1", "--hours", 1,
        "--reason", "emergency-treatment", "-o", "request.json", code=2,
    )  # fmt: skip
    assert "SYSTEM|VALUE" in told.stderr
