"""What a message from the broker says, and how we send it on without believing its sender.

Headers are free: a publisher can write any of them, ours and the broker's own included. Only what
came off the retry ladder, which no participant can write to, is believed.
"""

import copy
from collections.abc import Mapping
from datetime import timedelta

import pamqp.encode
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldValue

from adapters.rabbitmq.confirms import PERSISTENT, Publication
from adapters.rabbitmq.sealed_letters import Letter
from adapters.rabbitmq.topology import (
    ACKNOWLEDGEMENTS,
    ATTEMPTS_HEADER,
    AUTHENTICATED_AS_HEADER,
    DEAD,
    OUR_HEADERS,
    QUEUE_HEADER,
    REASON_HEADER,
    SIGNATURE_HEADER,
    SUBMISSIONS,
    retried_queue,
    retry_queue,
)
from exchange.model import ReceivedMessage

#: Headers that make the broker do something: copy the message to further queues (CC, BCC), or
#: drop it as going in circles (x-death). Sent on with our rights, they must be gone.
_OBEYED_BY_THE_BROKER = frozenset(
    {
        "CC",
        "BCC",
        "x-death",
        "x-delivery-count",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
    }
)


def received_from(message: DeliveredMessage, *, retried: bool) -> ReceivedMessage:
    """The body, the signature and whom the broker vouches for; `retried`: off our own ladder."""
    properties = message.header.properties
    authenticated_as: object = properties.user_id
    if retried:
        authenticated_as = _headers(message).get(AUTHENTICATED_AS_HEADER)
    return ReceivedMessage(
        body=message.body,
        signature=_text(_headers(message).get(SIGNATURE_HEADER)),
        authenticated_as=_text(authenticated_as) or None,
    )


def attempts_of(message: DeliveredMessage) -> int:
    """How often a message off the ladder was retried."""
    attempts = _headers(message).get(ATTEMPTS_HEADER)
    return attempts if isinstance(attempts, int) and attempts > 0 else 0


def put_aside(
    received: ReceivedMessage, message: DeliveredMessage, work_queue: str, reason: str
) -> Publication:
    """The message as a dead letter."""
    return Publication(
        exchange=DEAD,
        routing_key=work_queue,
        body=message.body,
        properties=_sent_on(message, received, {REASON_HEADER: reason, QUEUE_HEADER: work_queue}),
    )


def sent_again(
    received: ReceivedMessage,
    message: DeliveredMessage,
    work_queue: str,
    pause: timedelta,
    attempts: int,
) -> Publication:
    """The message as it waits on a rung of its queue's ladder."""
    return Publication(
        exchange="",
        routing_key=retry_queue(work_queue, pause),
        body=message.body,
        properties=_sent_on(message, received, {ATTEMPTS_HEADER: attempts}),
    )


def sent_back(letter: Letter) -> Publication:
    """A dead letter as it comes again to the queue that it was put aside from.

    By the end of the retry ladder, where whom the broker vouched for is believed; a queue of a
    participant gets it as it was.
    """
    headers = {
        name: value
        for name, value in letter.headers.items()
        if name not in _OBEYED_BY_THE_BROKER
        and name not in {REASON_HEADER, QUEUE_HEADER, ATTEMPTS_HEADER}
        and _is_writable(name, value)
    }
    is_ours = letter.queue.removesuffix(".retried") in {SUBMISSIONS, ACKNOWLEDGEMENTS}
    queue = retried_queue(letter.queue.removesuffix(".retried")) if is_ours else letter.queue
    return Publication(
        exchange="",
        routing_key=queue,
        body=letter.body,
        properties=Basic.Properties(
            content_type=letter.content_type, headers=headers, delivery_mode=PERSISTENT
        ),
    )


def _sent_on(
    message: DeliveredMessage, received: ReceivedMessage, ours: Mapping[str, FieldValue]
) -> Basic.Properties:
    """The properties and headers it came with, but for those with power over the broker."""
    properties = copy.copy(message.header.properties)
    headers = {
        name: _writable(value)
        for name, value in _headers(message).items()
        if name not in _OBEYED_BY_THE_BROKER | OUR_HEADERS and _is_writable(name, value)
    }
    if received.authenticated_as is not None:
        headers[AUTHENTICATED_AS_HEADER] = received.authenticated_as
    properties.headers = {**headers, **ours}
    properties.user_id = None  # the broker would refuse a name that is not ours
    properties.expiration = None  # nothing in our custody expires by its sender's wish
    properties.delivery_mode = PERSISTENT
    properties.cluster_id = ""  # reserved: our driver reads it and refuses to write it
    return properties


def writable_headers(message: DeliveredMessage) -> dict[str, FieldValue]:
    """Its headers, ours included, but for those that copy it to further queues."""
    return {
        name: _writable(value)
        for name, value in _headers(message).items()
        if name not in {"CC", "BCC"} and _is_writable(name, value)
    }


def _writable(value: FieldValue) -> FieldValue:
    """The same value in the types our driver writes; it reads more than those."""
    if isinstance(value, bytes):
        return bytearray(value)
    if isinstance(value, list):
        return [_writable(one) for one in value]
    if isinstance(value, dict):
        return {name: _writable(one) for name, one in value.items()}
    return value


def _is_writable(name: str, value: FieldValue) -> bool:
    """Whether our driver can write that header; else a stranger's header could stop us."""
    try:
        pamqp.encode.field_table({name: _writable(value)})
    except Exception:  # noqa: BLE001 - whatever it trips over, that header stays behind
        return False
    return True


def _headers(message: DeliveredMessage) -> Mapping[str, FieldValue]:
    return message.header.properties.headers or {}


def _text(value: object) -> str | None:
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None
