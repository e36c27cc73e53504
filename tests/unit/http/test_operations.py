"""Health, readiness, metrics."""

import prometheus_client.parser

from adapters.http.app import create_app
from adapters.http.operations import readiness_of
from exchange.errors import Unavailable
from exchange.metrics import METRIC_NAMES
from tests.support.world import ALA, consent, vaccination
from tests.unit.http.conftest import called_exchange


async def test_a_running_process_is_alive_and_ready(caller):
    assert (await caller.http.get("/healthz")).json() == {"status": "alive"}
    answer = await caller.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": []})


async def test_it_is_not_ready_without_its_store(caller, monkeypatch):
    async def away(*_):
        raise Unavailable("the store is away")

    monkeypatch.setattr(type(caller.exchange.store), "directory_version", away)
    answer = await caller.http.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["store"])
    assert (await caller.http.get("/healthz")).status_code == 200


async def test_it_is_not_ready_without_its_broker(caller):
    class AwayBroker:
        async def channel(self):
            raise Unavailable("the broker is away")

    class Parts:
        store = caller.exchange.store
        broker = AwayBroker()

    assert await readiness_of(Parts())() == ["broker"]


async def test_readiness_can_be_given(tmp_path, cast, clock):
    async def waiting():
        return ["migration"]

    async with called_exchange(tmp_path, cast, clock, readiness=waiting) as caller:
        assert (await caller.http.get("/readyz")).json()["missing"] == ["migration"]


async def test_metrics_count_without_naming_anybody(caller):
    message_id, body = vaccination(consent())
    await caller.publish(ALA, (message_id, body))
    await caller.http.get(f"/receipts/{message_id}")
    await caller.submit(b"")
    text = (await caller.http.get("/metrics")).text
    assert message_id not in text
    assert ALA not in text
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in prometheus_client.parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    accepted = (("ingress", "http"), ("outcome", "accepted"), ("reason", ""))
    refused = (("ingress", "http"), ("outcome", "refused"), ("reason", "malformed-message"))
    assert samples["bhx_messages_total", accepted] == 1
    assert samples["bhx_messages_total", refused] == 1
    assert samples["bhx_deliveries_sent_total", ()] == 2
    assert samples["bhx_decision_seconds_count", ()] == 2
    assert samples["bhx_trail_size", ()] == (await caller.exchange.store.checkpoint())[0]
    route = (("method", "GET"), ("route", "/receipts/{message_id}"), ("status", "401"))
    assert samples["bhx_http_requests_total", route] == 1
    known = set(METRIC_NAMES)
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} <= {
        *known,
        *(f"{name.removesuffix('_total')}_created" for name in known),
        "bhx_decision_seconds_created",
    }


async def test_each_app_has_its_own_registry(caller):
    create_app(caller.exchange)
    create_app(caller.exchange)


async def test_no_other_origin_is_let_in(caller):
    answer = await caller.http.get("/healthz", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
