"""The definitions made from the directory: each participant does its own and nothing else."""

import base64
import json
from urllib.parse import quote, urlsplit

import pytest

from adapters.rabbitmq import topology
from adapters.rabbitmq.confirms import ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.definitions import hashed_password, rabbitmq_definitions
from adapters.rabbitmq.publisher import RabbitPublisher, RabbitSubmitter
from adapters.rabbitmq.source import RabbitSource
from exchange.errors import Unavailable
from exchange.ports import Outgoing
from schemas.participant import Participant
from tests.integration.rabbitmq_ground import (
    ALMATY,
    KAZAKHSTAN,
    KYRGYZSTAN,
    OSH,
    delete_queues,
    delivery,
    depth,
    get,
    publish,
)


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
