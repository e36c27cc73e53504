"""`bhx recalls`: the list, and the exit code that a monitor reads."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from adapters.cli import app
from tests.support.running import running_world
from tests.support.world import (
    ALA,
    KG,
    KZ,
    SetClock,
    consent,
    consent_message,
    usual_cast,
    vaccination,
)


def bhx(*arguments, code=0):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


async def make_world(folder, *, withdrawn, answered):
    cast, ended = usual_cast(), consent(status="inactive", given="2026-05-02T10:00:00Z")
    async with running_world(folder, cast, clock=SetClock()) as exchange:
        for message_id, body in (vaccination(consent()), consent_message(ended))[: 1 + withdrawn]:
            received = cast.signed(ALA, body, message_id=message_id)
            await exchange.processor.process([received])
        for name in answered:
            rows = await exchange.store.delivery_rows(name, after=1, limit=1)
            notices = [row.pending.delivery_id for row in rows]
            await exchange.recalls.accept(cast.cessation(name, notices, "deleted"))


@pytest.fixture
def world(tmp_path, monkeypatch):
    for name in ("BHX_DATA", "BHX_DATABASE", "BHX_BROKER"):
        monkeypatch.delenv(name, raising=False)

    def world(*, withdrawn=True, answered=()):
        asyncio.run(make_world(tmp_path, withdrawn=withdrawn, answered=answered))
        return ["--data", tmp_path]

    return world


def test_without_recalls_all_is_well(world):
    where = world(withdrawn=False)

    assert json.loads(bhx("recalls", *where, "--json").stdout) == {"recalls": []}
    assert "No recalls" in bhx("recalls", *where).stdout


def test_what_nobody_answered_in_time_is_bad(world):
    where = world(answered=[KG])

    everything = json.loads(bhx("recalls", *where, "--json", code=1).stdout)["recalls"]
    assert {one["subscriber"]: (one["state"], one["overdue"]) for one in everything} == {
        KG: ("deleted", False),
        KZ: ("issued", True),
    }
    [late] = json.loads(bhx("recalls", "--overdue", *where, "--json", code=1).stdout)["recalls"]
    assert late["subscriber"] == KZ
    shown = bhx("recalls", *where, code=1).stdout
    assert "OVERDUE" in shown
    assert late["recalls"] in shown


def test_what_everybody_answered_is_well(world):
    where = world(answered=[KZ, KG])

    assert len(json.loads(bhx("recalls", *where, "--json").stdout)["recalls"]) == 2
    assert json.loads(bhx("recalls", "--overdue", *where, "--json").stdout)["recalls"] == []
