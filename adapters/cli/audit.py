"""`bhx audit`: does the trail hold, and what became of one message?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, end, on_stderr, on_stdout, run, write_json
from adapters.cli.exchange_access import LogKeyOption, http_access, pinned_log_key
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.clients.auditor import Auditor, ProvenTrailEntry
    from exchange.trail.verify import TrailReport

audit = typer.Typer(
    no_args_is_help=True,
    help="Check the signed trail: of an exchange elsewhere (--url) or of the store at hand.",
)

UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="The exchange's HTTP URL; needs --as and --key of an auditor."),
]
AuditorOption = Annotated[
    str | None, typer.Option("--as", help="Your participant id.", show_default=False)
]
AuditorKeyOption = Annotated[
    Path | None, typer.Option("--key", help="Your private key.", show_default=False)
]


@audit.command("verify")
def verify(
    url: UrlOption = None,
    participant_id: AuditorOption = None,
    key: AuditorKeyOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    log_key: LogKeyOption = None,
    remember: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps the last checkpoint found good. With it a trail that was"
            " rewritten since is found out even if it holds together again.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the whole trail: every entry, every checkpoint, every delivery's number and basis.

    Of the store at hand, also whether the database says what its trail says: no decision, record,
    delivery, acknowledgement or participant hidden or changed.

    Exits with 1 when anything does not hold; each finding names the entry.

    Example: `bhx audit verify --data bhx-data`
    """
    report = run(_verify(url, participant_id, key, data, database, log_key, remember))
    if as_json:
        write_json(
            {
                "verified": report.holds,
                "size": report.size,
                "root": report.root.hex(),
                "checkpoints": report.checkpoints,
                "entries_by_type": dict(report.entries_by_type),
                "findings": list(report.findings),
            }
        )
    else:
        _print_report(report)
    end(well=report.holds)


@audit.command("purposes")
def purposes(
    url: UrlOption = None,
    participant_id: AuditorOption = None,
    key: AuditorKeyOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    log_key: LogKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that no record ever went anywhere but for a health purpose.

    The whole trail is verified: deliveries are numbered without gap, each is in the signed trail,
    and each names a purpose of the closed list. So there is no other.

    Exits with 1 when anything does not hold.

    Example: `bhx audit purposes --data bhx-data`
    """
    report = run(_verify(url, participant_id, key, data, database, log_key, None))
    released = sorted(report.purposes.items())
    if as_json:
        write_json(
            {
                "verified": report.holds,
                "size": report.size,
                "root": report.root.hex(),
                "released": sum(report.purposes.values()),
                "purposes": [
                    {"purpose": purpose, "subscriber": subscriber, "deliveries": count}
                    for (purpose, subscriber), count in released
                ],
                "findings": list(report.findings),
            }
        )
    else:
        from rich.table import Table

        table = Table("purpose", "subscriber", "deliveries", title="Released, by purpose")
        for (purpose, subscriber), count in released:
            table.add_row(purpose, subscriber, str(count))
        on_stdout().print(table)
        _print_report(report)
    end(well=report.holds)


@audit.command("trail")
def trail(
    message_ids: Annotated[
        list[str], typer.Argument(help="Ids of messages (MessageHeader.id).", metavar="MESSAGE_ID…")
    ],
    url: UrlOption = None,
    participant_id: AuditorOption = None,
    key: AuditorKeyOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    log_key: LogKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the life of a message: decision, releases, acknowledgements; each proof is checked.

    Exits with 1 when the trail knows nothing about a message, or an entry is not proven.
    """
    trails = run(_trails(message_ids, url, participant_id, key, data, database, log_key))
    if as_json:
        write_json(
            [
                {"message": one, "entries": [_entry_values(entry) for entry in entries]}
                for one, entries in trails
            ]
        )
    else:
        for one, entries in trails:
            _print_trail(one, entries)
    end(well=all(entries for _, entries in trails))


async def _verify(
    url: str | None,
    participant_id: str | None,
    key: Path | None,
    data: Path | None,
    database: str | None,
    log_key: str | None,
    remember: Path | None,
) -> "TrailReport":
    from rich.progress import Progress

    async with _auditor(url, participant_id, key, data, database, log_key, remember) as auditor:
        console = on_stderr()
        # Where nobody looks, it would leave an empty line.
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("verifying entries", total=None)

            def advance(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            report = await auditor.verify_trail(advance)
    if url is None and report.holds:
        # Only of a trail that holds does anything follow about the rest.
        report = replace(report, findings=await _disagreements(data, database))
    return report


async def _disagreements(data: Path | None, database: str | None) -> tuple[str, ...]:
    """What the database at hand says otherwise than its trail."""
    from adapters.store.agreement import disagreements
    from adapters.store.database import Database
    from exchange.subjects import SubjectVault

    async with own_exchange(data, database) as exchange:
        own = Database(exchange.settings.database_url, pool_size=1)
        try:
            return await disagreements(own, SubjectVault(exchange.keys.master))
        finally:
            await own.close()


async def _trails(
    message_ids: list[str],
    url: str | None,
    participant_id: str | None,
    key: Path | None,
    data: Path | None,
    database: str | None,
    log_key: str | None,
) -> "list[tuple[str, tuple[ProvenTrailEntry, ...]]]":
    async with _auditor(url, participant_id, key, data, database, log_key, None) as auditor:
        return [(one, await auditor.message_trail(one)) for one in message_ids]


@asynccontextmanager
async def _auditor(
    url: str | None,
    participant_id: str | None,
    key: Path | None,
    data: Path | None,
    database: str | None,
    log_key: str | None,
    remember: Path | None,
) -> AsyncIterator["Auditor"]:
    from adapters.clients.auditor import Auditor
    from adapters.clients.stored_trail import StoredTrail
    from adapters.key_files import read_signing_key

    if url is None:
        async with own_exchange(data, database) as exchange:
            verifier = exchange.keys.note_signer.verifier
            if log_key is not None:
                verifier = await pinned_log_key(log_key, Path(), "", None)
            yield Auditor(StoredTrail(exchange.store, exchange.proofs), verifier, memory=remember)
        return
    if participant_id is None or key is None:
        msg = "Entries of the trail are for auditors: give --as and --key with --url."
        raise ConfigurationError(msg)
    async with http_access(url, participant_id, read_signing_key(key)) as http:
        yield Auditor(http, await pinned_log_key(log_key, key, url, http), memory=remember)


def _print_report(report: "TrailReport") -> None:
    from rich.markup import escape

    console = on_stdout()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.entries_by_type.items()))
    console.print(f"entries      {report.size}  ({kinds})", soft_wrap=True)
    console.print(f"root         {report.root.hex()}", soft_wrap=True)
    console.print(f"checkpoints  {report.checkpoints} signed, all of this very trail")
    if report.holds:
        console.print("[green]The trail holds.[/]")
        return
    count = "1 finding" if len(report.findings) == 1 else f"{len(report.findings)} findings"
    console.print(f"[red]Something does NOT hold:[/] {count}")
    for finding in report.findings:
        console.print(f"  {escape(finding)}", soft_wrap=True)


def _print_trail(message_id: str, entries: "tuple[ProvenTrailEntry, ...]") -> None:
    from rich.markup import escape
    from rich.table import Table

    console = on_stdout()
    console.print(f"[bold]{escape(message_id)}[/]", soft_wrap=True)
    if not entries:
        console.print("  The trail knows nothing about this message.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("entry", "time", "what", "proof"):
        table.add_column(heading, no_wrap=True)
    table.add_column("details", overflow="fold")
    for one in entries:
        table.add_row(
            str(one.index),
            one.entry.time,
            one.entry.type,
            "[green]holds[/]",
            escape(_details(one)),
        )
    console.print(table)


def _details(one: "ProvenTrailEntry") -> str:
    values = one.entry.model_dump()
    versions = _versions(values)
    match one.entry.type:
        case "accepted":
            return f"{values['event']} by {values['publisher']}, key {values['key']}{versions}"
        case "refused":
            return f"{values['reason']}, from {values['publisher'] or 'nobody known'}"
        case "released":
            return (
                f"to {values['subscriber']} as number {values['number']} for {values['purpose']},"
                f" by {_basis(values['basis'])}{versions}"
            )
        case "withheld":
            return f"from {values['subscriber']}, number {values['number']}: {values['reason']}"
        case "acknowledged":
            signed = len(values["deliveries"])
            return f"by {values['subscriber']}{f', {signed} at once' if signed > 1 else ''}"
        case _:
            return _about_a_recall(values)


def _about_a_recall(values: dict[str, Any]) -> str:
    if values["type"] == "recalled":
        return (
            f"from {values['subscriber']} as number {values['number']}: {values['cause']},"
            f" to be answered by {values['deadline']}"
        )
    if values["type"] == "recall-answered":
        return f"by {values['subscriber']}: {values['answer']}"
    return ""


def _versions(values: dict[str, Any]) -> str:
    if values.get("supersedes") is not None:
        return f", replaces the version of entry {values['supersedes']}"
    if values.get("superseded_by") is not None:
        return f", older than the version of entry {values['superseded_by']}"
    return ""


def _entry_values(one: "ProvenTrailEntry") -> dict[str, Any]:
    return {
        "index": one.index,
        "tree_size": one.checkpoint.size,
        **one.entry.model_dump(mode="json", exclude_none=True),
    }


def _basis(basis: dict[str, Any]) -> str:
    match basis["kind"]:
        case "mandate":
            return f"the mandate {basis['mandate']} of policy version {basis['version']}"
        case "break-glass":
            return f"break-glass, grant {basis['grant']}"
        case "sealed":
            return f"a sealed basis ({basis['of']})"
        case _:
            return f"the consent of entry {basis['entry']}"
