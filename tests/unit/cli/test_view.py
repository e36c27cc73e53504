"""`bhx view` as a post meets it: what a recipient would get, before anything is published."""

import json
import os
import pty
import subprocess
import sys

import pytest
from fhir.resources.R4B.bundle import Bundle
from typer.testing import CliRunner

from adapters.cli import app
from tests.benchmarks.bundles import broken_message, four_entry_message

REQUIREMENT = {"id": "kz:entry:yf", "version": "1", "disease": "yellow-fever"}


@pytest.fixture
def view(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "message.json").write_bytes(four_entry_message())
    (tmp_path / "broken.json").write_bytes(broken_message())

    def view(*arguments, code=0):
        result = CliRunner().invoke(app, ["view", "--as", "registry:uz", *arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return view


@pytest.mark.parametrize("name", ["minimum", "pseudonymous", "verdict"])
def test_in_a_pipe_it_is_the_message_itself(view, name):
    result = view("message.json", "--view", name)

    Bundle.model_validate_json(result.stdout)
    assert "made up for this preview" in result.stderr


def test_the_narrowest_usual_view_is_the_default(view):
    shown = json.loads(view("message.json", "--json").stdout)

    assert "MINEC" in json.dumps(shown["meta"])
    assert "registry:uz" in json.dumps(shown["entry"][0])


def test_full_is_the_received_bytes(view):
    assert view("message.json", "--view", "full").stdout_bytes == four_entry_message()


def test_no_two_previews_share_a_pseudonym(view):
    first, second = (
        json.loads(view("message.json", "--view", "pseudonymous").stdout) for _ in range(2)
    )

    def traveller(shown):
        (patient,) = (
            entry["resource"]
            for entry in shown["entry"]
            if entry["resource"]["resourceType"] == "Patient"
        )
        return patient["identifier"]

    assert traveller(first) != traveller(second)


def test_a_verdict_by_a_requirement(view, tmp_path):
    (tmp_path / "rule.json").write_text(json.dumps(REQUIREMENT | {"kind": "immunization"}))

    shown = view("message.json", "--view", "verdict", "--requirement", "rule.json").stdout

    assert '{"name":"verdict","valueCode":"met"}' in shown
    assert '"valueCode":"unknown"' in view("message.json", "--view", "verdict").stdout


def test_what_is_not_valid_is_told_and_nothing_shown(view):
    result = view("broken.json", "--lang", "ru", code=1)

    assert result.stdout == ""
    assert "Immunization" in result.stderr or "Bundle.entry" in result.stderr
    assert "12.04.1990" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("message.json", "--view", "everything"),
        ("message.json", "--purpose", "HMARKT"),
        ("message.json", "--lang", "xx"),
        ("message.json", "--as", "Registry of Kazakhstan"),
        ("absent.json",),
    ],
)
def test_a_wrong_option_is_said(view, arguments):
    view(*arguments, code=2)


def test_a_view_that_does_not_exist_sends_nothing(view, tmp_path):
    bundle = json.loads(four_entry_message())
    bundle["entry"][1]["resource"]["modifierExtension"] = [{"url": "urn:x", "valueBoolean": True}]
    (tmp_path / "message.json").write_text(json.dumps(bundle))

    result = view("message.json", code=1)

    assert result.stdout == ""
    assert "nothing would be sent" in result.stderr


def on_a_terminal(*arguments):
    """What a person sees, and the exit code."""
    here, there = pty.openpty()
    environment = os.environ | {"COLUMNS": "120", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        [sys.executable, "-m", "adapters.cli", "view", *arguments],
        stdout=there,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        os.close(there)
        shown = bytearray()
        try:
            while piece := os.read(here, 65536):
                shown += piece
        except OSError:
            pass  # a terminal whose program has gone
        os.close(here)
        process.communicate()
    return shown.decode(), process.returncode


def test_on_a_terminal_it_is_a_table_without_the_values_left_out(tmp_path):
    bundle = json.loads(four_entry_message())
    traveller = bundle["entry"][2]["resource"]
    traveller["telecom"] = [{"system": "phone", "value": "+77010000000"}]
    (tmp_path / "message.json").write_text(json.dumps(bundle))

    shown, code = on_a_terminal(str(tmp_path / "message.json"), "--as", "registry:uz")

    assert code == 0
    assert "Patient.birthDate" in shown
    assert "1990-04-12" in shown
    assert "Patient.telecom.value" in shown
    assert "+77010000000" not in shown
    assert "Organization (1)" in shown


def test_a_value_commands_no_terminal(tmp_path):
    # U+009B begins a command to a terminal, and FHIR allows it in a string.
    bundle = json.loads(four_entry_message())
    bundle["entry"][1]["resource"]["manufacturer"]["display"] = "Sanofi\u009b31mPasteur"
    (tmp_path / "message.json").write_text(json.dumps(bundle))

    shown, code = on_a_terminal(str(tmp_path / "message.json"), "--as", "registry:uz")

    assert code == 0
    assert "\u009b" not in shown
    assert "Pasteur" in shown
