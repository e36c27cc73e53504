"""`bhx bench`: how fast, beside a program that checks nothing."""

from typing import Annotated, Any

import typer

from adapters.bench.ground import DEFAULT_BROKER, DEFAULT_DATABASE
from adapters.cli.answering import JsonOption, on_stderr, on_stdout, write_json


def bench(
    broker: Annotated[
        str, typer.Option(envvar="BHX_BROKER", help="RabbitMQ; virtual hosts are made on it.")
    ] = DEFAULT_BROKER,
    database: Annotated[
        str, typer.Option(envvar="BHX_DATABASE", help="PostgreSQL; databases are made on it.")
    ] = DEFAULT_DATABASE,
    messages: Annotated[int, typer.Option(min=200, help="Messages in each measured run.")] = 2_000,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of runs; medians count.")] = 3,
    long_run: Annotated[
        int, typer.Option(min=0, help="Watch the memory over so many messages more.")
    ] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Small runs: a figure for a log.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure throughput and latency on RabbitMQ and PostgreSQL.

    One run, in pairs: a plain aio-pika program that takes a message, publishes it to two queues
    and a receipt queue and acknowledges; then this exchange with every check on, on the same
    bodies. On a virtual host and a database of its own, removed afterwards.
    """
    import uvloop

    from adapters.bench.figures import measure

    console = on_stderr()
    with console.status("starting") as status:
        figures = uvloop.run(
            measure(
                broker=broker,
                database=database,
                messages=min(messages, 800) if quick else messages,
                pairs=pairs,
                long_run=long_run,
                progress=status.update,
            )
        )
    if as_json:
        write_json(figures.to_json())
        return
    _print_table(figures)


def _print_table(figures: Any) -> None:
    from rich.table import Table

    table = Table(title=f"{figures.messages} messages of {figures.body_bytes} bytes, medians")
    table.add_column("pipeline")
    table.add_column("messages/s", justify="right")
    table.add_column("ratio", justify="right")
    table.add_row("plain aio-pika, nothing checked", f"{figures.passthrough_per_second:.0f}", "1")
    table.add_row(
        "the exchange, every check on",
        f"{figures.exchange_per_second:.0f}",
        f"{figures.ratio:.2f}",
    )
    console = on_stdout()
    console.print(table)
    latency = ", ".join(f"{name} {value:.0f} ms" for name, value in figures.latency_ms.items())
    console.print(f"due to delivered, at half load: {latency}; memory {figures.rss_mb:.0f} MB")
    if figures.rss_mb_series:
        series = " ".join(f"{value:.0f}" for value in figures.rss_mb_series)
        console.print(f"memory after each 5,000 more: {series} MB")
