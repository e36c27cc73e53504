"""What an HTTP answer means: a receipt, come back later, or never."""

import json

import httpx2
import pytest

from adapters.clients.errors import RequestRefused, Unproven
from adapters.clients.http_transport import HttpTransport
from adapters.clients.publisher_keys import DirectoryKeys
from adapters.clients.transport import SignedMessage
from exchange.errors import Unavailable
from exchange.signing import SigningKey
from schemas.participant import Participant
from tests.unit.clients.small_trail import PUBLISHER, Post

SENT = SignedMessage(body=b"{}", signature="a..b", message_id="message-1", key_id="k")
TOKEN = {"access_token": "t1", "token_type": "bearer", "expires_in": 300}


def transport(answer, **members):
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    key = SigningKey.generate()
    return HttpTransport("https://x.example/", "registry:kz", key, client=client, **members)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_these_mean_try_again(status):
    with pytest.raises(Unavailable):
        await transport(lambda _: httpx2.Response(status)).submit(SENT)


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ReadTimeout, httpx2.ReadError])
async def test_so_does_a_network_that_fails(error):
    def fail(request):
        raise error("no")

    with pytest.raises(Unavailable, match="does not answer"):
        await transport(fail).submit(SENT)


async def test_an_answer_without_a_receipt_is_final_and_says_why():
    outcome = {"issue": [{"diagnostics": "Send at most 1048576 bytes."}]}

    with pytest.raises(RequestRefused, match=r"\(413\): Send at most 1048576 bytes") as caught:
        await transport(lambda _: httpx2.Response(413, json=outcome)).submit(SENT)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"issue": [{"diagnostics": "Sign it."}, {"diagnostics": "Twice."}]}, "Sign it. Twice."),
        ({"title": "Not allowed.", "problems": []}, "Not allowed."),
        ({"title": "Wrong.", "problems": [{"text": "Mend it."}]}, "Wrong. Mend it."),
        ({"error": "invalid_client", "error_description": "Set the clock."}, "Set the clock."),
        ({"error": "invalid_client"}, "invalid_client"),
        ({"title": "Two\nlines\x1b[31m"}, "Twolines[31m"),
        ([], "It gives no reason."),
        (3, "It gives no reason."),
        ({}, "It gives no reason."),
    ],
)
async def test_each_form_of_refusal_shows_its_words(told, shown):
    with pytest.raises(RequestRefused) as caught:
        await transport(lambda _: httpx2.Response(403, json=told)).submit(SENT)

    assert str(caught.value) == f"The exchange refuses (403): {shown}"


async def test_a_refused_login_says_why():
    told = {"error": "invalid_client", "error_description": "The participant is suspended."}

    with pytest.raises(RequestRefused, match=r"refuses the login \(400\): The participant is susp"):
        await transport(lambda _: httpx2.Response(400, json=told)).participant("poe:kz:ala")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"entry": 3}',
        b'{"entry": [1]}',
        b'{"entry": [{"resource": {"contentType": "application/vnd.bhx.receipt+json"}}]}',
    ],
)
async def test_an_answer_of_another_form_is_no_receipt(answer):
    with pytest.raises(RequestRefused):
        await transport(lambda _: httpx2.Response(200, content=answer)).submit(SENT)


async def test_the_message_goes_out_byte_for_byte_with_its_signature():
    seen = []

    def answer(request):
        seen.append(request)
        return httpx2.Response(400)

    with pytest.raises(RequestRefused):
        await transport(answer).submit(SENT)
    [request] = seen
    assert (request.content, request.headers["x-jws-signature"]) == (b"{}", "a..b")
    assert str(request.url) == "https://x.example/fhir/$process-message"


async def test_a_token_is_kept_and_asked_for_again_when_it_is_refused():
    logins, uses = [], []

    def answer(request):
        if request.url.path == "/auth/token":
            logins.append(request)
            return httpx2.Response(200, json={**TOKEN, "access_token": f"t{len(logins)}"})
        uses.append(request.headers["authorization"])
        if request.headers["authorization"] == "Bearer t1" and len(uses) > 2:
            return httpx2.Response(401)
        return httpx2.Response(200, json={"deliveries": [], "next": 0})

    http = transport(answer)
    for _ in range(3):
        await http.receive(after=0, limit=10, patience=0)

    assert uses == ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2"]
    assert len(logins) == 2


async def test_deliveries_that_have_not_the_form_do_not_hide_the_others():
    page = {"deliveries": [{"v": 1}, 3], "next": 9}

    def answer(request):
        body = TOKEN if request.url.path == "/auth/token" else page
        return httpx2.Response(200, json=body)

    arrivals = await transport(answer).receive(after=4, limit=10, patience=0)

    assert [one.delivery for one in arrivals.arrived] == [None, None]
    assert arrivals.cursor == 9


async def test_a_document_of_another_form_is_unproven():
    def answer(request):
        body = TOKEN if request.url.path == "/auth/token" else {"id": "x"}
        return httpx2.Response(200, json=body)

    with pytest.raises(Unproven):
        await transport(answer).participant(PUBLISHER)


async def test_keys_are_kept_for_a_while_and_looked_up_on_a_miss():
    post, asked, now = Post(), [], [0.0]
    documents = {PUBLISHER: post.document()}

    class Directory:
        async def participant(self, participant_id):
            asked.append(participant_id)
            return documents.get(participant_id)

    keys = DirectoryKeys(Directory(), keep_seconds=30, monotonic=lambda: now[0])
    assert await keys.key_of(PUBLISHER, post.key.key_id) is not None
    assert await keys.key_of(PUBLISHER, post.key.key_id) is not None
    assert len(asked) == 1

    successor = Post()
    values = json.loads(documents[PUBLISHER].model_dump_json())
    values["keys"] += json.loads(successor.document().model_dump_json())["keys"]
    documents[PUBLISHER] = Participant.model_validate(values)
    assert await keys.key_of(PUBLISHER, successor.key.key_id) is not None
    assert len(asked) == 2

    del documents[PUBLISHER]
    now[0] = 31.0
    assert await keys.key_of(PUBLISHER, post.key.key_id) is None


async def test_a_directory_that_answers_with_somebody_else_is_not_believed():
    post = Post()

    class Directory:
        async def participant(self, participant_id):
            return post.document("poe:kg:fru")

    assert await DirectoryKeys(Directory()).key_of(PUBLISHER, post.key.key_id) is None
