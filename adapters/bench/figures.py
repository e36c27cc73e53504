"""The figures of one run."""

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters.bench.exchange_run import (
    ExchangeUnderLoad,
    exchange_under_load,
    resident_megabytes,
)
from adapters.bench.ground import empty_database, empty_vhost
from adapters.bench.messages import SignedMessage, signed_messages
from adapters.bench.passthrough import passthrough_per_second
from exchange.signing import SigningKey

_WARM_UP = 200

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured; rates in messages a second, medians over the pairs.

    Attributes:
        ratio: exchange over pass-through.
        latency_ms: percentiles from due to delivered, at half of `exchange_per_second`.
        rss_mb: resident memory of the process at the end.
        rss_mb_series: the same after each chunk of a long run.
        pairs: each pair's pass-through and exchange rate.
    """

    passthrough_per_second: float
    exchange_per_second: float
    ratio: float
    latency_ms: dict[str, float]
    rss_mb: float
    rss_mb_series: list[float]
    pairs: list[tuple[float, float]]
    messages: int
    body_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self)


async def measure(
    *, broker: str, database: str, messages: int, pairs: int, long_run: int, progress: Progress
) -> Figures:
    """Run pass-through and exchange in pairs, then latency at half load, then a long run.

    Args:
        broker: where virtual hosts may be made.
        database: where databases may be made.
        messages: how many in each measured run.
        pairs: how many pairs; medians are reported.
        long_run: how many messages to watch the memory over; 0 for none.
        progress: told what happens now.
    """
    key = SigningKey.generate("Ed25519")
    supply = signed_messages(key, 10**9)
    async with AsyncExitStack() as stack:
        vhost = await stack.enter_async_context(empty_vhost(broker))
        store = await stack.enter_async_context(empty_database(database))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bhx-bench-"))
        load = await stack.enter_async_context(
            exchange_under_load(
                broker=vhost,
                database=store,
                folder=Path(folder),
                key=key,
                window=100_000,
            )
        )
        progress("warming up")
        await load.drain(_take(supply, _WARM_UP))
        measured: list[tuple[float, float]] = []
        for number in range(pairs):
            progress(f"pair {number + 1} of {pairs}")
            batch = _take(supply, messages)
            raw = await passthrough_per_second(vhost, [one.body for one in batch])
            measured.append((round(raw, 1), round(await load.drain(batch), 1)))
            await load.empty_queues()
        rate = statistics.median(exchange for _, exchange in measured)
        progress("latency at half load")
        latencies = await load.latencies_ms(_take(supply, max(messages // 2, 200)), rate / 2)
        await load.empty_queues()
        series = await _long_run(load, supply, long_run, progress)
        raw_rate = statistics.median(raw for raw, _ in measured)
        return Figures(
            passthrough_per_second=raw_rate,
            exchange_per_second=rate,
            ratio=round(statistics.median(exchange / raw for raw, exchange in measured), 3),
            latency_ms=_percentiles(latencies),
            rss_mb=resident_megabytes(),
            rss_mb_series=series,
            pairs=measured,
            messages=messages,
            body_bytes=len(next(supply).body),
        )


async def _long_run(
    load: ExchangeUnderLoad, supply: Iterator[SignedMessage], count: int, progress: Progress
) -> list[float]:
    series: list[float] = []
    chunk = 5_000
    for done in range(0, count, chunk):
        progress(f"memory over {count} messages: {done}")
        await load.drain(_take(supply, chunk))
        await load.empty_queues()
        series.append(resident_megabytes())
    return series


def _take(supply: Iterator[SignedMessage], count: int) -> list[SignedMessage]:
    return list(itertools.islice(supply, count))


def _percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {f"p{percent}": round(cuts[percent - 1], 2) for percent in (50, 95, 99)}
