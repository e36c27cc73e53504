"""Receive, verify, hand over, remember, acknowledge: in that order, whatever breaks in between."""

from datetime import timedelta

import pytest

from adapters.clients.errors import UnprovenDelivery
from adapters.clients.publisher_keys import PinnedKeys
from adapters.clients.retrying import Patience
from adapters.clients.subscriber import Subscriber
from adapters.clients.subscriber_memory import SqliteMemory
from adapters.clients.transport import Arrivals, Arrived
from exchange.errors import Unavailable
from exchange.signing import SigningKey, VerifyingKey, verify_detached
from schemas.acknowledgement import Acknowledgement
from schemas.envelope import ACKNOWLEDGEMENT, open_envelope
from schemas.jwk import PublicJwk
from tests.unit.clients.small_trail import (
    START,
    SUBSCRIBER,
    Post,
    SmallTrail,
    released,
    withheld,
)


class Fetched:
    """Deliveries by cursor, as HTTP has them; keeps what was acknowledged."""

    def __init__(self, *deliveries):
        self.deliveries = list(deliveries)
        self.statements = []
        self.settled = []
        self.asked_after = []
        self.away = 0

    async def receive(self, *, after, limit, patience):
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        self.asked_after.append(after)
        page = [one for one in self.deliveries if one is None or one.number > after][:limit]
        numbers = [one.number for one in page if one is not None]
        return Arrivals(
            arrived=[Arrived(delivery=one) for one in page], cursor=max([after, *numbers])
        )

    async def acknowledge(self, statement, signature):
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        self.statements.append((statement, signature))

    async def settle(self, arrived):
        self.settled += [one.delivery.delivery for one in arrived]

    async def set_aside(self, arrived):
        pass

    @property
    def acknowledged(self):
        return [
            delivery
            for statement, _ in self.statements
            for delivery in Acknowledgement.from_bytes(statement).deliveries
        ]


class Queue(Fetched):
    """Deliveries in whatever order they were put, each handed out once."""

    async def receive(self, *, after, limit, patience):
        page, self.deliveries = self.deliveries[:limit], self.deliveries[limit:]
        return Arrivals(arrived=[Arrived(delivery=one) for one in page], cursor=after)


async def no_sleep(seconds):
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


@pytest.fixture
def subscribe(trail, post, key, memory):
    def subscribe(transport, **options):
        return Subscriber(
            SUBSCRIBER,
            key,
            transport,
            trail.verifier,
            trail,
            PinnedKeys([post.document()]),
            memory,
            patience=Patience(give_up_after=5, sleep=no_sleep),
            seconds_now=START.timestamp,
            **options,
        )

    return subscribe


async def numbers_of(subscriber):
    return [one.number async for one in subscriber.deliveries(follow=False)]


async def test_deliveries_are_handed_over_and_acknowledged(trail, post, subscribe):
    source = Fetched(released(trail, post, 1), withheld(trail, 2), released(trail, post, 3))

    assert await numbers_of(subscribe(source)) == [1, 2, 3]
    assert source.acknowledged == [f"{number:032x}" for number in (1, 2, 3)]
    assert source.settled == source.acknowledged


async def test_an_acknowledgement_is_signed_over_its_exact_bytes(trail, post, subscribe, key):
    source = Fetched(released(trail, post, 1))
    await numbers_of(subscribe(source))

    [(statement, signature)] = source.statements
    envelope = open_envelope(signature)
    public = VerifyingKey.from_jwk(PublicJwk.model_validate(key.public_jwk()))
    verify_detached(envelope, statement, public)

    assert (envelope.header.issuer, envelope.header.content_type) == (SUBSCRIBER, ACKNOWLEDGEMENT)
    assert Acknowledgement.from_bytes(statement).subscriber == SUBSCRIBER


async def test_nothing_is_acknowledged_before_the_consumer_is_done(trail, post, subscribe, memory):
    source = Fetched(released(trail, post, 1), released(trail, post, 2))
    stream = subscribe(source).deliveries(follow=False)

    first = await anext(stream)
    assert (source.statements, memory.knows(first.delivery.delivery)) == ([], False)
    await anext(stream)
    assert (source.statements, memory.knows(first.delivery.delivery)) == ([], True)
    await stream.aclose()


async def test_a_consumer_that_fails_gets_the_delivery_again(trail, post, subscribe):
    source = Fetched(released(trail, post, 1), released(trail, post, 2))
    stream = subscribe(source).deliveries(follow=False)
    await anext(stream)
    await anext(stream)
    await stream.aclose()  # as an exception in the consumer's loop does

    assert await numbers_of(subscribe(source)) == [2]
    assert sorted(source.acknowledged) == [f"{1:032x}", f"{1:032x}", f"{2:032x}"]


async def test_what_was_remembered_but_not_acknowledged_is_acknowledged_at_the_start(
    subscribe, memory
):
    memory.remember("a" * 32, 1)
    source = Fetched()

    assert await numbers_of(subscribe(source)) == []
    assert source.acknowledged == ["a" * 32]
    assert memory.unacknowledged(10) == []


async def test_duplicates_are_dropped_and_acknowledged_again(trail, post, subscribe):
    delivery = released(trail, post, 1)
    source = Queue(delivery, delivery)
    subscriber = subscribe(source)
    assert await numbers_of(subscriber) == [1]

    source.deliveries = [delivery]
    assert await numbers_of(subscriber) == []
    assert source.acknowledged == [delivery.delivery] * 2
    assert source.settled == [delivery.delivery] * 3


async def test_an_unproven_delivery_is_raised_and_not_acknowledged(trail, post, subscribe):
    forged = released(trail, post, 2).model_copy(update={"body": b"{}"})
    source = Fetched(released(trail, post, 1), forged, released(trail, post, 3))

    with pytest.raises(UnprovenDelivery):
        await numbers_of(subscribe(source))
    assert source.acknowledged == [f"{1:032x}"]


async def test_with_a_listener_the_rest_goes_on_and_the_unproven_is_asked_for_again(
    trail, post, subscribe, memory
):
    proven = released(trail, post, 2)
    forged = proven.model_copy(update={"body": b"{}"})
    source = Fetched(released(trail, post, 1), forged, released(trail, post, 3))
    told = []

    assert await numbers_of(subscribe(source, on_unproven=told.append)) == [1, 3]
    assert [str(one) for one in told] == ["Delivery 2 has another body than is logged."]
    assert source.acknowledged == [f"{1:032x}", f"{3:032x}"]

    source.deliveries[1] = proven
    assert await numbers_of(subscribe(source)) == [2]
    assert memory.cursor() == 3


async def test_what_has_not_the_form_of_a_delivery_is_unproven(subscribe):
    with pytest.raises(UnprovenDelivery, match="form of a delivery"):
        await numbers_of(subscribe(Queue(None)))


async def test_gaps_in_the_numbering_are_told(trail, post, subscribe):
    source = Fetched(released(trail, post, 2), released(trail, post, 5))
    subscriber = subscribe(source)
    await numbers_of(subscriber)

    assert subscriber.gaps() == [(1, 1), (3, 4)]


async def test_out_of_order_is_no_gap_once_all_came(trail, post, subscribe):
    first, second = released(trail, post, 1), released(trail, post, 2)
    subscriber = subscribe(Queue(second, first))

    assert await numbers_of(subscriber) == [2, 1]
    assert subscriber.gaps() == []


async def test_a_fork_seen_by_an_earlier_run_is_refused(trail, post, subscribe):
    await numbers_of(subscribe(Fetched(released(trail, post, 1))))
    fork = SmallTrail(trail.signer)
    source = Fetched(released(fork, post, 2, at=START + timedelta(seconds=1), delivery_id="b" * 32))

    with pytest.raises(UnprovenDelivery, match="not the one seen before"):
        await numbers_of(subscribe(source))


async def test_many_are_acknowledged_in_one_statement_at_most_a_thousand(
    trail, post, subscribe, memory
):
    for number in range(1, 1_003):
        memory.remember(f"{number:032x}", number)
    source = Fetched()
    await numbers_of(subscribe(source))

    sizes = [len(Acknowledgement.from_bytes(one).deliveries) for one, _ in source.statements]
    assert sizes == [1_000, 2]


async def test_an_exchange_that_is_away_is_waited_for(trail, post, subscribe):
    source = Fetched(released(trail, post, 1))
    source.away = 3

    assert await numbers_of(subscribe(source)) == [1]


async def test_patience_ends(subscribe):
    source = Fetched()
    source.away = 10_000

    with pytest.raises(Unavailable):
        await numbers_of(subscribe(source))


async def test_a_memory_outlives_the_process_and_serves_one_subscriber(tmp_path):
    from exchange.errors import ConfigurationError

    file = tmp_path / "memory"
    with SqliteMemory.open(file) as memory:
        memory.remember("a" * 32, 3)
        memory.mark_acknowledged(["a" * 32])
        memory.move_cursor(3)
        memory.remember_checkpoint("a note")
        with pytest.raises(ConfigurationError, match="no other subscriber"):
            SqliteMemory.open(file)
    assert file.stat().st_mode & 0o777 == 0o600

    with SqliteMemory.open(file) as memory:
        assert memory.knows("a" * 32)
        assert memory.holder_of(3) == "a" * 32
        assert memory.holder_of(4) is None
        assert memory.unacknowledged(10) == []
        assert memory.gaps() == [(1, 2)]
        assert (memory.cursor(), memory.checkpoint()) == (3, "a note")
