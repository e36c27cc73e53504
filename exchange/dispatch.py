"""From what is recorded to what is on its way: messages into the participants' queues."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.ports import Clock, Outgoing, Publisher, Store
from schemas.delivery import Delivery
from schemas.envelope import FHIR_JSON
from schemas.receipt import RECEIPT_TYPE, Receipt

#: Makes sure that everybody in the directory has queues; called once for each directory version.
PrepareQueues = Callable[[Directory], Awaitable[None]]


class Dispatcher:
    """Publishes with confirms, then marks sent.

    Without a publisher (the embedded exchange) every subscriber fetches by cursor, and a delivery
    is on its way once it is released.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        directory: DirectoryCache,
        publisher: Publisher | None = None,
        prepare_queues: PrepareQueues | None = None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._directory = directory
        self._publisher = publisher
        self._prepare_queues = prepare_queues
        self._prepared_version: int | None = None

    async def dispatch(self, deliveries: Sequence[Delivery]) -> None:
        """Return when all of them are durable in their queues and marked sent.

        Raises:
            Unavailable: some may be published; none is marked, so the relay sends them again.
        """
        if not deliveries:
            return
        directory = await self._ready_directory()
        await self._publish(_outgoing(one) for one in deliveries if self._is_queued(one, directory))
        # If we crash here, the relay finds them unsent and publishes them again: same ids, and
        # the subscriber's client drops the repeats.
        await self._store.mark_sent([one.delivery for one in deliveries], self._clock.now())

    async def answer(self, receipts: Iterable[tuple[str | None, Receipt]]) -> None:
        """Put receipts into the publishers' queues. If this is lost, the message comes again.

        Raises:
            Unavailable: not all are durable in their queues.
        """
        await self._ready_directory()
        await self._publish(
            Outgoing(
                kind="receipt",
                to=to,
                message_id=receipt.message,
                content_type=RECEIPT_TYPE,
                body=receipt.to_bytes(),
                headers={},
            )
            for to, receipt in receipts
            if to
        )

    async def answerable(self, participant_ids: Iterable[str | None]) -> frozenset[str]:
        """Those of these that have a queue for receipts."""
        directory = await self._directory.current()
        known = (directory.participant(one) for one in participant_ids if one)
        return frozenset(one.id for one in known if one and "publisher" in one.roles)

    async def prepare(self) -> None:
        """Make sure that everybody in the directory has queues.

        Raises:
            Unavailable: the broker does not answer.
        """
        await self._ready_directory()

    async def _publish(self, outgoing: Iterable[Outgoing]) -> None:
        messages = list(outgoing)
        if messages and self._publisher is not None:
            await self._publisher.publish(messages)

    async def _ready_directory(self) -> Directory:
        directory = await self._directory.current()
        if self._prepare_queues is not None and directory.version != self._prepared_version:
            await self._prepare_queues(directory)
            self._prepared_version = directory.version
        return directory

    def _is_queued(self, delivery: Delivery, directory: Directory) -> bool:
        subscriber = directory.participant(delivery.subscriber)
        return (
            self._publisher is not None
            and subscriber is not None
            and subscriber.delivery == "queue"
        )


def _outgoing(delivery: Delivery) -> Outgoing:
    return Outgoing(
        kind="delivery",
        to=delivery.subscriber,
        message_id=delivery.delivery,
        content_type=FHIR_JSON,
        body=delivery.body or b"",
        headers=delivery.to_headers(),
    )
