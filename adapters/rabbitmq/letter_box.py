"""The sealed dead letters as an operator handles them: list, open, replay, drop.

Each act turns the queue round once: every message is taken and put at the end again, or not. It is
acknowledged only when that is done, so a crash leaves a letter twice, never not at all.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from adapters.rabbitmq.confirms import PERSISTENT, ConfirmedPublishing, Publication
from adapters.rabbitmq.connection import RabbitConnection, broker_errors
from adapters.rabbitmq.dead_letter_keeper import letter_of
from adapters.rabbitmq.republishing import sent_back
from adapters.rabbitmq.sealed_letters import Letter, sealed, unsealed
from adapters.rabbitmq.topology import DEAD_LETTERS, SEALED_LETTERS
from exchange.errors import IntegrityBroken
from exchange.subjects import SubjectVault


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """A dead letter as it lies in the queue.

    Attributes:
        id: of its sealed bytes.
        size: of the letter in bytes.
        letter: what was sealed; None when it was sealed under another key.
    """

    id: str
    reason: str
    queue: str
    size: int
    letter: Letter | None = field(repr=False)


#: What becomes of a letter: itself again, something else in its place, or nothing.
_Fate = Callable[[KeptLetter], Publication | None]


class LetterBox:
    """The sealed letters of one exchange; for one operator at a time."""

    def __init__(self, connection: RabbitConnection, vault: SubjectVault) -> None:
        self._connection = connection
        self._vault = vault

    async def letters(self) -> list[KeptLetter]:
        """All that lie there, oldest first; what had not been sealed yet is.

        Raises:
            Unavailable: the broker does not answer.
        """
        await self._turn(DEAD_LETTERS, self._sealed)
        found: list[KeptLetter] = []

        def kept(one: KeptLetter) -> Publication | None:
            found.append(one)
            return None

        await self._turn(SEALED_LETTERS, kept, keep=True)
        return found

    async def opened(self, letter_id: str) -> Letter | None:
        """That letter, which stays where it is.

        Raises:
            Unavailable: the broker does not answer.
        """
        return next((one.letter for one in await self.letters() if one.id == letter_id), None)

    async def replayed(self, letter_id: str) -> bool:
        """Whether that letter was there; it is back in its queue, as it first came.

        Raises:
            Unavailable: the broker does not answer; it may be in both places.
        """
        return await self._removed(letter_id, _sent_back)

    async def dropped(self, letter_id: str) -> bool:
        """Whether that letter was there; it is gone.

        Raises:
            Unavailable: the broker does not answer.
        """
        return await self._removed(letter_id, lambda _: None)

    def _sealed(self, one: KeptLetter) -> Publication | None:
        return None if one.letter is None else sealed(one.letter, self._vault)

    async def _removed(self, letter_id: str, instead: _Fate) -> bool:
        done: list[str] = []

        def fate(one: KeptLetter) -> Publication | None:
            if one.id != letter_id or one.letter is None:
                return _same(one)
            done.append(one.id)
            return instead(one)

        same: dict[str, DeliveredMessage] = {}

        def _same(one: KeptLetter) -> Publication | None:
            return _as_it_is(same[one.id])

        await self._turn(SEALED_LETTERS, fate, seen=same)
        return bool(done)

    async def _turn(
        self,
        queue: str,
        fate: _Fate,
        *,
        keep: bool = False,
        seen: dict[str, DeliveredMessage] | None = None,
    ) -> None:
        """Take every message that is there now; put back what becomes of it."""
        publishing = ConfirmedPublishing(self._connection)
        channel = await self._connection.channel()
        try:
            with broker_errors("read the dead letters"):
                declared = await channel.queue_declare(queue, passive=True)
            for _ in range(declared.message_count or 0):
                message = await _next(channel, queue)
                if message is None:
                    return
                one = self._kept(message, is_sealed=queue == SEALED_LETTERS)
                if seen is not None:
                    seen[one.id] = message
                instead = fate(one)
                if keep:
                    instead = _as_it_is(message)
                if instead is not None:
                    await publishing.publish([instead])
                # If we crash here, what was put back is there twice.
                with broker_errors("settle a dead letter"):
                    await channel.basic_ack(message.delivery_tag or 0)
        finally:
            await publishing.close()
            with broker_errors("close a channel"):
                await channel.close()

    def _kept(self, message: DeliveredMessage, *, is_sealed: bool) -> KeptLetter:
        letter: Letter | None
        try:
            letter = unsealed(message.body, self._vault) if is_sealed else letter_of(message)
        except IntegrityBroken:
            letter = None
        return KeptLetter(
            id=hashlib.sha256(message.body).hexdigest()[:16],
            reason=letter.reason if letter else "",
            queue=letter.queue if letter else "",
            size=len(letter.body) if letter else len(message.body),
            letter=letter,
        )


def _sent_back(one: KeptLetter) -> Publication | None:
    return None if one.letter is None else sent_back(one.letter)


async def _next(channel: Channel, queue: str) -> DeliveredMessage | None:
    with broker_errors("read the dead letters"):
        message = await channel.basic_get(queue, no_ack=False)
    return message if isinstance(message.delivery, Basic.GetOk) else None


def _as_it_is(message: DeliveredMessage) -> Publication:
    properties = message.header.properties
    return Publication(
        exchange="",
        routing_key=SEALED_LETTERS,
        body=message.body,
        properties=Basic.Properties(
            content_type=properties.content_type,
            headers=dict(properties.headers or {}),
            delivery_mode=PERSISTENT,
        ),
    )
