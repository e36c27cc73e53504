"""`bhx publish`: sign messages and publish them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, end, on_stderr, on_stdout, run, write_json
from adapters.cli.exchange_access import (
    ApiOption,
    AsOption,
    KeyOption,
    LogKeyOption,
    amqp_access,
    http_access,
    is_amqp,
    pinned_log_key,
)
from adapters.cli.language_option import LangOption, language_for
from adapters.reading_files import read_file
from exchange.errors import ConfigurationError, ExchangeError

if TYPE_CHECKING:
    from adapters.clients.publisher import Publisher
    from adapters.clients.verified_receipt import VerifiedReceipt

_AT_ONCE = 16
#: What an exchange can be set to read at most.
MOST_RECORD_BYTES = 64 * 1_048_576
_COLOURS = {"accepted": "green", "refused": "yellow"}


@dataclass(frozen=True, slots=True)
class _Published:
    """What became of one file: a proven receipt, or why there is none."""

    file: Path
    receipt: "VerifiedReceipt | None" = None
    error: str | None = None

    @property
    def outcome(self) -> str:
        return self.receipt.outcome if self.receipt is not None else "no receipt"


def publish(
    files: Annotated[list[Path], typer.Argument(help="FHIR R4 message Bundles (JSON).")],
    participant_id: AsOption,
    key: KeyOption,
    to: Annotated[str, typer.Option("--to", help="The exchange: http(s):// or amqp(s)://.")],
    api: ApiOption = None,
    log_key: LogKeyOption = None,
    receipts: Annotated[
        Path | None,
        typer.Option(help="Folder for the receipts: they are your evidence.", show_default=False),
    ] = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign each file's exact bytes, publish them, and verify the receipts.

    A receipt counts only when its proof holds: that the decision is in the exchange's trail, about
    exactly these bytes. While the exchange is away the same message is sent again. Publishing a
    file twice is safe: the receipt of the first time comes back.

    Exits with 1 when a message was refused or has no proven receipt.

    Example: `bhx publish record.json --as poe:kz:ala --key ala.key --to https://exchange.example`
    """
    language = language_for(lang)
    if receipts is not None:
        _make_folder(receipts)
    published = run(_publish(files, participant_id, key, to, api, log_key, receipts))
    if as_json:
        write_json(_summary(published))
    else:
        _print_table(published, language)
    end(well=all(one.outcome == "accepted" for one in published))


async def _publish(
    files: list[Path],
    participant_id: str,
    key: Path,
    to: str,
    api: str | None,
    log_key: str | None,
    receipts: Path | None,
) -> list[_Published]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    limit = asyncio.Semaphore(_AT_ONCE)
    async with _publisher(participant_id, key, to, api, log_key) as publisher:
        with Progress(
            "[progress.description]{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=on_stderr(),
            transient=True,
            disable=len(files) < 2,
        ) as progress:
            task = progress.add_task("publishing", total=len(files))

            async def publish_one(file: Path) -> _Published:
                async with limit:
                    result = await _publish_file(publisher, file)
                if receipts is not None and result.receipt is not None:
                    _save(receipts, result.receipt)
                progress.advance(task)
                return result

            return await asyncio.gather(*(publish_one(file) for file in files))


async def _publish_file(publisher: "Publisher", file: Path) -> _Published:
    try:
        body = await asyncio.to_thread(read_file, file, most_bytes=MOST_RECORD_BYTES)
        return _Published(file, receipt=await publisher.publish(body))
    except ExchangeError as error:
        return _Published(file, error=str(error))


@asynccontextmanager
async def _publisher(
    participant_id: str, key: Path, to: str, api: str | None, log_key: str | None
) -> AsyncIterator["Publisher"]:
    from adapters.clients.amqp_transport import AmqpPublishing
    from adapters.clients.publisher import Publisher
    from adapters.clients.transport import MessageTransport
    from adapters.key_files import read_signing_key

    signing_key = read_signing_key(key)
    transport: MessageTransport
    async with AsyncExitStack() as stack:
        http_url = api if is_amqp(to) else to
        http = None
        if http_url is not None:
            http = await stack.enter_async_context(
                http_access(http_url, participant_id, signing_key)
            )
        verifier = await pinned_log_key(log_key, key, http_url or to, http)
        if is_amqp(to) or http is None:
            connection = await stack.enter_async_context(amqp_access(to, participant_id))
            transport = publishing = AmqpPublishing(connection, participant_id)
            stack.push_async_callback(publishing.close)
        else:
            transport = http
        yield Publisher(participant_id, signing_key, transport, verifier)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made ({error.strerror})."
        raise ConfigurationError(msg) from error


def _save(folder: Path, receipt: "VerifiedReceipt") -> None:
    # Ids in entries are FHIR ids or digests, so the name cannot leave the folder.
    file = folder / f"{receipt.entry.message}.receipt.json"
    try:
        file.write_bytes(receipt.receipt.to_bytes() + b"\n")
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror})."
        raise ConfigurationError(msg) from error


def _summary(published: list[_Published]) -> dict[str, Any]:
    refused = Counter(
        one.receipt.reason for one in published if one.receipt and one.outcome == "refused"
    )
    return {
        "published": len(published),
        "accepted": sum(one.outcome == "accepted" for one in published),
        "refused": dict(refused),
        "without_receipt": sum(one.receipt is None for one in published),
        "messages": [_values(one) for one in published],
    }


def _values(one: _Published) -> dict[str, Any]:
    if one.receipt is None:
        return {"file": str(one.file), "outcome": None, "error": one.error}
    return {
        "file": str(one.file),
        "outcome": one.outcome,
        "message": one.receipt.entry.message,
        "reason": one.receipt.reason,
        "standing": one.receipt.standing,
        "issues": [issue.model_dump(mode="json") for issue in one.receipt.receipt.issues],
        "entry": one.receipt.index,
        "tree_size": one.receipt.checkpoint.size,
        "decided_at": one.receipt.entry.time,
    }


def _print_table(published: list[_Published], language: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("file", "outcome", "entry", "what to mend"):
        table.add_column(heading, overflow="fold")
    for one in published:
        place, mend = "-", one.error or ""
        if one.receipt is not None:
            place = str(one.receipt.index)
            told = [issue.to_problem() for issue in one.receipt.receipt.issues]
            issues = [f"{problem.expression}: {problem.text_in(language)}" for problem in told]
            mend = "\n".join([one.receipt.reason or "", *issues]).strip()
            if one.receipt.standing == "superseded":
                mend = f"a newer version of the record is at hand: nothing to do\n{mend}".strip()
        style = _COLOURS.get(one.outcome, "red")
        table.add_row(escape(str(one.file)), f"[{style}]{one.outcome}[/]", place, escape(mend))
    on_stdout().print(table)
