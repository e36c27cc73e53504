"""The command line as its users meet it: exit codes, JSON, files and their modes."""

import asyncio
import base64
import hashlib
import json
import subprocess
import sys
import threading
import time

import pytest
import uvicorn
from typer.testing import CliRunner

from adapters.bootstrap import open_exchange
from adapters.cli import app
from adapters.http.app import create_app
from adapters.settings import read_settings
from adapters.telemetry import Metrics
from tests.support.waiting import until
from tests.support.world import ALA, AUDITOR, KZ, consent
from tests.support.world import vaccination as composed


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


def as_json(result):
    return json.loads(result.stdout.splitlines()[-1])


def write_participants(bhx):
    """Keys and documents for a post, a registry and an auditor."""
    options = {
        ALA: ["--jurisdiction", "KZ", "--role", "publisher"],
        KZ: [
            "--jurisdiction", "KZ", "--role", "subscriber", "--purpose", "PUBHLTH",
            "--subscribe", "immunization", "--pull",
        ],
        AUDITOR: ["--jurisdiction", "*", "--role", "auditor"],
    }  # fmt: skip
    for number, (name, chosen) in enumerate(options.items()):
        bhx("key", "new", "--out", f"{number}.key")
        bhx("participant", "new", name, "--name", name, *chosen,
            "--key", f"{number}.key", "-o", f"{number}.json")  # fmt: skip
    bhx("participant", "admit", "0.json", "1.json", "2.json")


def test_help_is_quick_and_teaches():
    began = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "adapters.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - began

    for slow in ("sqlalchemy", "fastapi", "fhir.resources", "aiormq", "httpx2", "pydantic"):
        assert f" {slow}\n" not in shown.stderr
    assert seconds < 5
    for command in ("publish", "subscribe", "audit", "key", "participant", "rabbitmq"):
        assert command in shown.stdout


def test_a_key_is_private_and_never_overwritten(bhx, tmp_path):
    shown = as_json(bhx("key", "new", "--out", "a.key", "--json"))

    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert shown["public_jwk"]["kid"] == shown["kid"]
    assert "d" not in shown["public_jwk"]
    before = (tmp_path / "a.key").read_bytes()
    refused = bhx("key", "new", "--out", "a.key", code=2)
    assert refused.stderr.count("\n") == 1
    assert "never overwritten" in refused.stderr
    assert (tmp_path / "a.key").read_bytes() == before


@pytest.mark.parametrize(("algorithm", "curve"), [("Ed25519", "Ed25519"), ("ES256", "P-256")])
def test_show_prints_only_the_public_half(bhx, tmp_path, algorithm, curve):
    bhx("key", "new", "--alg", algorithm, "--out", "a.key")
    private = json.loads((tmp_path / "a.key").read_text())

    shown = bhx("key", "show", "a.key")

    public = json.loads(shown.stdout)
    assert public["crv"] == curve
    assert private["d"] not in shown.output


def test_a_key_that_others_can_read_is_refused(bhx, tmp_path):
    bhx("key", "new", "--out", "a.key")
    (tmp_path / "a.key").chmod(0o644)

    assert "chmod 600" in bhx("key", "show", "a.key", code=2).stderr
    bhx("participant", "new", ALA, "--name", "x", "--jurisdiction", "KZ",
        "--role", "publisher", "--key", "a.key", code=2)  # fmt: skip


def test_errors_are_json_for_programs(bhx):
    error = as_json(bhx("key", "show", "none.key", "--json", code=2))

    assert error["error"] == "configuration"
    assert "none.key cannot be read" in error["text"]


def test_the_version_is_told(bhx):
    assert bhx("--version").stdout.startswith("bhx")


def test_wrong_usage_is_json_for_programs_too(bhx):
    for wrong in (["key", "show"], ["key", "new", "--no-such-option"], ["key", "none"]):
        error = as_json(bhx(*wrong, "--json", code=2))
        assert error["error"] == "usage"
        assert error["text"]


def test_a_document_names_no_secret_and_one_subscription_for_each_purpose(bhx, tmp_path):
    bhx("key", "new", "--out", "a.key")
    document = as_json(
        bhx("participant", "new", KZ, "--name", "Реестр", "--jurisdiction", "KZ",
            "--role", "subscriber", "--purpose", "PUBHLTH", "--purpose", "TREAT",
            "--subscribe", "immunization:yellow-fever:KG", "--subscribe", "*",
            "--key", "a.key", "--json")
    )  # fmt: skip

    assert "d" not in document["keys"][0]["jwk"]
    first, *_, last = document["subscriptions"]
    assert (len(document["subscriptions"]), first["purpose"]) == (4, "PUBHLTH")
    assert (first["record_types"], first["diseases"], first["jurisdictions"]) == (
        ["immunization"],
        ["yellow-fever"],
        ["KG"],
    )
    assert (last["record_types"], last["diseases"]) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [
        ["--role", "border-guard"],
        ["--role", "subscriber"],
        ["--role", "publisher", "--purpose", "IMMIGRATION"],
        ["--role", "subscriber", "--purpose", "PUBHLTH", "--subscribe", "immunization:yelow"],
        ["--role", "subscriber", "--purpose", "PUBHLTH", "--subscribe", "a:b:c:d"],
    ],
)
def test_no_document_for_what_does_not_exist_here(bhx, wrong):
    bhx("key", "new", "--out", "a.key")

    refused = bhx("participant", "new", ALA, "--name", "x", "--jurisdiction", "KZ",
                  "--key", "a.key", *wrong, code=2)  # fmt: skip

    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.output


def test_the_life_of_a_participant(bhx):
    write_participants(bhx)
    listed = as_json(bhx("participant", "list", "--json"))
    assert [one["id"] for one in listed] == [AUDITOR, ALA, KZ]
    assert ALA in bhx("participant", "list").stdout
    change = as_json(bhx("participant", "admit", "0.json", "--json"))
    assert change == [{"participant": ALA, "change": "unchanged"}]

    bhx("participant", "suspend", ALA)
    assert as_json(bhx("participant", "show", ALA, "--json"))["suspended"] is True
    bhx("participant", "admit", "0.json")

    bhx("key", "new", "--out", "next.key")
    bhx("participant", "rotate-key", ALA, "--key", "next.key", "--overlap-hours", "1")
    old, new = as_json(bhx("participant", "show", ALA, "--json"))["keys"]
    assert old["valid_until"] < new["valid_until"]
    bhx("key", "new", "--out", "third.key")
    bhx("participant", "rotate-key", ALA, "--key", "third.key",
        "--compromised-since", "2026-01-01")  # fmt: skip
    keys = as_json(bhx("participant", "show", ALA, "--json"))["keys"]
    assert [one["compromised_since"] is None for one in keys] == [False, False, True]

    bhx("participant", "show", "poe:xx:yyy", code=2)
    assert as_json(bhx("audit", "verify", "--json"))["verified"] is True


def test_nothing_is_made_by_looking(bhx, tmp_path):
    for look in (
        ["participant", "list"],
        ["audit", "verify"],
        ["audit", "trail", "x"],
        ["rabbitmq", "definitions", "-o", "d.json"],
    ):
        assert "holds no exchange" in bhx(*look, "--data", "none", code=2).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_document_is_named_and_not_repeated(bhx, tmp_path):
    (tmp_path / "x.json").write_text('{"id": "Ivanova"}')

    refused = bhx("participant", "admit", "x.json", code=2)

    assert "x.json is not a participant's document" in refused.stderr
    assert "Ivanova" not in refused.output


def test_rabbitmq_definitions_keep_passwords_in_a_private_file(bhx, tmp_path):
    write_participants(bhx)
    shown = as_json(bhx("rabbitmq", "definitions", "-o", "definitions.json", "--json"))

    secrets_file = tmp_path / "definitions.passwords.json"
    assert secrets_file.stat().st_mode & 0o777 == 0o600
    passwords = json.loads(secrets_file.read_text())
    assert set(passwords) == set(shown["users"])
    assert ALA in passwords
    assert all(one not in (tmp_path / "definitions.json").read_text() for one in passwords.values())

    bhx("rabbitmq", "definitions", "-o", "definitions.json")
    assert json.loads(secrets_file.read_text()) == passwords
    secrets_file.chmod(0o644)
    bhx("rabbitmq", "definitions", "-o", "definitions.json", code=2)


def test_the_exchange_keeps_the_login_it_was_given_for_the_broker(bhx, tmp_path, monkeypatch):
    write_participants(bhx)
    monkeypatch.setenv("BHX_BROKER", "amqp://own:p%2Fw@rabbitmq:5672/")

    shown = json.loads(bhx("rabbitmq", "definitions", "-o", "-", "--passwords", "pw.json").stdout)

    # RabbitMQ's own form: base64 of a salt of 4 bytes and SHA-256 of salt and password.
    [salted] = [one["password_hash"] for one in shown["users"] if one["name"] == "own"]
    salt, digest = base64.b64decode(salted)[:4], base64.b64decode(salted)[4:]
    assert digest == hashlib.sha256(salt + b"p/w").digest()
    assert json.loads((tmp_path / "pw.json").read_text())["own"] == "p/w"


def test_definitions_on_standard_output_need_a_file_for_the_passwords(bhx, tmp_path):
    write_participants(bhx)

    assert "--passwords" in bhx("rabbitmq", "definitions", "-o", "-", code=2).stderr
    assert not (tmp_path / "-").exists()


class Served:
    """The exchange of a folder behind a real socket, in a thread of its own."""

    def __init__(self, folder, policies=()):
        self.folder, self.policies = folder, policies
        self.port = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(20)
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(20)

    async def _serve(self):
        import socket

        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        settings = read_settings(data=self.folder, listen=f"127.0.0.1:{self.port}")
        async with open_exchange(settings, policies=self.policies) as exchange:
            config = uvicorn.Config(create_app(exchange, metrics=Metrics()), log_config=None)
            self._server = uvicorn.Server(config)
            deciding = asyncio.create_task(exchange.intake.run())
            serving = asyncio.create_task(self._server.serve(sockets=[listening]))
            await until(lambda: self._server.started, what="uvicorn listens")
            self._up.set()
            await serving
            exchange.intake.stop()
            await deciding
        listening.close()


@pytest.fixture
def served(bhx, tmp_path):
    write_participants(bhx)
    with Served(tmp_path / "bhx-data") as url:
        yield url


def write_records(folder, count=1, *, permitted=True):
    names = []
    for number in range(count):
        consents = [consent(recipients=[KZ])] if permitted else []
        _, body = composed(*consents, documents=("N 1" if permitted else "N 2",))
        names.append(f"record-{'p' if permitted else 'r'}{number}.json")
        (folder / names[-1]).write_bytes(body)
    return names


def test_publish_subscribe_and_audit(bhx, served, tmp_path):
    who = ["--as", ALA, "--key", "0.key", "--to", served]
    records = write_records(tmp_path, 5)
    first = bhx("publish", *records, *who, "--receipts", "receipts", "--json")
    published = as_json(first)
    assert (published["published"], published["accepted"], published["refused"]) == (5, 5, {})
    assert "First contact" in first.stderr
    assert len(list((tmp_path / "receipts").iterdir())) == 5
    again = bhx("publish", records[0], *who)
    assert "accepted" in again.stdout
    assert "First contact" not in again.stderr

    refused = bhx("publish", *write_records(tmp_path, 1, permitted=False), *who, code=1)
    assert "consent-refused" in refused.stdout
    assert "Иванова" not in refused.output

    registry = ["subscribe", "--as", KZ, "--key", "1.key", "--from", served, "--once"]
    assert "Give --out" in bhx(*registry, code=2).stderr
    received = bhx(*registry, "--out", "in")
    assert "5 verified and acknowledged" in received.stderr
    assert "Иванова" not in received.output
    kept = sorted(one for one in (tmp_path / "in").iterdir() if "proof" not in one.name)
    assert sorted(one.read_bytes() for one in kept) == sorted(
        (tmp_path / name).read_bytes() for name in records
    )
    assert {one.stat().st_mode & 0o777 for one in (tmp_path / "in").iterdir()} == {0o600}
    last = as_json(bhx(*registry, "--out", "in", "--json"))
    nothing = {"unanswered": [], "unproven": [], "missing": []}
    assert last == {"received": 0, "withheld": 0, "recalled": 0, **nothing}

    auditor = ["--url", served, "--as", AUDITOR, "--key", "2.key"]
    report = as_json(bhx("audit", "verify", *auditor, "--json"))
    assert (report["verified"], report["entries_by_type"]["released"]) == (True, 5)
    assert "The trail holds." in bhx("audit", "verify", "--data", "bhx-data").stdout
    message = published["messages"][0]["message"]
    [life] = as_json(bhx("audit", "trail", message, *auditor, "--json"))
    assert [one["type"] for one in life["entries"]] == ["accepted", "released", "acknowledged"]
    assert "holds" in bhx("audit", "trail", message).stdout
    assert "knows nothing" in bhx("audit", "trail", "nobody", code=1).stdout
    bhx("audit", "verify", "--url", served, code=2)


def test_print_shows_the_exact_record(bhx, served, tmp_path):
    [record] = write_records(tmp_path)
    bhx("publish", record, "--as", ALA, "--key", "0.key", "--to", served)

    shown = bhx("subscribe", "--as", KZ, "--key", "1.key", "--from", served, "--once", "--print")

    assert shown.stdout == (tmp_path / record).read_text() + "\n"


def test_an_exchange_with_another_log_key_is_not_believed(bhx, served, tmp_path):
    [record] = write_records(tmp_path)
    from tests.unit.clients.small_trail import SmallTrail

    pinned = ["--log-key", SmallTrail().verifier.verifier_key]
    who = ["--as", ALA, "--key", "0.key", "--to", served]

    failed = as_json(bhx("publish", record, *who, *pinned, "--json", code=1))
    assert failed["without_receipt"] == 1
    assert "pinned log key" in failed["messages"][0]["error"]

    bhx("publish", record, *who)
    refused = bhx("subscribe", "--as", KZ, "--key", "1.key", "--from", served, "--once",
                  "--out", "in", *pinned, code=1)  # fmt: skip
    assert "NOT PROVEN" in refused.stderr
    assert list((tmp_path / "in").iterdir()) == []


def test_pinned_publishers_are_the_only_ones_believed(bhx, served, tmp_path):
    [record] = write_records(tmp_path)
    bhx("publish", record, "--as", ALA, "--key", "0.key", "--to", served)
    registry = ["subscribe", "--as", KZ, "--key", "1.key", "--from", served, "--once"]

    bhx(*registry, "--out", "in", "--publisher", "2.json", code=1)
    bhx(*registry, "--out", "in", "--publisher", "0.json")


@pytest.mark.parametrize("url", ["ftp://x", "x", "amqp://guest:guest@127.0.0.1:1/"])
def test_a_url_that_cannot_be_right_is_a_setting(bhx, tmp_path, url):
    bhx("key", "new", "--out", "a.key")
    [record] = write_records(tmp_path)

    bhx("publish", record, "--as", ALA, "--key", "a.key", "--to", url, code=2)
    bhx("subscribe", "--as", KZ, "--key", "a.key", "--from", url, "--print", "--once", code=2)
