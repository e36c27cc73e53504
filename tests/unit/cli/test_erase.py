"""`bhx erase`, `bhx retain` and `bhx hold`, as an operator types them."""

import asyncio
import json
import sys

import pytest
from typer.testing import CliRunner

from adapters.cli import app
from exchange.signing import SigningKey, sign_detached
from schemas.envelope import POLICY
from tests.support.erasure_world import ANNA, BORIS, SYSTEM, erasure_world, policy

SUBJECT = f"{SYSTEM}|{ANNA}"


def bhx(*arguments, text=None):
    result = CliRunner().invoke(app, [*map(str, arguments)], input=text)
    assert not isinstance(result.exception, Exception), result.exception
    return result


@pytest.fixture
def data(tmp_path):
    """An exchange's folder, with a record of each of two travellers."""

    async def make():
        async with erasure_world(tmp_path) as world:
            await world.publish(ANNA)
            await world.publish(BORIS)

    asyncio.run(make())
    return tmp_path


def test_it_erases_once_and_the_trail_still_verifies(data):
    done = bhx("erase", "--subject", SUBJECT, "--data", data, "--json")
    again = bhx("erase", "--subject", SUBJECT, "--data", data, "--json")

    assert done.exit_code == 0
    value = json.loads(done.stdout)
    assert (value["messages"], value["recalled"], value["dead_letters"]) == (1, 2, None)
    assert again.exit_code == 1
    assert ANNA not in again.output
    verified = bhx("audit", "verify", "--data", data, "--json")
    assert verified.exit_code == 0
    assert json.loads(verified.stdout)["entries_by_type"]["erased"] == 1


def test_the_document_may_come_from_standard_input(data):
    shown = bhx("erase", "--subject", "-", "--data", data, text=f"{SUBJECT}\n")

    assert shown.exit_code == 0
    assert "1 stored messages unreadable" in shown.stdout
    assert "2 notices of recall" in shown.stdout


def test_on_a_terminal_it_asks_first(data, monkeypatch):
    # The command has its module's name, so the module is asked for where it is listed.
    monkeypatch.setattr(sys.modules["adapters.cli.erase"], "sys", _Terminal)
    said_no = bhx("erase", "--subject", SUBJECT, "--data", data, text="n\n")
    assert said_no.exit_code == 1
    assert "1 messages, and 2 deliveries to 2 recipients" in said_no.stderr
    said_yes = bhx("erase", "--subject", SUBJECT, "--data", data, text="y\n")
    assert said_yes.exit_code == 0


class _Terminal:
    class stdin:  # noqa: N801 - stands for a module's attribute
        @staticmethod
        def isatty():
            return True


@pytest.mark.parametrize("subject", ["", "|", "x", "|N 1", f"{SYSTEM}|", f"{SYSTEM}| -"])
def test_a_document_has_a_system_and_a_value(data, subject):
    shown = bhx("erase", "--subject", subject, "--data", data)

    assert shown.exit_code == 2
    assert "SYSTEM|VALUE" in shown.stderr


def test_a_hold_is_placed_listed_and_lifted(data):
    placed = bhx(
        "hold", "place", "--subject", SUBJECT, "--authority", "Court", "--data", data, "--json"
    )
    [value] = json.loads(placed.stdout)
    refused = bhx("erase", "--subject", SUBJECT, "--data", data)
    assert refused.exit_code == 1
    assert value["hold"] in refused.stderr

    [listed] = json.loads(bhx("hold", "list", "--data", data, "--json").stdout)
    assert (listed["hold"], listed["authority"]) == (value["hold"], "Court")
    assert listed["placed"].startswith("2026-")
    assert listed["lifted"] is None
    assert "Court" in bhx("hold", "list", "--data", data).stdout

    assert bhx("hold", "lift", value["hold"], "--data", data).exit_code == 0
    assert bhx("hold", "lift", value["hold"], "--data", data).exit_code == 2
    assert json.loads(bhx("hold", "list", "--data", data, "--json").stdout)[0]["lifted"]
    assert bhx("erase", "--subject", SUBJECT, "--data", data).exit_code == 0


def test_retention_needs_policies_and_says_what_it_would_do(data, tmp_path):
    assert bhx("retain", "--data", data).exit_code == 2
    folder = tmp_path / "policies"
    folder.mkdir()
    document, key = policy(retention={"Immunization": 30}), SigningKey.generate("Ed25519")
    (folder / "KZ.json").write_bytes(document.body)
    signature = sign_detached(
        key,
        document.body,
        issuer="authority:kz",
        message_id="p",
        issued_at=0,
        content_type=POLICY,
    )
    (folder / "KZ.json.jws").write_text(signature)
    (folder / "KZ.jwk").write_text(json.dumps(key.public_jwk()))
    bhx("hold", "place", "--subject", SUBJECT, "--authority", "Court", "--data", data)

    foretold = bhx("retain", "--dry-run", "--policies", folder, "--data", data, "--json")
    done = bhx("retain", "--policies", folder, "--data", data)
    nothing = bhx("retain", "--policies", folder, "--data", data, "--json")

    value = json.loads(foretold.stdout)
    assert value["erased"] == [{"jurisdiction": "KZ", "version": 1, "messages": 1, "travellers": 1}]
    assert [(one["authority"], one["messages"]) for one in value["held"]] == [("Court", 1)]
    assert "KZ version 1: 1 messages erased, of 1 travellers nothing is left" in done.stdout
    assert "(Court): 1 messages kept" in done.stdout
    assert json.loads(nothing.stdout)["erased"] == []
