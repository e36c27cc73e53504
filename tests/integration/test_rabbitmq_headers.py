"""What a real RabbitMQ vouches for, and where poison goes."""

import asyncio
import struct
from datetime import UTC, datetime

import pamqp.encode
import pytest
from pamqp.commands import Basic

from adapters.rabbitmq import topology
from exchange.errors import Unavailable
from tests.integration.rabbitmq_ground import (
    ALMATY,
    KAZAKHSTAN,
    OSH,
    PAUSES,
    depth,
    get,
    open_source,
    publish,
)


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
