"""A database is used with the keys it was made with, or not at all; and a taken port says so."""

import asyncio
import shutil
import socket

import pytest
from typer.testing import CliRunner

from adapters.bootstrap import open_exchange
from adapters.cli import app
from adapters.settings import read_settings
from tests.support.world import ALA, SetClock, consent, usual_cast, vaccination


@pytest.fixture
def bhx(monkeypatch):
    """Run it here, where it is refused before it does anything else."""
    monkeypatch.setattr("adapters.telemetry.configure_logging", lambda: None)

    def bhx(*arguments):
        ended = CliRunner().invoke(app, list(map(str, arguments)))
        assert ended.exit_code == 2, (ended.output, ended.exception)
        assert ended.stderr.count("\n") == 1
        return ended.stderr

    return bhx


async def make_world(folder):
    cast = usual_cast()
    async with open_exchange(read_settings(data=folder), clock=SetClock()) as exchange:
        for participant in cast.participants.values():
            await exchange.admissions.admit(participant)
        deciding = asyncio.create_task(exchange.intake.run())
        message_id, body = vaccination(consent())
        await exchange.intake.submit(cast.signed(ALA, body, message_id=message_id))
        exchange.intake.stop()
        await deciding


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    for name in ("world", "other"):
        asyncio.run(make_world(folder / name))
    return folder


@pytest.fixture
def world(worlds, tmp_path):
    return shutil.copytree(worlds / "world", tmp_path / "world")


@pytest.fixture
def other(worlds, tmp_path):
    return shutil.copytree(worlds / "other", tmp_path / "other")


@pytest.mark.parametrize(
    "command", [["serve"], ["participant", "suspend", ALA], ["audit", "verify"]]
)
def test_an_exchange_with_other_keys_does_not_touch_it(bhx, world, other, command):
    before = (world / "exchange.sqlite").read_bytes()

    refused = bhx(*command, "--data", other, "--database", f"sqlite:///{world}/exchange.sqlite")

    assert "is not signed with the key" in refused
    assert (world / "exchange.sqlite").read_bytes() == before


def test_no_keys_are_made_for_a_trail_that_is_there(bhx, world):
    shutil.rmtree(world / "keys")

    assert "restore its keys" in bhx("serve", "--data", world)
    (world / "post.json").write_text(usual_cast().participants[ALA].model_dump_json())
    assert "restore its keys" in bhx("participant", "admit", world / "post.json", "--data", world)
    assert not (world / "keys").exists() or list((world / "keys").iterdir()) == []


def test_another_master_key_would_not_know_the_travellers(bhx, world, other):
    shutil.copy(other / "keys" / "master.key", world / "keys" / "master.key")

    assert "master.key is not the key" in bhx("serve", "--data", world)


def test_another_origin_is_another_trail(bhx, world, monkeypatch):
    monkeypatch.setenv("BHX_ORIGIN", "another.example/trail")

    assert "BHX_ORIGIN" in bhx("serve", "--data", world)


def test_a_port_that_is_taken_is_a_setting(bhx, world):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = bhx("serve", "--data", world, "--listen", f"127.0.0.1:{port}")

    assert "BHX_LISTEN" in refused
    assert "in use" in refused
