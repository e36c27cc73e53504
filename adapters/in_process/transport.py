"""The transport ports within one process, with the broker's promises but for durability.

For the demonstration, for tests, and for an exchange whose participants live in its own process.
What lies here is gone with the process.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from exchange.errors import Unavailable
from exchange.model import ReceivedMessage
from exchange.ports import Incoming, Outgoing

#: The same ladder as RabbitMQ's.
RETRY_PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5))

WorkQueue = Literal["submissions", "acknowledgements"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message put aside."""

    received: ReceivedMessage
    reason: str
    queue: str


@dataclass(slots=True, eq=False)
class _Held:
    """A message in a work queue, with what happened to it there."""

    received: ReceivedMessage
    attempts: int = 0
    redelivered: bool = False


@dataclass(slots=True)
class _Work:
    """A work queue."""

    ready: deque[_Held] = field(default_factory=deque)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class InProcessBroker:
    """The queues; `publisher` and `source` are the ports onto them.

    Attributes:
        dead_letters: what was put aside, oldest first.
    """

    def __init__(
        self, *, capacity: int = 10_000, retry_pauses: Sequence[timedelta] = RETRY_PAUSES
    ) -> None:
        """Hold at most `capacity` messages in each queue; who sends more must wait."""
        self.dead_letters: list[DeadLetter] = []
        self._capacity = capacity
        self._retry_pauses = tuple(retry_pauses)
        self._work: dict[str, _Work] = {"submissions": _Work(), "acknowledgements": _Work()}
        self._inboxes: dict[tuple[str, str], asyncio.Queue[Outgoing]] = {}
        # Held here, because the event loop keeps only a weak hold of a task.
        self._pausing: set[asyncio.Task[None]] = set()

    def declare(self, publishers: Iterable[str], subscribers: Iterable[str]) -> None:
        """Give these participants their queues; repeating it changes nothing."""
        for kind, names in (("receipt", publishers), ("delivery", subscribers)):
            for name in names:
                self._inboxes.setdefault((kind, name), asyncio.Queue(self._capacity))

    async def submit(self, received: ReceivedMessage, to: WorkQueue = "submissions") -> None:
        """Return when the message is in the queue; while that is full, wait."""
        work = self._work[to]
        async with work.changed:
            await work.changed.wait_for(lambda: len(work.ready) < self._capacity)
            work.ready.append(_Held(received))
            work.changed.notify_all()

    def inbox(
        self, kind: Literal["delivery", "receipt"], participant: str
    ) -> asyncio.Queue[Outgoing]:
        """The participant's queue.

        Raises:
            Unavailable: it has none.
        """
        try:
            return self._inboxes[kind, participant]
        except KeyError:
            raise Unavailable("The participant has no queue.") from None

    def publisher(self) -> "InProcessPublisher":
        """Puts messages into participants' queues."""
        return InProcessPublisher(self)

    def source(self, queue: WorkQueue = "submissions") -> "InProcessSource":
        """A consumer of a work queue."""
        return InProcessSource(self, queue, self._work[queue], self._retry_pauses)

    async def put_back(self, queue: str, held: Sequence[_Held], *, first: bool) -> None:
        """For sources: what was in the queue before goes back, even if that is full now."""
        work = self._work[queue]
        async with work.changed:
            if first:
                work.ready.extendleft(reversed(held))
            else:
                work.ready.extend(held)
            work.changed.notify_all()

    def put_back_later(self, queue: str, held: _Held, pause: timedelta) -> None:
        """For sources: the same after a pause."""

        async def come_again() -> None:
            await asyncio.sleep(pause.total_seconds())
            await self.put_back(queue, [held], first=False)

        task = asyncio.create_task(come_again())
        self._pausing.add(task)
        task.add_done_callback(self._pausing.discard)


class InProcessPublisher:
    """Puts deliveries and receipts into participants' queues (`exchange.ports.Publisher`)."""

    def __init__(self, broker: InProcessBroker) -> None:
        self._broker = broker

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when every message is in its queue.

        Raises:
            Unavailable: a participant has no queue, or one that is full.
        """
        for one in outgoing:
            try:
                self._broker.inbox(one.kind, one.to).put_nowait(one)
            except asyncio.QueueFull:
                raise Unavailable("The participant's queue is full.") from None


class InProcessSource:
    """A work queue as a source of messages (`exchange.ports.MessageSource`)."""

    def __init__(
        self,
        broker: InProcessBroker,
        queue: str,
        work: _Work,
        retry_pauses: Sequence[timedelta],
    ) -> None:
        self._broker = broker
        self._queue = queue
        self._work = work
        self._retry_pauses = retry_pauses
        self._unsettled: dict[_Held, None] = {}
        self._stopping = False

    async def receive(self, limit: int) -> Sequence[Incoming]:
        """Wait for at least one message and return what is there, at most `limit`.

        Returns an empty sequence only after `stop_receiving`.
        """
        async with self._work.changed:
            await self._work.changed.wait_for(lambda: self._work.ready or self._stopping)
            if self._stopping:
                return []
            taken = [self._work.ready.popleft() for _ in range(min(limit, len(self._work.ready)))]
            self._unsettled |= dict.fromkeys(taken)
            self._work.changed.notify_all()  # there is room again
        return [
            Incoming(tag=held, received=held.received, redelivered=held.redelivered)
            for held in taken
        ]

    async def acknowledge(self, incoming: Sequence[Incoming]) -> None:
        """These are settled and never come again."""
        for one in incoming:
            self._unsettled.pop(_held(one), None)

    async def dead_letter(self, incoming: Incoming, reason: str) -> None:
        """Put it among the dead letters, with its reason."""
        held = _held(incoming)
        if held not in self._unsettled:
            raise Unavailable("The message went back to its queue and comes again.")
        del self._unsettled[held]
        self._broker.dead_letters.append(DeadLetter(held.received, reason, self._queue))

    async def retry_later(self, incoming: Incoming) -> None:
        """Have it come again after a pause; after the last pause it is a dead letter."""
        held = _held(incoming)
        if held not in self._unsettled:
            return
        if held.attempts >= len(self._retry_pauses):
            await self.dead_letter(incoming, "retries-exhausted")
            return
        del self._unsettled[held]
        pause = self._retry_pauses[held.attempts]
        again = _Held(held.received, attempts=held.attempts + 1, redelivered=True)
        self._broker.put_back_later(self._queue, again, pause)

    async def stop_receiving(self) -> None:
        """Take no more messages. What was handed out can still be settled until `close`."""
        self._stopping = True
        async with self._work.changed:
            self._work.changed.notify_all()

    async def close(self) -> None:
        """Stop, and give back everything not settled."""
        await self.stop_receiving()
        unsettled = list(self._unsettled)
        self._unsettled.clear()
        for held in unsettled:
            held.redelivered = True
        await self._broker.put_back(self._queue, unsettled, first=True)


def _held(incoming: Incoming) -> _Held:
    if not isinstance(incoming.tag, _Held):
        raise TypeError("this message came from another source")
    return incoming.tag
