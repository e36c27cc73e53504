"""`bhx participant`: who may take part. Works on the exchange's own store, running or not."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, on_stdout, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from adapters.cli.participant_document import new, read_document, signing_period
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from schemas.participant import Participant

IdArgument = Annotated[str, typer.Argument(help="Participant id, such as poe:kz:ala.")]

participant = typer.Typer(
    no_args_is_help=True,
    help="Who may take part, with which role, purposes and keys. Every change is a trail entry.",
)
participant.command("new")(new)


@participant.command("admit")
def admit(
    files: Annotated[list[Path], typer.Argument(help="Documents (`bhx participant new`).")],
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Admit participants, or replace the documents of those that are admitted."""
    documents = [read_document(file) for file in files]
    changes = run(_admit(documents, data, database))
    if as_json:
        write_json([{"participant": one, "change": change} for one, change in changes])
        return
    for one, change in changes:
        typer.echo(f"{one}  {change}")


@participant.command("list")
def list_participants(
    data: DataOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """List everybody in the directory."""
    known = run(_directory(data, database))
    if as_json:
        write_json([one.model_dump(mode="json") for one in known])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("participant", "name", "from", "roles", "purposes", "subscriptions", "state"):
        table.add_column(heading, no_wrap=heading != "name", overflow="fold")
    for one in known:
        table.add_row(
            one.id,
            one.name,
            one.jurisdiction,
            " ".join(one.roles),
            " ".join(one.purposes) or "-",
            str(len(one.subscriptions) or "-"),
            "[red]suspended[/]" if one.suspended else "admitted",
        )
    console = on_stdout()
    # An id that is cut in two cannot be copied.
    console.width = max(console.width, 120)
    console.print(table)


@participant.command("show")
def show(
    participant_id: IdArgument,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one participant's whole document: subscriptions, and keys with their validity."""
    found = [one for one in run(_directory(data, database)) if one.id == participant_id]
    if not found:
        msg = "No participant of that id is admitted: see `bhx participant list`."
        raise ConfigurationError(msg)
    document = found[0].model_dump(mode="json")
    if as_json:
        write_json(document)
    else:
        on_stdout().print_json(data=document)


@participant.command("suspend")
def suspend(
    participant_id: IdArgument,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """From now on it can neither publish nor receive; what waits for it stays.

    To let it back in, admit its document again.
    """
    _say(participant_id, run(_suspend(participant_id, data, database)), as_json=as_json)


@participant.command("rotate-key")
def rotate_key(
    participant_id: IdArgument,
    key: Annotated[Path, typer.Option(help="The new key: public JWK, or `bhx key new` file.")],
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="How long the old keys stay good.")
    ] = 24.0,
    compromised_since: Annotated[
        datetime | None,
        typer.Option(
            help="The old keys were in other hands since this time (UTC unless it says): they"
            " are revoked now, without overlap.",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"],
            show_default=False,
        ),
    ] = None,
    valid_days: Annotated[int, typer.Option(min=1, help="How long the new key is good.")] = 365,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a participant a new key; the old ones end after an overlap, or are revoked."""
    new_key = signing_period(key, valid_days)
    change = run(_rotate(participant_id, new_key, overlap_hours, compromised_since, data, database))
    _say(participant_id, change, as_json=as_json)


async def _admit(
    documents: "list[Participant]", data: Path | None, database: str | None
) -> list[tuple[str, str]]:
    async with own_exchange(data, database, may_be_new=True) as exchange:
        return [(one.id, await exchange.admissions.admit(one)) for one in documents]


async def _directory(data: Path | None, database: str | None) -> "tuple[Participant, ...]":
    async with own_exchange(data, database) as exchange:
        return (await exchange.directory.checked()).participants()


async def _suspend(participant_id: str, data: Path | None, database: str | None) -> str:
    async with own_exchange(data, database) as exchange:
        return await exchange.admissions.suspend(participant_id)


async def _rotate(
    participant_id: str,
    key: Any,
    overlap_hours: float,
    compromised_since: datetime | None,
    data: Path | None,
    database: str | None,
) -> str:
    from datetime import UTC

    if compromised_since is not None and compromised_since.tzinfo is None:
        compromised_since = compromised_since.replace(tzinfo=UTC)
    async with own_exchange(data, database) as exchange:
        return await exchange.admissions.rotate_key(
            participant_id,
            key,
            old_keys_until=exchange.clock.now() + timedelta(hours=overlap_hours),
            compromised_since=compromised_since,
        )


def _say(participant_id: str, change: str, *, as_json: bool) -> None:
    if as_json:
        write_json({"participant": participant_id, "change": change})
    else:
        typer.echo(f"{participant_id}  {change}")
