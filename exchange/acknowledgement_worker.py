"""The consume loop of the acknowledgements queue, which brings answers to recalls too."""

import asyncio
from collections.abc import Callable

from exchange.acknowledging import AcknowledgementDesk
from exchange.answering_recalls import RecallDesk
from exchange.errors import IntegrityBroken, Refusal, Unavailable
from exchange.model import ReceivedMessage
from exchange.patience import GivenUp, Pause, until_available
from exchange.ports import Incoming, MessageSource
from exchange.subscriber_statements import content_type_of
from schemas.envelope import CESSATION

_AT_ONCE = 50


class AcknowledgementWorker:
    """Records what subscribers sign, as it comes; what is bad goes to the dead letters."""

    def __init__(
        self,
        *,
        source: MessageSource,
        desk: AcknowledgementDesk,
        recalls: RecallDesk,
        observe_bug: Callable[[Exception], None] | None = None,
    ) -> None:
        self._source = source
        self._desk = desk
        self._recalls = recalls
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
            await until_available(lambda: self._accept(incoming.received), self._stopping)
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

    async def _accept(self, received: ReceivedMessage) -> int:
        """What the signature covers says which it is, not a header that anybody can set."""
        if content_type_of(received) == CESSATION:
            return await self._recalls.accept(received)
        return await self._desk.accept(received)
