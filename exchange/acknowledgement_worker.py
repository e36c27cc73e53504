"""The consume loop of the acknowledgements queue."""

import asyncio
from collections.abc import Callable

from exchange.acknowledging import AcknowledgementDesk
from exchange.errors import IntegrityBroken, Refusal, Unavailable
from exchange.patience import GivenUp, Pause, until_available
from exchange.ports import Incoming, MessageSource

_AT_ONCE = 50


class AcknowledgementWorker:
    """Records signed acknowledgements as they come; bad ones go to the dead letters."""

    def __init__(
        self,
        *,
        source: MessageSource,
        desk: AcknowledgementDesk,
        observe_bug: Callable[[Exception], None] | None = None,
    ) -> None:
        self._source = source
        self._desk = desk
        self._observe_bug = observe_bug
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`; the acknowledgement in hand is finished first."""
        pause = Pause(self._stopping)
        while not self._stopping.is_set():
            try:
                batch = await self._source.receive(_AT_ONCE)
                pause.reset()
                for incoming in batch:
                    await self._record(incoming)
            except Unavailable:
                await pause.longer()
            except GivenUp:
                return

    async def stop(self) -> None:
        """Take no more; `run` returns soon."""
        self._stopping.set()
        await self._source.stop_receiving()

    async def _record(self, incoming: Incoming) -> None:
        try:
            await until_available(lambda: self._desk.accept(incoming.received), self._stopping)
        except Refusal as refusal:
            # Nothing is recorded and nobody is told: the subscriber's window stays as full as it
            # was, and an operator finds the bytes and the reason in the dead letters.
            await self._source.dead_letter(incoming, refusal.reason)
        except (IntegrityBroken, GivenUp):
            raise
        except Exception as error:  # noqa: BLE001 - a bug: only this message goes aside
            if self._observe_bug is not None:
                self._observe_bug(error)
            await self._source.dead_letter(incoming, "internal-error")
        else:
            # If we crash before this, it comes again and records nothing new.
            await self._source.acknowledge([incoming])
