"""`bhx subscribe`: receive records, verify them, keep them, acknowledge them."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, end, remark, run, write_json
from adapters.cli.exchange_access import (
    ApiOption,
    AsOption,
    KeyOption,
    LogKeyOption,
    amqp_access,
    beside_key,
    http_access,
    is_amqp,
    pinned_log_key,
)
from adapters.cli.kept_records import forget_record, keep_record, make_private_folder
from adapters.cli.participant_document import read_document
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.clients.errors import UnprovenDelivery
    from adapters.clients.subscriber import OnRecall, Subscriber
    from adapters.clients.verified_delivery import VerifiedDelivery
    from exchange.model import RecallAnswer
    from schemas.trail_entry import RecalledEntry


class OnRecallChoice(StrEnum):
    """What becomes of a recalled record."""

    DELETE = "delete"
    CEASE = "cease"


class ElsewhereChoice(StrEnum):
    """What became of a recalled record that was moved away."""

    DELETED = "deleted"
    CEASED = "ceased"

    @property
    def answer(self) -> "RecallAnswer":
        """The word that is signed."""
        return "deleted" if self is ElsewhereChoice.DELETED else "ceased"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What was asked for on the command line."""

    participant_id: str
    key: Path
    url: str
    api: str | None
    log_key: str | None
    publishers: list[Path]
    memory: Path | None
    follow: bool
    keep: Callable[["VerifiedDelivery"], dict[str, Any]]
    forget: "OnRecall"
    elsewhere: "RecallAnswer | None"


@dataclass(slots=True)
class _Report:
    """What came of it."""

    received: int = 0
    withheld: int = 0
    recalled: int = 0
    unanswered: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)


def subscribe(
    participant_id: AsOption,
    key: KeyOption,
    url: Annotated[str, typer.Option("--from", help="The exchange: http(s):// or amqp(s)://.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for records and their proofs.", show_default=False),
    ] = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print each record: health data on your screen.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow/--once", help="Wait for more, or end when there is no more.")
    ] = True,
    api: ApiOption = None,
    log_key: LogKeyOption = None,
    publisher: Annotated[
        list[Path] | None,
        typer.Option(
            help="Trust only the keys in these participants' documents, not those that the"
            " exchange shows; repeatable.",
            show_default=False,
        ),
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option(
            help="File that remembers what was received; else one beside --key.",
            show_default=False,
        ),
    ] = None,
    on_recall: Annotated[
        OnRecallChoice,
        typer.Option(
            "--on-recall",
            help="What to do with a record under --out that is recalled: delete it, or put it"
            " aside and cease to use it. Either is then signed and sent.",
        ),
    ] = OnRecallChoice.DELETE,
    elsewhere: Annotated[
        ElsewhereChoice | None,
        typer.Option(
            help="Sign this for recalled records that are no longer under --out, once it is true"
            " wherever they are.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Receive records; keep only those that are proven, and sign for them.

    For each delivery: its disclosure is in the exchange's trail, the trail is the one seen before,
    the record is exactly what was logged, and its publisher signed it. Then it is written to --out
    or printed, then acknowledged. What is not proven is neither shown nor acknowledged. A version
    of a record that a newer one overtook is marked: it must not replace the newer one. What is
    recalled is deleted from --out, or put aside, and that is signed and sent too.

    Exits with 1 when a delivery was not proven, numbers are missing, or a recall is not answered:
    its record was moved out of --out, so only you can say (--elsewhere) that it is deleted there.

    Example: `bhx subscribe --as registry:kz --key kz.key --from https://exchange.example --out in`
    """
    if out is None and not show:
        msg = "Give --out DIR or --print: what is acknowledged without being kept is lost."
        raise ConfigurationError(msg)
    if out is not None:
        make_private_folder(out)

    def keep(delivery: "VerifiedDelivery") -> dict[str, Any]:
        values = _values(delivery)
        if out is not None:
            values["file"] = keep_record(out, delivery)
        body = (delivery.body or b"").decode() if show else None
        if as_json:
            write_json(values if body is None else {**values, "body": body})
        elif body is not None:
            typer.echo(body)
        else:
            typer.echo(_line(values))
        return values

    report = run(
        _receive(
            _Wish(
                participant_id=participant_id,
                key=key,
                url=url,
                api=api,
                log_key=log_key,
                publishers=publisher or [],
                memory=memory,
                follow=follow,
                keep=keep,
                forget=_forgetting(out, on_recall, elsewhere),
                elsewhere=None if elsewhere is None else elsewhere.answer,
            )
        )
    )
    if as_json:
        write_json(_report_values(report))
    else:
        remark(_last_line(report))
    end(well=not report.unproven and not report.gaps and not report.unanswered)


def _forgetting(
    out: Path | None, on_recall: OnRecallChoice, elsewhere: ElsewhereChoice | None
) -> "OnRecall":
    """What is done about a notice; without --out nothing was kept that could be forgotten."""
    answer: RecallAnswer = "deleted" if on_recall is OnRecallChoice.DELETE else "ceased"

    def forget(notice: "RecalledEntry", was_received: bool) -> "RecallAnswer | None":
        if out is None or forget_record(out, notice, answer) or not was_received:
            return answer
        return None if elsewhere is None else elsewhere.answer

    return forget


async def _receive(wish: _Wish) -> _Report:
    report = _Report()

    def note(unproven: "UnprovenDelivery") -> None:
        report.unproven.append(str(unproven))
        remark(f"NOT PROVEN, not acknowledged: {unproven}")

    async with _subscriber(wish, note) as subscriber:
        if wish.elsewhere is not None:
            subscriber.decide_recalls(wish.elsewhere)
        try:
            await _keep_all(subscriber, wish, report)
        except asyncio.CancelledError:
            # Asked to stop: what was kept is still signed for.
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        await subscriber.acknowledge_remembered()
        await subscriber.answer_remembered()
        report.unanswered = list(subscriber.undecided_recalls())
        report.gaps = list(subscriber.gaps())
    return report


async def _keep_all(subscriber: "Subscriber", wish: _Wish, report: _Report) -> None:
    stream = subscriber.deliveries(follow=wish.follow)
    with _interruptible():
        async with contextlib.aclosing(stream):
            async for delivery in stream:
                await asyncio.to_thread(wish.keep, delivery)
                report.received += 1
                report.withheld += delivery.entry.type == "withheld"
                report.recalled += delivery.recall is not None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM cancel this task once, instead of ending the program."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, lambda: task and task.cancel())
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _subscriber(
    wish: _Wish, note: "Callable[[UnprovenDelivery], None]"
) -> AsyncIterator["Subscriber"]:
    from adapters.clients.amqp_transport import AmqpDeliveries
    from adapters.clients.publisher_keys import DirectoryKeys, PinnedKeys
    from adapters.clients.retrying import Patience
    from adapters.clients.subscriber import Subscriber
    from adapters.clients.subscriber_memory import SqliteMemory
    from adapters.clients.transport import DeliveryTransport
    from adapters.key_files import read_signing_key

    signing_key = read_signing_key(wish.key)
    http_url = wish.api if is_amqp(wish.url) else wish.url
    if http_url is None:
        msg = "Give --api with the exchange's HTTP URL: proofs and publishers' keys come from it."
        raise ConfigurationError(msg)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            http_access(http_url, wish.participant_id, signing_key)
        )
        verifier = await pinned_log_key(wish.log_key, wish.key, http_url, http)
        transport: DeliveryTransport = http
        if is_amqp(wish.url):
            connection = await stack.enter_async_context(amqp_access(wish.url, wish.participant_id))
            transport = queue = AmqpDeliveries(connection, wish.participant_id)
            stack.push_async_callback(queue.close)
        memory = SqliteMemory.open(wish.memory or beside_key(wish.key, http_url, "memory"))
        stack.callback(memory.close)
        documents = [read_document(file) for file in wish.publishers]
        yield Subscriber(
            wish.participant_id,
            signing_key,
            transport,
            verifier,
            http,
            PinnedKeys(documents) if documents else DirectoryKeys(http),
            memory,
            on_unproven=note,
            on_recall=wish.forget,
            patience=Patience(give_up_after=None if wish.follow else 60.0),
        )


def _values(delivery: "VerifiedDelivery") -> dict[str, Any]:
    from schemas.trail_entry import ReleasedEntry

    entry = delivery.entry
    released = entry if isinstance(entry, ReleasedEntry) else None
    return {
        "number": entry.number,
        "delivery": entry.delivery,
        "state": entry.type,
        "publisher": released.publisher if released else None,
        "message": released.message if released else None,
        "purpose": released.purpose if released else None,
        "standing": delivery.standing,
        "superseded_by": delivery.superseded_by,
        "recalls": delivery.recall.recalls if delivery.recall else None,
        "cause": delivery.recall.cause if delivery.recall else None,
        "deadline": delivery.recall.deadline if delivery.recall else None,
        "entry": delivery.index,
        "tree_size": delivery.checkpoint.size,
        "file": None,
    }


def _report_values(report: _Report) -> dict[str, Any]:
    return {
        "received": report.received,
        "withheld": report.withheld,
        "recalled": report.recalled,
        "unanswered": report.unanswered,
        "unproven": report.unproven,
        "missing": report.gaps,
    }


def _line(values: dict[str, Any]) -> str:
    if values["state"] == "withheld":
        return f"{values['number']:>6}  withheld: its basis fell away before release"
    if values["state"] == "recalled":
        return (
            f"{values['number']:>6}  RECALLED: delivery {values['recalls']} ({values['cause']}),"
            f" to be answered by {values['deadline']}"
        )
    return (
        f"{values['number']:>6}  {values['publisher']}  {values['message']}"
        f"  {values['purpose']}  entry {values['entry']}{_version(values)}  {values['file'] or ''}"
    ).rstrip()


def _version(values: dict[str, Any]) -> str:
    if values["standing"] != "superseded":
        return ""
    return f"  SUPERSEDED by the version of entry {values['superseded_by']}"


def _last_line(report: _Report) -> str:
    parts = [f"{report.received} verified and acknowledged"]
    if report.withheld:
        parts.append(f"{report.withheld} of them withheld")
    if report.recalled:
        parts.append(f"{report.recalled} of them notices of recall")
    if report.unanswered:
        parts.append(
            f"{len(report.unanswered)} recalls NOT ANSWERED: their records are not under --out;"
            " delete them where they are, then run this with --elsewhere deleted"
        )
    if report.unproven:
        parts.append(f"{len(report.unproven)} NOT PROVEN")
    parts += [f"numbers {first} to {last} MISSING" for first, last in report.gaps]
    return ", ".join(parts)
