"""Erasure among the dead letters of a real RabbitMQ: theirs go, the rest stays, in order."""

import asyncio
import json

import pytest
from pamqp.commands import Basic
from typer.testing import CliRunner

from adapters.cli import app
from adapters.rabbitmq.confirms import ConfirmedPublishing, Publication
from adapters.rabbitmq.dead_letter_keeper import letter_of
from adapters.rabbitmq.dead_letters import AboutTraveller, remove_dead_letters
from adapters.rabbitmq.publisher import RabbitPublisher
from adapters.rabbitmq.topology import (
    AUTHENTICATED_AS_HEADER,
    DEAD,
    DEAD_LETTERS,
    REASON_HEADER,
    SUBMISSIONS,
    deliveries_queue,
)
from exchange.errors import Unavailable
from exchange.model import MessageIdentity
from exchange.ports import Outgoing
from exchange.subjects import SubjectVault
from schemas.delivery import DELIVERY_HEADER
from tests.integration.rabbitmq_ground import (
    ALMATY,
    KAZAKHSTAN,
    OSH,
    depth,
    get,
    open_source,
    publish,
)
from tests.support.erasure_world import ANNA, BORIS, SYSTEM, erasure_world
from tests.support.world import KZ, vaccination

VAULT = SubjectVault(bytes(range(32)))
ABOUT_ANNA = AboutTraveller(
    vault=VAULT,
    tokens=frozenset(VAULT.tokens_of([(SYSTEM, ANNA)])),
    deliveries=frozenset({"d-anna"}),
    messages=frozenset({MessageIdentity(ALMATY, "m-anna")}),
)


async def put_aside(connection, body, *, routing_key=SUBMISSIONS, **properties):
    publishing = ConfirmedPublishing(connection)
    publication = Publication(
        exchange=DEAD,
        routing_key=routing_key,
        body=body,
        properties=Basic.Properties(delivery_mode=2, **properties),
    )
    await publishing.publish([publication])
    await publishing.close()


def record_of(document):
    return vaccination(documents=(document,))[1]


async def rest(connection):
    return [
        await get(connection, DEAD_LETTERS) for _ in range(await depth(connection, DEAD_LETTERS))
    ]


async def test_what_is_about_the_traveller_goes_and_the_rest_stays_in_order(connection):
    others = [record_of(BORIS), b"no JSON at all", b"\xff" * 40, b'{"a":' * 5_000]
    theirs = [
        record_of(ANNA),
        record_of("n-1234567"),
        b'{"identifier": [{"system": "%s", "value": "%s"}' % (SYSTEM.encode(), ANNA.encode()),
        b'{"value":"%s","system":"%s"' % (ANNA.encode(), SYSTEM.encode()),
    ]
    for mine, other in zip(theirs, others, strict=True):
        await put_aside(connection, mine)
        await put_aside(connection, other)

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 4
    assert [one.body for one in await rest(connection)] == others


async def test_more_than_are_held_at_once(connection):
    for number in range(130):
        await put_aside(connection, record_of(ANNA if number % 3 == 0 else f"B {number}"))

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 44
    left = [json.loads(one.body)["entry"][-1] for one in await rest(connection)]
    assert len(left) == 86


async def test_a_delivery_of_theirs_goes_whatever_its_view(connection):
    for delivery in ("d-anna", "d-boris"):
        headers = {DELIVERY_HEADER: json.dumps({"delivery": delivery})}
        await put_aside(connection, b"a pseudonymous view", headers=headers)

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 1
    [left] = await rest(connection)
    assert "d-boris" in left.header.properties.headers[DELIVERY_HEADER]


async def test_a_receipt_of_theirs_goes_because_it_opens_the_trail(connection):
    for publisher, message in ((ALMATY, "m-anna"), (ALMATY, "m-boris"), ("poe:x:y", "m-anna")):
        await put_aside(
            connection, json.dumps({"publisher": publisher, "message": message}).encode()
        )

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 1
    assert len(await rest(connection)) == 2


async def test_what_stays_tells_as_before_why_it_is_there(stack, connection):
    source = open_source(stack, connection)
    await publish(connection, record_of(BORIS), headers={"own": "x"}, message_id="m")
    [incoming] = await source.receive(1)
    await source.dead_letter(incoming, "internal-error")
    await source.close()
    before = await get(connection, DEAD_LETTERS)
    await put_aside(
        connection,
        before.body,
        headers=before.header.properties.headers,
        message_id=before.header.properties.message_id,
        user_id="guest",
    )

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 0
    [after] = await rest(connection)
    headers = after.header.properties.headers
    assert (headers[REASON_HEADER], headers["own"]) == ("internal-error", "x")
    assert headers[AUTHENTICATED_AS_HEADER] == "guest"
    assert after.header.properties.message_id == "m"
    assert letter_of(after).queue == SUBMISSIONS


async def test_what_the_broker_itself_put_aside_is_looked_at_too(connection):
    publisher = RabbitPublisher(connection)
    for delivery in ("d-anna", "d-boris"):
        headers = {DELIVERY_HEADER: json.dumps({"delivery": delivery})}
        await publisher.publish(
            [
                Outgoing(
                    kind="delivery",
                    to=KAZAKHSTAN,
                    message_id=delivery,
                    content_type="text/plain",
                    body=b"x",
                    headers=headers,
                )
            ]
        )
    await publisher.close()
    channel = await connection.channel()
    for _ in range(2):
        message = await channel.basic_get(deliveries_queue(KAZAKHSTAN))
        await channel.basic_reject(message.delivery_tag, requeue=False)
    while await depth(connection, DEAD_LETTERS) < 2:
        pass

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 1
    [left] = await rest(connection)
    assert left.header.properties.message_id == "d-boris"
    assert letter_of(left).queue == deliveries_queue(KAZAKHSTAN)


async def test_whom_the_broker_vouched_for_is_still_believed_of_what_it_put_aside(connection):
    """And nobody is whom the sender made up in a header like ours."""
    made_up = {AUTHENTICATED_AS_HEADER: OSH, REASON_HEADER: "x"}
    for vouched_for in ({"user_id": "guest"}, {}):
        await publish(connection, record_of(BORIS), headers=made_up, **vouched_for)
    channel = await connection.channel()
    for _ in range(2):
        message = await channel.basic_get(SUBMISSIONS)
        await channel.basic_reject(message.delivery_tag, requeue=False)
    while await depth(connection, DEAD_LETTERS) < 2:
        pass

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 0
    letters = [letter_of(one) for one in await rest(connection)]
    believed = [one.headers.get(AUTHENTICATED_AS_HEADER) for one in letters]
    assert believed == ["guest", None]
    assert [(one.queue, one.reason) for one in letters] == [(SUBMISSIONS, "")] * 2


@pytest.mark.parametrize("fails_at", [1, 60])
async def test_if_it_ends_in_between_nothing_is_lost(connection, fails_at):
    bodies = [record_of(f"B {number}") for number in range(70)]
    for body in bodies:
        await put_aside(connection, body)
    seen = 0

    def dies(message):
        nonlocal seen
        seen += 1
        if seen == fails_at:
            raise Unavailable("the broker is gone")
        return ABOUT_ANNA(message)

    with pytest.raises(Unavailable):
        await remove_dead_letters(connection, dies)

    # The broker puts back what was taken and not settled a moment after the channel is closed.
    while await depth(connection, DEAD_LETTERS) < len(bodies):
        pass
    assert {one.body for one in await rest(connection)} == set(bodies)


@pytest.mark.parametrize(
    "body",
    [
        b'{"system": "x", "value": "\\ud800"}',
        b'{"publisher": ["a"], "message": {}}',
        b"[" * 100_000,
        b'{"system": 1, "value": null}',
    ],
)
async def test_what_anybody_may_have_written_does_not_stop_it(connection, body):
    await put_aside(connection, body, headers={DELIVERY_HEADER: "{"})
    await put_aside(connection, b"x", headers={DELIVERY_HEADER: '{"delivery": []}'})

    assert await remove_dead_letters(connection, ABOUT_ANNA) == 0
    assert await depth(connection, DEAD_LETTERS) == 2


async def test_without_dead_letters_there_is_nothing_to_do(connection):
    assert await remove_dead_letters(connection, ABOUT_ANNA) == 0


async def test_the_command_removes_them_even_when_nothing_else_is_known(
    tmp_path, connection, fresh_vhost
):
    async with erasure_world(tmp_path) as world:
        await world.publish(ANNA)
        [delivery] = await world.deliveries(KZ)
    await put_aside(connection, b"x", headers=delivery.to_headers())
    boris = record_of(BORIS)
    await put_aside(connection, boris)
    arguments = ("--subject", f"{SYSTEM}|{ANNA}", "--broker", fresh_vhost, "--json")

    def erase():
        return CliRunner().invoke(app, ["erase", "--data", str(tmp_path), *arguments])

    done = await asyncio.to_thread(erase)
    assert (done.exit_code, json.loads(done.stdout)["dead_letters"]) == (0, 1)
    await put_aside(connection, record_of(ANNA))
    again = await asyncio.to_thread(erase)
    assert (again.exit_code, json.loads(again.stdout)["dead_letters"]) == (0, 1)
    nothing = await asyncio.to_thread(erase)
    assert nothing.exit_code == 1
    assert [one.body for one in await rest(connection)] == [boris]
