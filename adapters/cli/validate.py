"""`bhx validate`: is this FHIR R4, and would the exchange take it? Told before it is sent."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from adapters.cli.answering import (
    BAD_RESULT,
    BAD_SETTING,
    JsonOption,
    harmless,
    on_stderr,
    on_stdout,
    write_json,
)
from adapters.cli.language_option import LangOption, language_for
from adapters.resources_in_files import FoundResource, files_named, resources_in, size_of
from schemas.sentences.catalogue import say

if TYPE_CHECKING:
    from rich.console import Console

    from exchange.validation import Judgement, Level

#: Larger than any message an exchange can be set to read.
MOST_RESOURCE_BYTES = 64 * 1_048_576

#: Where nothing but a pause would be seen, a bar is shown.
_BAR_FROM_BYTES = 2_000_000

_COLOURS = {"fatal": "red", "error": "red", "warning": "yellow", "information": "cyan"}
_Outcome = Literal["valid", "invalid", "unreadable"]


@dataclass(frozen=True, slots=True)
class _Validated:
    """One resource and what is to mend in it."""

    found: FoundResource
    judgement: "Judgement"
    level: "Level"

    @property
    def outcome(self) -> _Outcome:
        if not self.judgement.is_json:
            return "unreadable"
        return "valid" if self.judgement.is_valid else "invalid"

    def to_values(self, language: str) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "file": self.found.name,
            "line": self.found.line,
            "resource_type": self.judgement.resource_type,
            "valid": self.judgement.is_valid,
            "level": self.level,
            "issues": [
                {
                    "severity": one.severity,
                    "code": one.code,
                    "expression": one.expression,
                    "message": one.text_in(language),
                }
                for one in self.judgement.problems
            ],
        }


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="JSON with one resource or Bundle, NDJSON with one on each line, a folder of such"
            " files, or - for standard input."
        ),
    ],
    level: Annotated[
        str,
        typer.Option(
            metavar="structure|profile",
            help="How far to look: valid FHIR R4, or all that the exchange asks for.",
        ),
    ] = "profile",
    lang: LangOption = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            help="The time at which it counts as received (UTC); now, if not given.",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"],
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Validate FHIR R4 records and messages, and say what to mend and how.

    Prints every problem at once, each with its place. With `--json` one object a resource: `file,
    line, resource_type, valid, level, issues`.

    Exits with 0 when all are valid, 1 when some are not, 2 when some could not be read.

    Example: `bhx validate record.json`
    """
    language = language_for(lang)
    chosen = _level(level)
    received = (at or datetime.now(UTC)).replace(tzinfo=UTC)
    counts: Counter[_Outcome] = Counter()
    results = on_stdout()
    show = _json_lines(language) if as_json else _told(results, language)
    with _progress(files, _beside(results, as_json=as_json)) as on_read:
        for one in _validated(files, chosen, received, on_read):
            counts[one.outcome] += 1
            show(one)
    if not as_json:
        total = (counts.total(), counts["valid"], counts["invalid"], counts["unreadable"])
        typer.echo(say("validate.summary", [str(one) for one in total], language))
    if counts["unreadable"] or not counts:
        raise typer.Exit(BAD_SETTING)
    if counts["invalid"]:
        raise typer.Exit(BAD_RESULT)


def _level(asked: str) -> "Level":
    if asked == "structure":
        return "structure"
    if asked == "profile":
        return "profile"
    msg = "use structure or profile"
    raise typer.BadParameter(msg, param_hint="--level")


def _validated(
    files: list[Path], level: "Level", at: datetime, on_read: Callable[[int], None]
) -> Iterator[_Validated]:
    from exchange.validation import Judgement, judge

    for file in files_named(files):
        for found in resources_in(file, most_bytes=MOST_RESOURCE_BYTES, on_read=on_read):
            if found.fault is not None:
                judgement = Judgement(None, (found.fault,), is_json=False)
            else:
                judgement = judge(found.data, level=level, at=at, max_bytes=MOST_RESOURCE_BYTES)
            yield _Validated(found, judgement, level)


def _beside(results: "Console", *, as_json: bool) -> "Console | None":
    """Where a bar can be drawn so that no result is written into it; None for nowhere.

    On one terminal results and bar must come from one console, which writes them above the bar.
    JSON that scrolls by on a terminal shows by itself how far it has come.
    """
    if results.is_terminal:
        return None if as_json else results
    remarks = on_stderr()
    return remarks if remarks.is_terminal else None


@contextmanager
def _progress(files: list[Path], console: "Console | None") -> Iterator[Callable[[int], None]]:
    """A bar when a person waits for long."""
    total = 0 if console is None else sum(map(size_of, files_named(files)))
    if console is None or total < _BAR_FROM_BYTES:
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress("validating", *columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)


def _json_lines(language: str) -> Callable[[_Validated], None]:
    return lambda one: write_json(one.to_values(language))


def _told(console: "Console", language: str) -> Callable[[_Validated], None]:
    """Print what a person wants to know of each; of a valid one without remarks, nothing."""
    return lambda one: _print(console, one, language) if one.judgement.problems else None


def _print(console: "Console", one: _Validated, language: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    colour = {"valid": "green", "invalid": "red", "unreadable": "red"}[one.outcome]
    head = Text.assemble(
        (f"{harmless(one.found.name)}:{one.found.line}", "bold"),
        f"  {one.judgement.resource_type or ''}  ",
        (say(f"validate.{one.outcome}", (), language), colour),
    )
    console.print(head, soft_wrap=True)
    for problem in one.judgement.problems:
        line = Text.assemble(
            (problem.severity, _COLOURS[problem.severity]),
            f"  {problem.expression}\n",
            problem.text_in(language),
        )
        console.print(Padding(line, (0, 0, 0, 4)))
