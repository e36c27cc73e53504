"""What every transport promises, held against each: `Publisher` and `MessageSource`."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from pamqp.commands import Basic

from adapters.in_process.transport import InProcessBroker
from adapters.rabbitmq import topology
from adapters.rabbitmq.confirms import ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.publisher import RabbitPublisher
from adapters.rabbitmq.source import RabbitSource
from exchange.errors import Unavailable
from exchange.model import ReceivedMessage
from exchange.ports import Outgoing

POST = "poe:kz:ala"
REGISTRY = "registry:kz"
PAUSES = (timedelta(milliseconds=20), timedelta(milliseconds=40))
ANY_BYTES = bytes(range(256)) * 3 + b"\r\n\x00" + "Ә".encode()


class InProcess:
    """The in-process broker, driven from outside the ports."""

    async def open(self, stack, request):
        self.broker = InProcessBroker(retry_pauses=PAUSES)
        self.broker.declare([POST], [REGISTRY])
        self.stack = stack
        return self

    async def submit(self, body, signature=None, queue="submissions"):
        await self.broker.submit(ReceivedMessage(body=body, signature=signature), queue)

    def source(self, queue="submissions"):
        source = self.broker.source(queue)
        self.stack.push_async_callback(source.close)
        return source

    def publisher(self):
        return self.broker.publisher()

    async def read(self, kind, participant):
        one = await self.broker.inbox(kind, participant).get()
        return one.body, dict(one.headers), one.content_type, one.message_id

    async def dead_letter(self):
        one = self.broker.dead_letters.pop(0)
        return one.received.body, one.reason


class RabbitMQ:
    """RabbitMQ in a vhost of its own, driven from outside the ports."""

    async def open(self, stack, request):
        self.connection = RabbitConnection(request.getfixturevalue("fresh_vhost"))
        stack.push_async_callback(self.connection.close)
        self.channel = await self.connection.channel()
        await topology.declare(self.channel, [POST], [REGISTRY], retry_pauses=PAUSES)
        stack.push_async_callback(self.delete_queues)
        self.publishing = ConfirmedPublishing(self.connection)
        self.stack = stack
        return self

    async def delete_queues(self):
        """Each quorum queue holds file handles, and a vhost lives as long as the run."""
        channel = await self.connection.channel()
        for queue in topology.topology_for([POST], [REGISTRY], retry_pauses=PAUSES).queues:
            await channel.queue_delete(queue.name)

    async def submit(self, body, signature=None, queue="submissions"):
        headers = {} if signature is None else {topology.SIGNATURE_HEADER: signature}
        exchange = {
            "submissions": topology.submissions_exchange(POST),
            "acknowledgements": topology.acknowledgements_exchange(REGISTRY),
        }[queue]
        await self.publishing.publish(
            [
                Publication(
                    exchange=exchange,
                    routing_key="",
                    body=body,
                    properties=Basic.Properties(delivery_mode=2, headers=headers),
                )
            ]
        )

    def source(self, queue="submissions"):
        names = {
            "submissions": topology.SUBMISSIONS,
            "acknowledgements": topology.ACKNOWLEDGEMENTS,
        }
        source = RabbitSource(self.connection, names[queue], prefetch=20, retry_pauses=PAUSES)
        self.stack.push_async_callback(source.close)
        return source

    def publisher(self):
        return RabbitPublisher(self.connection)

    async def read(self, kind, participant):
        name = {"delivery": topology.deliveries_queue, "receipt": topology.receipts_queue}[kind]
        message = await self._get(name(participant))
        properties = message.header.properties
        return message.body, properties.headers, properties.content_type, properties.message_id

    async def dead_letter(self):
        message = await self._get(topology.DEAD_LETTERS)
        return message.body, message.header.properties.headers[topology.REASON_HEADER]

    async def _get(self, queue):
        while True:
            message = await self.channel.basic_get(queue, no_ack=True)
            if isinstance(message.delivery, Basic.GetOk):
                return message


@pytest.fixture(
    params=[
        pytest.param(InProcess, id="in_process"),
        pytest.param(RabbitMQ, id="rabbitmq", marks=pytest.mark.needs_rabbitmq),
    ]
)
async def transport(request):
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        yield await request.param().open(stack, request)


async def take(source, count, limit=100):
    """Receive until so many messages are there."""
    taken = []
    while len(taken) < count:
        taken += await source.receive(min(limit, count - len(taken)))
    return taken


async def nothing_more(source):
    """Whether the source has nothing to hand out for a moment."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.receive(1), 0.15)
    return True


def outgoing(**changes):
    return Outgoing(
        **{
            "kind": "delivery",
            "to": REGISTRY,
            "message_id": "d-1",
            "content_type": "application/fhir+json",
            "body": ANY_BYTES,
            "headers": {"x-jws-signature": "a..b", "bhx-delivery": '{"v":1}'},
        }
        | changes
    )


@pytest.mark.parametrize("queue", ["submissions", "acknowledgements"])
async def test_what_was_sent_comes_out_byte_for_byte(transport, queue):
    await transport.submit(ANY_BYTES, "eyJ..c2ln", queue)
    source = transport.source(queue)

    (incoming,) = await source.receive(10)

    assert incoming.received.body == ANY_BYTES
    assert incoming.received.signature == "eyJ..c2ln"
    assert incoming.received.authenticated_as is None
    assert not incoming.redelivered


async def test_an_empty_body_without_a_signature_comes_too(transport):
    await transport.submit(b"")

    (incoming,) = await transport.source().receive(10)

    assert incoming.received == ReceivedMessage(body=b"", signature=None)


async def test_a_batch_is_what_is_there_and_at_most_the_limit(transport):
    for number in range(5):
        await transport.submit(b"%d" % number)
    source = transport.source()

    taken = await take(source, 2, limit=2)
    await source.acknowledge(taken)
    rest = await take(source, 3)

    assert [one.received.body for one in taken + rest] == [b"0", b"1", b"2", b"3", b"4"]


async def test_receive_waits_for_the_first_message(transport):
    source = transport.source()
    receiving = asyncio.create_task(source.receive(10))
    await asyncio.sleep(0)
    assert not receiving.done()

    await transport.submit(b"late")

    assert [one.received.body for one in await receiving] == [b"late"]


async def test_two_tasks_may_receive_and_settle_at_once(transport):
    source = transport.source()
    seen = []

    async def lane():
        while batch := await source.receive(3):
            await source.acknowledge(batch)
            seen.extend(one.received.body for one in batch)
            if len(seen) == 40:
                await source.stop_receiving()

    lanes = asyncio.gather(lane(), lane())
    for number in range(40):
        await transport.submit(b"%d" % number)
    await lanes

    assert sorted(seen, key=int) == [b"%d" % number for number in range(40)]


async def test_what_was_acknowledged_never_comes_again_and_the_rest_does(transport):
    for number in range(6):
        await transport.submit(b"%d" % number)
    first = transport.source()
    taken = await take(first, 6)

    # Neither all nor a prefix: acknowledging one must not settle its neighbours.
    await first.acknowledge([taken[4], taken[0], taken[2]])
    await first.close()

    again = await take(second := transport.source(), 3)
    assert sorted(one.received.body for one in again) == [b"1", b"3", b"5"]
    assert all(one.redelivered for one in again)
    await second.acknowledge(again)
    await second.close()
    assert await nothing_more(transport.source())


async def test_acknowledging_twice_or_after_the_end_harms_nothing(transport):
    await transport.submit(b"once")
    source = transport.source()
    taken = await source.receive(1)

    await source.acknowledge(taken)
    await source.acknowledge(taken)
    await transport.submit(b"next")
    assert [one.received.body for one in await source.receive(1)] == [b"next"]
    await source.close()
    await source.acknowledge(taken)


async def test_a_dead_letter_keeps_its_body_and_has_a_reason(transport):
    await transport.submit(ANY_BYTES)
    source = transport.source()
    (incoming,) = await source.receive(1)

    await source.dead_letter(incoming, "internal-error")

    assert await transport.dead_letter() == (ANY_BYTES, "internal-error")
    await source.close()
    assert await nothing_more(transport.source())


async def test_a_message_that_went_back_cannot_be_put_aside(transport):
    await transport.submit(b"went back")
    source = transport.source()
    (incoming,) = await source.receive(1)
    await source.close()

    with pytest.raises(Unavailable):
        await source.dead_letter(incoming, "internal-error")

    (again,) = await transport.source().receive(1)
    assert again.received.body == b"went back"


async def test_a_retried_message_climbs_the_ladder_and_ends_among_the_dead(transport):
    await transport.submit(ANY_BYTES, "eyJ..c2ln")
    source = transport.source()
    loop = asyncio.get_running_loop()
    for pause in PAUSES:
        (incoming,) = await source.receive(1)
        began = loop.time()
        await source.retry_later(incoming)
        (incoming,) = await source.receive(1)
        assert loop.time() - began >= pause.total_seconds() * 0.9
        assert incoming.received == ReceivedMessage(body=ANY_BYTES, signature="eyJ..c2ln")
        assert incoming.redelivered
        await source.close()  # how often is the message's to know, not the source's
        source = transport.source()

    (incoming,) = await source.receive(1)
    await source.retry_later(incoming)

    assert await transport.dead_letter() == (ANY_BYTES, "retries-exhausted")


async def test_after_stop_receive_is_empty_and_what_is_in_hand_can_be_settled(transport):
    for number in range(4):
        await transport.submit(b"%d" % number)
    source = transport.source()
    taken = await take(source, 3, limit=3)

    await source.stop_receiving()

    assert await source.receive(10) == []
    await source.acknowledge(taken[:1])
    await source.dead_letter(taken[1], "internal-error")
    assert await transport.dead_letter() == (b"1", "internal-error")
    # What nobody took went back at once; what was taken and not settled, when the source closes.
    other = transport.source()
    assert [one.received.body for one in await other.receive(10)] == [b"3"]
    await source.close()
    assert [one.received.body for one in await other.receive(10)] == [b"2"]


async def test_stop_ends_a_receive_that_waits(transport):
    source = transport.source()
    receiving = asyncio.create_task(source.receive(1))
    await asyncio.sleep(0.05)

    await source.stop_receiving()

    assert await receiving == []


@pytest.mark.parametrize(("kind", "to"), [("delivery", REGISTRY), ("receipt", POST)])
async def test_what_is_published_lies_in_the_participants_queue(transport, kind, to):
    sent = outgoing(kind=kind, to=to)

    await transport.publisher().publish([sent])

    body, headers, content_type, message_id = await transport.read(kind, to)
    assert (body, content_type, message_id) == (ANY_BYTES, "application/fhir+json", "d-1")
    assert headers.items() >= sent.headers.items()


async def test_a_batch_is_published_in_order(transport):
    bodies = [b"%d" % number for number in range(50)]

    await transport.publisher().publish([outgoing(body=body) for body in bodies])

    assert [(await transport.read("delivery", REGISTRY))[0] for _ in bodies] == bodies


@pytest.mark.parametrize(
    ("kind", "to"), [("delivery", "registry:nobody"), ("delivery", POST), ("receipt", REGISTRY)]
)
async def test_a_message_for_which_there_is_no_queue_is_not_published(transport, kind, to):
    publisher = transport.publisher()
    lost = outgoing(kind=kind, to=to)

    with pytest.raises(Unavailable) as refused:
        await publisher.publish([outgoing(), lost])

    assert "Ә" not in repr(refused.getrepr())
    await publisher.publish([outgoing(message_id="d-2")])  # the publisher itself is well


async def test_publishing_nothing_is_no_error(transport):
    await transport.publisher().publish([])
