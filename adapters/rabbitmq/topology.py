"""Every name in RabbitMQ, and what is declared under it.

    publisher -> bhx.submissions.<publisher> ──────────> [bhx.submissions] ────> exchange
    subscriber -> bhx.acknowledgements.<subscriber> ───> [bhx.acknowledgements] > exchange
    exchange -> bhx.deliveries ── key: participant id ─> [bhx.deliveries.<subscriber>]
    exchange -> bhx.receipts ──── key: participant id ─> [bhx.receipts.<publisher>]

Each participant writes to an exchange of its own, so that RabbitMQ's permissions can tell them
apart. Each queue the exchange reads has a retry ladder: queues nobody reads, whose messages
expire into `<queue>.retried`. No participant can write to the ladder, so what it says is ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from aiormq import Channel

from adapters.rabbitmq.connection import RabbitConnection, broker_errors
from schemas.participant import Participant

SUBMISSIONS: Final = "bhx.submissions"
ACKNOWLEDGEMENTS: Final = "bhx.acknowledgements"
DELIVERIES: Final = "bhx.deliveries"
RECEIPTS: Final = "bhx.receipts"
DEAD: Final = "bhx.dead"
#: Where dead letters arrive, from us and from the broker; emptied into the next.
DEAD_LETTERS: Final = "bhx.dead-letters"
#: Where they are kept, sealed.
SEALED_LETTERS: Final = "bhx.dead-letters.sealed"

#: The detached JWS over the body.
SIGNATURE_HEADER: Final = "x-jws-signature"
#: Why a message was put aside.
REASON_HEADER: Final = "bhx-reason"
#: Which queue a message was put aside from.
QUEUE_HEADER: Final = "bhx-queue"
#: How often a message was retried; believed only on the ladder.
ATTEMPTS_HEADER: Final = "bhx-attempts"
#: Whom the broker vouched for when the message first came; believed only on the ladder.
AUTHENTICATED_AS_HEADER: Final = "bhx-authenticated-as"

#: What only we may say in a header.
OUR_HEADERS: Final = frozenset(
    {ATTEMPTS_HEADER, AUTHENTICATED_AS_HEADER, QUEUE_HEADER, REASON_HEADER}
)

#: The rungs of the retry ladder.
RETRY_PAUSES: Final = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5))

#: A message that came so often without being settled takes the exchange down: put it aside.
DELIVERY_LIMIT: Final = 20
#: A registry behind a poor network loses its connection often; that is not the message's fault.
PARTICIPANT_DELIVERY_LIMIT: Final = 1_000


def submissions_exchange(participant: str) -> str:
    """Where that publisher writes its messages."""
    return f"{SUBMISSIONS}.{participant}"


def acknowledgements_exchange(participant: str) -> str:
    """Where that subscriber writes its signed acknowledgements."""
    return f"{ACKNOWLEDGEMENTS}.{participant}"


def deliveries_queue(participant: str) -> str:
    """Where that subscriber reads its deliveries."""
    return f"{DELIVERIES}.{participant}"


def receipts_queue(participant: str) -> str:
    """Where that publisher reads its receipts."""
    return f"{RECEIPTS}.{participant}"


def retried_queue(work_queue: str) -> str:
    """Where messages of that queue come again; only the exchange can write to it."""
    return f"{work_queue}.retried"


def retry_queue(work_queue: str, pause: timedelta) -> str:
    """Where messages of that queue wait for so long, such as `bhx.submissions.retry.5s`."""
    milliseconds = round(pause / timedelta(milliseconds=1))
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{work_queue}.retry." + (f"{milliseconds}ms" if rest else f"{seconds}s")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue."""

    name: str
    arguments: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """What makes an exchange put messages into a queue."""

    exchange: str
    queue: str
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that must exist, in an order in which it can be declared."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def topology_for(
    publishers: Iterable[str],
    subscribers: Iterable[str],
    *,
    retry_pauses: Sequence[timedelta] = RETRY_PAUSES,
) -> Topology:
    """What must exist for these participants."""
    publishers, subscribers = sorted(set(publishers)), sorted(set(subscribers))
    own = [(submissions_exchange(one), SUBMISSIONS) for one in publishers]
    own += [(acknowledgements_exchange(one), ACKNOWLEDGEMENTS) for one in subscribers]
    inboxes = [(DELIVERIES, deliveries_queue(one), one) for one in subscribers]
    inboxes += [(RECEIPTS, receipts_queue(one), one) for one in publishers]
    return Topology(
        exchanges=(
            Exchange(DEAD, "fanout"),
            Exchange(DELIVERIES, "direct"),
            Exchange(RECEIPTS, "direct"),
            *(Exchange(exchange, "fanout") for exchange, _ in own),
        ),
        queues=(
            Queue(DEAD_LETTERS, {"x-queue-type": "quorum"}),
            Queue(SEALED_LETTERS, {"x-queue-type": "quorum"}),
            *_work_queues(SUBMISSIONS, retry_pauses),
            *_work_queues(ACKNOWLEDGEMENTS, retry_pauses),
            *(_queue(queue, PARTICIPANT_DELIVERY_LIMIT) for _, queue, _ in inboxes),
        ),
        bindings=(
            Binding(DEAD, DEAD_LETTERS),
            *(Binding(exchange, queue) for exchange, queue in own),
            *(Binding(exchange, queue, key) for exchange, queue, key in inboxes),
        ),
    )


def publishers_of(participants: Iterable[Participant]) -> list[str]:
    """Those that submit messages and so have a queue of receipts."""
    return [one.id for one in participants if "publisher" in one.roles]


def queue_subscribers_of(participants: Iterable[Participant]) -> list[str]:
    """Those that have a queue of deliveries; the others fetch by cursor."""
    return [one.id for one in participants if "subscriber" in one.roles and one.delivery == "queue"]


async def declare(
    channel: Channel,
    publishers: Iterable[str],
    subscribers: Iterable[str],
    *,
    retry_pauses: Sequence[timedelta] = RETRY_PAUSES,
) -> None:
    """Declare what must exist for these participants; repeating it changes nothing.

    Raises:
        Unavailable: the broker does not answer, or has one of the names with other properties.
    """
    topology = topology_for(publishers, subscribers, retry_pauses=retry_pauses)
    with broker_errors("declare the topology"):
        for exchange in topology.exchanges:
            await channel.exchange_declare(exchange.name, exchange_type=exchange.kind, durable=True)
        for queue in topology.queues:
            await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
        for binding in topology.bindings:
            await channel.queue_bind(
                binding.queue, binding.exchange, routing_key=binding.routing_key
            )


async def declare_topology(
    connection: RabbitConnection, participants: Iterable[Participant]
) -> None:
    """Declare what must exist for the directory's participants; repeating it changes nothing.

    Suspended participants keep their queues: what lies there was accepted.

    Raises:
        Unavailable: the broker does not answer, or has one of the names with other properties.
    """
    known = list(participants)
    channel = await connection.channel()
    try:
        await declare(channel, publishers_of(known), queue_subscribers_of(known))
    finally:
        with broker_errors("close a channel"):
            await channel.close()


def _work_queues(name: str, retry_pauses: Sequence[timedelta]) -> list[Queue]:
    """A queue the exchange reads, with its ladder."""
    rungs = [
        Queue(
            retry_queue(name, pause),
            {
                "x-queue-type": "quorum",
                "x-message-ttl": round(pause / timedelta(milliseconds=1)),
                **_dead_lettered_to("", retried_queue(name)),
            },
        )
        for pause in retry_pauses
    ]
    return [_queue(name, DELIVERY_LIMIT), _queue(retried_queue(name), DELIVERY_LIMIT), *rungs]


def _queue(name: str, delivery_limit: int) -> Queue:
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-delivery-limit": delivery_limit,
            **_dead_lettered_to(DEAD, name),
        },
    )


def _dead_lettered_to(exchange: str, routing_key: str) -> dict[str, str | int]:
    # at-least-once: the message leaves this queue only when the next one has it. RabbitMQ offers
    # that only together with reject-publish.
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-routing-key": routing_key,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
