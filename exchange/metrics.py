"""What the exchange counts: every metric's name, once, with what it means."""

from typing import Literal, get_args

MetricName = Literal[
    # Counter: messages decided, repeats included; labels outcome, reason, ingress (http or amqp).
    "bhx_messages_total",
    # Counter: deliveries let out together with the decision on their message.
    "bhx_deliveries_sent_total",
    # Counter: HTTP requests; labels method, route (its template, never a path) and status.
    "bhx_http_requests_total",
    # Histogram: seconds from the last byte of a message to its durable decision, over HTTP.
    "bhx_decision_seconds",
    # Gauge: entries in the trail, as of the latest checkpoint this process saw.
    "bhx_trail_size",
    # Gauge: notices of recall that are unanswered past their deadline, as of this request.
    "bhx_recalls_overdue",
    # Counter: errors that nobody foresaw; each has a traceback in the log.
    "bhx_bugs_total",
    # Counter: log keys that are not on the allow-list and were left out.
    "bhx_log_keys_dropped_total",
]

METRIC_NAMES: tuple[str, ...] = get_args(MetricName)
