"""Publisher and subscriber over a real RabbitMQ, each with no more rights than its own user has."""

import asyncio
import base64
import json
import secrets
from contextlib import AsyncExitStack, suppress
from urllib.parse import quote, urlsplit

import pytest

from adapters.bootstrap import SystemClock
from adapters.clients.amqp_transport import AmqpDeliveries, AmqpPublishing
from adapters.clients.local_transport import LocalTransport
from adapters.clients.publisher import Publisher
from adapters.clients.publisher_keys import DirectoryKeys
from adapters.clients.retrying import Patience
from adapters.clients.subscriber import Subscriber
from adapters.clients.subscriber_memory import SqliteMemory
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.definitions import hashed_password, rabbitmq_definitions
from adapters.rabbitmq.source import RabbitSource
from adapters.rabbitmq.topology import (
    ACKNOWLEDGEMENTS,
    SUBMISSIONS,
    publishers_of,
    queue_subscribers_of,
    topology_for,
)
from exchange.acknowledgement_worker import AcknowledgementWorker
from exchange.errors import Unavailable
from exchange.worker import Worker
from tests.support.running import running_world
from tests.support.waiting import until
from tests.support.world import Cast, Subscription, consent, consent_message
from tests.support.world import vaccination as composed

PATIENCE = Patience(give_up_after=0)


class World:
    """An exchange on the broker, and clients that log in as themselves."""

    def __init__(self, exchange, cast, post, registry, url_of, stack):
        self.exchange, self.cast, self.post, self.registry = exchange, cast, post, registry
        self.url_of, self.stack = url_of, stack
        self.unclaimed = []

    async def publisher(self):
        connection = await RabbitConnection.open(self.url_of(self.post))
        self.stack.push_async_callback(connection.close)
        transport = AmqpPublishing(
            connection, self.post, receipt_timeout=20, on_unclaimed=self.unclaimed.append
        )
        self.stack.push_async_callback(transport.close)
        verifier = self.exchange.keys.note_signer.verifier
        return Publisher(
            self.post, self.cast.keys[self.post], transport, verifier, patience=PATIENCE
        )

    async def subscriber(self, memory, **options):
        connection = await RabbitConnection.open(self.url_of(self.registry))
        self.stack.push_async_callback(connection.close)
        transport = AmqpDeliveries(connection, self.registry)
        self.stack.push_async_callback(transport.close)
        reader = LocalTransport(self.exchange, self.registry)
        subscriber = Subscriber(
            self.registry,
            self.cast.keys[self.registry],
            transport,
            self.exchange.keys.note_signer.verifier,
            reader,
            DirectoryKeys(reader),
            memory,
            patience=PATIENCE,
            **options,
        )
        return subscriber, transport

    def vaccination(self, *others, **members):
        return composed(*others, source=self.post, **members)[1]

    async def all_acknowledged(self):
        rows = await self.exchange.store.delivery_rows(self.registry, after=0, limit=99)
        return all(row.acknowledged for row in rows)

    async def one_dead_letter(self):
        channel = await self.exchange.broker.channel()
        declared = await channel.queue_declare("bhx.dead-letters", passive=True)
        await channel.close()
        return declared.message_count == 1

    @property
    def permitted(self):
        return consent(recipients=[self.registry])


def new_cast():
    """Ids of this test alone, because RabbitMQ's users are shared by all vhosts."""
    cast, mark = Cast(), secrets.token_hex(4)
    period = {"valid_until": SystemClock().now().replace(year=2100)}
    post = cast.add(f"poe:kz:{mark}", "publisher", **period)
    everything = Subscription(id="all", purpose="PUBHLTH")
    registry = cast.add(f"registry:kz:{mark}", "subscriber", subscriptions=(everything,), **period)
    return cast, post.id, registry.id


@pytest.fixture
async def world(controllable_rabbitmq, fresh_vhost, tmp_path):
    cast, post, registry = new_cast()
    participants = list(cast.participants.values())
    definitions = rabbitmq_definitions(
        participants,
        vhost=urlsplit(fresh_vhost).path.removeprefix("/"),
        exchange_user=f"exchange:{secrets.token_hex(4)}",
        password_hash=lambda name: hashed_password(f"password of {name}"),
    )
    text = base64.b64encode(json.dumps(definitions).encode()).decode()
    code = f'rabbit_definitions:import_raw(base64:decode(<<"{text}">>)).'
    assert controllable_rabbitmq.ctl("eval", code).strip() == "ok"

    def url_of(name):
        parts = urlsplit(fresh_vhost)
        login = f"{quote(name, safe='')}:{quote(f'password of {name}')}"
        return parts._replace(netloc=f"{login}@{parts.hostname}:{parts.port}").geturl()

    async with AsyncExitStack() as stack, asyncio.timeout(90):
        exchange = await stack.enter_async_context(
            running_world(tmp_path, cast, clock=SystemClock(), broker=fresh_vhost)
        )
        sources = [
            RabbitSource(exchange.broker.another(queue), queue)
            for queue in (SUBMISSIONS, ACKNOWLEDGEMENTS)
        ]
        workers = [
            Worker(
                source=sources[0],
                store=exchange.store,
                processor=exchange.processor,
                dispatcher=exchange.dispatcher,
            ),
            AcknowledgementWorker(
                source=sources[1],
                desk=exchange.acknowledgements,
                recalls=exchange.recalls,
            ),
        ]
        tasks = [asyncio.create_task(one.run()) for one in workers]
        try:
            yield World(exchange, cast, post, registry, url_of, stack)
        finally:
            for one in workers:
                await one.stop()
            await asyncio.gather(*tasks)
            for one in sources:
                await one.close()
            channel = await exchange.broker.channel()
            names = topology_for(publishers_of(participants), queue_subscribers_of(participants))
            for queue in names.queues:
                await channel.queue_delete(queue.name)
    users = [user["name"] for user in definitions["users"]]
    deletes = [f'rabbit_auth_backend_internal:delete_user(<<"{n}">>, <<"t">>)' for n in users]
    controllable_rabbitmq.ctl("eval", ", ".join(deletes) + ".")


async def test_records_travel_over_the_broker_with_proofs(world):
    publisher = await world.publisher()
    bodies = [world.vaccination(world.permitted) for _ in range(20)]
    bodies.append(world.vaccination(documents=("N 2",)))
    receipts = await asyncio.gather(*(publisher.publish(body) for body in bodies))
    assert [one.outcome for one in receipts] == ["accepted"] * 20 + ["refused"]
    again = await publisher.publish(bodies[0])
    assert again.receipt == receipts[0].receipt
    assert world.unclaimed == []

    with SqliteMemory.open(None) as memory:
        subscriber, _ = await world.subscriber(memory)
        received = [one async for one in subscriber.deliveries(follow=False)]
        assert sorted(one.body for one in received) == sorted(bodies[:20])
        assert subscriber.gaps() == []
        assert memory.unacknowledged(1) == []
        await until(world.all_acknowledged)


async def test_a_crash_before_the_end_brings_it_again(world):
    publisher = await world.publisher()
    await publisher.publish(world.vaccination(world.permitted))
    await publisher.publish(world.vaccination(world.permitted))

    with SqliteMemory.open(None) as memory:
        subscriber, transport = await world.subscriber(memory)
        stream = subscriber.deliveries(follow=False)
        await anext(stream)
        await anext(stream)
        await stream.aclose()
        await transport.close()
        subscriber, _ = await world.subscriber(memory)
        assert [one.number async for one in subscriber.deliveries(follow=False)] == [2]


async def test_a_lost_connection_is_opened_again(world):
    publisher = await world.publisher()
    with SqliteMemory.open(None) as memory:
        subscriber, transport = await world.subscriber(memory)
        await publisher.publish(world.vaccination(world.permitted))
        assert len([one async for one in subscriber.deliveries(follow=False)]) == 1
        for inbox in (transport._inbox, publisher._transport._inbox):
            await inbox._channel.close()
        with suppress(Unavailable):
            await transport.receive(after=0, limit=1, patience=0)
        await publisher.publish(world.vaccination(world.permitted))
        assert len([one async for one in subscriber.deliveries(follow=False)]) == 1


async def test_a_recall_is_answered_over_the_broker(world):
    publisher = await world.publisher()
    given = {**world.permitted, "identifier": [{"system": "urn:test", "value": "one"}]}
    await publisher.publish(world.vaccination(given))
    ended = {**given, "status": "inactive", "dateTime": "2026-05-02T10:00:00Z"}
    await publisher.publish(consent_message(ended, source=world.post)[1])
    asked = []

    def forget(notice, was_received):
        asked.append((notice.recalls, was_received))
        return "deleted"

    with SqliteMemory.open(None) as memory:
        subscriber, _ = await world.subscriber(memory, on_recall=forget)
        delivery, notice = [one async for one in subscriber.deliveries(follow=False)]

        assert asked == [(delivery.delivery.delivery, True)]
        assert notice.recall.recalls == delivery.delivery.delivery

        async def answered():
            rows = await world.exchange.store.delivery_rows(world.registry, after=0, limit=9)
            return rows[1].answer == "deleted" and rows[1].acknowledged

        await until(answered)
        assert await world.exchange.store.overdue_recalls(SystemClock().now()) == 0


async def test_an_unproven_delivery_becomes_a_dead_letter(world):
    publisher = await world.publisher()
    await publisher.publish(world.vaccination(world.permitted))
    told = []
    with SqliteMemory.open(None) as memory:
        subscriber, _ = await world.subscriber(memory, on_unproven=told.append)
        channel = await world.exchange.broker.channel()
        await channel.basic_publish(
            b"{}", exchange="bhx.deliveries", routing_key=world.registry, mandatory=True
        )
        received = [one async for one in subscriber.deliveries(follow=False)]

        assert (len(received), len(told)) == (1, 1)
        await until(world.one_dead_letter)
