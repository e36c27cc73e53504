"""Erases a traveller and is killed at a point on the way.

    before-ledger   everything is written in the transaction, and the ledger knows nothing
    after-ledger    the ledger is durable, the transaction is not committed
    after-commit    the erasure is durable

Settings come from the environment, the document from the arguments.
"""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.bootstrap import open_exchange
from adapters.settings import read_settings

POINTS = ("before-ledger", "after-ledger", "after-commit")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingLedger:
    def __init__(self, ledger, point):
        self._ledger = ledger
        self._point = point

    async def add(self, erasure):
        if self._point == "before-ledger":
            die()
        await self._ledger.add(erasure)
        if self._point == "after-ledger":
            die()


class CrashingStore:
    def __init__(self, store, point):
        self._store = store
        self._point = point

    @asynccontextmanager
    async def locked(self):
        async with self._store.locked() as trail:
            yield trail
            if self._point == "after-commit":
                die()


async def erase(point, system, value):
    async with open_exchange(read_settings()) as exchange:
        desk = exchange.erasures
        ledger, store = CrashingLedger(desk.ledger, point), CrashingStore(desk.store, point)
        await replace(desk, ledger=ledger, store=store).erase([(system, value)])


if __name__ == "__main__":
    asyncio.run(erase(*sys.argv[1:]))
