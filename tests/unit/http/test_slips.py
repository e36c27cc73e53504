"""Slips over HTTP: who gets one, what it opens, and that nothing is told to who guesses."""

import base64
import hashlib
import json
import re

import pytest

from adapters.http.slips import MOST_MISSES, MOST_READINGS
from exchange.slips import new_token
from schemas.trail_entry import read_entry
from tests.support.offline import require_true
from tests.support.world import ALA, AUDITOR, KZ, OSS, consent, vaccination
from tests.unit.http.conftest import BASE, called_exchange

OPERATOR = "operator:cis"
SYSTEM = "urn:bhx:test:passport"
JSON = {"Accept": "application/json"}


@pytest.fixture
def cast(cast):
    cast.add(OPERATOR, "operator", jurisdiction="*")
    return cast


async def entries(caller):
    size, _ = await caller.exchange.store.checkpoint()
    return [read_entry(raw) for raw in await caller.exchange.store.entries(0, size)]


async def issue(caller, message_id, name=ALA):
    headers = await caller.login(name)
    return await caller.http.post("/slips", json={"message": message_id}, headers=headers)


async def issued(caller, **options):
    message_id, _ = message = vaccination(consent(), **options)
    await caller.publish(ALA, message)
    answer = await issue(caller, message_id)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_post_gets_a_slip_for_its_own_message(caller):
    slip = await issued(caller, documents=[])

    assert slip["url"] == f"{BASE}/slip/{slip['token']}"
    assert slip["expires_at"] == "2027-06-01T12:00:00.000Z"
    last = (await entries(caller))[-1]
    assert (last.type, last.issuer) == ("slip-issued", ALA)


async def test_nobody_else_gets_one(caller):
    message_id, _ = message = vaccination(consent())
    await caller.publish(ALA, message)
    before = len(await entries(caller))

    foreign, unknown = await issue(caller, message_id, OSS), await issue(caller, "nothing", OSS)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    for name in (KZ, AUDITOR, OPERATOR):
        assert (await issue(caller, message_id, name)).status_code == 403
    assert (await caller.http.post("/slips", json={"message": message_id})).status_code == 401
    assert len(await entries(caller)) == before


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"message": 7}', b'{"message": "QX SECRET"}', b'{"message": null}',
     b'{"message": "a", "message": "b"}', b'{"message": "a", "QX-SECRET": 1}'],
)  # fmt: skip
async def test_what_is_no_request_is_told_without_repeating_it(caller, body):
    answer = await caller.http.post("/slips", content=body, headers=await caller.login(ALA))

    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid-request")
    assert answer.json()["problems"]
    assert "SECRET" not in answer.text


async def test_a_request_is_small(caller):
    body = b'{"message": "' + b"a" * 5_000 + b'"}'
    answer = await caller.http.post("/slips", content=body, headers=await caller.login(ALA))

    assert answer.status_code == 413


async def test_a_slip_opens_a_page_without_a_login(caller):
    slip = await issued(caller)

    answer = await caller.http.get(slip["url"])

    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    assert "Who received your health records" in answer.text
    assert slip["token"] not in answer.text
    last = (await entries(caller))[-1]
    assert (last.type, last.reader) == ("disclosures-read", "slip")


async def test_figures_hold_no_token(caller):
    slip = await issued(caller)
    await caller.http.get(slip["url"])

    figures = (await caller.http.get("/metrics")).text

    assert 'route="/slip/{token}"' in figures
    assert slip["token"] not in figures


@pytest.mark.parametrize("token", [None, "x"])
async def test_a_page_is_kept_nowhere_and_loads_nothing(caller, token):
    url = (await issued(caller))["url"] if token is None else f"/slip/{token}"

    answer = await caller.http.get(url)

    headers = answer.headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert headers["vary"] == "Accept, Accept-Language"
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


async def test_other_answers_keep_the_strictest_policy(caller):
    answer = await caller.http.get("/trail/verifier-key")

    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_the_copy_for_computers_proves_itself(caller):
    slip = await issued(caller)

    asked = await caller.http.get(slip["url"], headers=JSON)
    linked = await caller.http.get(slip["url"], params={"format": "json", "lang": "ru"})

    for answer in (asked, linked):
        assert answer.headers["content-type"] == "application/json"
        report = json.loads(answer.content)
        require_true(report)
        assert (report["v"], len(report["disclosures"])) == (1, 2)
        assert "diseases" not in report["disclosures"][0]["record"]
    assert linked.json()["disclosures"][0]["purpose"]["text"] == "Охрана общественного здоровья"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json, text/html", "text/html"),
        ("*/*", "text/html"),
        ("application/json", "application/json"),
    ],
)
async def test_browsers_get_the_page(caller, accept, kind):
    answer = await caller.http.get((await issued(caller))["url"], headers={"Accept": accept})

    assert answer.headers["content-type"].startswith(kind)


async def test_the_page_speaks_the_readers_language(caller):
    slip = await issued(caller)

    by_header = await caller.http.get(slip["url"], headers={"Accept-Language": "ru-RU"})
    by_link = await caller.http.get(slip["url"], params={"lang": "ru"})

    for answer in (by_header, by_link):
        assert answer.headers["content-language"] == "ru"
        assert "Кто получил ваши медицинские записи" in answer.text
    assert (await caller.http.get(slip["url"], params={"lang": "xx"})).status_code == 422


@pytest.mark.parametrize("headers", [{}, JSON, {"Accept-Language": "ru"}])
async def test_unknown_and_expired_are_answered_alike(caller, clock, headers):
    slip = await issued(caller)
    clock.advance(days=365)
    before = len(await entries(caller))

    answers = [
        await caller.http.get(f"/slip/{token}", headers=headers)
        for token in (slip["token"], new_token(), "x", "é", "a" * 5_000)
    ]

    assert {one.status_code for one in answers} == {404}
    assert len({one.content for one in answers}) == 1
    shown = [{k: v for k, v in one.headers.items() if k != "date"} for one in answers]
    assert all(one == shown[0] for one in shown)
    assert len(await entries(caller)) == before


@pytest.mark.parametrize("headers", [{}, JSON])
async def test_erased_is_answered_like_unknown(caller, headers):
    slip = await issued(caller)
    await caller.exchange.erasures.erase([(SYSTEM, "N 1234567")])

    erased = await caller.http.get(slip["url"], headers=headers)
    unknown = await caller.http.get(f"/slip/{new_token()}", headers=headers)

    assert erased.status_code == unknown.status_code == 404
    assert erased.content == unknown.content
    assert dict(erased.headers) == dict(unknown.headers)


async def test_a_slip_holds_for_as_long_as_is_set(tmp_path, cast, clock):
    async with called_exchange(tmp_path, cast, clock, slip_days=1) as caller:
        slip = await issued(caller)
        clock.advance(hours=23)
        assert (await caller.http.get(slip["url"])).status_code == 200
        clock.advance(hours=1)
        assert (await caller.http.get(slip["url"])).status_code == 404


async def test_who_guesses_has_to_wait(caller, clock):
    slip = await issued(caller)
    for _ in range(MOST_MISSES):
        assert (await caller.http.get(f"/slip/{new_token()}")).status_code == 404

    for headers in ({}, JSON):
        stopped = await caller.http.get(slip["url"], headers=headers)
        assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "60")
    assert stopped.json()["reason"] == "too-many"

    clock.advance(minutes=1)
    assert (await caller.http.get(slip["url"])).status_code == 200


async def test_one_slip_cannot_fill_the_trail(caller, clock):
    slip, other = await issued(caller), await issued(caller)
    for _ in range(MOST_READINGS):
        assert (await caller.http.get(slip["url"])).status_code == 200
    before = len(await entries(caller))

    assert (await caller.http.get(slip["url"])).status_code == 429
    again = await caller.http.get(f"/slip/{slip['token'].upper()}")
    assert again.status_code == 429
    assert len(await entries(caller)) == before
    assert (await caller.http.get(other["url"])).status_code == 200
    clock.advance(minutes=1)
    assert (await caller.http.get(slip["url"])).status_code == 200


# --- operators -----------------------------------------------------------------------------------


async def ask(caller, name, value="N 1234567", **headers):
    return await caller.http.post(
        "/disclosures",
        json={"system": SYSTEM, "value": value},
        headers={**await caller.login(name), **headers},
    )


async def test_an_operator_asks_by_a_document(caller):
    await caller.publish(ALA, vaccination(consent()))

    answer = await ask(caller, OPERATOR, **{"Accept-Language": "ru"})

    report = answer.json()
    require_true(report)
    assert (answer.status_code, report["reader"]) == (200, OPERATOR)
    assert len(report["disclosures"]) == 2
    assert "yellow-fever" not in answer.text
    assert report["disclosures"][0]["state"]["text"] == "Отправлено"
    last = (await entries(caller))[-1]
    assert (last.type, last.reader) == ("disclosures-read", OPERATOR)


async def test_nobody_else_may_ask(caller):
    before = len(await entries(caller))

    for name in (ALA, KZ, AUDITOR):
        assert (await ask(caller, name)).status_code == 403
    body = {"system": SYSTEM, "value": "N 1234567"}
    assert (await caller.http.post("/disclosures", json=body)).status_code == 401
    assert len(await entries(caller)) == before


async def test_a_traveller_nobody_knows_has_an_empty_report(caller):
    answer = await ask(caller, OPERATOR, "QX-SECRET")

    assert (answer.status_code, answer.json()["disclosures"]) == (200, [])
    assert "SECRET" not in answer.text
    headers = await caller.login(OPERATOR)
    wrong = await caller.http.post(
        "/disclosures", json={"system": "", "value": "QX-SECRET"}, headers=headers
    )
    assert wrong.status_code == 422
    assert "SECRET" not in wrong.text
