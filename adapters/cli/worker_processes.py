"""The other worker processes of one `bhx serve`: started by it, stopped with it, missed by it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.serving import Part
from adapters.settings import Settings
from exchange.errors import Unavailable

#: In order, or while it was still starting and knew no order yet.
_TOLD_TO_STOP = {0, -signal.SIGTERM, -signal.SIGINT}


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


def stop_with_parent(stop: asyncio.Event) -> None:
    """In a worker process: ask for a graceful end once the process that started it has ended."""
    loop = asyncio.get_running_loop()
    standard_input = sys.stdin.fileno()

    def closed() -> None:
        loop.remove_reader(standard_input)
        stop.set()

    loop.add_reader(standard_input, closed)


async def _started(settings: Settings) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "BHX_DATA": str(settings.data),
        **({} if settings.policies is None else {"BHX_POLICIES": str(settings.policies)}),
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
        "--with-parent",
        env=environment,
        # Never written to: it is closed by our end, whatever ends us.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )


def _part(child: asyncio.subprocess.Process) -> Part:
    async def run() -> None:
        code = await child.wait()
        if code not in _TOLD_TO_STOP:
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Unavailable(f"A worker process died ({ended}): start the exchange again.")

    async def stop() -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()

    return Part("worker process", run, stop)
