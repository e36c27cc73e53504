"""`bhx serve`: the exchange."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.answering import JsonOption, on_stderr, write_json


def serve(
    data: Annotated[
        Path | None, typer.Option(help="Folder of keys and, without --database, of the store.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="amqp://user:password@host:port/vhost; none is embedded.")
    ] = None,
    policies: Annotated[
        Path | None, typer.Option(help="Folder of signed policies of jurisdictions.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://… or sqlite:///…; none is a file in --data.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="What this process does: all, api, worker or relay.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that take messages from the broker.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="host:port of the HTTP interface. [127.0.0.1:8080]")
    ] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the exchange.

    Without options it is embedded: SQLite and keys under ./bhx-data, HTTP on 127.0.0.1:8080. With
    --broker and --database it is the real thing. Every option is also a BHX_… variable.
    """
    import uvloop

    from adapters.settings import read_settings

    given: dict[str, Any] = {
        "data": data,
        "policies": policies,
        "broker": broker,
        "database": database,
        "role": role,
        "workers": workers,
        "listen": listen,
    }
    settings = read_settings(**given)
    uvloop.run(_serve(settings, with_parent=with_parent, as_json=as_json))


async def _serve(settings: Any, *, with_parent: bool, as_json: bool) -> None:
    from adapters.bootstrap import open_exchange
    from adapters.cli.worker_processes import stop_with_parent, worker_processes
    from adapters.policy_files import policies_to_serve
    from adapters.serving import parts_for, run_parts, stop_on_signals
    from adapters.telemetry import Metrics, configure_logging

    # Before anything is opened: with rules that decide wrongly nothing may move.
    policies = policies_to_serve(settings.policies)
    configure_logging()
    stop = asyncio.Event()
    is_first_start = not (settings.data / "keys").exists()
    async with contextlib.AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(open_exchange(settings, policies=policies))
        parts = await stack.enter_async_context(parts_for(exchange, Metrics()))
        stack.enter_context(stop_on_signals(stop))
        if with_parent:
            stop_with_parent(stop)
        others = await stack.enter_async_context(worker_processes(settings))

        async def announce() -> None:
            _announce(exchange, first=is_first_start, as_json=as_json)

        await run_parts([*others, *parts], stop=stop, on_running=announce)


def _announce(exchange: Any, *, first: bool, as_json: bool) -> None:
    settings = exchange.settings
    if as_json:
        running = {
            "running": settings.role,
            "url": settings.base_url,
            "log_key": exchange.keys.note_signer.verifier_key,
        }
        write_json(running)
        sys.stdout.flush()
        return
    console = on_stderr()
    store = "PostgreSQL" if settings.database_url.startswith("postgresql") else "SQLite"
    carrier = "RabbitMQ" if settings.broker else "no broker: HTTP in, fetched by cursor"
    console.print(
        f"[bold]Border Health Exchange[/] · {settings.role} · {settings.base_url} · {store} · "
        f"{carrier}",
        soft_wrap=True,
    )
    console.print(f"trail key  {exchange.keys.note_signer.verifier_key}", soft_wrap=True)
    if first:
        folder = settings.data
        console.print(
            f"\nFirst start: keys were made in [bold]{folder / 'keys'}[/]. Keep a copy of that "
            "folder in a safe place:\nwithout master.key no stored record can be read again.\n\n"
            "Nobody is admitted yet. To admit a border post:\n"
            "  bhx key new --out post.key\n"
            "  bhx participant new poe:kz:ala --name 'Almaty airport' --jurisdiction KZ \\\n"
            "      --role publisher --key post.key -o post.json\n"
            f"  bhx participant admit post.json --data {folder}",
            soft_wrap=True,
        )
