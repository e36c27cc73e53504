"""What this process tells about itself: counters, and one log line a message.

Neither holds health data or anything a sender chose: labels and log keys come from closed lists.
"""

import hashlib
import logging
import sys
import traceback
from collections.abc import Callable, Collection, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from exchange.errors import ExchangeError
from exchange.metrics import MetricName
from exchange.ports import Incoming
from exchange.processor import Outcome

Ingress = Literal["http", "amqp"]

METRICS_CONTENT_TYPE = CONTENT_TYPE_LATEST

#: The only keys a log line may have.
LOG_KEYS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "message",  # first 12 hex digits of SHA-256 over party and message id
        "sender",
        "recipients",
        "outcome",
        "reason",
        "ingress",
        "repeated",
        "redelivered",
        "entry",  # trail index of the decision
        "milliseconds",
        "error",  # class of an exception
        "trace",  # where it was raised; no text of it and no values
    }
)

_LOG = structlog.stdlib.get_logger("bhx")


class LogKeyNotAllowed(ExchangeError):
    """Somebody logs a key that is not on the allow-list."""


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._messages = self._counter(
            "bhx_messages_total", "Messages decided.", ["outcome", "reason", "ingress"]
        )
        self._deliveries = self._counter(
            "bhx_deliveries_sent_total", "Deliveries let out with the decision on their message."
        )
        self._requests = self._counter(
            "bhx_http_requests_total", "HTTP requests.", ["method", "route", "status"]
        )
        self._bugs = self._counter("bhx_bugs_total", "Errors that nobody foresaw.")
        self._dropped_keys = self._counter(
            "bhx_log_keys_dropped_total", "Log keys that are not on the allow-list."
        )
        seconds: MetricName = "bhx_decision_seconds"
        self._seconds = Histogram(
            seconds, "From the last byte to the durable decision.", registry=self._registry
        )
        size: MetricName = "bhx_trail_size"
        self._trail_size = Gauge(size, "Entries in the trail.", registry=self._registry)
        overdue: MetricName = "bhx_recalls_overdue"
        self._overdue = Gauge(overdue, "Recalls past their deadline.", registry=self._registry)

    def observe_incoming(self, incoming: Incoming, outcome: Outcome) -> None:
        """Count and log a message that the broker brought."""
        self._count(outcome, "amqp")
        log_decision(outcome, "amqp", redelivered=incoming.redelivered)

    def observe_submission(self, outcome: Outcome, seconds: float) -> None:
        """Count and log a message that came over HTTP and was decided in so many seconds."""
        self._count(outcome, "http")
        self._seconds.observe(seconds)
        log_decision(outcome, "http", milliseconds=round(seconds * 1_000, 1))

    def observe_bug(self, error: BaseException) -> None:
        """Count and log an error that nobody foresaw: its class and place, never its text."""
        self._bugs.inc()
        _LOG.error("bug", error=type(error).__name__, trace=places_of(error))

    def observe_request(self, method: str, route: str, status: int) -> None:
        """Count an answered HTTP request by the template of its route."""
        self._requests.labels(method, route, str(status)).inc()

    def observe_trail_size(self, size: int) -> None:
        """Note how long the trail is."""
        self._trail_size.set(size)

    def observe_overdue_recalls(self, number: int) -> None:
        """Note how many recalls are unanswered past their deadline."""
        self._overdue.set(number)

    def observe_dropped_log_keys(self, number: int) -> None:
        """Count log keys that were left out."""
        self._dropped_keys.inc(number)

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format (`METRICS_CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def _count(self, outcome: Outcome, ingress: Ingress) -> None:
        decision = outcome.decision
        self._messages.labels(decision.outcome, decision.reason or "", ingress).inc()
        self._deliveries.inc(len(outcome.deliveries))

    def _counter(self, name: MetricName, text: str, labels: Collection[str] = ()) -> Counter:
        return Counter(name, text, labels, registry=self._registry)


def log_decision(outcome: Outcome, ingress: Ingress, **more: Any) -> None:
    """Write the canonical line of one message."""
    decision = outcome.decision
    identity = "\x00".join(decision.identity).encode(errors="surrogatepass")
    _LOG.info(
        "message.decided",
        message=hashlib.sha256(identity).hexdigest()[:12],
        sender=outcome.answer_to,
        recipients=[delivery.subscriber for delivery in outcome.deliveries],
        outcome=decision.outcome,
        reason=decision.reason,
        ingress=ingress,
        repeated=outcome.repeated,
        entry=decision.entry_index,
        **more,
    )


def log_unavailable(error: BaseException) -> None:
    """Tell the operator why a request was answered with "try again"."""
    _LOG.warning("exchange.unavailable", error=_causes_of(error))


def _causes_of(error: BaseException | None) -> str:
    """The classes of an error and its causes, with SQLite's name or the SQLSTATE; no text."""
    names: list[str] = []
    while error is not None:
        code = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None)
        names.append(type(error).__name__ + (f" {code}" if code else ""))
        error = error.__cause__
    return " < ".join(names)


def places_of(error: BaseException) -> str:
    """Where an error came from, innermost last: file, line and function, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{one.filename}:{one.lineno} {one.name}" for one in frames)


class AllowedKeys:
    """A structlog processor that keeps a line to `LOG_KEYS`."""

    def __init__(
        self, *, strict: bool = False, on_dropped: Callable[[int], None] | None = None
    ) -> None:
        """Raise on a foreign key when strict, else leave it out and say how many."""
        self._strict = strict
        self._on_dropped = on_dropped

    def __call__(
        self, logger: object, method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The line with allowed keys only.

        Raises:
            LogKeyNotAllowed: a key is foreign, and this is strict.
        """
        foreign = line.keys() - LOG_KEYS
        if foreign and self._strict:
            msg = f"Add the keys to LOG_KEYS, or do not log them: {', '.join(sorted(foreign))}."
            raise LogKeyNotAllowed(msg)
        if foreign and self._on_dropped is not None:
            self._on_dropped(len(foreign))
        return {key: value for key, value in line.items() if key not in foreign}


def configure_logging(
    *,
    strict: bool = False,
    stream: TextIO | None = None,
    on_dropped: Callable[[int], None] | None = None,
) -> None:
    """Log to `stream` (stderr): lines for people on a terminal, JSON elsewhere."""
    target = stream or sys.stderr
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if target.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            AllowedKeys(strict=strict, on_dropped=on_dropped),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(target)
    libraries.setFormatter(_LibraryLine())
    logging.basicConfig(handlers=[libraries], level=logging.WARNING, force=True)


class _LibraryLine(logging.Formatter):
    """Libraries' warnings without arguments and exception texts, which may quote what was sent."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        parts = [record.levelname.lower(), record.name, f"{record.module}:{record.lineno}"]
        if error is not None:
            parts += [type(error).__name__, places_of(error)]
        elif isinstance(record.msg, str) and not record.args:
            parts.append(record.msg.splitlines()[0] if record.msg else "")
        return " ".join(parts)
