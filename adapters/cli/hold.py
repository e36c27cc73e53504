"""`bhx hold`: legal holds, which keep a traveller's records from erasure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.answering import JsonOption, on_stdout, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from adapters.cli.traveller_option import SubjectOption, document_of

if TYPE_CHECKING:
    from exchange.model import Hold

hold = typer.Typer(
    no_args_is_help=True,
    help="Legal holds: while one stands, nothing of its traveller is erased. All are in the trail.",
)


@hold.command("place")
def place(
    subject: SubjectOption,
    authority: Annotated[
        str, typer.Option(help="The office that wants it kept. It stands in the trail: no person.")
    ],
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a traveller's records from erasure until the hold is lifted.

    Example: `bhx hold place --subject 'urn:x|N1234567' --authority 'District court of Almaty'`
    """
    placed = run(_place(document_of(subject), authority, data, database))
    if as_json:
        write_json([{"hold": one, "change": "hold-placed"} for one in placed])
        return
    for one in placed:
        typer.echo(f"{one}  hold-placed")


@hold.command("lift")
def lift(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="Its id (`bhx hold list`).")],
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a hold; its traveller may be erased again, unless another hold stands."""
    run(_lift(hold_id, data, database))
    if as_json:
        write_json({"hold": hold_id, "change": "hold-lifted"})
    else:
        typer.echo(f"{hold_id}  hold-lifted")


@hold.command("list")
def list_holds(
    data: DataOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """List every hold, lifted ones included; none says about whom it is."""
    holds, times = run(_list(data, database))
    if as_json:
        write_json(
            [
                {
                    "hold": one.hold_id,
                    "authority": one.authority,
                    "placed": times[one.placed_entry],
                    "lifted": None if one.lifted_entry is None else times[one.lifted_entry],
                }
                for one in holds
            ]
        )
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("hold", "authority", "placed", "lifted"):
        table.add_column(heading, overflow="fold")
    for one in holds:
        ended = "" if one.lifted_entry is None else times[one.lifted_entry]
        table.add_row(one.hold_id, Text(one.authority), times[one.placed_entry], ended)
    on_stdout().print(table)


async def _place(
    document: tuple[str, str], authority: str, data: Path | None, database: str | None
) -> list[str]:
    async with own_exchange(data, database) as exchange:
        return await exchange.holds.place([document], authority)


async def _lift(hold_id: str, data: Path | None, database: str | None) -> None:
    async with own_exchange(data, database) as exchange:
        await exchange.holds.lift(hold_id)


async def _list(
    data: Path | None, database: str | None
) -> tuple[Sequence["Hold"], Mapping[int, str]]:
    from schemas.trail_entry import read_entry

    async with own_exchange(data, database) as exchange:
        holds = await exchange.holds.all()
        indexes = [one.placed_entry for one in holds]
        indexes += [one.lifted_entry for one in holds if one.lifted_entry is not None]
        entries = await exchange.store.entries_at(indexes)
        return holds, {index: read_entry(raw).time for index, raw in entries.items()}
