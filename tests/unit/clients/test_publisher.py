"""A receipt is believed only when it proves what became of exactly the bytes that were sent."""

import json

import pytest

from adapters.clients.errors import NotAMessage, RequestRefused, UnprovenReceipt
from adapters.clients.publisher import Publisher
from adapters.clients.retrying import Patience
from exchange.errors import Unavailable
from exchange.signing import SigningKey, VerifyingKey, verify_detached
from schemas.envelope import open_envelope
from schemas.jwk import PublicJwk
from tests.unit.clients.small_trail import PUBLISHER, SmallTrail, receipt_for

BODY = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "message",
        "entry": [{"resource": {"resourceType": "MessageHeader", "id": "message-1"}}],
    }
).encode()


class Answering:
    """Answers each message with what `answer` makes of it."""

    def __init__(self, answer, away=0):
        self.answer = answer
        self.away = away
        self.sent = []

    async def submit(self, message):
        self.sent.append((message.body, message.signature))
        if len(self.sent) <= self.away:
            raise Unavailable("away")
        return self.answer(message)


@pytest.fixture
def trail():
    return SmallTrail()


@pytest.fixture(params=["Ed25519", "ES256"])
def key(request):
    return SigningKey.generate(request.param)


@pytest.fixture
def publisher(trail, key):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    def publisher(answer, **options):
        transport = Answering(answer, **options)
        made = Publisher(
            PUBLISHER,
            key,
            transport,
            trail.verifier,
            patience=Patience(first_pause=1, longest_pause=4, give_up_after=20, sleep=sleep),
            seconds_now=lambda: 1_772_366_400.9,
        )
        made.transport, made.pauses = transport, pauses
        return made

    return publisher


def test_the_signature_covers_the_exact_bytes(publisher, key):
    signed = publisher(None).sign(BODY)
    envelope = open_envelope(signed.signature)

    verify_detached(
        envelope, BODY, VerifyingKey.from_jwk(PublicJwk.model_validate(key.public_jwk()))
    )
    assert (signed.body, signed.message_id, signed.key_id) == (BODY, "message-1", key.key_id)
    assert (envelope.header.issuer, envelope.header.issued_at) == (PUBLISHER, 1_772_366_400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"entry": []}',
        b'{"entry": [{"resource": {"resourceType": "Patient", "id": "p"}}]}',
        b'{"entry": [{"resource": {"resourceType": "MessageHeader"}}]}',
        b'{"entry": [{"resource": {"resourceType": "MessageHeader", "id": 1}}]}',
        b'{"entry": [{"resource": {"resourceType": "MessageHeader", "id": "not a fhir id"}}]}',
        b'{"entry": 1, "entry": 2}',
    ],
)
def test_what_is_no_message_is_not_signed(publisher, body):
    with pytest.raises(NotAMessage):
        publisher(None).sign(body)


async def test_a_proven_acceptance(publisher, trail):
    made = publisher(lambda sent: receipt_for(trail, sent).to_bytes())

    receipt = await made.publish(BODY)

    assert (receipt.outcome, receipt.reason, receipt.index) == ("accepted", None, 1)
    assert receipt.checkpoint.size == 2


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"publisher": ""},
        {"message": "0f" * 32},
    ],
    ids=["ours", "nobody", "by the name of the bytes"],
)
async def test_a_proven_refusal(publisher, trail, named):
    made = publisher(lambda sent: receipt_for(trail, sent, outcome="refused", **named).to_bytes())

    receipt = await made.publish(BODY)

    assert (receipt.outcome, receipt.reason) == ("refused", "consent-refused")


async def test_the_same_bytes_are_sent_again_while_the_exchange_is_away(publisher, trail):
    made = publisher(lambda sent: receipt_for(trail, sent).to_bytes(), away=3)

    receipt = await made.publish(BODY)

    assert receipt.outcome == "accepted"
    assert len(made.transport.sent) == 4
    assert len(set(made.transport.sent)) == 1
    assert made.pauses == sorted(made.pauses)


async def test_patience_ends_and_a_refused_request_is_not_repeated(publisher):
    made = publisher(None, away=10_000)
    with pytest.raises(Unavailable):
        await made.publish(BODY)

    def too_large(sent):
        raise RequestRefused("too large", status=413)

    made = publisher(too_large)
    with pytest.raises(RequestRefused):
        await made.publish(BODY)
    assert len(made.transport.sent) == 1


async def refused(made, because):
    with pytest.raises(UnprovenReceipt, match=because):
        await made.publish(BODY)


async def test_1_bytes_that_are_no_receipt(publisher):
    await refused(publisher(lambda _: b"{}"), "cannot be read")


async def test_1_an_entry_that_is_no_decision(publisher, trail):
    def answer(sent):
        index = trail.add("exchange-started", role="api")
        receipt = receipt_for(trail, sent)
        return receipt.model_copy(update={"entry": trail.entries[index]}).to_bytes()

    await refused(publisher(answer), "not a decision")


async def test_2_a_refusal_dressed_up_as_an_acceptance(publisher, trail):
    def answer(sent):
        receipt = receipt_for(trail, sent, outcome="refused")
        return receipt.model_copy(update={"outcome": "accepted", "reason": None}).to_bytes()

    await refused(publisher(answer), "something else than its trail entry")


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ({}, None),
        ({}, "current"),
        ({"supersedes": 3}, "current"),
        ({"superseded_by": 3}, "superseded"),
    ],
)
async def test_a_receipt_says_whether_the_version_is_current(publisher, trail, logged, said):
    made = publisher(lambda sent: receipt_for(trail, sent, standing=said, **logged).to_bytes())

    assert (await made.publish(BODY)).standing == said


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ({}, "superseded"),
        ({"supersedes": 3}, "superseded"),
        ({"supersedes": 3}, None),
        ({"superseded_by": 3}, "current"),
        ({"superseded_by": 3}, None),
        ({"outcome": "refused"}, "current"),
    ],
)
async def test_2_a_version_that_is_said_to_stand_otherwise(publisher, trail, logged, said):
    made = publisher(lambda sent: receipt_for(trail, sent, standing=said, **logged).to_bytes())

    await refused(made, "which version is newer")


async def test_3_a_proof_by_another_log(publisher):
    other = SmallTrail()
    await refused(publisher(lambda sent: receipt_for(other, sent).to_bytes()), "the pinned log key")


async def test_3_a_proof_of_another_entry(publisher, trail):
    def answer(sent):
        receipt = receipt_for(trail, sent)
        return receipt.model_copy(update={"proof": trail.proof(0)}).to_bytes()

    await refused(publisher(answer), "the pinned log key")


async def test_4_a_receipt_for_other_bytes(publisher, trail):
    from exchange.commitment import commitment_to
    from tests.unit.clients.small_trail import SALT

    other = commitment_to(b"other bytes", SALT)
    made = publisher(lambda sent: receipt_for(trail, sent, content=other).to_bytes())

    await refused(made, "other bytes than were sent")


async def test_4_a_receipt_that_no_longer_opens(publisher, trail):
    def answer(sent):
        return receipt_for(trail, sent).model_copy(update={"content_salt": None}).to_bytes()

    await refused(publisher(answer), "was erased")


@pytest.mark.parametrize(
    "named", [{"publisher": "poe:kg:fru"}, {"message": "message-2"}, {"key": "another"}]
)
async def test_5_an_acceptance_of_another_message(publisher, trail, named):
    made = publisher(lambda sent: receipt_for(trail, sent, **named).to_bytes())

    await refused(made, "another party's message")


@pytest.mark.parametrize("named", [{"publisher": "poe:kg:fru"}, {"message": "message-2"}])
async def test_5_a_refusal_of_another_message(publisher, trail, named):
    made = publisher(lambda sent: receipt_for(trail, sent, outcome="refused", **named).to_bytes())

    await refused(made, "another party's message")
