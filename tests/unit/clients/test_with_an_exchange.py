"""Publisher, subscriber and auditor against a whole exchange, in process and over HTTP."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from adapters.clients.auditor import Auditor
from adapters.clients.errors import RequestRefused, UnprovenReceipt, UnprovenTrail
from adapters.clients.http_transport import HttpTransport
from adapters.clients.local_transport import LocalTransport
from adapters.clients.publisher import Publisher
from adapters.clients.publisher_keys import DirectoryKeys
from adapters.clients.retrying import Patience
from adapters.clients.stored_trail import StoredTrail
from adapters.clients.subscriber import Subscriber
from adapters.clients.subscriber_memory import SqliteMemory
from adapters.clients.transport import SignedMessage
from adapters.http.app import create_app
from adapters.telemetry import Metrics
from exchange.errors import ConfigurationError
from schemas.envelope import open_envelope
from tests.support.running import running_world
from tests.support.world import ALA, AUDITOR, KG, KZ, NOON, OSS, SetClock, consent, usual_cast
from tests.support.world import vaccination as composed
from tests.unit.clients.small_trail import SmallTrail

BASE = "https://exchange.example"
CORRECTED = "immunization-corrected"


def vaccination(*others, **members):
    return composed(*others, **members)[1]


class Clients:
    """Makes clients of the cast, by one transport."""

    def __init__(self, exchange, cast, app, transport):
        self.exchange, self.cast, self.app, self.kind = exchange, cast, app, transport
        self.verifier = exchange.keys.note_signer.verifier
        self.opened = []

    def transport(self, name, *, claims_to_be=None):
        if self.kind == "local":
            return LocalTransport(self.exchange, name)
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app), base_url=BASE)
        made = HttpTransport(
            BASE,
            claims_to_be or name,
            self.cast.keys[name],
            client=client,
            seconds_now=NOON.timestamp,
        )
        self.opened.append(made)
        return made

    def publisher(self, name=ALA):
        return Publisher(
            name,
            self.cast.keys[name],
            self.transport(name),
            self.verifier,
            patience=Patience(give_up_after=0),
            seconds_now=NOON.timestamp,
        )

    def subscriber(self, memory, name=KZ):
        transport = self.transport(name)
        return Subscriber(
            name,
            self.cast.keys[name],
            transport,
            self.verifier,
            transport,
            DirectoryKeys(transport),
            memory,
            patience=Patience(give_up_after=0),
            seconds_now=NOON.timestamp,
        )

    def auditor(self, **options):
        if self.kind == "local":
            trail = StoredTrail(self.exchange.store, self.exchange.proofs)
        else:
            trail = self.transport(AUDITOR)
        return Auditor(trail, self.verifier, **options)


@pytest.fixture(params=["local", "http"])
async def clients(request, tmp_path):
    async with clients_of(tmp_path, request.param) as made:
        yield made


@asynccontextmanager
async def clients_of(folder, transport):
    cast = usual_cast()
    async with running_world(folder, cast, clock=SetClock(), public_url=BASE) as exchange:
        app = create_app(exchange, metrics=Metrics())
        deciding = asyncio.create_task(exchange.intake.run())
        made = Clients(exchange, cast, app, transport)
        try:
            yield made
        finally:
            for one in made.opened:
                await one.close()
            exchange.intake.stop()
            await deciding


@pytest.fixture
def memory():
    with SqliteMemory.open(None) as memory:
        yield memory


async def received(clients, memory, name=KZ):
    subscriber = clients.subscriber(memory, name)
    return [one async for one in subscriber.deliveries(follow=False)]


async def test_a_record_goes_from_post_to_registry_and_the_trail_holds(clients, memory):
    bodies = [vaccination(consent()) for _ in range(5)]
    bodies.append(vaccination(consent(), source=OSS))
    receipts = [await clients.publisher().publish(body) for body in bodies[:5]]
    receipts.append(await clients.publisher(OSS).publish(bodies[5]))
    assert [one.outcome for one in receipts] == ["accepted"] * 6

    deliveries = await received(clients, memory)
    assert [one.body for one in deliveries] == bodies
    assert [one.number for one in deliveries] == [1, 2, 3, 4, 5, 6]
    assert await received(clients, memory) == []

    report = await clients.auditor().verify_trail()
    assert report.findings == ()
    assert report.entries_by_type["accepted"] == 6
    assert report.entries_by_type["released"] == 12
    assert report.entries_by_type["acknowledged"] == 1


async def test_the_same_bytes_again_get_the_same_receipt(clients):
    body = vaccination(consent())

    first, second = [await clients.publisher().publish(body) for _ in range(2)]

    assert first.receipt == second.receipt


async def test_a_correction_that_came_first_is_not_overwritten(clients, memory):
    """As a registry keeps records: by what a delivery says of its version."""
    corrected = vaccination(consent(), record="imm-7", made_at=NOON, event=CORRECTED, cvx="183")
    original = vaccination(consent(), record="imm-7", made_at=NOON - timedelta(hours=1))
    first = await clients.publisher().publish(corrected)
    late = await clients.publisher().publish(original)
    assert (first.standing, late.standing) == ("current", "superseded")

    kept, deliveries = {}, await received(clients, memory)
    for delivery in deliveries:
        if delivery.standing != "superseded":
            kept["imm-7"] = delivery.body
    assert kept == {"imm-7": corrected}
    assert [one.body for one in deliveries] == [corrected, original]
    assert deliveries[1].superseded_by == deliveries[0].entry.accepted == first.index
    assert (await clients.auditor().verify_trail()).findings == ()


async def test_refusals_of_every_kind_are_proven(clients):
    publisher = clients.publisher()
    refused = await publisher.publish(vaccination())
    assert (refused.outcome, refused.reason) == ("refused", "consent-refused")

    body = vaccination(consent())
    signed = publisher.sign(body)
    spoiled = SignedMessage(
        body=body + b" ",
        signature=signed.signature,
        message_id=signed.message_id,
        key_id=signed.key_id,
    )
    assert (await publisher.publish(spoiled)).reason == "untrusted-sender"

    await publisher.publish(body)
    other = vaccination(consent(), message_id=signed.message_id, documents=("N 7654321",))
    assert (await publisher.publish(other)).reason == "message-reused"


async def test_a_receipt_that_was_pinned_to_another_log_is_not_believed(clients, tmp_path):
    publisher = Publisher(
        ALA,
        clients.cast.keys[ALA],
        clients.transport(ALA),
        SmallTrail().verifier,
        seconds_now=NOON.timestamp,
    )

    with pytest.raises(UnprovenReceipt):
        await publisher.publish(vaccination(consent()))


async def test_growing_between_receiving_is_proven_consistent(clients, memory):
    for _ in range(3):
        await clients.publisher().publish(vaccination(consent()))
        [delivery] = await received(clients, memory)
        assert delivery.checkpoint.size > 0


async def test_the_life_of_a_message(clients, memory):
    body = vaccination(consent())
    signed = clients.publisher().sign(body)
    await clients.publisher().publish(signed)
    await received(clients, memory)

    trail = await clients.auditor().message_trail(signed.message_id)

    kinds = [one.entry.type for one in trail]
    assert kinds == ["accepted", "released", "released", "acknowledged"]
    assert open_envelope(signed.signature).header.message_id == trail[0].entry.message
    assert await clients.auditor().message_trail("0" * 36) == ()


async def test_an_auditor_notices_a_rewritten_trail(clients, tmp_path):
    await clients.publisher().publish(vaccination(consent()))
    memory = tmp_path / "seen"
    auditor = clients.auditor(memory=memory)
    done = []
    assert (await auditor.verify_trail(lambda *so_far: done.append(so_far))).holds
    assert done[-1][0] == done[-1][1] > 0
    seen = memory.read_text()
    assert (await clients.auditor(memory=memory).verify_trail()).holds

    size = int(seen.split("\n")[1])
    rewritten = clients.exchange.keys.note_signer.sign(
        seen.split("\n\n")[0].replace(f"\n{size}\n", f"\n{size - 1}\n") + "\n"
    )
    memory.write_text(rewritten)
    report = await clients.auditor(memory=memory).verify_trail()
    assert not report.holds
    assert memory.read_text() == rewritten

    memory.write_text("something else")
    with pytest.raises(ConfigurationError):
        await clients.auditor(memory=memory).verify_trail()


class Lying:
    """Shows what `real` shows, but for what a test changes."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)


async def test_an_auditor_finds_a_dropped_and_a_changed_entry(tmp_path):
    async with clients_of(tmp_path, "local") as clients:
        await clients.publisher().publish(vaccination(consent()))
        real = StoredTrail(clients.exchange.store, clients.exchange.proofs)

        class Short(Lying):
            async def bundle(self, index, width):
                return (await real.bundle(index, width))[:-1]

        class Changed(Lying):
            async def bundle(self, index, width):
                first, *rest = await real.bundle(index, width)
                return [first.replace(b'"v":1', b'"v":2'), *rest]

        for liar in (Short(real), Changed(real)):
            assert not (await Auditor(liar, clients.verifier).verify_trail()).holds


async def test_an_auditor_begins_with_a_checkpoint_of_the_pinned_key(tmp_path):
    async with clients_of(tmp_path, "local") as clients:
        trail = StoredTrail(clients.exchange.store, clients.exchange.proofs)

        with pytest.raises(UnprovenTrail, match="latest checkpoint"):
            await Auditor(trail, SmallTrail().verifier).verify_trail()


async def test_an_auditor_takes_no_unproven_or_unrelated_entry(tmp_path):
    async with clients_of(tmp_path, "local") as clients:
        signed = clients.publisher().sign(vaccination(consent()))
        other = clients.publisher().sign(vaccination(consent()))
        await clients.publisher().publish(signed)
        await clients.publisher().publish(other)
        real = StoredTrail(clients.exchange.store, clients.exchange.proofs)

        class Unrelated(Lying):
            async def message_entries(self, message_id):
                return await real.message_entries(other.message_id)

        class Swapped(Lying):
            async def message_entries(self, message_id):
                first, second, *rest = await real.message_entries(message_id)
                return [replace(first, entry=second.entry), second, *rest]

        class Moved(Lying):
            async def message_entries(self, message_id):
                first, *rest = await real.message_entries(message_id)
                return [replace(first, index=first.index - 1), *rest]

        for liar, because in (
            (Unrelated(real), "something else"),
            (Swapped(real), "not proven"),
            (Moved(real), "stands elsewhere"),
        ):
            with pytest.raises(UnprovenTrail, match=because):
                await Auditor(liar, clients.verifier).message_trail(signed.message_id)


async def test_entries_are_for_auditors(tmp_path):
    async with clients_of(tmp_path, "http") as clients:
        await clients.publisher().publish(vaccination(consent()))

        with pytest.raises(RequestRefused):
            await Auditor(clients.transport(KG), clients.verifier).verify_trail()
        stranger = clients.transport(KZ, claims_to_be="registry:ru")
        with pytest.raises(RequestRefused, match="refuses the login"):
            await stranger.receive(after=0, limit=1, patience=0)


async def test_the_verifier_key_is_shown_to_anybody(tmp_path):
    async with clients_of(tmp_path, "http") as clients:
        assert await clients.transport(KG).verifier_key() == clients.verifier.verifier_key
        assert sorted(clients.cast.keys) == await clients.transport(KG).participants()
