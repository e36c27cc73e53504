"""Answers to recalls over HTTP, the list that auditors read, and the figure that monitors watch."""

import prometheus_client.parser

from tests.support.world import (
    ALA,
    AUDITOR,
    KG,
    KZ,
    consent,
    consent_message,
    vaccination,
)

LATER = "2026-05-02T10:00:00Z"


async def recalled(caller):
    """Ids of the notices by subscriber."""
    await caller.publish(ALA, vaccination(consent()))
    await caller.publish(ALA, consent_message(consent(status="inactive", given=LATER)))
    rows = [
        row
        for name in (KZ, KG)
        for row in await caller.exchange.store.delivery_rows(name, after=0, limit=10)
    ]
    return {one.pending.subscriber: one.pending.delivery_id for one in rows if one.pending.recall}


async def answer(caller, signed, *, by):
    return await caller.http.post(
        "/recalls/answers",
        content=signed.body,
        headers={**await caller.login(by), "x-jws-signature": signed.signature},
    )


async def listed(caller, **query):
    headers = await caller.login(AUDITOR)
    answered = await caller.http.get("/audit/recalls", params=query, headers=headers)
    assert answered.status_code == 200, answered.text
    return answered.json()


async def overdue(caller):
    text = (await caller.http.get("/metrics")).text
    families = prometheus_client.parser.text_string_to_metric_families(text)
    [family] = [one for one in families if one.name == "bhx_recalls_overdue"]
    return family.samples[0].value


async def test_an_answer_counts_once(caller):
    notices = await recalled(caller)
    signed = caller.cast.cessation(KZ, [notices[KZ]], "ceased")

    first, again = [await answer(caller, signed, by=KZ) for _ in range(2)]

    assert (first.status_code, first.json()) == (200, {"answered": 1})
    assert (again.status_code, again.json()) == (200, {"answered": 0})


async def test_it_is_of_whoever_is_logged_in_and_about_ones_own(caller):
    notices = await recalled(caller)
    signed = caller.cast.cessation(KZ, [notices[KZ]], "ceased")
    assert (await answer(caller, signed, by=KG)).json()["reason"] == "untrusted-sender"
    others = caller.cast.cessation(KG, [notices[KZ]], "ceased")
    refused = await answer(caller, others, by=KG)
    assert (refused.status_code, refused.json()["reason"]) == (422, "invalid-record")
    assert refused.json()["problems"][0]["expression"] == "Cessation.notices"
    assert (await answer(caller, signed, by=AUDITOR)).status_code == 403
    unsigned = await caller.http.post(
        "/recalls/answers", content=signed.body, headers=await caller.login(KZ)
    )
    assert unsigned.status_code == 400


async def test_the_list_is_for_auditors_and_tells_nothing_of_the_traveller(caller):
    notices = await recalled(caller)
    await answer(caller, caller.cast.cessation(KZ, [notices[KZ]], "deleted"), by=KZ)

    page = await listed(caller, limit=1)
    rest = await listed(caller, after=page["next"])
    rows = {one["subscriber"]: one for one in page["recalls"] + rest["recalls"]}

    assert {name: one["notice"] for name, one in rows.items()} == notices
    assert (rows[KZ]["state"], rows[KG]["state"]) == ("deleted", "sent")
    assert rows[KG]["deadline"] == "2026-06-04T12:00:00.000Z"
    assert rows[KG].keys() == {
        "notice",
        "subscriber",
        "recalls",
        "cause",
        "issued",
        "deadline",
        "state",
        "overdue",
        "answered_entry",
    }
    for name in (KZ, ALA):
        denied = await caller.http.get("/audit/recalls", headers=await caller.login(name))
        assert denied.status_code == 403


async def test_what_is_overdue_is_listed_and_counted(caller, clock):
    notices = await recalled(caller)
    await answer(caller, caller.cast.cessation(KZ, [notices[KZ]], "ceased"), by=KZ)
    assert await overdue(caller) == 0

    clock.advance(hours=73)

    assert await overdue(caller) == 1
    [late] = (await listed(caller, overdue="true"))["recalls"]
    assert (late["subscriber"], late["overdue"]) == (KG, True)
