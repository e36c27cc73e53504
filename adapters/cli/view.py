"""`bhx view`: what a recipient would see of a record, shown before anybody publishes it."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from adapters.cli.answering import (
    BAD_RESULT,
    BAD_SETTING,
    harmless,
    on_stdout,
    remark,
    run,
    write_json,
)
from adapters.cli.language_option import LangOption, language_for
from adapters.cli.own_store import DatabaseOption, DataOption
from adapters.reading_files import read_file
from schemas.sentences.catalogue import say

if TYPE_CHECKING:
    from exchange.preview import Preview
    from exchange.views.outline import Outline
    from schemas.requirement import Requirement
    from schemas.views.allow_list import View

_MOST_BYTES = 64 * 1_048_576
_MASTER_KEY_BYTES = 32


def view(
    file: Annotated[Path, typer.Argument(help="A FHIR R4 message as it would be published.")],
    recipient: Annotated[
        str, typer.Option("--as", metavar="PARTICIPANT", help="Who would receive it.")
    ],
    chosen: Annotated[
        str, typer.Option("--view", metavar="full|minimum|pseudonymous|verdict")
    ] = "minimum",
    purpose: Annotated[str, typer.Option(help="Purpose of use (v3-ActReason).")] = "PUBHLTH",
    redact: Annotated[
        list[str] | None,
        typer.Option(help="A sensitivity label whose parts are left out, such as HIV."),
    ] = None,
    requirement: Annotated[
        Path | None, typer.Option(help="For a verdict: what must be shown, as JSON.")
    ] = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    policies: Annotated[
        Path | None, typer.Option(help="Folder of signed policies (BHX_POLICIES); with --data.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the message itself, also on a terminal.")
    ] = False,
    lang: LangOption = None,
) -> None:
    """Preview what a subscriber would receive of a message.

    With `--data` the exchange in that folder decides, as if the message were published now: by its
    directory, the consents on file, those in the message, and the policies. The view is then the
    one that it would deliver, and the pseudonyms are those of that subscriber. Without it the view
    is the one that `--view` names, under a key that is thrown away.

    On a terminal it is a table of what is kept and of what is left out, the latter by name only.
    In a pipe, or with `--json`, it is the message itself, byte for byte as it would be sent.

    Exits with 1 when the message is not valid or has no such view.

    Example: `bhx view message.json --as registry:kz --data bhx-data`
    """
    language = language_for(lang)
    view_name = _view(chosen)
    _require_purpose(purpose)
    _require_participant(recipient)
    received = read_file(file, most_bytes=_MOST_BYTES)
    message = _message(received, language, as_json=as_json)
    asked = None if requirement is None else _requirement(requirement)
    shown = received
    if data is not None or database is not None:
        view_name, shown = _decided(received, recipient, data, database, policies, language)
    elif view_name != "full":
        shown = _rendered(
            received, message, view_name, recipient, purpose, redact or [], asked, language
        )
    if as_json or not sys.stdout.isatty():
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
        return
    _print(message, shown, view_name, recipient, language)


def _view(asked: str) -> "View":
    from schemas.views.allow_list import VIEWS

    if asked not in VIEWS:
        msg = f"use one of {', '.join(VIEWS)}"
        raise typer.BadParameter(msg, param_hint="--view")
    return asked


def _require_purpose(asked: str) -> None:
    from schemas.participant import Purpose

    purposes = (*get_args(Purpose), "BTG")
    if asked not in purposes:
        msg = f"use one of {', '.join(purposes)}"
        raise typer.BadParameter(msg, param_hint="--purpose")


def _require_participant(asked: str) -> None:
    from schemas.participant import PARTICIPANT_ID

    if PARTICIPANT_ID.fullmatch(asked) is None:
        msg = "name a participant, such as registry:kz"
        raise typer.BadParameter(msg, param_hint="--as")


def _requirement(file: Path) -> "Requirement":
    from schemas.requirement import read_requirement

    return read_requirement(read_file(file))


def _message(received: bytes, language: str, *, as_json: bool) -> Any:
    """The tree of a message that the exchange would accept; else what is to mend is told."""
    from exchange.validation import judge
    from schemas.structure.reading import read_resource

    judgement = judge(received, level="profile", at=datetime.now(UTC), max_bytes=_MOST_BYTES)
    if judgement.is_valid:
        return read_resource(received, max_bytes=_MOST_BYTES)[0]
    for one in judgement.problems:
        if as_json:
            write_json({"expression": one.expression, "message": one.text_in(language)})
        elif one.is_error:
            remark(f"{one.expression}: {one.text_in(language)}")
    raise typer.Exit(BAD_RESULT if judgement.is_json else BAD_SETTING)


def _rendered(
    received: bytes,
    message: Any,
    view_name: Any,
    recipient: str,
    purpose: str,
    redact: list[str],
    requirement: "Requirement | None",
    language: str,
) -> bytes:
    """The view under a key that is thrown away."""
    from exchange.subjects import SubjectVault
    from exchange.views.render import ViewImpossible, ViewRequest, render, view_message_id
    from schemas.fhir_names import participant_of
    from schemas.wire_json import encode_bytes

    vault = SubjectVault(os.urandom(_MASTER_KEY_BYTES))
    header = message["entry"][0]["resource"]
    request = ViewRequest(
        author=participant_of(header["source"]["endpoint"]) or "",
        recipient=recipient,
        purpose=purpose,
        exchange="exchange:local",
        subject_id=vault.new_subject().subject_id,
        pseudonyms=vault.pseudonyms_for(recipient),
        message_id=view_message_id(os.urandom(16).hex()),
        original_digest=encode_bytes(vault.digest_of(received)),
        at=datetime.now(UTC),
        redact=redact,
        requirement=requirement,
    )
    try:
        shown = render(view_name, message, request)
    except ViewImpossible:
        remark(say("view.impossible", (), language))
        raise typer.Exit(BAD_RESULT) from None
    remark(say("view.throw-away", (), language))
    return shown


def _decided(
    received: bytes,
    recipient: str,
    data: Path | None,
    database: str | None,
    policies: Path | None,
    language: str,
) -> tuple["View", bytes]:
    """The view that the exchange at hand would deliver, and its bytes."""
    from adapters.cli.own_store import own_exchange

    async def asked() -> "Preview":
        async with own_exchange(data, database, policies=policies, with_policies=True) as exchange:
            return await exchange.previews.preview(received, recipient)

    found = run(asked())
    if found.entitlement is None:
        for one in () if found.refusal is None else found.refusal.problems:
            remark(f"{one.expression}: {one.text_in(language)}")
        raise typer.Exit(BAD_RESULT)
    return found.entitlement.view, found.body


def _print(message: Any, shown: bytes, view_name: str, recipient: str, language: str) -> None:
    import json

    from exchange.views.outline import outline_of

    outline = outline_of(message, json.loads(shown, parse_float=str))
    console = on_stdout()
    console.print(_kept(outline, recipient, view_name, language))
    if not outline.left_out:
        console.print(say("view.nothing-left-out", (), language))
        return
    console.print(_left_out(outline, language))
    console.print(say("view.around", (), language))


def _kept(outline: "Outline", recipient: str, view_name: str, language: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    title = say("view.kept", (recipient, view_name), language)
    table = Table(title=Text(title), title_justify="left")
    for column in ("view.element", "view.value"):
        table.add_column(say(column, (), language), overflow="fold")
    for path, value in outline.kept:
        table.add_row(Text(path), Text(harmless(value)))
    return table


def _left_out(outline: "Outline", language: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(say("view.left-out", (), language)), title_justify="left")
    table.add_column(say("view.element", (), language), overflow="fold")
    for path in outline.left_out:
        table.add_row(Text(harmless(path)))
    return table
