"""How often somebody may try: a few times a minute, counted in this process only."""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from exchange.ports import Clock

WINDOW: Final = timedelta(minutes=1)
#: Whoever comes from more addresses than this makes us forget the oldest, and nothing worse.
_MOST_KNOWN: Final = 10_000


class Attempts:
    """Counts attempts by who makes them; needs no lock within one event loop."""

    def __init__(self, clock: Clock, most: int) -> None:
        """Let each make `most` attempts in a `WINDOW`."""
        self._clock = clock
        self._most = most
        self._known: OrderedDict[str | bytes, tuple[datetime, int]] = OrderedDict()

    def are_used_up(self, by: str | bytes) -> bool:
        """Whether this one has to wait."""
        began, made = self._known.get(by, (self._clock.now(), 0))
        return made >= self._most and self._clock.now() < began + WINDOW

    def count(self, by: str | bytes) -> None:
        """One more."""
        now = self._clock.now()
        began, made = self._known.pop(by, (now, 0))
        if now >= began + WINDOW:
            began, made = now, 0
        self._known[by] = (began, made + 1)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
