"""Messages from a work queue, and from the end of its retry ladder.

What a lost connection leaves behind: the broker hands out everything unacknowledged again, on the
next channel and under other tags. So a tag of an old channel settles nothing.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from aiormq import Channel
from aiormq.abc import DeliveredMessage

from adapters.rabbitmq.confirms import ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection, broker_errors
from adapters.rabbitmq.republishing import (
    attempts_of,
    put_aside,
    received_from,
    sent_again,
)
from adapters.rabbitmq.topology import RETRY_PAUSES, retried_queue
from exchange.errors import Unavailable
from exchange.ports import Incoming

#: Enough for several batches to gather while one is being recorded.
DEFAULT_PREFETCH = 400


@dataclass(slots=True, eq=False)
class _Session:
    """One channel's life.

    Attributes:
        unsettled: delivery tags we were given and have not settled, ascending.
        consumers: consumer tags.
        settling: held while tags are settled: the broker must learn of them in that order.
        careful: one message at a time, because the last session ended badly.
    """

    channel: Channel
    careful: bool
    unsettled: dict[int, None] = field(default_factory=dict)
    consumers: list[str] = field(default_factory=list)
    settling: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, eq=False)
class _Handle:
    """What we need to settle one message."""

    session: _Session
    delivery_tag: int
    message: DeliveredMessage
    retried: bool


class RabbitSource:
    """A work queue as a source of messages (`exchange.ports.MessageSource`).

    Any number of tasks may receive and settle at the same time.
    """

    def __init__(
        self,
        connection: RabbitConnection,
        queue: str,
        *,
        prefetch: int = DEFAULT_PREFETCH,
        retry_pauses: Sequence[timedelta] = RETRY_PAUSES,
    ) -> None:
        """Hold at most `prefetch` new messages; `retry_pauses` are those the queue has.

        Messages are read over a connection of our own, because a broker that is short of memory
        stops connections that publish; dead letters and retries leave over the given one.
        """
        self._queue = queue
        self._prefetch = prefetch
        self._retry_pauses = tuple(retry_pauses)
        self._connection = connection.another(f"source {queue}")
        self._publishing = ConfirmedPublishing(connection)
        self._session: _Session | None = None
        self._opening = asyncio.Lock()
        self._waiting: deque[Incoming] = deque()
        self._changed = asyncio.Event()
        self._stopping = False
        self._was_lost = False
        self._beside: set[asyncio.Task[None]] = set()

    async def receive(self, limit: int) -> Sequence[Incoming]:
        """Wait for at least one message and return what is there, at most `limit`.

        Returns an empty sequence only after `stop_receiving`.

        Raises:
            Unavailable: the broker is gone for now; call again.
        """
        while not self._waiting:
            if self._stopping:
                return []
            session = await self._open_session()
            if self._waiting or self._stopping:
                continue
            self._changed.clear()
            await self._changed.wait()
            if session is not self._session and not self._stopping:
                raise Unavailable("RabbitMQ: the connection was lost.")
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    async def acknowledge(self, incoming: Sequence[Incoming]) -> None:
        """Tell the broker these are settled. If this is lost, they come again: that is safe."""
        by_session: dict[_Session, set[int]] = {}
        for one in incoming:
            handle = _handle_of(one)
            by_session.setdefault(handle.session, set()).add(handle.delivery_tag)
        for session, tags in by_session.items():
            if self._is_current(session):
                with suppress(Unavailable), broker_errors("acknowledge"):
                    await _acknowledge(session, tags)

    async def dead_letter(self, incoming: Incoming, reason: str) -> None:
        """Put it among the dead letters, with its reason, then acknowledge it.

        Raises:
            Unavailable: it could not be put aside; it is not acknowledged and comes again.
        """
        handle = _handle_of(incoming)
        await self._settle_elsewhere(
            handle, put_aside(incoming.received, handle.message, self._queue, reason)
        )

    async def retry_later(self, incoming: Incoming) -> None:
        """Have it come again after a pause; after the last rung it is a dead letter.

        When the broker cannot do that now, it comes again without a pause.
        """
        handle = _handle_of(incoming)
        attempts = attempts_of(handle.message) if handle.retried else 0
        if attempts >= len(self._retry_pauses):
            publication = put_aside(
                incoming.received, handle.message, self._queue, "retries-exhausted"
            )
        else:
            publication = sent_again(
                incoming.received,
                handle.message,
                self._queue,
                self._retry_pauses[attempts],
                attempts + 1,
            )
        with suppress(Unavailable):
            await self._settle_elsewhere(handle, publication)

    async def stop_receiving(self) -> None:
        """Take no more messages; those not handed out go back. `receive` then returns nothing.

        What was handed out can still be settled until `close`.
        """
        self._stopping = True
        self._changed.set()
        session = self._session
        unread = [_handle_of(one) for one in self._waiting]
        self._waiting.clear()
        if session is None:
            return
        with suppress(Unavailable), broker_errors("stop receiving"):
            for consumer in session.consumers:
                await session.channel.basic_cancel(consumer)
            for handle in unread:
                await _give_back(handle)

    async def close(self) -> None:
        """Stop, and give back everything not settled."""
        await self.stop_receiving()
        self._session = None
        await self._connection.close()
        await self._publishing.close()
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def _open_session(self) -> _Session:
        async with self._opening:
            if self._session is not None:
                return self._session
            channel = await self._connection.channel()
            session = _Session(channel, careful=self._was_lost)
            self._session = session
            channel.closing.add_done_callback(lambda _: self._lost(session))
            # The broker cancels us when the queue goes away; start over on a new channel.
            channel.on_consumer_cancel_callbacks.add(lambda _: self._abandon(session))
            try:
                with broker_errors(f"consume {self._queue}"):
                    await self._consume(session)
            except BaseException:
                self._abandon(session)
                raise
            return session

    async def _consume(self, session: _Session) -> None:
        prefetch = 1 if session.careful else self._prefetch
        await session.channel.basic_qos(prefetch_count=prefetch)
        for queue in (self._queue, retried_queue(self._queue)):
            retried = queue != self._queue

            async def arrived(message: DeliveredMessage, retried: bool = retried) -> None:
                await self._arrived(session, message, retried=retried)

            ok = await session.channel.basic_consume(queue, arrived)
            if ok.consumer_tag is not None:
                session.consumers.append(ok.consumer_tag)

    async def _arrived(
        self, session: _Session, message: DeliveredMessage, *, retried: bool
    ) -> None:
        delivery_tag = message.delivery_tag
        if delivery_tag is None or session is not self._session:
            return  # of a lost channel: it comes again on the next one
        session.unsettled[delivery_tag] = None
        handle = _Handle(session, delivery_tag, message, retried)
        if self._stopping:
            with suppress(Unavailable), broker_errors("give a message back"):
                await _give_back(handle)
            return
        redelivered = bool(message.redelivered)
        self._waiting.append(
            Incoming(
                tag=handle,
                received=received_from(message, retried=retried),
                redelivered=redelivered or retried,
            )
        )
        self._changed.set()
        if session.careful and not redelivered and not retried:
            session.careful = False
            self._start(self._widen(session))

    def _lost(self, session: _Session) -> None:
        """Forget what the lost channel handed us and nobody took: it comes again.

        A message whose frame our driver cannot read ends the connection, and every message in
        flight with it is then counted as delivered once more. So the next session takes one
        message at a time: only the culprit reaches its delivery limit. What was in flight comes
        first; once a message comes that never came before, we are past it.
        """
        if self._session is not session:
            return
        self._session = None
        self._was_lost = True
        self._waiting.clear()
        self._changed.set()

    def _abandon(self, session: _Session) -> None:
        """Close the channel, so that the broker hands out again what it gave us there."""

        async def close() -> None:
            with suppress(Unavailable), broker_errors("close a channel"):
                await session.channel.close()

        self._lost(session)
        self._start(close())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        """Run beside `receive`; `close` waits for it."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _widen(self, session: _Session) -> None:
        """Back to the full prefetch, which the broker grants to new consumers only."""
        try:
            with broker_errors("consume again"):
                consumers, session.consumers = session.consumers, []
                for consumer in consumers:
                    await session.channel.basic_cancel(consumer)
                if not self._stopping:
                    self._was_lost = False
                    await self._consume(session)
        except Unavailable:
            self._abandon(session)

    async def _settle_elsewhere(self, handle: _Handle, publication: Publication) -> None:
        """Have another queue hold the message, then acknowledge it here."""
        if not self._is_current(handle.session):
            raise Unavailable("RabbitMQ: the connection was lost; the message comes again.")
        try:
            await self._publishing.publish([publication])
        except Unavailable:
            with suppress(Unavailable), broker_errors("give a message back"):
                await _give_back(handle)
            raise
        # If we crash here, it is in both queues, and what becomes of it happens twice: safe.
        with suppress(Unavailable), broker_errors("acknowledge"):
            await _acknowledge(handle.session, {handle.delivery_tag})

    def _is_current(self, session: _Session) -> bool:
        return session is self._session and not session.channel.is_closed


def _handle_of(incoming: Incoming) -> _Handle:
    if not isinstance(incoming.tag, _Handle):
        raise TypeError("this message came from another source")
    return incoming.tag


async def _acknowledge(session: _Session, tags: Iterable[int]) -> None:
    async with session.settling:
        left = set(tags) & session.unsettled.keys()
        # `multiple` settles every tag up to the one named: only for those that come first.
        last_of_prefix = None
        for tag in list(session.unsettled):
            if tag not in left:
                break
            last_of_prefix = tag
            left.discard(tag)
            del session.unsettled[tag]
        if last_of_prefix is not None:
            await session.channel.basic_ack(last_of_prefix, multiple=True)
        for tag in sorted(left):
            del session.unsettled[tag]
            await session.channel.basic_ack(tag, wait=False)


async def _give_back(handle: _Handle) -> None:
    session = handle.session
    async with session.settling:
        if handle.delivery_tag in session.unsettled:
            del session.unsettled[handle.delivery_tag]
            await session.channel.basic_nack(handle.delivery_tag, requeue=True, wait=False)
