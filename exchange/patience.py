"""Waiting for a dependency that is away, without wearing out the messages in hand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from exchange.errors import ExchangeError, Unavailable

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

_T = TypeVar("_T")


class GivenUp(ExchangeError):
    """We are stopping while a dependency is away; what was in hand comes again."""


class Pause:
    """Waits longer each time, but never past a stop."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._seconds = _FIRST_PAUSE_SECONDS

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._seconds = _FIRST_PAUSE_SECONDS

    async def longer(self) -> None:
        """Wait, up to two seconds after some rounds, or until told to stop."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._stopping.wait()
        except TimeoutError:
            self._seconds = min(self._seconds * 2, _LONGEST_PAUSE_SECONDS)


async def until_available(
    attempt: Callable[[], Awaitable[_T]],
    stopping: asyncio.Event,
    *,
    is_hopeless: Callable[[int], Awaitable[bool]] | None = None,
) -> _T:
    """Repeat the attempt until its dependencies answer, and return its result.

    Args:
        attempt: what to do; may raise `Unavailable`.
        stopping: set when the process is to end.
        is_hopeless: asked after each failure with the number of failures so far; when it says
            so, the `Unavailable` is raised to the caller.

    Raises:
        GivenUp: told to stop while the dependency was away.
        Unavailable: waiting is hopeless.
    """
    pause = Pause(stopping)
    failures = 0
    while True:
        try:
            return await attempt()
        except Unavailable as error:
            failures += 1
            if stopping.is_set():
                raise GivenUp from error
            if is_hopeless is not None and await is_hopeless(failures):
                raise
            await pause.longer()
