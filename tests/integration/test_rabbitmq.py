"""What only a real RabbitMQ can show: restarts, poison, permissions, forged headers."""

import asyncio
import base64
import json
import struct
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pamqp.encode
import pytest
from pamqp.commands import Basic

from adapters.rabbitmq import topology
from adapters.rabbitmq.confirms import ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.definitions import hashed_password, rabbitmq_definitions
from adapters.rabbitmq.publisher import RabbitPublisher, RabbitSubmitter
from adapters.rabbitmq.source import RabbitSource
from exchange.errors import Unavailable
from exchange.ports import Outgoing
from schemas.participant import Participant

ALMATY, OSH = "poe:kz:ala", "poe:kg:osh"
KAZAKHSTAN, KYRGYZSTAN = "registry:kz", "registry:kg"
PAUSES = (timedelta(milliseconds=20), timedelta(milliseconds=40))


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack, asyncio.timeout(90):
        yield stack


async def connect(stack, url):
    connection = RabbitConnection(url)
    stack.push_async_callback(connection.close)
    channel = await connection.channel()
    participants = [ALMATY, OSH], [KAZAKHSTAN, KYRGYZSTAN]
    await topology.declare(channel, *participants, retry_pauses=PAUSES)
    stack.push_async_callback(
        delete_queues, connection, topology.topology_for(*participants, retry_pauses=PAUSES)
    )
    return connection


async def delete_queues(connection, declared):
    """Each quorum queue holds file handles, and a vhost lives as long as the run."""
    with suppress(Unavailable):  # a private broker is gone by now
        channel = await connection.channel()
        for queue in declared.queues:
            await channel.queue_delete(queue.name)


@pytest.fixture
async def connection(stack, fresh_vhost):
    return await connect(stack, fresh_vhost)


def open_source(stack, connection, **changes):
    source = RabbitSource(connection, topology.SUBMISSIONS, retry_pauses=PAUSES, **changes)
    stack.push_async_callback(source.close)
    return source


async def publish(connection, body, **properties):
    publication = Publication(
        exchange=topology.submissions_exchange(ALMATY),
        routing_key="",
        body=body,
        properties=Basic.Properties(delivery_mode=2, **properties),
    )
    publishing = ConfirmedPublishing(connection)
    await publishing.publish([publication])
    await publishing.close()


async def get(connection, queue):
    """The next message of the queue, waited for."""
    channel = await connection.channel()
    while True:
        message = await channel.basic_get(queue, no_ack=True)
        if isinstance(message.delivery, Basic.GetOk):
            await channel.close()
            return message


async def depth(connection, queue):
    channel = await connection.channel()
    declared = await channel.queue_declare(queue, passive=True)
    await channel.close()
    return declared.message_count


def delivery(body, to=KAZAKHSTAN):
    return Outgoing(
        kind="delivery", to=to, message_id="d", content_type="text/plain", body=body, headers={}
    )


# What the broker vouches for


async def test_the_user_id_the_broker_checked_is_who_sent_it(stack, connection):
    await publish(connection, b"mine", user_id="guest")

    (incoming,) = await open_source(stack, connection).receive(1)

    assert incoming.received.authenticated_as == "guest"


async def test_nobody_can_set_a_user_id_that_is_not_theirs(stack, connection):
    with pytest.raises(Unavailable):
        await publish(connection, b"not mine", user_id=ALMATY)


FORGED = {
    topology.AUTHENTICATED_AS_HEADER: OSH,
    topology.ATTEMPTS_HEADER: 99,
    topology.REASON_HEADER: "forged",
    "CC": [topology.deliveries_queue(KAZAKHSTAN), topology.retried_queue(topology.SUBMISSIONS)],
    "BCC": [topology.deliveries_queue(KAZAKHSTAN)],
    "x-death": [
        {
            "queue": topology.retried_queue(topology.SUBMISSIONS),
            "reason": "expired",
            "exchange": "",
            "count": 1,
            "routing-keys": ["bhx.submissions"],
        }
    ],
}


@pytest.mark.parametrize("user_id", [None, "guest"])
async def test_headers_a_publisher_forged_are_not_believed_on_the_ladder(
    stack, connection, user_id
):
    await publish(connection, b"forged", headers={**FORGED, "kept": "yes"}, user_id=user_id)
    source = open_source(stack, connection)

    (incoming,) = await source.receive(1)
    assert incoming.received.authenticated_as == user_id
    for _ in PAUSES:
        await source.retry_later(incoming)
        (incoming,) = await source.receive(1)
        assert incoming.received.authenticated_as == user_id
    await source.retry_later(incoming)

    dead = await get(connection, topology.DEAD_LETTERS)
    headers = dead.header.properties.headers
    assert headers[topology.REASON_HEADER] == "retries-exhausted"
    assert headers.get(topology.AUTHENTICATED_AS_HEADER) == user_id
    assert headers["kept"] == "yes"
    # The exchange's own rights did not carry it where its sender may not write.
    assert await depth(connection, topology.deliveries_queue(KAZAKHSTAN)) == 0
    assert await depth(connection, topology.retried_queue(topology.SUBMISSIONS)) == 0


async def test_a_dead_letter_does_not_expire_by_its_senders_wish(stack, connection):
    await publish(connection, b"kept", expiration="60000", content_type="a/b", correlation_id="c")
    source = open_source(stack, connection)
    (incoming,) = await source.receive(1)

    await source.dead_letter(incoming, "internal-error")

    properties = (await get(connection, topology.DEAD_LETTERS)).header.properties
    assert properties.expiration is None
    assert (properties.content_type, properties.correlation_id) == ("a/b", "c")
    assert properties.headers[topology.QUEUE_HEADER] == topology.SUBMISSIONS


@pytest.mark.parametrize(
    ("header", "signature"),
    [
        ("eyJ..c2ln", "eyJ..c2ln"),
        (bytearray(b"eyJ..c2ln"), "eyJ..c2ln"),
        (bytearray(b"\xff\xfe"), None),
        (7, None),
        (["eyJ..c2ln"], None),
        ({"a": "b"}, None),
        (None, None),
    ],
    ids=["text", "bytes", "no-ascii", "number", "list", "table", "null"],
)
async def test_a_signature_header_of_another_type_is_no_signature(
    stack, connection, header, signature
):
    await publish(connection, b"x", headers={topology.SIGNATURE_HEADER: header})

    source = open_source(stack, connection)
    (incoming,) = await source.receive(1)
    assert incoming.received.signature == signature

    await source.dead_letter(incoming, "internal-error")

    headers = (await get(connection, topology.DEAD_LETTERS)).header.properties.headers
    assert headers[topology.SIGNATURE_HEADER] == header


# Poison


async def test_a_message_that_is_never_settled_ends_among_the_dead(stack, connection):
    await publish(connection, b"poison")
    for _ in range(topology.DELIVERY_LIMIT + 1):
        source = open_source(stack, connection)
        await source.receive(1)
        await source.close()

    assert (await get(connection, topology.DEAD_LETTERS)).body == b"poison"


async def test_a_frame_our_driver_cannot_read_takes_only_itself_aside(
    stack, connection, monkeypatch
):
    for number in range(3):
        await publish(connection, b"before %d" % number)
    unreadable = datetime.now(UTC)
    with monkeypatch.context() as patched:
        # A time in the year 292 million, which AMQP allows and Python does not know.
        patched.setitem(pamqp.encode.METHODS, "timestamp", lambda _: struct.pack(">Q", 2**62))
        await publish(connection, b"poison", timestamp=unreadable)
    for number in range(3):
        await publish(connection, b"after %d" % number)
    source = open_source(stack, connection)

    settled = []

    async def work():
        while True:
            try:
                batch = await source.receive(10)
            except Unavailable:
                continue
            settled.extend(one.received.body for one in batch)
            await source.acknowledge(batch)

    working = asyncio.create_task(work())
    while await depth(connection, topology.DEAD_LETTERS) == 0:
        assert not working.done()
    await publish(connection, b"fresh")
    while b"fresh" not in settled:
        assert not working.done()
        await depth(connection, topology.SUBMISSIONS)
    working.cancel()

    await source.close()
    assert set(settled) == {
        b"fresh",
        *(b"before %d" % number for number in range(3)),
        *(b"after %d" % number for number in range(3)),
    }
    assert await depth(connection, topology.DEAD_LETTERS) == 1
    assert await depth(connection, topology.SUBMISSIONS) == 0


async def test_a_property_our_driver_cannot_write_does_not_keep_a_message_from_going_aside(
    stack, connection, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(Basic.Properties, "validate", lambda _: None)
        await publish(connection, b"odd", cluster_id="reserved, so the driver refuses to write it")
    source = open_source(stack, connection)
    (incoming,) = await source.receive(1)

    await source.dead_letter(incoming, "internal-error")

    assert (await get(connection, topology.DEAD_LETTERS)).body == b"odd"


# Loss of the connection


async def test_a_tag_of_a_lost_connection_settles_nothing(stack, connection):
    for number in range(3):
        await publish(connection, b"%d" % number)
    source = open_source(stack, connection)
    old = []
    while len(old) < 3:
        old += await source.receive(3)

    await source._session.channel.connection.close()  # as a network does
    with pytest.raises(Unavailable):
        await source.dead_letter(old[0], "internal-error")
    await source.acknowledge(old)

    again = []
    while len(again) < 3:
        with suppress(Unavailable):
            batch = await source.receive(3)
            # The same numbers as on the old channel, but other messages: these must stay ours.
            await source.acknowledge(old)
            await source.acknowledge(batch)
            again += batch
    assert [one.received.body for one in again] == [b"0", b"1", b"2"]
    assert all(one.redelivered for one in again)
    await source.close()
    assert await depth(connection, topology.SUBMISSIONS) == 0


async def test_after_a_loss_the_full_prefetch_comes_back(stack, connection):
    source = open_source(stack, connection, prefetch=10)
    await publish(connection, b"first")
    await source.receive(1)
    await source._session.channel.connection.close()
    for number in range(12):
        await publish(connection, b"%d" % number)

    seen = 0
    largest = 0
    while seen < 13:
        try:
            batch = await source.receive(10)
        except Unavailable:
            continue
        await source.acknowledge(batch)
        seen += len(batch)
    for number in range(10):
        await publish(connection, b"more %d" % number)
    await asyncio.sleep(0.2)  # let them arrive; nothing tells us
    largest = len(await source.receive(10))

    assert largest == 10


class Load:
    """Messages submitted without a pause and forwarded to a registry, as a worker does."""

    def __init__(self, connection, source):
        self.confirmed: set[bytes] = set()
        self._connection = connection
        self._source = source
        self._publisher = RabbitPublisher(connection, timeout_seconds=5)
        self._marks: list[tuple[int, asyncio.Event]] = []
        self._tasks = [asyncio.create_task(self._submit()), asyncio.create_task(self._forward())]

    async def until(self, more):
        """Return when so many more were confirmed."""
        mark = (len(self.confirmed) + more, asyncio.Event())
        self._marks.append(mark)
        await mark[1].wait()

    async def end(self):
        """Submit no more, and forward what is there."""
        self._tasks[0].cancel()
        channel = await self._connection.channel()
        seen = set()
        while not self.confirmed <= seen:
            message = await channel.basic_get(topology.deliveries_queue(KAZAKHSTAN), no_ack=True)
            seen.add(message.body)
        await self._source.stop_receiving()
        await self._tasks[1]
        return seen

    async def _submit(self):
        while True:
            body = b"%d" % len(self.confirmed)
            try:
                await publish(self._connection, body)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            self.confirmed.add(body)
            for count, event in self._marks:
                if len(self.confirmed) >= count:
                    event.set()

    async def _forward(self):
        while True:
            try:
                batch = await self._source.receive(20)
                await self._publisher.publish([delivery(one.received.body) for one in batch])
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            if not batch:
                return
            await self._source.acknowledge(batch)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_nothing_is_lost_when_the_broker_ends_under_load(stack, private_rabbitmq, end):
    broker = private_rabbitmq()
    connection = await connect(stack, broker.url)
    load = Load(connection, open_source(stack, connection, prefetch=50))
    await load.until(100)

    await asyncio.to_thread(getattr(broker, end))
    await asyncio.to_thread(broker.start)
    await load.until(100)

    assert await load.end() >= load.confirmed


@pytest.mark.slow
async def test_a_broker_that_blocks_publishers_is_unavailable_and_recovers(stack, private_rabbitmq):
    broker = private_rabbitmq()
    connection = await connect(stack, broker.url)
    publisher = RabbitPublisher(connection, timeout_seconds=1)
    await publisher.publish([delivery(b"before")])
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.00001")

    with pytest.raises(Unavailable):
        await publisher.publish([delivery(b"blocked")])

    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.4")
    while True:
        with suppress(Unavailable):
            await publisher.publish([delivery(b"after")])
            break


async def test_a_broker_that_is_not_there_or_keeps_us_out_is_unavailable(amqp_url):
    parts = urlsplit(amqp_url)
    wrong = parts._replace(netloc=f"guest:wrong@{parts.hostname}:{parts.port}").geturl()
    for url in ("amqp://guest:guest@127.0.0.1:1/", wrong):
        with pytest.raises(Unavailable):
            await RabbitConnection.open(url)


# Definitions


def participant(name, *roles, **changes):
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    return Participant.model_validate(
        {
            "id": name,
            "name": name,
            "jurisdiction": "KZ",
            "roles": roles,
            "purposes": ["PUBHLTH"] if "subscriber" in roles else [],
            "keys": [
                {
                    "jwk": key,
                    "valid_from": "2026-01-01T00:00:00Z",
                    "valid_until": "2030-01-01T00:00:00Z",
                }
            ],
        }
        | changes
    )


DIRECTORY = [
    participant(ALMATY, "publisher"),
    participant(OSH, "publisher"),
    participant(KAZAKHSTAN, "subscriber"),
    participant(KYRGYZSTAN, "publisher", "subscriber"),
    participant("registry:pull", "subscriber", delivery="pull"),
    participant("poe:kz:suspended", "publisher", suspended=True),
    participant("auditor:who-euro", "auditor"),
]


@pytest.fixture
async def imported(controllable_rabbitmq, fresh_vhost):
    """The vhost after the import; log in as anybody."""
    vhost = urlsplit(fresh_vhost).path.removeprefix("/")
    definitions = rabbitmq_definitions(
        DIRECTORY,
        vhost=vhost,
        exchange_user="exchange:test",
        password_hash=lambda name: hashed_password(f"password of {name}"),
    )
    text = base64.b64encode(json.dumps(definitions).encode()).decode()
    code = f'rabbit_definitions:import_raw(base64:decode(<<"{text}">>)).'
    result = controllable_rabbitmq.ctl("eval", code)
    assert result.strip() == "ok", result
    yield (
        lambda name: (
            urlsplit(fresh_vhost)
            ._replace(
                netloc=f"{quote(name, safe='')}:{quote(f'password of {name}')}@"
                f"{urlsplit(fresh_vhost).hostname}:{urlsplit(fresh_vhost).port}"
            )
            .geturl()
        )
    )
    connection = RabbitConnection(fresh_vhost)
    await delete_queues(
        connection,
        topology.topology_for(
            topology.publishers_of(DIRECTORY), topology.queue_subscribers_of(DIRECTORY)
        ),
    )
    await connection.close()
    names = [user["name"] for user in definitions["users"]]
    deletes = [f'rabbit_auth_backend_internal:delete_user(<<"{n}">>, <<"t">>)' for n in names]
    controllable_rabbitmq.ctl("eval", ", ".join(deletes) + ".")


async def test_the_definitions_are_the_topology(stack, imported):
    connection = RabbitConnection(imported("exchange:test"))
    stack.push_async_callback(connection.close)

    await topology.declare_topology(connection, DIRECTORY)  # would fail on any difference

    await RabbitPublisher(connection).publish([delivery(b"for kz"), delivery(b"kg", KYRGYZSTAN)])
    channel = await connection.channel()
    with pytest.raises(Exception, match="no exchange"):
        await channel.exchange_declare("bhx.submissions.auditor:who-euro", passive=True)
    channel = await connection.channel()
    with pytest.raises(Exception, match="no queue"):
        await channel.queue_declare("bhx.deliveries.registry:pull", passive=True)


async def test_a_participant_writes_and_reads_what_is_its_own(stack, imported):
    own = RabbitConnection(imported(ALMATY))
    exchange = RabbitConnection(imported("exchange:test"))
    for one in (own, exchange):
        stack.push_async_callback(one.close)

    await RabbitSubmitter(own, ALMATY).submit([(b"body", "a..b")], content_type="text/plain")
    source = RabbitSource(exchange, topology.SUBMISSIONS)
    stack.push_async_callback(source.close)
    (incoming,) = await source.receive(1)
    assert incoming.received.authenticated_as == ALMATY
    assert incoming.received.signature == "a..b"
    await source.retry_later(incoming)  # the exchange's user may write to the ladder
    await RabbitPublisher(exchange).publish(
        [
            Outgoing(
                kind="receipt",
                to=ALMATY,
                message_id="r",
                content_type="a/b",
                body=b"receipt",
                headers={},
            )
        ]
    )
    assert (await get(own, topology.receipts_queue(ALMATY))).body == b"receipt"
    assert await depth(exchange, topology.retry_queue(topology.SUBMISSIONS, PAUSE_5S)) == 1


PAUSE_5S = topology.RETRY_PAUSES[0]


async def test_a_subscriber_acknowledges_through_its_own_exchange(stack, imported):
    own = RabbitConnection(imported(KAZAKHSTAN))
    exchange = RabbitConnection(imported("exchange:test"))
    for one in (own, exchange):
        stack.push_async_callback(one.close)

    await RabbitSubmitter(own, KAZAKHSTAN).submit(
        [(b"ack", "a..b")], content_type="text/plain", to="acknowledgements"
    )

    source = RabbitSource(exchange, topology.ACKNOWLEDGEMENTS)
    stack.push_async_callback(source.close)
    (incoming,) = await source.receive(1)
    assert incoming.received.authenticated_as == KAZAKHSTAN


@pytest.mark.parametrize(
    ("exchange", "routing_key"),
    [
        (topology.submissions_exchange(OSH), ""),
        (topology.submissions_exchange(ALMATY) + "x", ""),
        (topology.acknowledgements_exchange(KAZAKHSTAN), ""),
        (topology.DELIVERIES, KAZAKHSTAN),
        (topology.RECEIPTS, OSH),
        (topology.DEAD, ""),
        ("", topology.SUBMISSIONS),
        ("", topology.retried_queue(topology.SUBMISSIONS)),
        ("", topology.retry_queue(topology.SUBMISSIONS, topology.RETRY_PAUSES[0])),
        ("amq.direct", ""),
    ],
)
async def test_a_participant_writes_nowhere_else(stack, imported, exchange, routing_key):
    own = RabbitConnection(imported(ALMATY))
    stack.push_async_callback(own.close)
    if exchange.endswith("x"):
        admin = await RabbitConnection.open(imported("exchange:test"))
        stack.push_async_callback(admin.close)
        await (await admin.channel()).exchange_declare(exchange, durable=True)

    with pytest.raises(Unavailable) as refused:
        await ConfirmedPublishing(own).publish(
            [Publication(exchange=exchange, routing_key=routing_key, body=b"", properties=None)]
        )

    assert "ACCESS_REFUSED" in str(refused.value.__cause__)


async def test_a_participant_cannot_say_it_is_another(stack, imported):
    own = RabbitConnection(imported(ALMATY))
    stack.push_async_callback(own.close)

    with pytest.raises(Unavailable) as refused:
        await publish(own, b"", user_id=OSH)

    assert "user_id" in str(refused.value.__cause__)


@pytest.mark.parametrize(
    "queue",
    [
        topology.receipts_queue(OSH),
        topology.deliveries_queue(KAZAKHSTAN),
        topology.SUBMISSIONS,
        topology.retried_queue(topology.SUBMISSIONS),
        topology.DEAD_LETTERS,
    ],
)
async def test_a_participant_reads_nothing_else(stack, imported, queue):
    own = RabbitConnection(imported(ALMATY))
    stack.push_async_callback(own.close)
    channel = await own.channel()

    with pytest.raises(Exception, match="ACCESS_REFUSED"):
        await channel.basic_get(queue)


async def test_a_participant_declares_and_binds_nothing(stack, imported):
    own = RabbitConnection(imported(ALMATY))
    stack.push_async_callback(own.close)
    receipts = topology.receipts_queue(ALMATY)

    for attempt in (
        lambda channel: channel.queue_declare("mine"),
        lambda channel: channel.queue_declare(),
        lambda channel: channel.exchange_declare("mine"),
        lambda channel: channel.queue_delete(receipts),
        lambda channel: channel.queue_bind(receipts, topology.DELIVERIES, routing_key=KAZAKHSTAN),
    ):
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            await attempt(await own.channel())


@pytest.mark.parametrize("name", ["poe:kz:suspended", "auditor:who-euro", "registry:pull"])
async def test_who_is_suspended_or_has_no_queue_does_not_get_in(imported, name):
    with pytest.raises(Unavailable):
        await RabbitConnection.open(imported(name))


def test_a_password_hash_is_rabbitmqs_own_form():
    # The example of the RabbitMQ documentation ("Passwords", computing the hash).
    salt, hashed = bytes.fromhex("908DC60A"), "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    assert hashed_password("test12", salt) == hashed
