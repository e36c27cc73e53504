"""The exchange as `bhx serve` runs it, but for a store that ends the process at a chosen point.

    before-commit   nothing of the batch is durable
    after-commit    the decisions are durable, and nobody knows of them yet
    before-mark     the deliveries are published, and not marked sent
    after-mark      the deliveries are marked sent, the messages neither answered nor acknowledged

SIGKILL cannot be caught, so nothing is tidied up: what is left is what was durable. Settings come
from the environment; without a point this is a normal server. Prints one line of JSON.
"""

import argparse
import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager

import uvloop

from adapters.bootstrap import open_exchange
from adapters.serving import parts_for, run_parts, stop_on_signals
from adapters.settings import read_settings
from adapters.store.migrate import migrate
from adapters.store.store import SqlStore
from adapters.telemetry import Metrics, configure_logging

POINTS = ("before-commit", "after-commit", "before-mark", "after-mark")


class CrashPoint:
    """Ends this process when a point is passed for the nth time."""

    def __init__(self, name, number):
        self._name = name
        self._left = number

    def passed(self, name):
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class CrashingTrail:
    """The locked trail; only a batch that decides on messages passes a point."""

    def __init__(self, trail, point):
        self._trail = trail
        self._point = point
        self._decides = False

    def __getattr__(self, name):
        return getattr(self._trail, name)

    async def save(self, batch):
        self._decides = bool(batch.decisions)
        await self._trail.save(batch)

    async def commit(self):
        if self._decides:
            self._point.passed("before-commit")
        await self._trail.commit()
        if self._decides:
            self._point.passed("after-commit")


class CrashingStore:
    """The real store with points to crash at."""

    def __init__(self, store, point):
        self._store = store
        self._point = point

    def __getattr__(self, name):
        return getattr(self._store, name)

    @asynccontextmanager
    async def locked(self):
        async with self._store.locked() as trail:
            yield CrashingTrail(trail, self._point)

    async def mark_sent(self, delivery_ids, at):
        self._point.passed("before-mark")
        await self._store.mark_sent(delivery_ids, at)
        self._point.passed("after-mark")


async def serve(point):
    configure_logging()
    settings = read_settings()
    settings.data.mkdir(mode=0o700, exist_ok=True)
    await migrate(settings.database_url)
    store = CrashingStore(await SqlStore.open(settings.database_url), point)
    stop = asyncio.Event()

    async def announce():
        print(json.dumps({"running": settings.base_url}), flush=True)

    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(open_exchange(settings, store=store))
        parts = await stack.enter_async_context(parts_for(exchange, Metrics()))
        stack.enter_context(stop_on_signals(stop))
        await run_parts(parts, stop=stop, on_running=announce)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--point", choices=POINTS)
    parser.add_argument("--number", type=int, default=1)
    given = parser.parse_args()
    uvloop.run(serve(CrashPoint(given.point, given.number)))
