"""Waits for a condition that nothing announces, as in another process, a database or a broker."""

import asyncio
from inspect import isawaitable

#: Far more than a start or a crash takes, so that only a hang runs into it.
DEADLINE_SECONDS = 60.0


async def until(holds, seconds=DEADLINE_SECONDS, *, what="it"):
    """Ask again and again until `holds()`, a function or a coroutine function, is true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = holds()
        if await answer if isawaitable(answer) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, f"in {seconds} s, not: {what}"
        await asyncio.sleep(0.02)
