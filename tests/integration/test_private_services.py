"""The private services themselves: what they were told is still there after SIGKILL."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from tests.conftest import find_corpora
from tests.services import debian, discover
from tests.services.__main__ import main as look_for_services
from tests.services.databases import create_database, drop_database, plain_url
from tests.services.processes import ServiceFailed, ServiceMissing, free_port, kill_group
from tests.services.wire import amqp_answers, postgres_answers

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_a_confirmed_message_survives_the_end_of_its_broker(private_rabbitmq, end):
    broker = private_rabbitmq()
    await _publish(broker.url, b"kept")

    getattr(broker, end)()
    assert not broker.running
    assert not amqp_answers(broker.url)
    broker.start()

    connection = await aio_pika.connect(broker.url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue("kept")
        message = await queue.get(timeout=10)

        assert message.body == b"kept"


@pytest.mark.slow
async def test_a_private_broker_obeys_rabbitmqctl_and_leaves_nothing_behind(private_rabbitmq):
    broker = private_rabbitmq(extra_config="channel_max = 77")

    assert broker.ctl("eval", "application:get_env(rabbit, channel_max).").strip() == "{ok,77}"

    broker.remove()

    assert not broker.directory.exists()
    assert not amqp_answers(broker.url)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_a_committed_row_survives_the_end_of_its_server(private_postgres, end):
    server = private_postgres()
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE kept (value text)")
    await connection.execute("INSERT INTO kept VALUES ('kept')")
    assert await connection.fetchval("SHOW fsync") == "on"
    connection.terminate()

    getattr(server, end)()
    assert not server.running
    assert not postgres_answers(server.url)
    server.start()

    connection = await asyncpg.connect(server.url)
    value = await connection.fetchval("SELECT value FROM kept")
    await connection.close()

    assert value == "kept"


async def test_a_fresh_database_is_empty_and_is_gone_afterwards(postgres_server):
    url = create_database(postgres_server)
    connection = await asyncpg.connect(plain_url(url))
    tables = await connection.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")

    assert tables == []

    drop_database(postgres_server, url)  # with our connection still open
    connection.terminate()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(plain_url(url))


async def test_two_fresh_vhosts_share_no_queue(fresh_vhost, fresh_vhosts):
    await _publish(fresh_vhost, b"mine")

    connection = await aio_pika.connect(fresh_vhosts.take())
    async with connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.get_queue("kept")


def test_a_broker_that_is_not_there_or_refuses_the_password_does_not_answer(amqp_url):
    assert amqp_answers(amqp_url)
    assert not amqp_answers(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    assert not amqp_answers(amqp_url.replace("guest:guest@", "guest:wrong@"))


def test_a_url_that_is_given_but_dead_is_an_error_and_not_a_reason_to_look_elsewhere():
    dead = f"127.0.0.1:{free_port()}"

    with pytest.raises(ServiceMissing, match="BHX_TEST_AMQP_URL"):
        discover.running_rabbitmq({"BHX_TEST_AMQP_URL": f"amqp://{dead}/"})
    with pytest.raises(ServiceMissing, match="BHX_TEST_DATABASE_URL"):
        discover.running_postgres({"BHX_TEST_DATABASE_URL": f"postgresql://{dead}/postgres"})


@pytest.mark.parametrize(
    ("variable", "outcome"),
    [({}, "1 skipped"), ({"CI": "true"}, "1 error"), ({"BHX_REQUIRE_SERVICES": "1"}, "1 error")],
)
def test_a_missing_service_skips_at_a_desk_and_fails_in_ci(variable, outcome):
    environment = {
        k: v for k, v in os.environ.items() if k not in {"CI", "BHX_REQUIRE_SERVICES"}
    } | {"BHX_TEST_AMQP_URL": f"amqp://127.0.0.1:{free_port()}/"}
    needs_a_broker = test_a_broker_that_is_not_there_or_refuses_the_password_does_not_answer
    test = f"{__file__}::{needs_a_broker.__name__}"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=PROJECT,
        env=environment | variable,
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome in done.stdout


@pytest.mark.slow
def test_a_broker_that_cannot_start_says_what_its_log_said(private_rabbitmq):
    with pytest.raises(ServiceFailed, match=r"no\.such\.setting"):
        private_rabbitmq(extra_config="no.such.setting = 1")


def test_where_nothing_runs_a_private_server_is_started_and_removed(monkeypatch, postgres_server):
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    monkeypatch.delenv("BHX_TEST_DATABASE_URL", raising=False)
    monkeypatch.setattr(discover, "STANDARD_DATABASE_URL", nowhere)

    with discover.postgres() as url:
        assert url not in {nowhere, postgres_server}
        assert postgres_answers(url)
    assert not postgres_answers(url)


def test_debian_packages_are_installed_without_starting_their_services(tmp_path, monkeypatch):
    policy, calls = tmp_path / "policy-rc.d", tmp_path / "calls"
    apt_get = tmp_path / "apt-get"
    apt_get.write_text(f'#!/bin/sh\n{policy}\necho "$1 may start: $?" >>{calls}\n')
    apt_get.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "POLICY", policy)

    debian.install(["rabbitmq-server"])

    assert calls.read_text() == "update may start: 101\ninstall may start: 101\n"
    assert not policy.exists()


def test_what_is_not_installed_is_named_with_the_command_for_it(monkeypatch, capsys):
    # Both services run or can be had here; that is not enough for the tests that kill one.
    lacking = {"rabbitmq-server": lambda: False, "postgresql": lambda: True}
    monkeypatch.setattr(debian, "PROGRAMS", lacking | {"amqp-tools": lambda: False})
    monkeypatch.setattr(debian, "can_install", lambda: False)

    assert look_for_services() == 1

    command = "sudo apt-get install -y --no-install-recommends rabbitmq-server amqp-tools\n"
    assert command in capsys.readouterr().err


def test_root_gets_installed_exactly_what_is_missing(monkeypatch):
    installed = []
    monkeypatch.setattr(debian, "PROGRAMS", {"amqp-tools": lambda: installed != []})
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install", installed.extend)

    assert look_for_services() == 0
    assert installed == ["amqp-tools"]


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"BHX_REQUIRE_SERVICES": "1"}, pytest.skip.Exception),
        ({"CI": "true"}, pytest.fail.Exception),
        ({"BHX_CORPORA": "/nonexistent"}, pytest.fail.Exception),
    ],
)
def test_missing_corpora_skip_under_make_test_and_fail_in_ci(tmp_path, environment, outcome):
    with pytest.raises(outcome, match="set BHX_CORPORA"):
        find_corpora(tmp_path / "project", environment)


def test_ending_a_process_group_ends_its_children():
    parent = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True
    )
    child = int(parent.stdout.readline())

    kill_group(parent)
    parent.stdout.read()  # ends only when the child's copy of the pipe is closed
    parent.stdout.close()

    assert parent.returncode == -signal.SIGKILL
    assert (
        not Path(f"/proc/{child}/cmdline").exists()
        or not Path(f"/proc/{child}/cmdline").read_bytes()
    )


async def _publish(url: str, body: bytes) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue("kept", durable=True)
        await channel.default_exchange.publish(
            aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT), "kept"
        )
