"""A subscriber that is told to stop: it forgets, then says so, whatever breaks in between."""

import pytest

from adapters.clients.errors import UnprovenDelivery
from adapters.clients.publisher_keys import PinnedKeys
from adapters.clients.retrying import Patience
from adapters.clients.subscriber import Subscriber
from adapters.clients.subscriber_memory import SqliteMemory
from exchange.signing import SigningKey, VerifyingKey, verify_detached
from schemas.cessation import Cessation
from schemas.delivery import Delivery
from schemas.envelope import CESSATION, open_envelope
from schemas.jwk import PublicJwk
from tests.unit.clients.small_trail import PUBLISHER, START, SUBSCRIBER, Post, SmallTrail, released
from tests.unit.clients.test_subscriber import Fetched, Queue, no_sleep


def recalled(trail, number, recalls, *, cause="consent-withdrawn"):
    delivery_id = f"{number:032x}"
    index = trail.add(
        "recalled",
        delivery=delivery_id,
        subscriber=SUBSCRIBER,
        number=number,
        recalls=recalls,
        cause=cause,
        deadline="2026-03-04T12:00:00.000Z",
    )
    return Delivery(
        delivery=delivery_id,
        subscriber=SUBSCRIBER,
        number=number,
        state="recalled",
        publisher=PUBLISHER,
        message="message-1",
        entry=trail.entries[index],
        proof=trail.proof(index),
    )


class Crash(Exception):
    """The process ends here."""


class Answering:
    """Keeps what was answered."""

    answers: list

    @property
    def said(self):
        return [
            (one.answer, list(one.notices))
            for one in (Cessation.from_bytes(statement) for statement, _ in self.answers)
        ]


class FetchedWithAnswers(Answering, Fetched):
    def __init__(self, *deliveries):
        super().__init__(*deliveries)
        self.answers, self.crash = [], False

    async def answer_recalls(self, statement, signature):
        if self.crash:
            raise Crash
        self.answers.append((statement, signature))


class QueueWithAnswers(FetchedWithAnswers, Queue):
    pass


@pytest.fixture
def trail():
    return SmallTrail()


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def key():
    return SigningKey.generate()


@pytest.fixture
def memory():
    with SqliteMemory.open(None) as memory:
        yield memory


class Registry:
    """What a registry keeps, by delivery id."""

    def __init__(self, answer="deleted"):
        self.kept, self.asked, self.answer = {}, [], answer

    def forget(self, notice, was_received):
        self.asked.append((notice.recalls, was_received))
        self.kept.pop(notice.recalls, None)
        return self.answer


@pytest.fixture
def run(trail, post, key, memory):
    async def run(source, registry):
        subscriber = Subscriber(
            SUBSCRIBER,
            key,
            source,
            trail.verifier,
            trail,
            PinnedKeys([post.document()]),
            memory,
            on_recall=registry.forget,
            patience=Patience(give_up_after=5, sleep=no_sleep),
            seconds_now=START.timestamp,
        )
        numbers = []
        async for one in subscriber.deliveries(follow=False):
            numbers.append(one.number)
            if one.body is not None:
                registry.kept[one.delivery.delivery] = one.body
        return numbers

    return run


FIRST, SECOND, THIRD = (f"{number:032x}" for number in (1, 2, 3))


async def test_a_notice_is_obeyed_and_answered_with_a_signature(trail, post, run, key):
    source = FetchedWithAnswers(
        released(trail, post, 1), released(trail, post, 2), recalled(trail, 3, FIRST)
    )
    registry = Registry()

    assert await run(source, registry) == [1, 2, 3]
    assert list(registry.kept) == [SECOND]
    assert registry.asked == [(FIRST, True)]
    assert source.said == [("deleted", [THIRD])]
    [(statement, signature)] = source.answers
    envelope = open_envelope(signature)
    verify_detached(
        envelope, statement, VerifyingKey.from_jwk(PublicJwk.model_validate(key.public_jwk()))
    )
    assert (envelope.header.issuer, envelope.header.content_type) == (SUBSCRIBER, CESSATION)
    assert source.acknowledged == [FIRST, SECOND, THIRD]


async def test_what_was_never_kept_is_answered_too(trail, run):
    source, registry = FetchedWithAnswers(recalled(trail, 1, "f" * 32)), Registry("ceased")

    await run(source, registry)
    assert registry.asked == [("f" * 32, False)]
    assert source.said == [("ceased", [FIRST])]


async def test_a_notice_is_answered_once(trail, run):
    source, registry = QueueWithAnswers(recalled(trail, 1, "f" * 32)), Registry()
    again = list(source.deliveries)
    await run(source, registry)
    source.deliveries = again
    await run(source, registry)

    assert len(source.answers) == 1
    assert len(registry.asked) == 1


async def test_a_crash_between_forgetting_and_answering(trail, post, run):
    """Remembered with its answer, which is sent at the next start."""
    source = FetchedWithAnswers(released(trail, post, 1), recalled(trail, 2, FIRST))
    registry, source.crash = Registry(), True
    with pytest.raises(Crash):
        await run(source, registry)
    assert (registry.kept, source.answers) == ({}, [])

    source.crash = False
    assert await run(source, registry) == []
    assert source.said == [("deleted", [SECOND])]


async def test_a_crash_between_forgetting_and_remembering_brings_the_notice_again(
    trail, post, run, memory
):
    source = FetchedWithAnswers(released(trail, post, 1), recalled(trail, 2, FIRST))
    registry, remember = Registry(), memory.remember_recall

    def crash(*arguments):
        raise Crash

    memory.remember_recall = crash
    with pytest.raises(Crash):
        await run(source, registry)
    memory.remember_recall = remember
    assert registry.kept == {}

    assert await run(source, registry) == [2]
    assert registry.asked == [(FIRST, True), (FIRST, True)]
    assert source.said == [("deleted", [SECOND])]


async def test_what_arrives_after_its_own_notice_is_not_handed_over(trail, post, run):
    late = released(trail, post, 1)
    source, registry = QueueWithAnswers(recalled(trail, 2, FIRST), late), Registry()

    assert await run(source, registry) == [2]
    assert registry.kept == {}
    assert sorted(source.acknowledged) == [FIRST, SECOND]


async def test_what_cannot_be_said_yet_is_not_answered_until_it_can(trail, run, memory):
    source, registry = FetchedWithAnswers(recalled(trail, 1, "f" * 32)), Registry(answer=None)
    await run(source, registry)
    assert (source.answers, memory.undecided_recalls()) == ([], [FIRST])

    memory.decide_recalls("ceased")
    await run(source, registry)
    assert source.said == [("ceased", [FIRST])]
    assert memory.undecided_recalls() == []


@pytest.mark.parametrize("recalls", ["*", "../../etc/passwd", "F" * 32, "a" * 31])
async def test_a_notice_names_a_delivery_and_nothing_else(trail, run, recalls):
    registry = Registry()

    with pytest.raises(UnprovenDelivery, match="no delivery can be"):
        await run(FetchedWithAnswers(recalled(trail, 1, recalls)), registry)
    assert registry.asked == []


async def test_a_notice_that_is_not_logged_is_not_obeyed(trail, post, run):
    forged = recalled(trail, 2, FIRST)
    kept = released(trail, post, 1)
    other = SmallTrail()
    forged = forged.model_copy(update={"proof": recalled(other, 2, FIRST).proof})
    registry = Registry()

    with pytest.raises(UnprovenDelivery):
        await run(FetchedWithAnswers(kept, forged), registry)
    assert list(registry.kept) == [FIRST]
