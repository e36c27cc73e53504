"""Publishers that go on whatever happens: each message is sent until its receipt is there."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from adapters.bootstrap import SystemClock
from adapters.clients.transport import SignedMessage
from schemas.participant import Subscription
from tests.support.world import ALA, KG, KZ, Cast, consent, vaccination

SUBSCRIBERS = (KZ, KG)
EVERYBODY = frozenset(SUBSCRIBERS)


def cast_for_load(**members):
    """One post and two registries that want everything; nobody waits for a free place."""
    cast = Cast()
    period = {"valid_until": SystemClock().now().replace(year=2100)}
    cast.add(ALA, "publisher", **period)
    for name in SUBSCRIBERS:
        cast.add(
            name,
            "subscriber",
            subscriptions=(Subscription(id="all", purpose="PUBHLTH"),),
            window=100_000,
            **period,
            **members,
        )
    return cast


@dataclass(frozen=True)
class Sent:
    """A message, and who is entitled to it: nobody means that it must be refused."""

    message: SignedMessage = field(repr=False)
    entitled: frozenset[str]


@dataclass
class Load:
    """Messages without end, in so many lanes, each the same bytes until it has a receipt.

    Attributes:
        receipts: every receipt that came, by message id.
    """

    cast: Cast
    lanes: int = 24
    sent: dict[str, Sent] = field(default_factory=dict)
    receipts: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self):
        self._most = None
        self._lanes = []

    @property
    def answered(self):
        return len(self.receipts)

    def start(self, *submits):
        """Begin; each returns when the message's receipt is in. Lanes take them in turn."""
        self._lanes = [
            asyncio.create_task(self._lane(submits[number % len(submits)]))
            for number in range(self.lanes)
        ]

    async def finish(self, at_least, seconds=90):
        """Send no new message beyond that number; return when every one has its receipt."""
        self._most = at_least
        done, late = await asyncio.wait(self._lanes, timeout=seconds)
        assert not late, f"{len(self.sent) - self.answered} messages have no receipt"
        for lane in done:
            lane.result()

    def require_healthy(self):
        """Raise what ended a lane before its time."""
        for lane in self._lanes:
            if lane.done():
                lane.result()

    async def cancel(self):
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    async def _lane(self, submit):
        while self._most is None or len(self.sent) < self._most:
            sent = self._next()
            self.sent[sent.message.message_id] = sent
            await submit(sent.message)

    def _next(self):
        number = len(self.sent)
        if number % 7 == 3:
            entitled = frozenset()
        else:
            entitled = frozenset({KZ}) if number % 5 == 0 else EVERYBODY
        consents = [consent(recipients=sorted(entitled))] if entitled else []
        # Another traveller each time, so that no consent counts for a second message.
        message_id, body = vaccination(*consents, documents=(f"N {number}",))
        received = self.cast.signed(ALA, body, message_id=message_id, at=SystemClock().now())
        message = SignedMessage(
            body=body,
            signature=received.signature,
            message_id=message_id,
            key_id=self.cast.keys[ALA].key_id,
        )
        return Sent(message, entitled)
