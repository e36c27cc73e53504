"""`bhx break-glass`: see one traveller's records in an emergency, under the eyes of others."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from adapters.cli.answering import JsonOption, end, on_stdout, run, write_json
from adapters.cli.exchange_access import AsOption, KeyOption, http_access
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from adapters.reading_files import read_file
from exchange.errors import ConfigurationError
from schemas.violation import SchemaViolation

if TYPE_CHECKING:
    from exchange.model import Grant
    from schemas.break_glass import BreakGlassOpening, SignedBreakGlass

_Paper = TypeVar("_Paper", bound="SignedBreakGlass")

break_glass = typer.Typer(
    no_args_is_help=True,
    help="See one traveller's records without a basis, for a while: asked for, approved, recorded"
    " and reviewed.",
)


class Reason(StrEnum):
    """Why the glass may be broken."""

    EMERGENCY = "emergency-treatment"
    UNCONSCIOUS = "unconscious-traveller"
    OUTBREAK = "outbreak-exposure"


class Outcome(StrEnum):
    """What a reviewer finds."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"


@break_glass.command("request")
def request(
    participant_id: AsOption,
    key: KeyOption,
    document: Annotated[
        list[str],
        typer.Option("--document", help="SYSTEM|VALUE of a document of the traveller; repeatable."),
    ],
    reason: Annotated[Reason, typer.Option(help="Why.")],
    hours: Annotated[int, typer.Option(help="For how many hours.", min=1, max=168)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the request (mode 0600).")],
    as_json: JsonOption = False,
) -> None:
    """Sign a request; it is good for an hour.

    The file holds the traveller's documents, so keep it like a record. Beside it,
    FILE.to-approve goes to the second approver: it holds nothing of the traveller.

    Example: `bhx break-glass request --as registry:kz --key kz.key --document
    'urn:passport|N123' --reason emergency-treatment --hours 4 -o request.json`
    """
    from adapters.key_files import read_signing_key
    from exchange.commitment import SALT_BYTES, commitment_to
    from exchange.signing import sign_detached
    from schemas.break_glass import (
        BreakGlassOpening,
        BreakGlassRequest,
        SignedBreakGlass,
        TravelDocument,
        documents_bytes,
    )
    from schemas.envelope import BREAK_GLASS_REQUEST

    documents = [TravelDocument.from_values(_document(one)) for one in document]
    salt, now = os.urandom(SALT_BYTES), datetime.now(UTC)
    asked = BreakGlassRequest.from_values(
        {
            "grant": os.urandom(16).hex(),
            "participant": participant_id,
            "subject": commitment_to(documents_bytes(documents), salt),
            "reason": reason.value,
            "hours": hours,
            "at": now,
        }
    )
    body = asked.to_bytes()
    signature = sign_detached(
        read_signing_key(key),
        body,
        issuer=participant_id,
        message_id=asked.grant,
        issued_at=int(now.timestamp()),
        content_type=BREAK_GLASS_REQUEST,
    )
    opening = BreakGlassOpening(
        request=body, request_signature=signature, documents=tuple(documents), salt=salt
    )
    _write_private(out, opening.to_bytes())
    to_approve = out.with_name(out.name + ".to-approve")
    papers = SignedBreakGlass(request=body, request_signature=signature)
    _write_private(to_approve, papers.to_bytes())
    values = {"grant": asked.grant, "file": str(out), "to_approve": str(to_approve)}
    _say(values, as_json=as_json)


@break_glass.command("approve")
def approve(
    file: Annotated[Path, typer.Argument(help="What the requester sent you (FILE.to-approve).")],
    participant_id: AsOption,
    key: KeyOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the approval.")],
    as_json: JsonOption = False,
) -> None:
    """Agree to another participant's request, as its second approver; good for an hour.

    Shown is who asks, why and for how long; about whom, the requester tells you if you must know.
    """
    from adapters.key_files import read_signing_key
    from exchange.signing import sign_detached
    from exchange.subscriber_statements import statement_digest
    from schemas.break_glass import BreakGlassApproval, BreakGlassRequest, SignedBreakGlass
    from schemas.envelope import BREAK_GLASS_APPROVAL

    papers = _read(SignedBreakGlass, file, "what the requester sent you: FILE.to-approve")
    asked = BreakGlassRequest.from_bytes(papers.request)
    now = datetime.now(UTC)
    body = BreakGlassApproval.from_values(
        {
            "grant": asked.grant,
            "approver": participant_id,
            "request": statement_digest(papers.request, papers.request_signature),
            "at": now,
        }
    ).to_bytes()
    signature = sign_detached(
        read_signing_key(key),
        body,
        issuer=participant_id,
        message_id=asked.grant,
        issued_at=int(now.timestamp()),
        content_type=BREAK_GLASS_APPROVAL,
    )
    approved = papers.model_copy(update={"approval": body, "approval_signature": signature})
    _write_private(out, approved.to_bytes())
    _say(
        {
            "grant": asked.grant,
            "participant": asked.participant,
            "reason": asked.reason,
            "hours": asked.hours,
            "file": str(out),
        },
        as_json=as_json,
    )


@break_glass.command("open")
def open_glass(
    file: Annotated[Path, typer.Argument(help="The request (`bhx break-glass request`).")],
    participant_id: AsOption,
    key: KeyOption,
    url: Annotated[str, typer.Option("--to", help="The exchange's HTTP URL.")],
    approval: Annotated[
        Path | None,
        typer.Option(help="What the second approver sent back.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Break the glass: the records come as deliveries (`bhx subscribe`), for the purpose BTG."""
    from adapters.key_files import read_signing_key

    opening = _read_opening(file, approval)

    async def ask() -> dict[str, Any]:
        async with http_access(url, participant_id, read_signing_key(key)) as exchange:
            return await exchange.break_glass(opening.to_bytes())

    _say(run(ask()), as_json=as_json)


@break_glass.command("list")
def list_grants(
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="Only those that nobody looked at yet.")
    ] = False,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List broken glass, oldest first.

    Exits with 1 when --unreviewed finds something: somebody has to look at it.
    """
    found = run(_grants(data, database, only_unreviewed=unreviewed))
    if as_json:
        write_json({"grants": [_values(one) for one in found]})
    else:
        _show(found)
    end(well=not (unreviewed and found))


@break_glass.command("review")
def review(
    grant: Annotated[str, typer.Argument(help="Id of the grant.")],
    outcome: Annotated[Outcome, typer.Option(help="What you found.")],
    reviewer: Annotated[
        str,
        typer.Option(help="Who looked: a participant with the role auditor or operator."),
    ],
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what somebody found who neither opened nor approved a grant."""

    async def recorded() -> "Grant":
        async with own_exchange(data, database) as exchange:
            return await exchange.break_glass.review(grant, reviewer, outcome.value)

    _say(_values(run(recorded())), as_json=as_json)


async def _grants(
    data: Path | None, database: str | None, *, only_unreviewed: bool
) -> Sequence["Grant"]:
    async with own_exchange(data, database) as exchange:
        return await exchange.store.grants(only_unreviewed=only_unreviewed)


def _document(text: str) -> dict[str, str]:
    system, bar, value = text.partition("|")
    if not bar:
        msg = "A document is written SYSTEM|VALUE, such as 'urn:passport|N123'."
        raise ConfigurationError(msg)
    return {"system": system, "value": value}


def _read_opening(file: Path, approval: Path | None) -> "BreakGlassOpening":
    from schemas.break_glass import BreakGlassOpening, SignedBreakGlass

    opening = _read(BreakGlassOpening, file, "your request: the file of `bhx break-glass request`")
    if approval is None:
        return opening
    papers = _read(SignedBreakGlass, approval, "what the second approver sent back")
    signed = {"approval": papers.approval, "approval_signature": papers.approval_signature}
    return opening.model_copy(update=signed)


def _read(kind: type[_Paper], file: Path, meant: str) -> _Paper:
    """That paper; of the several files of one request the wrong one is easily taken."""
    try:
        return kind.from_bytes(read_file(file))
    except SchemaViolation:
        msg = f"{file} is something else. Give {meant}."
        raise ConfigurationError(msg) from None


def _write_private(file: Path, data: bytes) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data + b"\n")
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror})."
        raise ConfigurationError(msg) from error


def _values(grant: "Grant") -> dict[str, Any]:
    """Nothing of the traveller."""
    from schemas.trail_entry import entry_time

    return {
        "grant": grant.grant_id,
        "participant": grant.participant,
        "reason": grant.reason,
        "approver": grant.approver,
        "opened": entry_time(grant.opened_at),
        "until": entry_time(grant.until),
        "outcome": grant.outcome,
    }


def _say(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        typer.echo(f"{name:<12} {'' if value is None else value}")


def _show(found: Sequence["Grant"]) -> None:
    from rich.table import Table

    if not found:
        on_stdout().print("None.")
        return
    table = Table(box=None)
    for heading in _values(found[0]):
        table.add_column(heading, no_wrap=True)
    for one in found:
        table.add_row(*(str(value or "") for value in _values(one).values()))
    console = on_stdout()
    # An id that is cut in two cannot be copied.
    console.width = max(console.width, 200)
    console.print(table)
