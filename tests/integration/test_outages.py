"""The database or the broker is away for twenty seconds: it stops cleanly, nothing is lost."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest

from tests.crash.scene import open_scene
from tests.crash.served import SERVE, until
from tests.services.processes import free_port

OUTAGE_SECONDS = 20


def asked(url, body=None):
    """(status, headers, JSON) of one request."""
    try:
        with urllib.request.urlopen(url, data=body, timeout=30) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)


async def answers_during_outage(scene):
    """What a publisher and an operator are told, again and again while it lasts."""
    ends, said = time.monotonic() + OUTAGE_SECONDS, []
    while time.monotonic() < ends:
        posted = asyncio.to_thread(
            asked, f"{scene.served.url}/fhir/$process-message", b"not a message"
        )
        ready = asyncio.to_thread(asked, f"{scene.served.url}/readyz")
        said.append((await posted, await ready))
        assert scene.served.lives
    return said


@pytest.mark.slow
async def test_without_its_database_it_answers_503_and_goes_on_afterwards(
    private_postgres, tmp_path
):
    database = await asyncio.to_thread(private_postgres)
    settings = {
        "data": tmp_path / "data",
        "listen": f"127.0.0.1:{free_port()}",
        "database": database.url,
        "resend_after_seconds": 1,
    }
    async with asyncio.timeout(120), open_scene(settings, tmp_path) as scene:
        await scene.begin("serve", "--json", module=SERVE)
        await scene.answered(30)
        await asyncio.to_thread(database.stop)
        said = await answers_during_outage(scene)
        await asyncio.to_thread(database.start)
        await until(
            lambda: asked(f"{scene.served.url}/readyz")[0] == 200, what="ready again"
        )
        await scene.finish(at_least=60)

        assert said
        for (status, headers, outcome), (ready, _, _) in said:
            assert (status, ready) == (503, 503)
            assert int(headers["Retry-After"]) > 0
            assert outcome["resourceType"] == "OperationOutcome"
            assert outcome["issue"][0]["code"] == "transient"
        await scene.require_nothing_lost_or_doubled()


@pytest.mark.slow
async def test_without_its_broker_it_loses_nothing(private_rabbitmq, fresh_database, tmp_path):
    broker = await asyncio.to_thread(private_rabbitmq)
    settings = {
        "data": tmp_path / "data",
        "listen": f"127.0.0.1:{free_port()}",
        "database": fresh_database,
        "broker": broker.url,
        "resend_after_seconds": 1,
    }
    async with asyncio.timeout(180), open_scene(settings, tmp_path) as scene:
        await scene.begin("serve", "--json", module=SERVE)
        await scene.answered(30)
        await asyncio.to_thread(broker.stop)
        said = await answers_during_outage(scene)
        await asyncio.to_thread(broker.start)
        await scene.finish(at_least=60)

        assert {ready for _, (ready, _, _) in said[1:]} == {503}
        await scene.require_nothing_lost_or_doubled()
