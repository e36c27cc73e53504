"""Trying again while the exchange is away: longer pauses each time, some randomness, an end."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from exchange.errors import Unavailable

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to keep trying.

    Attributes:
        first_pause: seconds before the second attempt; doubles from there.
        longest_pause: seconds; no pause is longer.
        give_up_after: seconds of pauses after which the error is the caller's; None never.
        sleep: waits that many seconds.
    """

    first_pause: float = 0.2
    longest_pause: float = 10.0
    give_up_after: float | None = 60.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def patiently(attempt: Callable[[], Awaitable[_T]], patience: Patience) -> _T:
    """Repeat the attempt while it raises `Unavailable`; return its result.

    Raises:
        Unavailable: it still did when patience ended.
    """
    pause, spent = patience.first_pause, 0.0
    while True:
        try:
            return await attempt()
        except Unavailable:
            if patience.give_up_after is not None and spent >= patience.give_up_after:
                raise
        # Half fixed, half random: clients that lost the exchange together come back apart.
        seconds = pause * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing
        await patience.sleep(seconds)
        spent += seconds
        pause = min(pause * 2, patience.longest_pause)


class Deadline:
    """Counts seconds down, by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end, never below 0."""
        return max(0.0, self._end - time.monotonic())
