"""`bhx demo`: a whole world in one process."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.answering import JsonOption, end, run, write_json

_REDRAW_SECONDS = 0.1


def demo(
    data: Annotated[Path | None, typer.Option(help="Keep the demo's world in this folder.")] = None,
    count: Annotated[int, typer.Option(min=60, max=100_000, help="How many submissions.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Play a day at two points of entry, and verify everything.

    One process, SQLite, no broker: two posts publish vaccination and test records, two registries
    receive them, an auditor checks the trail. Some records lack consent, some signatures are bad.
    Ends with 0 only when every delivery and the whole trail verified from outside.
    """
    from rich.console import Console
    from rich.live import Live

    from adapters.demo.run import Tally, run_demo
    from adapters.demo.screen import Screen, print_summary

    console = Console(stderr=as_json, quiet=as_json)
    with ExitStack() as stack:
        folder = data
        if folder is None:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="bhx-demo-"))
            folder = Path(made)
        screen = Screen()
        live = stack.enter_context(Live(screen.drawn(Tally()), console=console, auto_refresh=False))
        drawn_at = 0.0

        def show(tally: Tally) -> None:
            nonlocal drawn_at
            if tally.stage == "done" or time.monotonic() - drawn_at > _REDRAW_SECONDS:
                live.update(screen.drawn(tally), refresh=True)
                drawn_at = time.monotonic()

        tally = run(run_demo(folder, count=count, show=show))
        live.stop()
        if as_json:
            write_json(tally.to_json())
        else:
            console.print()
            print_summary(console, tally, folder, kept=data is not None)
    end(well=tally.holds)
