"""Breaking the glass over HTTP: who may knock, and what the door says."""

import httpx2
import pytest

from adapters.http.app import create_app
from adapters.telemetry import Metrics
from tests.contract.test_break_glass import HOSPITAL, MINISTRY, a_ward, policy
from tests.support.world import ALA, AUDITOR, KZ, consent, vaccination
from tests.unit.http.conftest import BASE, Caller


@pytest.fixture
async def ward(tmp_path):
    async with a_ward(tmp_path, (policy(),), {"public_url": BASE}) as ward:
        await ward.submit(vaccination(consent(recipients=[KZ])))
        app = create_app(ward.exchange, metrics=Metrics())
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
            ward.caller = Caller(ward.exchange, ward.cast, app, http)
            yield ward


async def knock(ward, body, *, by=HOSPITAL):
    headers = {**await ward.caller.login(by), "content-type": "application/json"}
    return await ward.caller.http.post("/break-glass", content=body, headers=headers)


async def test_it_opens_and_says_until_when(ward):
    opening = ward.request()
    first, again = [await knock(ward, opening.to_bytes()) for _ in range(2)]

    assert first.status_code == 200, first.text
    assert first.json()["until"] == "2026-06-01T16:00:00.000Z"
    assert (first.json()["released"], first.json()["waiting"]) == (1, 0)
    assert again.json() == {**first.json(), "released": 0}
    answer = await ward.caller.http.get("/deliveries", headers=await ward.caller.login(HOSPITAL))
    assert len(answer.json()["deliveries"]) == 1


async def test_a_refusal_tells_what_stands_in_the_way_and_repeats_nothing(ward):
    answer = await knock(ward, ward.request(hours=9, documents=["N SECRET"]).to_bytes())

    assert (answer.status_code, answer.json()["reason"]) == (403, "break-glass-refused")
    assert answer.json()["problems"][0]["text"] == "Ask for 8 hours at most."
    assert "SECRET" not in answer.text
    assert len(await ward.entries("refused")) == 1


async def test_another_request_under_a_used_id_is_in_conflict(ward):
    opened = await knock(ward, ward.request().to_bytes())
    other = ward.request(grant=opened.json()["grant"], reason="outbreak-exposure")

    assert (await knock(ward, other.to_bytes())).status_code == 409


async def test_it_is_for_subscribers_and_for_oneself(ward):
    body = ward.request().to_bytes()

    assert (await knock(ward, body, by=ALA)).status_code == 403
    assert (await knock(ward, body, by=AUDITOR)).status_code == 403
    assert (await knock(ward, body, by=KZ)).status_code == 403  # not admitted for BTG
    assert (await knock(ward, body, by=MINISTRY)).json()["reason"] == "untrusted-sender"
    assert (await ward.caller.http.post("/break-glass", content=body)).status_code == 401
    assert await ward.entries("refused", "break-glass-opened") == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"v": 1, "documents": ["QX-SECRET"]}'])
async def test_what_is_no_request_is_told_so(ward, body):
    answer = await knock(ward, body)

    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed-message")
    assert "QX-SECRET" not in answer.text
