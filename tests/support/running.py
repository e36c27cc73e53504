"""A running exchange for tests, on SQLite."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from adapters.bootstrap import Exchange, open_exchange
from adapters.settings import Settings, read_settings
from adapters.store.migrate import migrate
from schemas.policy import Policy
from tests.support.world import Cast, SetClock


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
    _place_migrated_store(chosen)
    async with open_exchange(chosen, clock=clock or SetClock(), policies=policies) as exchange:
        for participant in cast.participants.values():
            await exchange.admissions.admit(participant)
        yield exchange


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
