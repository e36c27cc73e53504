"""`bhx erase`: destroy all that the exchange keeps about one traveller."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, remark, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, PoliciesOption, own_exchange
from adapters.cli.traveller_option import SubjectOption, document_of

if TYPE_CHECKING:
    from adapters.bootstrap import Exchange
    from exchange.erasing import Erased
    from exchange.ports import Traveller

_Document = tuple[str, str]


def erase(
    subject: SubjectOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on the terminal.")] = False,
    broker: Annotated[
        str | None,
        typer.Option(
            help="amqp://… (BHX_BROKER): its dead letters about the traveller are removed too.",
            show_default=False,
        ),
    ] = None,
    policies: PoliciesOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy all that is kept about a traveller, and tell everybody who received it.

    Keys, mapping and salts are destroyed; what waits is withheld; recipients get a notice of
    recall. The trail, and every proof that was given, stays true. It cannot be undone, and a
    restored backup of the database does not undo it.

    Exits with 1 when nothing is known about the traveller, or a legal hold stands.

    Example: `bhx erase --subject 'urn:oid:2.16.840.1.113883.4.330.398|N1234567'`
    """
    document = document_of(subject)
    found = run(_erase(document, _broker_of(broker), policies, data, database, asks=not yes))
    if found is None:
        remark("Nothing was erased.")
        raise typer.Exit(1)
    erased, dead_letters = found
    if as_json:
        write_json(_values(erased) | {"dead_letters": dead_letters})
        return
    if erased is not None:
        typer.echo(
            f"erased {erased.erasure_id}: {erased.messages} stored messages unreadable,"
            f" {erased.withheld} deliveries withheld, {erased.waiting} to be withheld in their"
            f" turn, {erased.recalled} notices of recall given"
        )
    if dead_letters is not None:
        typer.echo(f"dead letters removed: {dead_letters}")


async def _erase(
    document: _Document,
    broker: str | None,
    policies: Path | None,
    data: Path | None,
    database: str | None,
    *,
    asks: bool,
) -> "tuple[Erased | None, int | None] | None":
    """What was erased, and how many dead letters; None when the operator said no.

    Dead letters go first: which are the traveller's cannot be told any more afterwards. If we are
    stopped in between, the command is simply given again.
    """
    from exchange.erasing import NobodyKnown
    from exchange.ports import Traveller

    async with own_exchange(data, database, policies=policies, with_policies=True) as exchange:
        try:
            traveller = await exchange.erasures.find([document])
        except NobodyKnown:
            if broker is None:
                raise
            removed = await _remove_dead_letters(exchange, broker, document, Traveller())
            if not removed:
                raise
            return None, removed
        if asks and sys.stdin.isatty() and not _is_sure(traveller):
            return None
        dead_letters = None
        if broker is not None:
            dead_letters = await _remove_dead_letters(exchange, broker, document, traveller)
        return await exchange.erasures.erase([document]), dead_letters


async def _remove_dead_letters(
    exchange: "Exchange", broker: str, document: _Document, traveller: "Traveller"
) -> int:
    from adapters.rabbitmq.connection import RabbitConnection
    from adapters.rabbitmq.dead_letters import AboutTraveller, remove_dead_letters

    connection = await RabbitConnection.open(broker, name="bhx erase")
    try:
        is_about = AboutTraveller.of(exchange.erasures.vault, [document], traveller)
        return await remove_dead_letters(connection, is_about)
    finally:
        await connection.close()


def _is_sure(traveller: "Traveller") -> bool:
    recipients = {row.pending.subscriber for row in traveller.deliveries}
    remark(
        f"About this traveller are kept: {len(traveller.messages)} messages, and"
        f" {len(traveller.deliveries)} deliveries to {len(recipients)} recipients."
    )
    return typer.confirm("Destroy all of it? This cannot be undone", err=True)


def _broker_of(given: str | None) -> str | None:
    from adapters.settings import read_settings

    return read_settings(broker=given, role="all", workers=1).broker


def _values(erased: "Erased | None") -> dict[str, Any]:
    if erased is None:
        return {"erasure": None, "messages": 0, "withheld": 0, "waiting": 0, "recalled": 0}
    return {
        "erasure": erased.erasure_id,
        "messages": erased.messages,
        "withheld": erased.withheld,
        "waiting": erased.waiting,
        "recalled": erased.recalled,
    }
