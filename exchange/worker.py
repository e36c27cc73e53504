"""The consume loop: take a batch, decide, publish, and only then acknowledge to the source.

What a crash leaves behind at each step (tests/crash holds one test a row):

    before the commit                nothing; the messages come again and are decided
    after commit, before publish     decisions without deliveries on their way; the messages come
                                     again (repeats: receipts), the relay publishes the deliveries
    after publish, before mark       the relay publishes again; subscribers drop the repeats
    after mark, before acknowledge   the messages come again; repeats get the same receipts
"""

import asyncio
from collections.abc import Callable, Sequence

from exchange.dispatch import Dispatcher
from exchange.errors import IntegrityBroken, Unavailable
from exchange.patience import GivenUp, Pause, until_available
from exchange.ports import Incoming, MessageSource, Store
from exchange.processor import MessageProcessor, Outcome

#: So many failures in a row, while the store answers others, and the messages are set apart.
_MOST_FAILURES = 3

#: Told of every settled message: the incoming, its outcome.
ObserveOutcome = Callable[[Incoming, Outcome], None]


class Worker:
    """Moves messages from a durable source through the processor."""

    def __init__(
        self,
        *,
        source: MessageSource,
        store: Store,
        processor: MessageProcessor,
        dispatcher: Dispatcher,
        batch_size: int = 100,
        lanes: int = 2,
        observe: ObserveOutcome | None = None,
        observe_bug: Callable[[Exception], None] | None = None,
    ) -> None:
        """Decide at most `batch_size` at once, in lanes that overlap checks with commits."""
        self._source = source
        self._store = store
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
        pause = Pause(self._stopping)
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
            outcomes = await until_available(
                lambda: self._processor.process([one.received for one in batch]),
                self._stopping,
                is_hopeless=self._is_about_these_messages,
            )
        except (IntegrityBroken, GivenUp) as error:
            if isinstance(error, IntegrityBroken):
                raise
            return  # we are stopping and the store is away: unacknowledged, they come again
        except Exception as error:  # noqa: BLE001 - a bug: only the message at fault goes aside
            await self._set_apart(batch, error)
            return
        try:
            answerable = await until_available(lambda: self._hand_out(outcomes), self._stopping)
            await self._acknowledge(batch, outcomes, answerable)
        except (GivenUp, Unavailable):
            return  # decided but perhaps not handed out: they come again, for the same receipts
        if self._observe is not None:
            for incoming, outcome in zip(batch, outcomes, strict=True):
                self._observe(incoming, outcome)

    async def _is_about_these_messages(self, failures: int) -> bool:
        """Whether the store answers others, so that waiting longer helps nobody."""
        if failures < _MOST_FAILURES:
            return False
        try:
            await self._store.directory_version()
        except Unavailable:
            return False
        return True

    async def _set_apart(self, batch: Sequence[Incoming], error: Exception) -> None:
        """Find the message at fault; it is tried later, or, for a bug, goes to the dead letters."""
        if len(batch) > 1:
            for one in batch:
                await self._settle([one])
            return
        try:
            if isinstance(error, Unavailable):
                await self._source.retry_later(batch[0])
            else:
                if self._observe_bug is not None:
                    self._observe_bug(error)
                await self._source.dead_letter(batch[0], "internal-error")
        except Unavailable:
            return  # not acknowledged, so it comes again

    async def _hand_out(self, outcomes: Sequence[Outcome]) -> frozenset[str]:
        """Publish deliveries and receipts; the participants that could be answered."""
        await self._dispatcher.dispatch(
            [delivery for outcome in outcomes for delivery in outcome.deliveries]
        )
        answerable = await self._dispatcher.answerable(one.answer_to for one in outcomes)
        await self._dispatcher.answer(
            (one.answer_to, one.receipt) for one in outcomes if one.answer_to in answerable
        )
        return answerable

    async def _acknowledge(
        self, batch: Sequence[Incoming], outcomes: Sequence[Outcome], answerable: frozenset[str]
    ) -> None:
        """Settle with the source; a refusal nobody can be told of goes to the dead letters."""
        answered: list[Incoming] = []
        for incoming, outcome in zip(batch, outcomes, strict=True):
            if outcome.answer_to in answerable:
                answered.append(incoming)
            else:
                reason = outcome.decision.reason or "nobody-to-answer"
                await self._source.dead_letter(incoming, reason)
        await self._source.acknowledge(answered)
