"""What the tests of a real RabbitMQ stand on: a declared topology, messages in and out."""

from contextlib import suppress
from datetime import timedelta

from pamqp.commands import Basic

from adapters.rabbitmq import topology
from adapters.rabbitmq.confirms import ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.source import RabbitSource
from exchange.errors import Unavailable
from exchange.ports import Outgoing

ALMATY, OSH = "poe:kz:ala", "poe:kg:osh"

KAZAKHSTAN, KYRGYZSTAN = "registry:kz", "registry:kg"
PAUSES = (timedelta(milliseconds=20), timedelta(milliseconds=40))


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
