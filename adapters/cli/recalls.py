"""`bhx recalls`: who was told to stop using what, who answered, and who is late."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.answering import JsonOption, end, on_stdout, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange

if TYPE_CHECKING:
    from exchange.recall_list import ListedRecall


def recalls(
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those unanswered past their deadline.")
    ] = False,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the notices of recall, by deadline, and how each stands.

    A notice is `waiting` for room in its subscriber's window, `issued`, `sent`, `acknowledged`, or
    answered with `ceased` or `deleted`. Nothing of the traveller is shown.

    Exits with 1 when something is overdue.
    """
    found = run(_listed(data, database, only_overdue=overdue))
    found.sort(key=lambda one: (one.deadline, one.notice))
    if as_json:
        write_json({"recalls": [one.to_values() for one in found]})
    else:
        _show(found)
    end(well=not any(one.is_overdue for one in found))


async def _listed(
    data: Path | None, database: str | None, *, only_overdue: bool
) -> list["ListedRecall"]:
    from exchange.recall_list import all_recalls

    async with own_exchange(data, database) as exchange:
        listing = all_recalls(exchange.store, exchange.clock.now(), only_overdue=only_overdue)
        return [one async for one in listing]


def _show(found: Sequence["ListedRecall"]) -> None:
    from rich.table import Table

    if not found:
        on_stdout().print("No recalls.")
        return
    table = Table(box=None)
    for heading in ("deadline", "subscriber", "recalled delivery", "cause", "issued", "state"):
        table.add_column(heading, no_wrap=True)
    for one in found:
        values = one.to_values()
        table.add_row(
            values["deadline"],
            one.subscriber,
            one.recalls,
            one.cause,
            values["issued"] or "",
            f"{one.state} [bold red]OVERDUE[/]" if one.is_overdue else one.state,
        )
    console = on_stdout()
    # A list that is cut off at the edge of a terminal is no list.
    console.width = max(console.width, 160)
    console.print(table)
