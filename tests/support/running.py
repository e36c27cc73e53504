"""A running exchange for tests, on SQLite."""

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from adapters.bootstrap import Exchange, open_exchange
from adapters.settings import Settings, read_settings
from adapters.store.migrate import migrate
from schemas.policy import Policy
from tests.support.world import Cast, SetClock

#: Settings that a world differs by; the others only say how it is run.
_OF_THE_WORLD = frozenset({"database", "exchange", "origin"})
_WORLDS: dict[tuple[tuple[str, ...], datetime], Path] = {}


@asynccontextmanager
async def running_world(
    folder: Path,
    cast: Cast,
    *,
    clock: SetClock | None = None,
    policies: tuple[Policy, ...] = (),
    **settings: Any,
) -> AsyncIterator[Exchange]:
    """An exchange on SQLite in that folder, with the cast admitted; nothing runs by itself."""
    chosen = read_settings(data=folder, **settings)
    clock = clock or SetClock()
    newcomers = list(cast.participants.values())
    is_usual = isinstance(clock, SetClock) and _OF_THE_WORLD.isdisjoint(settings)
    if is_usual and not (folder / "exchange.sqlite").exists():
        await _place_world(folder, cast, clock)
        newcomers = []
    else:
        _place_migrated_store(chosen)
    async with open_exchange(chosen, clock=clock, policies=policies) as exchange:
        for participant in newcomers:
            await exchange.admissions.admit(participant)
        yield exchange


async def _place_world(folder: Path, cast: Cast, clock: SetClock) -> None:
    """Give it the keys and the store of an exchange that admitted this cast at this hour before.

    The same for every test that asks for the same: to make one takes longer than most tests.
    """
    documents = tuple(one.model_dump_json() for one in cast.participants.values())
    made = _WORLDS.get((documents, clock.at))
    if made is None:
        kept = tempfile.TemporaryDirectory(prefix="bhx-world-")
        atexit.register(kept.cleanup)
        made = _WORLDS[documents, clock.at] = Path(kept.name)
        settings = read_settings(data=made)
        _place_migrated_store(settings)
        async with open_exchange(settings, clock=SetClock(clock.at)) as exchange:
            for participant in cast.participants.values():
                await exchange.admissions.admit(participant)
    shutil.copytree(made, folder, dirs_exist_ok=True)


def _place_migrated_store(settings: Settings) -> None:
    """Give a new world a store that is migrated already: most of the time a test would take."""
    if not settings.database_url.startswith("sqlite:///"):
        return
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated_store())


@cache
def _migrated_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside_the_loop:
        file = Path(folder, "exchange.sqlite")
        beside_the_loop.submit(asyncio.run, migrate(f"sqlite:///{file}")).result()
        return file.read_bytes()
