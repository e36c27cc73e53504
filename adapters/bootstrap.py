"""The composition root: the one place that knows which concrete parts make an exchange.

Only entry points import this, and nothing imports entry points.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.erasure_ledger import FileErasureLedger
from adapters.in_process.transport import InProcessBroker
from adapters.key_files import (
    ExchangeKeys,
    has_exchange_keys,
    load_or_create_exchange_keys,
    make_private_folder,
)
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.publisher import RabbitPublisher
from adapters.rabbitmq.topology import declare_topology, publishers_of, queue_subscribers_of
from adapters.settings import Settings
from adapters.store.migrate import migrate
from adapters.store.store import SqlStore
from exchange.acknowledging import AcknowledgementDesk
from exchange.admission import Admissions
from exchange.adopting import PolicyDesk
from exchange.answering_recalls import RecallDesk
from exchange.break_glass import BreakGlassDesk
from exchange.consent.mandates import ages_of_majority
from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.disclosing import DisclosureDesk
from exchange.dispatch import Dispatcher, PrepareQueues
from exchange.erasing import ErasureDesk
from exchange.errors import ConfigurationError, IntegrityBroken
from exchange.holds import HoldDesk
from exchange.intake import Intake
from exchange.opening import MessageOpener
from exchange.ports import Clock, Publisher, Store
from exchange.preview import PreviewDesk
from exchange.processor import MessageProcessor
from exchange.proving import ProofDesk
from exchange.redelivering import RedeliveryDesk
from exchange.relay import Relay
from exchange.retention import RetentionDesk
from exchange.slips import SlipDesk
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import open_checkpoint
from exchange.trail.errors import CheckpointInvalid
from exchange.views.making import ViewMaker
from schemas.policy import Policy


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Every part of a running exchange, wired."""

    settings: Settings
    clock: Clock
    keys: ExchangeKeys = field(repr=False)
    store: Store
    directory: DirectoryCache
    processor: MessageProcessor
    proofs: ProofDesk
    dispatcher: Dispatcher
    intake: Intake
    relay: Relay
    acknowledgements: AcknowledgementDesk
    recalls: RecallDesk
    break_glass: BreakGlassDesk
    admissions: Admissions
    policies: PolicyDesk
    previews: PreviewDesk
    redeliveries: RedeliveryDesk
    disclosures: DisclosureDesk
    slips: SlipDesk
    erasures: ErasureDesk
    retention: RetentionDesk
    holds: HoldDesk
    broker: RabbitConnection | None = None


@asynccontextmanager
async def open_exchange(
    settings: Settings,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    in_process: InProcessBroker | None = None,
    policies: tuple[Policy, ...] = (),
) -> AsyncIterator[Exchange]:
    """An exchange as the settings say, closed on leaving.

    Args:
        settings: what the operator chose.
        clock: the machine's, unless a test has its own.
        store: the one of the settings, unless a test has its own.
        in_process: queues in this process, in the place of a broker.
        policies: of jurisdictions, verified and tested.

    Raises:
        ConfigurationError: a setting or key is wrong.
        Unavailable: the database or the broker does not answer.
    """
    async with AsyncExitStack() as stack:
        if store is None:
            store = await _open_store(settings)
        stack.push_async_callback(store.close)
        broker = None
        if settings.broker is not None:
            broker = await RabbitConnection.open(settings.broker)
            stack.push_async_callback(broker.close)
        keys = await _keys_of(store, settings)
        exchange = compose(
            settings,
            clock=clock or SystemClock(),
            keys=keys,
            store=store,
            broker=broker,
            in_process=in_process,
            policies=policies,
        )
        await exchange.policies.adopt(policies)
        # Before anything is served: a restored backup must not bring back who was erased since.
        await exchange.erasures.erase_restored()
        yield exchange


def compose(
    settings: Settings,
    *,
    clock: Clock,
    keys: ExchangeKeys,
    store: Store,
    broker: RabbitConnection | None = None,
    in_process: InProcessBroker | None = None,
    policies: tuple[Policy, ...] = (),
) -> Exchange:
    """Wire the parts; tests pass their own."""
    origin, signer = settings.origin, keys.note_signer
    vault = SubjectVault(keys.master)
    opener = MessageOpener(vault, settings.max_message_bytes, ages_of_majority(policies))
    views = ViewMaker(vault=vault, signing=keys.signing, exchange=settings.exchange)
    directory = DirectoryCache(store)
    proofs = ProofDesk(store, vault, settings.exchange)

    ledger = FileErasureLedger(settings.erasure_ledger_file)

    publisher, prepare_queues = _outward(broker, in_process)
    dispatcher = Dispatcher(
        clock=clock,
        store=store,
        directory=directory,
        publisher=publisher,
        prepare_queues=prepare_queues,
    )
    processor = MessageProcessor(
        clock=clock,
        directory=directory,
        store=store,
        vault=vault,
        opener=opener,
        signer=signer,
        proofs=proofs,
        origin=origin,
        policies=policies,
        views=views,
    )
    return Exchange(
        settings=settings,
        clock=clock,
        keys=keys,
        store=store,
        directory=directory,
        processor=processor,
        proofs=proofs,
        dispatcher=dispatcher,
        intake=Intake(processor=processor, dispatcher=dispatcher, batch_size=settings.batch_size),
        relay=Relay(
            clock=clock,
            store=store,
            directory=directory,
            dispatcher=dispatcher,
            proofs=proofs,
            signer=signer,
            origin=origin,
            resend_after=timedelta(seconds=settings.resend_after_seconds),
            policies=policies,
            views=views,
        ),
        acknowledgements=AcknowledgementDesk(
            clock=clock, store=store, directory=directory, signer=signer, origin=origin
        ),
        recalls=RecallDesk(
            clock=clock, store=store, directory=directory, signer=signer, origin=origin
        ),
        break_glass=BreakGlassDesk(
            clock=clock,
            store=store,
            directory=directory,
            signer=signer,
            origin=origin,
            proofs=proofs,
            dispatcher=dispatcher,
            policies=policies,
        ),
        admissions=Admissions(clock=clock, store=store, signer=signer, origin=origin),
        redeliveries=RedeliveryDesk(
            clock=clock, store=store, directory=directory, proofs=proofs, policies=policies
        ),
        previews=PreviewDesk(
            clock=clock,
            directory=directory,
            store=store,
            opener=opener,
            views=views,
            policies=policies,
        ),
        policies=PolicyDesk(clock=clock, store=store, signer=signer, origin=origin),
        disclosures=DisclosureDesk(
            clock=clock,
            store=store,
            vault=vault,
            directory=directory,
            proofs=proofs,
            signer=signer,
            origin=origin,
            exchange=settings.exchange,
        ),
        slips=SlipDesk(
            clock=clock,
            store=store,
            signer=signer,
            origin=origin,
            base_url=settings.base_url,
            valid_for=timedelta(days=settings.slip_days),
        ),
        erasures=ErasureDesk(
            clock=clock,
            store=store,
            directory=directory,
            vault=vault,
            signer=signer,
            origin=origin,
            ledger=ledger,
            policies=policies,
        ),
        retention=RetentionDesk(
            clock=clock,
            store=store,
            directory=directory,
            vault=vault,
            signer=signer,
            origin=origin,
            ledger=ledger,
            policies=policies,
        ),
        holds=HoldDesk(clock=clock, store=store, vault=vault, signer=signer, origin=origin),
        broker=broker,
    )


def _outward(
    broker: RabbitConnection | None, in_process: InProcessBroker | None
) -> tuple[Publisher | None, PrepareQueues | None]:
    """Where deliveries and receipts go, and how everybody gets queues there."""
    if broker is not None:

        async def declare(directory: Directory) -> None:
            await declare_topology(broker, directory.participants())

        return RabbitPublisher(broker), declare
    if in_process is not None:

        async def declare_here(directory: Directory) -> None:
            known = directory.participants()
            in_process.declare(publishers_of(known), queue_subscribers_of(known))

        return in_process.publisher(), declare_here
    return None, None


async def _keys_of(store: Store, settings: Settings) -> ExchangeKeys:
    """The keys of this store's exchange; made when both are new.

    Two exchanges that signed one trail, or sealed records under two master keys, could not be told
    apart again, so this is settled before anything is written.

    Raises:
        ConfigurationError: the store is of an exchange with other keys.
    """
    folder = settings.data / "keys"
    checkpoint = await store.checkpoint()
    if checkpoint is not None and not has_exchange_keys(folder):
        msg = (
            f"The database holds a trail already, and {folder} no keys of it: give the folder of"
            " its exchange with --data (BHX_DATA), or restore its keys there."
        )
        raise ConfigurationError(msg)
    keys = load_or_create_exchange_keys(folder, settings.origin)
    if checkpoint is not None:
        _require_signed(checkpoint[1], keys, folder)
    subject = await store.any_subject()
    try:
        if subject is not None:
            SubjectVault(keys.master).require_opens(subject)
    except IntegrityBroken:
        msg = (
            f"{folder / 'master.key'} is not the key that the records in the database are sealed"
            " with: restore the one that is."
        )
        raise ConfigurationError(msg) from None
    return keys


def _require_signed(note: str, keys: ExchangeKeys, folder: Path) -> None:
    try:
        open_checkpoint(note, keys.note_signer.verifier)
    except CheckpointInvalid:
        msg = (
            f"The trail in the database is not signed with the key in {folder} under this origin:"
            " give the folder (BHX_DATA) and origin (BHX_ORIGIN) of its own exchange."
        )
        raise ConfigurationError(msg) from None


async def _open_store(settings: Settings) -> Store:
    if settings.database is None:
        make_private_folder(settings.data)
    await migrate(settings.database_url)
    return await SqlStore.open(settings.database_url)
