"""A running exchange for tests, on SQLite."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.bootstrap import Exchange, open_exchange
from adapters.settings import read_settings
from tests.support.world import Cast, SetClock


@asynccontextmanager
async def running_world(
    folder: Path, cast: Cast, *, clock: SetClock | None = None, **settings: Any
) -> AsyncIterator[Exchange]:
    """An exchange on SQLite in that folder, with the cast admitted; nothing runs by itself."""
    chosen = read_settings(data=folder, **settings)
    async with open_exchange(chosen, clock=clock or SetClock()) as exchange:
        for participant in cast.participants.values():
            await exchange.admissions.admit(participant)
        yield exchange
