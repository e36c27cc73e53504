"""What the demo shows while it runs, and its summary."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from adapters.demo.cast import REGISTRIES
from adapters.demo.run import Tally

_REASONS = {
    "consent-refused": "no consent allows it",
    "untrusted-sender": "bad signature or expired key",
    "invalid-record": "not a valid FHIR record",
    "message-reused": "an id used again for other bytes",
}


class Screen:
    """Draws the tally: a progress bar for the stage and a table of what happened."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
        )
        self._stages = {
            name: self._progress.add_task(name, total=None)
            for name in ("sending", "acknowledging", "verifying deliveries", "verifying the trail")
        }

    def drawn(self, tally: Tally) -> RenderableType:
        """The picture of this moment."""
        done, total = tally.trail_read
        moved = {
            "sending": (tally.submitted, tally.to_submit),
            "acknowledging": (tally.acknowledged, tally.deliveries),
            "verifying deliveries": (tally.verified, tally.deliveries),
            "verifying the trail": (done, total),
        }
        for name, (completed, of) in moved.items():
            self._progress.update(self._stages[name], completed=completed, total=of or None)
        return Group(self._progress, _table(tally))


def print_summary(console: Console, tally: Tally, folder: Path, *, kept: bool) -> None:
    """Say whether everything held, and where things are."""
    trail = tally.trail
    verdict = (
        "[bold green]everything held[/]" if tally.holds else "[bold red]NOT everything held[/]"
    )
    root = f"{trail.root.hex()[:16]}…" if trail else "none"
    size = trail.size if trail else 0
    lines = [
        f"{verdict} in {tally.seconds:.1f} s",
        f"{tally.verified} of {tally.deliveries} deliveries verified from outside: signature, "
        "inclusion proof, checkpoint, consent",
        f"trail of {size} entries verified, root {root}",
    ]
    lines += [f"[red]{sentence}[/]" for sentence in tally.unproven[:5]]
    lines += [f"[red]{finding}[/]" for finding in (trail.findings[:5] if trail else ())]
    if tally.surprises:
        lines.append(f"[red]{tally.surprises} decisions were not the expected ones[/]")
    console.print(Panel("\n".join(lines), title="Border Health Exchange", expand=False))
    if kept:
        console.print(
            f"The world is kept in {folder}: keys/, exchange.sqlite, participants/.\n"
            f"  bhx audit verify --data {folder}\n"
            f"  bhx serve --data {folder}",
            highlight=False,
        )
    else:
        console.print("Nothing is kept; `bhx demo --data DIR` keeps its world.", highlight=False)


def _table(tally: Tally) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("accepted", str(tally.accepted), "decided, durable, in the trail")
    table.add_row("repeated", str(tally.repeated), "the first receipt again, no second delivery")
    for reason, count in sorted(tally.refused.items()):
        table.add_row(f"refused: {reason}", str(count), _REASONS.get(reason, ""))
    for name in REGISTRIES:
        table.add_row(f"→ {name}", str(tally.received[name]), "received and verified")
    table.add_row("acknowledged", str(tally.acknowledged), "signed by the registries")
    return table
