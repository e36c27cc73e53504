"""PostgreSQL and RabbitMQ away for twenty seconds under `bhx serve`, while everybody goes on.

The process must outlive the outage, say the truth about itself, promise nothing it has not stored,
and afterwards owe nobody anything.
"""

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import pytest

from tests.crash.evidence import require_nothing_lost_or_doubled
from tests.crash.load import Load, cast_for_load
from tests.crash.scene import admit
from tests.crash.served import SERVE, Served
from tests.crash.ways import AmqpWay, HttpWay
from tests.services.databases import create_database
from tests.services.processes import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.slow

OUTAGE_SECONDS = 20.0
#: Requests and messages that were under way at the turn of an outage.
SETTLE_SECONDS = 30.0


class Observed:
    """What the exchange answered to publishers over HTTP."""

    def __init__(self):
        self.statuses = []
        self.unclear = []

    async def note(self, answer):
        if not answer.request.url.path.endswith("$process-message"):
            return
        await answer.aread()
        self.statuses.append(answer.status_code)
        if answer.status_code == 503:
            outcome = json.loads(answer.content)
            is_clear = (
                int(answer.headers["retry-after"]) > 0
                and answer.headers["content-type"].startswith("application/fhir+json")
                and outcome["resourceType"] == "OperationOutcome"
                and outcome["issue"][0]["code"] == "transient"
            )
            if not is_clear:
                self.unclear.append(answer)


class World:
    """A running exchange with a publisher over HTTP, one through RabbitMQ, and two registries."""

    def __init__(self, served, load, over_http, over_amqp, observed):
        self.served, self.load = served, load
        self.over_http, self.over_amqp, self.observed = over_http, over_amqp, observed
        self._ways = [over_http, over_amqp]
        self.answered_over = {over_http: 0, over_amqp: 0}

    def start_load(self):
        """Half of the lanes send over HTTP, half through RabbitMQ."""
        self.load.start(*(partial(self._submit, way) for way in self._ways))

    async def _submit(self, way, message):
        await way.submit(message)
        self.answered_over[way] += 1
        # A pace, not a wait: one way must not run far ahead while the other is cut off.
        await asyncio.sleep(0.3)

    async def answered(self, more, *, over=None):
        """Return when so many more messages have receipts, over both ways unless one is given."""
        ways = [over] if over else self._ways
        enough = {way: self.answered_over[way] + more for way in ways}

        def holds():
            self.load.require_healthy()
            return all(self.answered_over[way] >= enough[way] for way in ways)

        await until(holds, what=f"{more} more receipts")

    async def ready(self):
        """Status and what is missing, as /readyz says."""
        async with httpx2.AsyncClient(timeout=10) as client:
            answer = await client.get(f"{self.served.url}/readyz")
            alive = await client.get(f"{self.served.url}/healthz")
        assert alive.status_code == 200
        return answer.status_code, answer.json()["missing"]

    async def becomes_ready(self, status, missing):
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while (said := await self.ready()) != (status, missing):
            assert asyncio.get_running_loop().time() < deadline, said
            await asyncio.sleep(0.1)

    async def endure(self, missing):
        """See the outage through: /readyz names what is missing all the while, and all lives."""
        until_when = asyncio.get_running_loop().time() + OUTAGE_SECONDS
        await self.becomes_ready(503, missing)
        while asyncio.get_running_loop().time() < until_when:
            assert await self.ready() == (503, missing)
            assert self.served.lives
            self.load.require_healthy()
            await asyncio.sleep(0.2)

    async def require_all_is_well(self):
        await self.becomes_ready(200, [])
        await self.answered(30)
        await self.load.finish(at_least=200)
        # Deliveries go through the queues; a cursor shows the same ones.
        await until(self.over_amqp.has_all_deliveries, what="all deliveries")
        await until(self.over_http.has_all_deliveries, what="all deliveries by cursor")
        await self.served.stop()
        await self.over_amqp.settled()
        for way in self._ways:
            await require_nothing_lost_or_doubled(self.served.settings, self.load, way.deliveries)
        assert set(self.observed.statuses) <= {200, 403, 503}
        assert self.observed.unclear == []


@asynccontextmanager
async def running(folder, broker, database):
    settings = {
        "data": folder / "data",
        "listen": f"127.0.0.1:{free_port()}",
        "resend_after_seconds": 1,
        "broker": broker,
        "database": database,
    }
    load, observed = Load(cast_for_load()), Observed()
    await admit(settings, load.cast)
    served = Served(settings, folder)
    client = httpx2.AsyncClient(timeout=60, event_hooks={"response": [observed.note]})
    world = World(
        served, load, HttpWay(load, served.url, client=client), AmqpWay(load, broker), observed
    )
    try:
        await served.start("serve", "--json", module=SERVE)
        await world.over_http.open()
        await world.over_amqp.open()
        world.start_load()
        await world.answered(30)
        yield world
    finally:
        await load.cancel()
        served.remove()
        await world.over_http.close()
        await world.over_amqp.close()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_database_that_is_away_costs_nobody_a_message(
    private_postgres, fresh_vhost, tmp_path, end
):
    server = private_postgres()
    database = create_database(server.url)
    async with asyncio.timeout(200), running(tmp_path, fresh_vhost, database) as world:
        await asyncio.to_thread(getattr(server, end))
        await world.becomes_ready(503, ["store"])
        # What was decided just before may still be on its way to whoever sent it.
        seen = len(world.observed.statuses) + 100
        await until(lambda: len(world.observed.statuses) >= seen, what="100 more answers")
        answered, before = world.load.answered, len(world.observed.statuses)
        await world.endure(["store"])
        # Nothing can be durable now, so nothing was promised.
        assert world.load.answered == answered
        assert set(world.observed.statuses[before:]) == {503}
        await asyncio.to_thread(server.start)

        await world.require_all_is_well()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_broker_that_is_away_costs_nobody_a_message(
    private_rabbitmq, fresh_database, tmp_path, end
):
    broker = private_rabbitmq()
    async with asyncio.timeout(250), running(tmp_path, broker.url, fresh_database) as world:
        await asyncio.to_thread(getattr(broker, end))
        await world.becomes_ready(503, ["broker"])
        outage = asyncio.create_task(world.endure(["broker"]))
        # Who sends over HTTP is served: the decision needs no broker, and the delivery waits.
        await world.answered(10, over=world.over_http)
        await outage
        await asyncio.to_thread(broker.start)

        await world.require_all_is_well()
