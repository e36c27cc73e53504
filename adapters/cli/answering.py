"""How a command ends and what it says: results on stdout, everything else on stderr.

An error is one line with its cure, never a traceback: exit 2 when a setting, key or file has to be
changed first, exit 1 when what is reported is bad.
"""

import asyncio
import codecs
import io
import json
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from exchange.errors import ConfigurationError, ExchangeError, IntegrityBroken, Unavailable
from schemas.violation import SchemaViolation

if TYPE_CHECKING:
    from rich.console import Console

_T = TypeVar("_T")
_JSON = "bhx.json"

#: What every command takes.
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

BAD_RESULT = 1
BAD_SETTING = 2


class AnsweringGroup(TyperGroup):
    """The `bhx` command itself: turns our own errors into one line and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Take the arguments, run, and leave."""
        make_writable(sys.stdout, sys.stderr)
        return super().main(*args, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note whether the caller is a program, before the arguments are taken apart."""
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ExchangeError, SchemaViolation) as error:
            _fail(error, as_json=ctx.meta[_JSON])
        except TyperException as error:
            # Whoever typed it is shown the usage by Typer itself.
            if ctx.meta[_JSON]:
                write_json({"error": "usage", "text": str(error)})
            raise


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of a command's asynchronous part."""
    return asyncio.run(work)


def write_json(value: Any) -> None:
    """One JSON value on one line of stdout; valid JSON in every encoding."""
    typer.echo(json.dumps(value, ensure_ascii=not _is_utf8(sys.stdout)))


def make_writable(*streams: Any) -> None:
    """Have these text streams take every text, whatever the terminal's encoding.

    A machine without a locale (`LC_ALL=C`, cron, a bare container) says ASCII and means that it was
    not told: it gets UTF-8, as Python itself decides there (PEP 538, PEP 540), for Russian written
    in escapes helps nobody. Where an encoding was chosen it stays, and what it lacks is escaped:
    the end of a report must not depend on one letter in it.
    """
    for stream in streams:
        if not isinstance(stream, io.TextIOWrapper):
            continue
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else None
        stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _is_utf8(stream: Any) -> bool:
    return codecs.lookup(getattr(stream, "encoding", None) or "ascii").name == "utf-8"


def end(*, well: bool) -> None:
    """Leave with exit code 1 when what was reported is bad."""
    if not well:
        raise typer.Exit(BAD_RESULT)


def show_version(wanted: bool) -> None:
    """Print the installed version, and leave, when it is asked for."""
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        typer.echo(f"bhx {version('border-health-exchange')}")
    except PackageNotFoundError:
        typer.echo("bhx, from a source tree")
    raise typer.Exit


def on_stdout() -> "Console":
    """Where results for people go."""
    from rich.console import Console

    return Console(highlight=False)


def on_stderr() -> "Console":
    """Where progress and remarks go."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def harmless(text: str) -> str:
    """A text that others chose, without what would command a terminal."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def remark(text: str) -> None:
    """Say something that is not the result."""
    typer.echo(text, err=True)


def _fail(error: ExchangeError | SchemaViolation, *, as_json: bool) -> NoReturn:
    kind, code = "failed", BAD_RESULT
    match error:
        case ConfigurationError():
            kind, code = "configuration", BAD_SETTING
        case Unavailable():
            kind = "unavailable"
        case IntegrityBroken():
            kind = "integrity-broken"
        case _:
            pass
    text = " ".join(str(error).split())
    if as_json:
        write_json({"error": kind, "text": text})
    remark(f"bhx: {text}")
    raise typer.Exit(code)
