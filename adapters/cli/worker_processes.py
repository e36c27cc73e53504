"""The other worker processes of one `bhx serve`: started by it, stopped with it, missed by it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.serving import Part
from adapters.settings import Settings
from exchange.errors import Unavailable


@asynccontextmanager
async def worker_processes(settings: Settings) -> AsyncIterator[list[Part]]:
    """A part for each further worker that the settings ask for; none outlives the block.

    A part's `run` raises Unavailable when its process dies: fewer workers than were asked for would
    go unnoticed, so everything ends, with an error, and whoever started it starts it again. A
    process that was told to stop by somebody else ends in order, and so does everything.
    """
    children: list[asyncio.subprocess.Process] = []
    try:
        if settings.role in {"all", "worker"}:
            for _ in range(settings.workers - 1):
                children.append(await _started(settings))  # noqa: PERF401 - each must be ended
        yield [_part(child) for child in children]
    finally:
        for child in children:
            if child.returncode is None:
                # It had its time to stop. What it holds goes back to the broker's queue.
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


async def _started(settings: Settings) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "BHX_DATA": str(settings.data),
        "BHX_BROKER": settings.broker or "",
        "BHX_DATABASE": settings.database_url,
        "BHX_ROLE": "worker",
        "BHX_WORKERS": "1",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "adapters.cli",
        "serve",
        "--json",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )


def _part(child: asyncio.subprocess.Process) -> Part:
    async def run() -> None:
        code = await child.wait()
        if code != 0:
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Unavailable(f"A worker process died ({ended}): start the exchange again.")

    async def stop() -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()

    return Part("worker process", run, stop)
