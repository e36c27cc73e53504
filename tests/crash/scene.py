"""What every test of this kind is made of: an exchange, its parties under load, and the check."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.bootstrap import open_exchange
from adapters.settings import read_settings
from tests.crash.evidence import require_nothing_lost_or_doubled
from tests.crash.load import Load, cast_for_load
from tests.crash.served import Served
from tests.crash.ways import AmqpWay, HttpWay
from tests.support.waiting import until


@dataclass
class Scene:
    """An exchange that may be ended at any time, and parties that go on regardless."""

    served: Served
    load: Load
    way: HttpWay | AmqpWay

    async def begin(self, *arguments, **options):
        """Start the first exchange, and the load once there is where to send it."""
        await self.served.start(*arguments, **options)
        await self.way.open()
        self.load.start(self.way.submit)

    async def answered(self, more):
        """Return when so many more messages have a receipt."""
        enough = self.load.answered + more

        def holds():
            self.load.require_healthy()
            return self.load.answered >= enough

        await until(holds, what=f"{more} more receipts")

    async def all_lanes_wait(self):
        """Return when every lane has a message under way, because nobody is answered."""
        load = self.load
        await until(lambda: len(load.sent) - load.answered == load.lanes, what="every lane waits")

    async def finish(self, at_least=150):
        """Every message gets its receipt and every delivery arrives; then a graceful end."""
        await self.load.finish(at_least)
        await until(self.way.has_all_deliveries, what="all deliveries")
        await self.served.stop()

    async def require_nothing_lost_or_doubled(self, **options):
        await self.way.settled()
        await require_nothing_lost_or_doubled(
            self.served.settings, self.load, self.way.deliveries, **options
        )


async def admit(settings, cast):
    """Make the keys and the store, and admit everybody; no exchange runs yet."""
    stored = {name: settings[name] for name in ("data", "database") if name in settings}
    async with open_exchange(read_settings(**stored)) as exchange:
        for participant in cast.participants.values():
            await exchange.admissions.admit(participant)


@asynccontextmanager
async def open_scene(settings, folder):
    """Everything ready and nothing running."""
    load = Load(cast_for_load())
    await admit(settings, load.cast)
    served = Served(settings, folder)
    broker = settings.get("broker")
    way = AmqpWay(load, broker) if broker else HttpWay(load, served.url)
    try:
        yield Scene(served, load, way)
    finally:
        await load.cancel()
        served.remove()
        await way.close()
