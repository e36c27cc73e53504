"""$process-message: every outcome has its status, and every answer its proof."""

import asyncio
import json
import sqlite3

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.errors import Unavailable
from exchange.intake import Intake
from exchange.trail.proof import verify_proof
from schemas.operation_outcome import receipt_in
from schemas.receipt import Receipt
from schemas.trail_entry import read_entry
from tests.support.world import ALA, KZ, OSS, consent, vaccination
from tests.unit.http.conftest import called_exchange

SECRET = "QX-SECRET-PASSPORT-7"


def receipt_of(answer):
    Bundle.model_validate(answer.json())
    return Receipt.from_bytes(receipt_in(answer.json()))


def proven(caller, answer):
    receipt = receipt_of(answer)
    verify_proof(receipt.proof, receipt.entry, caller.exchange.keys.note_signer.verifier)
    return read_entry(receipt.entry)


def issue_of(answer):
    assert answer.headers["content-type"] == "application/fhir+json"
    OperationOutcome.model_validate(answer.json())
    (issue,) = answer.json()["issue"]
    return issue


async def test_an_accepted_message_is_answered_with_a_proven_receipt(caller):
    answer = await caller.publish(ALA, vaccination(consent()))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    assert receipt_of(answer).outcome == "accepted"
    assert proven(caller, answer)
    header, outcome, _ = (entry["resource"] for entry in answer.json()["entry"])
    assert header["response"]["code"] == "ok"
    OperationOutcome.model_validate(outcome)


async def test_the_same_bytes_get_the_same_answer(caller):
    message_id, body = vaccination(consent())
    first = await caller.publish(ALA, (message_id, body))
    again = await caller.publish(ALA, (message_id, body))
    assert (again.status_code, again.content) == (200, first.content)


async def test_an_acceptance_with_warnings_is_repeated_with_the_receipt_that_was_given(caller):
    """Whatever the language: the warnings are in the receipt, and it keeps its bytes."""
    unpinned = vaccination(consent(), cvx="99999")
    first = await caller.publish(ALA, unpinned)
    again = await caller.publish(ALA, unpinned)
    russian = await caller.publish(ALA, unpinned, headers={"Accept-Language": "ru"})

    assert [issue.severity for issue in receipt_of(first).issues] == ["warning"]
    assert again.content == first.content
    assert receipt_in(russian.json()) == receipt_in(first.json())
    fetched = await caller.http.get(f"/receipts/{unpinned[0]}", headers=await caller.login(ALA))
    assert fetched.content == receipt_in(first.json())


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "malformed-message"),
        (403, "untrusted-sender"),
        (403, "consent-refused"),
        (422, "no-recipient"),
        (422, "invalid-record"),
        (409, "message-reused"),
    ],
)
async def test_each_refusal_has_its_status_and_is_recorded(caller, status, reason):
    answer = await PROVOKE[reason](caller)
    receipt = receipt_of(answer)
    assert (answer.status_code, receipt.outcome, receipt.reason) == (status, "refused", reason)
    assert proven(caller, answer)
    assert SECRET not in answer.text


async def _malformed(caller):
    return await caller.submit(f'{{"{SECRET}"'.encode(), "a..b")


async def _untrusted(caller):
    message_id, body = vaccination(consent(), documents=[SECRET])
    received = caller.cast.signed(ALA, body, message_id=message_id)
    return await caller.submit(received.body + b" ", received.signature)


async def _without_consent(caller):
    return await caller.publish(ALA, vaccination(documents=[SECRET]))


async def _for_nobody(caller):
    return await caller.publish(ALA, vaccination(consent(), destinations=["registry:uz"]))


async def _invalid(caller):
    message_id, body = vaccination(consent(), documents=[SECRET])
    body = body.replace(b'"2026-05-20"', f'"{SECRET}"'.encode())
    return await caller.publish(ALA, (message_id, body))


async def _reused(caller):
    message_id, body = vaccination(consent())
    await caller.publish(ALA, (message_id, body))
    return await caller.publish(ALA, (message_id, body + b" "))


PROVOKE = {
    "malformed-message": _malformed,
    "untrusted-sender": _untrusted,
    "consent-refused": _without_consent,
    "no-recipient": _for_nobody,
    "invalid-record": _invalid,
    "message-reused": _reused,
}


async def test_a_token_must_be_of_the_signer(caller):
    headers = await caller.login(OSS)
    answer = await caller.publish(ALA, vaccination(consent()), headers=headers)
    assert (answer.status_code, receipt_of(answer).reason) == (403, "untrusted-sender")
    answer = await caller.publish(ALA, vaccination(consent()), headers=await caller.login(ALA))
    assert answer.status_code == 200


async def test_a_token_that_is_none_is_not_ignored(caller):
    answer = await caller.publish(
        ALA, vaccination(consent()), headers={"Authorization": "Bearer nonsense"}
    )
    assert (answer.status_code, issue_of(answer)["code"]) == (401, "login")


async def test_a_body_over_the_cap_is_not_read_and_not_recorded(tmp_path, cast, clock):
    async with called_exchange(tmp_path, cast, clock, max_message_bytes=2_048) as caller:
        before = await caller.exchange.store.checkpoint()
        answer = await caller.submit(b"x" * 2_049, "a..b")
        assert (answer.status_code, issue_of(answer)["code"]) == (413, "too-long")
        assert answer.headers["connection"] == "close"
        taken = 0

        async def endless():
            nonlocal taken
            while True:
                taken += 1
                yield b"x" * 1_024

        # Without a length, the reading stops at the cap.
        scope_answer = await _streamed(caller, endless())
        assert scope_answer == 413
        assert taken == 3
        assert await caller.exchange.store.checkpoint() == before
        assert (await caller.submit(b"x" * 2_048, "a..b")).status_code == 400


async def test_a_body_that_stops_coming_is_not_waited_for(caller, monkeypatch):
    monkeypatch.setattr("adapters.http.reading.BODY_SECONDS", 0.05)
    before = await caller.exchange.store.checkpoint()

    async def stalling():
        yield b"{"
        await asyncio.Event().wait()

    async with asyncio.timeout(20):
        assert await _streamed(caller, stalling()) == 408
    assert await caller.exchange.store.checkpoint() == before


async def _streamed(caller, chunks):
    """Drive the app itself: the client's transport would gather the whole body first."""
    statuses = []

    async def receive():
        return {"type": "http.request", "body": await anext(chunks), "more_body": True}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/fhir/$process-message",
        "raw_path": b"/fhir/$process-message",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"transfer-encoding", b"chunked")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await caller.app(scope, receive, send)
    return statuses[0]


async def test_an_encoded_body_is_not_what_was_signed(caller):
    answer = await caller.submit(b"x", "a..b", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, issue_of(answer)["code"]) == (415, "not-supported")


async def test_while_the_store_is_away_nothing_is_decided(caller, monkeypatch):
    async def away(self, received):
        raise Unavailable(f"could not reach {SECRET}")

    monkeypatch.setattr(Intake, "submit", away)
    answer = await caller.publish(ALA, vaccination(consent()))
    assert (answer.status_code, issue_of(answer)["code"]) == (503, "transient")
    assert int(answer.headers["retry-after"]) > 0
    assert SECRET not in answer.text


async def test_the_operator_is_told_why_nothing_is_decided(caller, monkeypatch, capsys):
    async def full(self, received):
        try:
            error = sqlite3.OperationalError(SECRET)
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        except sqlite3.OperationalError as cause:
            raise Unavailable(SECRET) from cause

    monkeypatch.setattr(Intake, "submit", full)
    await caller.publish(ALA, vaccination(consent()))
    printed = capsys.readouterr()
    said = printed.out + printed.err
    assert "exchange.unavailable" in said
    assert "SQLITE_FULL" in said
    assert SECRET not in said


async def test_a_bug_is_counted_and_its_text_kept_inside(caller, monkeypatch, capsys):
    async def broken(self, received):
        raise KeyError(SECRET)

    monkeypatch.setattr(Intake, "submit", broken)
    answer = await caller.publish(ALA, vaccination(consent()))
    assert (answer.status_code, issue_of(answer)["code"]) == (500, "exception")
    printed = capsys.readouterr()
    assert SECRET not in answer.text + printed.out + printed.err
    assert "bhx_bugs_total 1.0" in (await caller.http.get("/metrics")).text


async def test_any_bytes_get_a_recorded_decision(caller):
    """The app runs in this test's loop, so hypothesis only draws; the loop below asks."""
    drawn = []

    @settings(
        max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        st.binary(max_size=300),
        st.none()
        | st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=80),
    )
    def draw(body, signature):
        drawn.append((body, signature))

    draw()
    message_id, body = vaccination(consent())
    signature = caller.cast.signed(ALA, body, message_id=message_id).signature
    drawn += [(body[:cut], signature) for cut in range(0, len(body), len(body) // 20)]
    for body, signature in drawn:
        headers = {} if signature is None else {b"x-jws-signature": signature.encode("latin-1")}
        answer = await caller.http.post("/fhir/$process-message", content=body, headers=headers)
        assert answer.status_code in {200, 400, 403, 409, 422}
        assert proven(caller, answer)


async def test_one_may_fetch_ones_own_receipts_only(caller):
    message_id, body = vaccination(consent())
    sent = receipt_of(await caller.publish(ALA, (message_id, body)))
    mine = await caller.http.get(f"/receipts/{message_id}", headers=await caller.login(ALA))
    assert (mine.status_code, mine.content) == (200, sent.to_bytes())
    assert mine.headers["content-type"] == "application/vnd.bhx.receipt+json"
    others = await caller.http.get(f"/receipts/{message_id}", headers=await caller.login(OSS))
    assert others.status_code == 404
    refused = await caller.http.get(f"/receipts/{message_id}", headers=await caller.login(KZ))
    assert refused.status_code == 403


async def test_the_capability_statement_is_valid_fhir(caller):
    answer = await caller.http.get("/fhir/metadata")
    statement = CapabilityStatement.model_validate(answer.json())
    assert statement.fhirVersion == "4.0.1"
    assert statement.messaging[0].endpoint[0].address.endswith("/fhir/$process-message")


async def test_errors_of_routing_speak_the_language_of_the_path(caller):
    fhir = await caller.http.get("/fhir/$process-message")
    assert (fhir.status_code, issue_of(fhir)["code"]) == (405, "not-supported")
    assert fhir.headers["allow"] == "POST"
    other = await caller.http.get("/nothing-here")
    assert other.status_code == 404
    assert other.headers["content-type"] == "application/problem+json"
    assert json.loads(other.content)["reason"] == "not-found"
    assert other.headers["x-content-type-options"] == "nosniff"
    assert "max-age" in other.headers["strict-transport-security"]
