"""`bhx slip`: a paper by which a traveller can see who received their records."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adapters.cli.answering import BAD_RESULT, JsonOption, remark, run, write_json
from adapters.cli.exchange_access import http_access
from adapters.cli.language_option import LangOption, language_for
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from adapters.cli.saving_files import save_private

if TYPE_CHECKING:
    from schemas.slip import SlipAnswer

_KINDS: Final = (".html", ".png", ".svg")


def slip(
    message: Annotated[
        str, typer.Option(help="Id of an accepted message about the traveller (MessageHeader.id).")
    ],
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="The exchange's HTTP URL; without, its own store.", show_default=False
        ),
    ] = None,
    participant_id: Annotated[
        str | None, typer.Option("--as", help="Your participant id.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Your private key.", show_default=False)
    ] = None,
    publisher: Annotated[
        str | None,
        typer.Option(
            help="At its own store: whose message, if several have that id.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Save it: .html is a sheet to print, .png and .svg are the code alone.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a slip for a traveller: a QR code that opens the list of who received their records.

    A post makes one for the traveller of its own message (`--url`, `--as`, `--key`); the operator
    for any message in the store. The traveller needs no account and no document. Nobody can find
    the slip again: print it now. It is entered in the trail.

    Exits with 1 when there is no such accepted message.

    Example: `bhx slip --message ID --url https://exchange.example --as poe:kz:ala --key ala.key
    --out slip.html --lang ru`
    """
    language = language_for(lang)
    _require_known_kind(out)
    if url is None:
        answer = run(_from_own_store(message, publisher, data, database))
    else:
        answer = run(_from_exchange(message, url, participant_id, key))
    if answer is None:
        remark("bhx: there is no accepted message of that id.")
        raise typer.Exit(BAD_RESULT)
    if out is not None:
        save_private(out, _rendered(answer, out.suffix.lower(), language))
        remark(f"saved: {out}")
    if as_json:
        write_json(answer.to_values())
    elif out is None:
        _show(answer)


def _require_known_kind(out: Path | None) -> None:
    # Before the slip is made: one that cannot be saved is lost.
    if out is not None and out.suffix.lower() not in _KINDS:
        msg = "end the name in .html, .png or .svg"
        raise typer.BadParameter(msg, param_hint="--out")


async def _from_own_store(
    message: str, publisher: str | None, data: Path | None, database: str | None
) -> "SlipAnswer | None":
    from schemas.slip import SlipAnswer
    from schemas.trail_entry import entry_time

    async with own_exchange(data, database) as exchange:
        issued = await exchange.slips.issue_as_operator(message, publisher=publisher)
        if exchange.settings.public_url is None:
            remark(
                "BHX_PUBLIC_URL is not set, so the slip leads to"
                f" {exchange.settings.base_url}: no phone will find that."
            )
    if issued is None:
        return None
    return SlipAnswer(token=issued.token, url=issued.url, expires_at=entry_time(issued.expires_at))


async def _from_exchange(
    message: str, url: str, participant_id: str | None, key: Path | None
) -> "SlipAnswer | None":
    from adapters.clients.errors import RequestRefused
    from adapters.key_files import read_signing_key

    if participant_id is None or key is None:
        msg = "--url needs --as and --key"
        raise typer.BadParameter(msg, param_hint="--url")
    async with http_access(url, participant_id, read_signing_key(key)) as exchange:
        try:
            return await exchange.issue_slip(message)
        except RequestRefused as refused:
            if refused.status == 404:
                return None
            raise


def _rendered(answer: "SlipAnswer", suffix: str, language: str) -> bytes:
    from adapters.pages.slip_page import slip_page, slip_picture

    match suffix:
        case ".html":
            expires_at = datetime.fromisoformat(answer.expires_at)
            return slip_page(answer.url, expires_at, language)
        case ".png":
            return slip_picture(answer.url, "png")
        case _:
            return slip_picture(answer.url, "svg")


def _show(answer: "SlipAnswer") -> None:
    import sys

    if sys.stdout.isatty():
        from adapters.pages.slip_page import slip_on_terminal

        typer.echo(slip_on_terminal(answer.url))
    typer.echo(answer.url)
    remark(f"opens until {answer.expires_at[:10]}")
