"""Natural group commit: while one batch commits, the next gathers.

For sources where somebody waits for the answer (HTTP). No timer: a lone message is decided at
once, and under load a batch is whatever came while the last one was being recorded.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from exchange.dispatch import Dispatcher
from exchange.errors import IntegrityBroken, Unavailable
from exchange.model import ReceivedMessage
from exchange.processor import MessageProcessor, Outcome

_Waiting = tuple[ReceivedMessage, "asyncio.Future[Outcome]"]


class Intake:
    """Gathers messages into batches and hands each waiter its own outcome."""

    def __init__(
        self,
        *,
        processor: MessageProcessor,
        dispatcher: Dispatcher,
        batch_size: int = 100,
        most_waiting: int = 2_000,
        lanes: int = 2,
    ) -> None:
        """Decide at most `batch_size` at once, in so many lanes that overlap checks and commits."""
        self._processor = processor
        self._dispatcher = dispatcher
        self._batch_size = batch_size
        self._most_waiting = most_waiting
        self._lanes = lanes
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False

    async def submit(self, received: ReceivedMessage) -> Outcome:
        """The outcome, once it is durable.

        Raises:
            Unavailable: too many wait, or the store gave no answer; nothing was recorded that a
                resend would not find again.
        """
        if self._closing or len(self._waiting) >= self._most_waiting:
            msg = "The exchange takes no more messages at the moment."
            raise Unavailable(msg)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((received, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Decide until `stop`; what was taken in by then is answered."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._lane())

    def stop(self) -> None:
        """Take nothing more; `run` returns when everybody waiting is answered."""
        self._closing = True
        self._arrived.set()

    async def _lane(self) -> None:
        while True:
            while not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            batch = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_size))
            ]
            await self._decide(batch)

    async def _decide(self, batch: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._processor.process([received for received, _ in batch])
        except Exception as error:
            await self._decide_alone_or_fail(batch, error)
            if isinstance(error, IntegrityBroken):
                raise  # our own records contradict themselves: the process ends, loudly
            return
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            if not answer.done():
                answer.set_result(outcome)
        try:
            await self._dispatcher.dispatch(
                [delivery for outcome in outcomes for delivery in outcome.deliveries]
            )
        except Unavailable:
            # Recorded and answered: the relay finds the deliveries unsent and publishes them.
            return

    async def _decide_alone_or_fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """One message that trips a bug must not take its neighbours with it."""
        if len(batch) == 1 or isinstance(error, Unavailable | IntegrityBroken):
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for waiting in batch:
            await self._decide([waiting])
