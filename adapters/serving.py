"""One process of the exchange: which parts run for a role, how they start and how they stop.

A stop is graceful: parts take nothing more in, finish what they hold, and the process ends within
ten seconds. Whatever is not finished by then is unacknowledged or unsent, and comes again. A part
that dies takes the process with it, loudly: half an exchange is worse than none.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import uvicorn

from adapters.bootstrap import Exchange
from adapters.http.app import create_app
from adapters.rabbitmq.dead_letter_keeper import DeadLetterKeeper
from adapters.rabbitmq.source import RabbitSource
from adapters.rabbitmq.topology import ACKNOWLEDGEMENTS, SUBMISSIONS
from adapters.settings import Settings
from adapters.telemetry import Metrics
from exchange import validation
from exchange.acknowledgement_worker import AcknowledgementWorker
from exchange.errors import ConfigurationError, Unavailable
from exchange.worker import Worker

STOP_WITHIN_SECONDS = 9.0
_READY_POLL_SECONDS = 0.01
#: How soon what was kept too long is looked for again, after the database gave no answer.
_RETAIN_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until it is told to stop.

    Attributes:
        run: returns after `stop`; returning or raising before is the end of the process.
        stop: asks for the end; returns at once or soon.
        is_ready: whether it takes work yet.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    is_ready: Callable[[], bool] = lambda: True


@asynccontextmanager
async def parts_for(exchange: Exchange, metrics: Metrics) -> AsyncIterator[list[Part]]:
    """The parts of this process's role, connected; their connections close on leaving.

    Raises:
        ConfigurationError: HTTP cannot listen where it is told to.
        Unavailable: the broker does not answer.
    """
    role, settings = exchange.settings.role, exchange.settings
    parts: list[Part] = []
    if role != "relay":
        validation.prepare()
    async with AsyncExitStack() as stack:
        if role in {"all", "api"}:
            listening = stack.enter_context(_listening(settings))
            parts.append(_http(exchange, metrics, listening))
            parts.append(_intake(exchange))
        if role in {"all", "relay"}:
            parts.append(_relay(exchange))
            parts.append(_retention(exchange))
        if exchange.broker is not None:
            await exchange.dispatcher.prepare()
        if exchange.broker is not None and role in {"all", "worker"}:
            source = RabbitSource(
                exchange.broker.another("submissions"), SUBMISSIONS, prefetch=settings.prefetch
            )
            stack.push_async_callback(source.close)
            worker = Worker(
                source=source,
                store=exchange.store,
                processor=exchange.processor,
                dispatcher=exchange.dispatcher,
                batch_size=settings.batch_size,
                observe=metrics.observe_incoming,
                observe_bug=metrics.observe_bug,
            )
            parts.append(Part("worker", worker.run, worker.stop))
        if exchange.broker is not None and role in {"all", "relay"}:
            source = RabbitSource(
                exchange.broker.another("acknowledgements"), ACKNOWLEDGEMENTS, prefetch=50
            )
            stack.push_async_callback(source.close)
            acknowledgements = AcknowledgementWorker(
                source=source,
                desk=exchange.acknowledgements,
                recalls=exchange.recalls,
                observe_bug=metrics.observe_bug,
            )
            parts.append(Part("acknowledgements", acknowledgements.run, acknowledgements.stop))
            keeper = DeadLetterKeeper(
                exchange.broker.another("dead letters"), exchange.erasures.vault
            )
            stack.push_async_callback(keeper.close)
            parts.append(Part("dead letters", keeper.run, keeper.stop))
        yield parts


async def run_parts(
    parts: list[Part],
    *,
    stop: asyncio.Event,
    on_running: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run all parts until `stop` is set or one of them ends; then stop them all in order.

    Raises:
        BaseException: what the part that ended raised.
    """
    tasks = {asyncio.ensure_future(part.run()): part for part in parts}
    stopped = asyncio.ensure_future(stop.wait())
    try:
        # uvicorn has no event for "listening", only a flag.
        while not all(part.is_ready() for part in parts) and not any(map(_is_done, tasks)):  # noqa: ASYNC110
            await asyncio.sleep(_READY_POLL_SECONDS)
        if on_running is not None and not any(map(_is_done, tasks)):
            await on_running()
        await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        # In order: HTTP takes no more before the intake behind it answers the last and stops.
        for part in parts:
            await part.stop()
        _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN_SECONDS)
        for task in late:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


def _is_done(task: asyncio.Future[None]) -> bool:
    return task.done()


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Generator[None]:
    """SIGTERM and SIGINT ask for a graceful end while inside."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process has one way to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listening(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        ConfigurationError: it cannot: the port is taken, or the host is not this machine's.
    """
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        why = str(error.strerror).partition(" (while ")[0]
        msg = f"setting listen (BHX_LISTEN): cannot listen there ({why})."
        raise ConfigurationError(msg) from error


def _http(exchange: Exchange, metrics: Metrics, listening: socket.socket) -> Part:
    config = uvicorn.Config(
        create_app(exchange, metrics=metrics),
        host=exchange.settings.host,
        port=exchange.settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)

    async def stop() -> None:
        server.should_exit = True

    # Bound by us: uvicorn would end the process by itself, without a reason that helps.
    return Part("http", lambda: server.serve(sockets=[listening]), stop, lambda: server.started)


def _intake(exchange: Exchange) -> Part:
    async def stop() -> None:
        exchange.intake.stop()

    return Part("intake", exchange.intake.run, stop)


def _relay(exchange: Exchange) -> Part:
    stopping = asyncio.Event()

    async def stop() -> None:
        stopping.set()

    return Part("relay", lambda: exchange.relay.run(stopping), stop)


def _retention(exchange: Exchange) -> Part:
    every = exchange.settings.retain_every_hours * 3_600
    stopping = asyncio.Event()

    async def run() -> None:
        while not stopping.is_set():
            try:
                await exchange.retention.run()
                pause = every
            except Unavailable:
                pause = min(every, _RETAIN_AGAIN_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)

    async def stop() -> None:
        stopping.set()

    return Part("retention", run, stop)
