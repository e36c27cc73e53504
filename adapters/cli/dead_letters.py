"""`bhx dead-letters`: what could not be processed, why, and what to do about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import BAD_RESULT, JsonOption, on_stdout, remark, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapters.rabbitmq.letter_box import KeptLetter, LetterBox

dead_letters = typer.Typer(
    no_args_is_help=True,
    help="Messages that were put aside: kept sealed, listed by cause, opened or sent again.",
)

BrokerOption = Annotated[
    str | None, typer.Option(help="amqp://… of the exchange's user (BHX_BROKER).")
]
IdArgument = Annotated[str, typer.Argument(help="As `bhx dead-letters list` shows it.")]


@dead_letters.command("list")
def list_letters(
    broker: BrokerOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was put aside, with its reason; nothing of what it holds is shown."""
    found = run(_with_box(broker, data, database, lambda box: box.letters()))
    if as_json:
        write_json([_values(one) for one in found])
        return
    from rich.table import Table

    table = Table("id", "reason", "from", "bytes", title="Dead letters")
    for one in found:
        table.add_row(one.id, one.reason or "put aside by the broker", one.queue, str(one.size))
    on_stdout().print(table)


@dead_letters.command("open")
def open_letter(
    letter: IdArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new file, mode 0600.")],
    broker: BrokerOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Write a letter's exact bytes into a file that only you can read; it stays where it is."""
    from adapters.key_files import write_private

    found = run(_with_box(broker, data, database, lambda box: box.opened(letter)))
    if found is None:
        remark("There is no dead letter of that id: see `bhx dead-letters list`.")
        raise typer.Exit(BAD_RESULT)
    write_private(out, found.body)


@dead_letters.command("replay")
def replay(
    letter: IdArgument,
    broker: BrokerOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Put a letter back into the queue that it was put aside from, once its cause is mended."""
    if not run(_with_box(broker, data, database, lambda box: box.replayed(letter))):
        remark("There is no dead letter of that id: see `bhx dead-letters list`.")
        raise typer.Exit(BAD_RESULT)


@dead_letters.command("drop")
def drop(
    letter: IdArgument,
    broker: BrokerOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Remove a letter for good."""
    if not run(_with_box(broker, data, database, lambda box: box.dropped(letter))):
        remark("There is no dead letter of that id: see `bhx dead-letters list`.")
        raise typer.Exit(BAD_RESULT)


async def _with_box(
    broker: str | None,
    data: Path | None,
    database: str | None,
    act: "Callable[[LetterBox], Awaitable[Any]]",
) -> Any:
    from adapters.rabbitmq.connection import RabbitConnection
    from adapters.rabbitmq.letter_box import LetterBox
    from adapters.settings import read_settings

    url = read_settings(data=data, database=database, broker=broker).broker
    if url is None:
        msg = "Dead letters lie in RabbitMQ: give --broker amqp://… or set BHX_BROKER."
        raise ConfigurationError(msg)
    async with own_exchange(data, database) as exchange:
        connection = await RabbitConnection.open(url)
        try:
            return await act(LetterBox(connection, exchange.erasures.vault))
        finally:
            await connection.close()


def _values(one: "KeptLetter") -> dict[str, Any]:
    return {
        "id": one.id,
        "reason": one.reason or None,
        "queue": one.queue or None,
        "bytes": one.size,
        "readable": one.letter is not None,
    }
