"""Deliveries by cursor, acknowledgements, and the directory."""

import asyncio
import json

from exchange.trail.proof import verify_proof
from schemas.delivery import Delivery
from schemas.participant import Participant
from tests.support.world import ALA, KG, KZ, consent, vaccination


async def fetched(caller, name, **query):
    answer = await caller.http.get("/deliveries", params=query, headers=await caller.login(name))
    assert answer.status_code == 200, answer.text
    deliveries = [Delivery.from_values(one) for one in answer.json()["deliveries"]]
    return deliveries, answer.json()["next"]


async def acknowledge(caller, name, deliveries, headers=None):
    received = caller.cast.acknowledgement(name, [one.delivery for one in deliveries])
    return await caller.http.post(
        "/acknowledgements",
        content=received.body,
        headers={**await caller.login(name), "x-jws-signature": received.signature},
    )


async def test_a_subscriber_gets_the_publishers_bytes_with_their_proof(caller):
    _, body = message = vaccination(consent())
    await caller.publish(ALA, message)
    for name in (KZ, KG):
        (delivery,), cursor = await fetched(caller, name)
        assert (delivery.body, delivery.number, cursor) == (body, 1, 1)
        verifier = caller.exchange.keys.note_signer.verifier
        verify_proof(delivery.proof, delivery.entry, verifier)
        assert await fetched(caller, name, after=cursor) == ([], 1)


async def test_the_cursor_goes_through_everything_once(caller):
    for _ in range(5):
        await caller.publish(ALA, vaccination(consent()))
    numbers, cursor = [], 0
    while page := (await fetched(caller, KZ, after=cursor, limit=2)):
        deliveries, cursor = page
        if not deliveries:
            break
        numbers += [one.number for one in deliveries]
    assert numbers == [1, 2, 3, 4, 5]


async def test_waiting_ends_when_something_comes(caller):
    waiting = asyncio.ensure_future(fetched(caller, KZ, wait=30))
    await asyncio.sleep(0)
    await caller.publish(ALA, vaccination(consent()))
    async with asyncio.timeout(10):
        deliveries, _ = await waiting
    assert len(deliveries) == 1


async def test_an_acknowledgement_counts_once(caller):
    await caller.publish(ALA, vaccination(consent()))
    deliveries, _ = await fetched(caller, KZ)
    first = await acknowledge(caller, KZ, deliveries)
    assert (first.status_code, first.json()) == (200, {"acknowledged": 1})
    assert (await acknowledge(caller, KZ, deliveries)).json() == {"acknowledged": 0}


async def test_somebody_elses_delivery_cannot_be_acknowledged(caller):
    await caller.publish(ALA, vaccination(consent()))
    deliveries, _ = await fetched(caller, KZ)
    answer = await acknowledge(caller, KG, deliveries)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid-record")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["problems"][0]["expression"] == "Acknowledgement.deliveries"


async def test_an_acknowledgement_is_of_whoever_is_logged_in(caller):
    await caller.publish(ALA, vaccination(consent()))
    deliveries, _ = await fetched(caller, KZ)
    received = caller.cast.acknowledgement(KZ, [deliveries[0].delivery])
    answer = await caller.http.post(
        "/acknowledgements",
        content=received.body,
        headers={**await caller.login(KG), "x-jws-signature": received.signature},
    )
    assert (answer.status_code, answer.json()["reason"]) == (403, "untrusted-sender")


async def test_an_acknowledgement_without_a_signature(caller):
    answer = await caller.http.post(
        "/acknowledgements", content=b"{}", headers=await caller.login(KZ)
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed-message")


async def test_parameters_are_bounded_and_never_repeated(caller):
    headers = await caller.login(KZ)
    for query in (
        {"after": 2**63},
        {"after": -1},
        {"limit": 0},
        {"limit": 101},
        {"wait": 31},
        {"after": "QX-SECRET"},
    ):
        answer = await caller.http.get("/deliveries", params=query, headers=headers)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert "QX-SECRET" not in answer.text
    answer = await caller.http.get("/deliveries", params={"after": 2**63 - 1}, headers=headers)
    assert answer.json() == {"deliveries": [], "next": 2**63 - 1}


async def test_participants_see_the_directory(caller, cast):
    headers = await caller.login(KG)
    shown = (await caller.http.get("/participants", headers=headers)).json()["participants"]
    assert [Participant.model_validate(one) for one in shown] == [
        cast.participants[name] for name in sorted(cast.participants)
    ]
    one = await caller.http.get(f"/participants/{ALA}", headers=headers)
    assert Participant.model_validate_json(one.content) == cast.participants[ALA]
    assert json.loads(one.content) in shown
    absent = await caller.http.get("/participants/poe:kz:nowhere", headers=headers)
    assert absent.status_code == 404
