"""An exchange with travellers to erase, on either database, and what can still be found of them."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import text

from adapters.clients.auditor import Auditor
from adapters.clients.stored_trail import StoredTrail
from adapters.clients.transport import SignedMessage
from adapters.store.agreement import disagreements
from adapters.store.database import Database
from adapters.store.tables import metadata
from exchange.errors import IntegrityBroken
from exchange.model import SealedBody, Subject
from schemas.policy import read_policy
from schemas.trail_entry import read_entry
from tests.support.running import running_world
from tests.support.world import ALA, SetClock, consent, usual_cast, vaccination

SYSTEM = "urn:bhx:test:passport"
#: The traveller to erase, and somebody else.
ANNA, BORIS = "N 1234567", "B 7654321"
SETTINGS_OF_POLICY = {
    "jurisdiction": "KZ",
    "version": 1,
    "valid_from": "2026-01-01T00:00:00Z",
    "authority": "Ministry of Health",
}


def policy(**members):
    return read_policy(json.dumps(SETTINGS_OF_POLICY | members).encode())


@dataclass
class ErasureWorld:
    """An exchange whose intake runs, and its parties."""

    exchange: object
    cast: object
    clock: SetClock
    sent: dict = field(default_factory=dict)

    async def publish(self, document=ANNA, *others, permits=True, **members):
        """A vaccination of that traveller; its outcome."""
        consents = [consent()] if permits else []
        documents = members.pop("documents", (document,))
        message_id, body = vaccination(*consents, *others, documents=documents, **members)
        return await self.submit(message_id, body)

    async def submit(self, message_id, body):
        received = self.cast.signed(ALA, body, message_id=message_id, at=self.clock.now())
        self.sent[message_id] = SignedMessage(
            body=body,
            signature=received.signature,
            message_id=message_id,
            key_id=self.cast.keys[ALA].key_id,
        )
        return await self.exchange.intake.submit(received)

    async def erase(self, document=ANNA):
        return await self.exchange.erasures.erase([(SYSTEM, document)])

    async def entries(self, *kinds):
        found = [read_entry(one) for one in await self.exchange.store.entries(0, 10_000)]
        return [one for one in found if not kinds or one.type in kinds]

    async def deliveries(self, subscriber, after=0):
        """What the subscriber fetches, page by page as a client does."""
        rows = await self.exchange.store.delivery_rows(subscriber, after=after, limit=1_000)
        return await self.exchange.proofs.deliveries_of(rows)

    async def acknowledge(self, subscriber, *delivery_ids):
        statement = self.cast.acknowledgement(subscriber, delivery_ids, at=self.clock.now())
        return await self.exchange.acknowledgements.accept(statement)

    async def require_sound(self):
        """The whole trail verifies, and the database says what it says."""
        report = await Auditor(
            StoredTrail(self.exchange.store, self.exchange.proofs),
            self.exchange.keys.note_signer.verifier,
        ).verify_trail()
        assert report.findings == ()
        database = Database(self.exchange.settings.database_url, pool_size=1)
        try:
            assert await disagreements(database, self.exchange.erasures.vault) == ()
        finally:
            await database.close()

    async def rows(self, table):
        database = Database(self.exchange.settings.database_url, pool_size=1)
        try:
            async with database.reading() as statements:
                rows = await statements.rows(text(f"SELECT * FROM {table}"))  # noqa: S608 - our own names
        finally:
            await database.close()
        return [row._mapping for row in rows]

    async def every_value(self):
        """Every value in every table, by table."""
        return {
            table: [value for row in await self.rows(table) for value in row.values()]
            for table in metadata.tables
        }

    async def all_that_opens(self):
        """Every sealed thing opened with the master key, by trying every key that is kept."""
        vault = self.exchange.erasures.vault
        keys = [
            Subject(subject_id=row["subject_id"], wrapped_key=row["wrapped_key"])
            for row in await self.rows("subjects")
        ]
        opened = []
        for table in ("sealed_bodies", "sealed_views"):
            for row in await self.rows(table):
                sealed = SealedBody(
                    subject_id=row["subject_id"],
                    ciphertext=bytes(row["ciphertext"]),
                    signature=row["signature"],
                )
                for key in keys:
                    try:
                        opened.append(vault.open(key, sealed))
                    except IntegrityBroken:
                        continue
        return opened


@asynccontextmanager
async def erasure_world(folder, *, policies=(), window=1000, **settings):
    cast, clock = usual_cast(window=window), SetClock()
    async with running_world(folder, cast, clock=clock, policies=policies, **settings) as exchange:
        deciding = asyncio.create_task(exchange.intake.run())
        yield ErasureWorld(exchange, cast, clock)
        exchange.intake.stop()
        await deciding
