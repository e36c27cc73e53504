"""The consume loop: take a batch, decide, publish, and only then acknowledge to the source.

What a crash leaves behind at each step (tests/crash holds one test a row):

    before the commit                nothing; the messages come again and are decided
    after commit, before publish     decisions without deliveries on their way; the messages come
                                     again (repeats: receipts), the relay publishes the deliveries
    after publish, before mark       the relay publishes again; subscribers drop the repeats
    after mark, before acknowledge   the messages come again; repeats get the same receipts
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from exchange.dispatch import Dispatcher
from exchange.errors import ExchangeError, IntegrityBroken, Unavailable
from exchange.ports import Incoming, MessageSource
from exchange.processor import MessageProcessor, Outcome
from schemas.receipt import Receipt

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

_T = TypeVar("_T")

#: Told of every settled message: the incoming, its outcome.
ObserveOutcome = Callable[[Incoming, Outcome], None]


class Worker:
    """Moves messages from a durable source through the processor."""

    def __init__(
        self,
        *,
        source: MessageSource,
        processor: MessageProcessor,
        dispatcher: Dispatcher,
        batch_size: int = 100,
        lanes: int = 2,
        observe: ObserveOutcome | None = None,
        observe_bug: Callable[[Exception], None] | None = None,
    ) -> None:
        """Decide at most `batch_size` at once, in lanes that overlap checks with commits."""
        self._source = source
        self._processor = processor
        self._dispatcher = dispatcher
        self._batch_size = batch_size
        self._lanes = lanes
        self._observe = observe
        self._observe_bug = observe_bug
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`; then every batch in hand is finished first.

        Raises:
            IntegrityBroken: our own records contradict themselves; a human must look.
        """
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._lane())

    async def stop(self) -> None:
        """Take no more messages; `run` returns when those in hand are settled."""
        self._stopping.set()
        await self._source.stop_receiving()

    async def _lane(self) -> None:
        pause = _Pause(self._stopping)
        while not self._stopping.is_set():
            try:
                batch = await self._source.receive(self._batch_size)
            except Unavailable:
                await pause.longer()
                continue
            pause.reset()
            if batch:
                await self._settle(batch)

    async def _settle(self, batch: Sequence[Incoming]) -> None:
        try:
            outcomes = await self._while_unavailable(
                lambda: self._processor.process([one.received for one in batch])
            )
        except IntegrityBroken:
            raise
        except _GivenUp:
            return  # we are stopping and the store is away: unacknowledged, they come again
        except Exception as error:  # noqa: BLE001 - a bug: only the message at fault goes aside
            await self._isolate(batch, error)
            return
        try:
            await self._while_unavailable(lambda: self._hand_out(batch, outcomes))
            await self._source.acknowledge(await self._answerable(batch, outcomes))
        except _GivenUp:
            return  # decided but not handed out: they come again and get the same receipts
        except Unavailable:
            return  # the source forgot them, so it hands them out again
        if self._observe is not None:
            for incoming, outcome in zip(batch, outcomes, strict=True):
                self._observe(incoming, outcome)

    async def _isolate(self, batch: Sequence[Incoming], error: Exception) -> None:
        if len(batch) > 1:
            for one in batch:
                await self._settle([one])
            return
        if self._observe_bug is not None:
            self._observe_bug(error)
        await self._put_aside(batch[0], "internal-error")

    async def _hand_out(self, batch: Sequence[Incoming], outcomes: Sequence[Outcome]) -> None:
        await self._dispatcher.dispatch(
            [delivery for outcome in outcomes for delivery in outcome.deliveries]
        )
        answers: list[tuple[str, Receipt]] = []
        for outcome in outcomes:
            if outcome.answer_to and await self._dispatcher.can_answer(outcome.answer_to):
                answers.append((outcome.answer_to, outcome.receipt))  # noqa: PERF401 - awaits
        await self._dispatcher.answer(answers)

    async def _answerable(
        self, batch: Sequence[Incoming], outcomes: Sequence[Outcome]
    ) -> list[Incoming]:
        """Those that were answered; a refusal nobody can be told of goes to the dead letters."""
        answered: list[Incoming] = []
        for incoming, outcome in zip(batch, outcomes, strict=True):
            if await self._dispatcher.can_answer(outcome.answer_to):
                answered.append(incoming)
            else:
                await self._put_aside(incoming, outcome.decision.reason or "nobody-to-answer")
        return answered

    async def _put_aside(self, incoming: Incoming, reason: str) -> None:
        try:
            await self._source.dead_letter(incoming, reason)
        except Unavailable:
            return  # not acknowledged, so it comes again

    async def _while_unavailable(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Repeat the attempt until it works; hold the messages, so that none is worn out."""
        pause = _Pause(self._stopping)
        while True:
            try:
                return await attempt()
            except Unavailable as error:
                if self._stopping.is_set():
                    raise _GivenUp from error
                await pause.longer()


class _GivenUp(ExchangeError):
    """We are stopping while a dependency is away."""


class _Pause:
    """Waits longer each time, but never past a stop."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._seconds = _FIRST_PAUSE_SECONDS

    def reset(self) -> None:
        self._seconds = _FIRST_PAUSE_SECONDS

    async def longer(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._stopping.wait()
        except TimeoutError:
            self._seconds = min(self._seconds * 2, _LONGEST_PAUSE_SECONDS)
