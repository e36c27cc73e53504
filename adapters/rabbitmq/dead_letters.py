"""Erasure among the dead letters: what is about an erased traveller is removed, the rest stays.

The queue is turned round once: each message is taken, and either dropped or put at the end again,
so that the others keep their order. It is acknowledged only when that is done: a crash in between
leaves a message twice, never not at all.

Messages are taken out rather than looked at and given back, because a quorum queue counts each
giving back, and a broker may drop what came back too often.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from adapters.rabbitmq.confirms import PERSISTENT, ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection, broker_errors
from adapters.rabbitmq.dead_letter_keeper import letter_of
from adapters.rabbitmq.republishing import writable_headers
from adapters.rabbitmq.sealed_letters import SEALED_TYPE, Letter, unsealed
from adapters.rabbitmq.topology import (
    AUTHENTICATED_AS_HEADER,
    DEAD_LETTERS,
    OUR_HEADERS,
    QUEUE_HEADER,
    SEALED_LETTERS,
)
from exchange.errors import IntegrityBroken
from exchange.model import MessageIdentity
from exchange.ports import Traveller
from exchange.subjects import SubjectVault
from schemas.delivery import DELIVERY_HEADER

#: Messages held unacknowledged at once; each may be as large as a message may be.
_BATCH = 50
_DEATH = ("x-death", "x-first-death-", "x-last-death-")
#: A document's system and value in bytes that are no JSON, in either order.
_PAIRS = (
    re.compile(r'"system"\s*:\s*"([^"]*)"\s*,\s*"value"\s*:\s*"([^"]*)"'),
    re.compile(r'"value"\s*:\s*"([^"]*)"\s*,\s*"system"\s*:\s*"([^"]*)"'),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutTraveller:
    """Whether a dead letter is about one traveller.

    Attributes:
        tokens: HMACs of the traveller's documents.
        deliveries: ids of what was to be delivered about them; notices say nothing, and stay.
        messages: accepted messages about them, whose receipts open the trail's commitments.
    """

    vault: SubjectVault = field(repr=False)
    tokens: frozenset[bytes]
    deliveries: frozenset[str] = frozenset()
    messages: frozenset[MessageIdentity] = frozenset()

    @classmethod
    def of(
        cls, vault: SubjectVault, documents: list[tuple[str, str]], traveller: Traveller
    ) -> "AboutTraveller":
        """By all the traveller's documents that the exchange knows, and the one that was given."""
        rows = [row.pending for row in traveller.deliveries if row.pending.recall is None]
        return cls(
            vault=vault,
            tokens=frozenset((*vault.tokens_of(documents), *traveller.tokens)),
            deliveries=frozenset(one.delivery_id for one in rows),
            messages=frozenset(traveller.messages),
        )

    def __call__(self, message: DeliveredMessage) -> bool:
        """Whether the message names the traveller, a delivery or a message of theirs."""
        return self._is_in(self._letter(message))

    def _letter(self, message: DeliveredMessage) -> Letter:
        if message.header.properties.content_type != SEALED_TYPE:
            return letter_of(message)
        try:
            return unsealed(message.body, self.vault)
        except IntegrityBroken:
            # Sealed under a key that is gone: nobody can read it.
            return letter_of(message)

    def _is_in(self, letter: Letter) -> bool:
        (delivery,) = _texts(_json(letter.headers.get(DELIVERY_HEADER)), "delivery")
        body = _json(letter.body)
        publisher, message_id = _texts(body, "publisher", "message")
        if delivery in self.deliveries or (publisher, message_id) in self.messages:
            return True
        documents = _pairs_in(letter.body) if body is None else _documents_in(body)
        tokens = self.vault.tokens_of(one for one in documents if _is_text(*one))
        return not self.tokens.isdisjoint(tokens)


async def remove_dead_letters(
    connection: RabbitConnection, is_about: Callable[[DeliveredMessage], bool]
) -> int:
    """Remove those dead letters; how many there were.

    Raises:
        Unavailable: the broker did not answer; none that was to stay is lost, some may be there
            twice.
    """
    return sum(
        [
            await _remove_from(queue, connection, is_about)
            # In this order: one that is sealed meanwhile is met again.
            for queue in (DEAD_LETTERS, SEALED_LETTERS)
        ]
    )


async def _remove_from(
    queue: str, connection: RabbitConnection, is_about: Callable[[DeliveredMessage], bool]
) -> int:
    publishing = ConfirmedPublishing(connection)
    channel = await connection.channel()
    removed = 0
    try:
        with broker_errors("read the dead letters"):
            declared = await channel.queue_declare(queue, passive=True)
            left = declared.message_count or 0
        while left > 0:
            batch = await _take(channel, queue, min(left, _BATCH))
            if not batch:
                break
            left -= len(batch)
            kept = [one for one in batch if not is_about(one)]
            await publishing.publish([_as_it_was(one, queue) for one in kept])
            # If we crash here, those kept are in the queue twice.
            with broker_errors("settle the dead letters"):
                await channel.basic_ack(batch[-1].delivery_tag or 0, multiple=True)
            removed += len(batch) - len(kept)
    finally:
        await publishing.close()
        with broker_errors("close a channel"):
            await channel.close()
    return removed


async def _take(channel: Channel, queue: str, most: int) -> list[DeliveredMessage]:
    taken: list[DeliveredMessage] = []
    with broker_errors("read the dead letters"):
        while len(taken) < most:
            message = await channel.basic_get(queue, no_ack=False)
            if not isinstance(message.delivery, Basic.GetOk):
                break
            taken.append(message)
    return taken


def _as_it_was(message: DeliveredMessage, queue: str) -> Publication:
    """The same dead letter, with all that tells why it is one."""
    properties = copy.copy(message.header.properties)
    headers = writable_headers(message)
    if "x-death" in headers:
        # What the broker says by itself, we say in our own headers: it is not believed of us, and
        # of the sender's none that looks like ours is.
        headers = {
            name: value
            for name, value in headers.items()
            if name not in OUR_HEADERS and not name.startswith(_DEATH)
        }
        headers[QUEUE_HEADER] = letter_of(message).queue
    if properties.user_id is not None:
        # The broker vouched for it, and would refuse a name that is not ours.
        headers[AUTHENTICATED_AS_HEADER] = properties.user_id
        properties.user_id = None
    properties.headers = headers
    properties.expiration = None
    properties.delivery_mode = PERSISTENT
    properties.cluster_id = ""
    return Publication(exchange="", routing_key=queue, body=message.body, properties=properties)


def _json(text: object) -> Any:
    """The JSON value, or None for what is none."""
    if not isinstance(text, str | bytes | bytearray):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(value: Any, *members: str) -> list[str]:
    """These members of an object, empty where there are none: anybody may have written it."""
    found = [value.get(one) if isinstance(value, dict) else None for one in members]
    return [one if isinstance(one, str) else "" for one in found]


def _is_text(*parts: str) -> bool:
    """Not half a character, which JSON can spell and no document has."""
    return not any("\ud800" <= character <= "\udfff" for part in parts for character in part)


def _documents_in(value: Any) -> Iterator[tuple[str, str]]:
    """Every system and value that stand together anywhere: a patient's, or a reference's."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            system, named = one.get("system"), one.get("value")
            if isinstance(system, str) and isinstance(named, str):
                yield system, named
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _pairs_in(body: bytes) -> Iterator[tuple[str, str]]:
    """The same in bytes that nobody could read as JSON, as far as it can be seen."""
    text = body.decode("utf-8", "replace")
    first, second = _PAIRS
    yield from first.findall(text)
    yield from ((system, value) for value, system in second.findall(text))
