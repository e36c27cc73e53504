"""What is logged: allowed keys, never a text that may quote a message."""

import io
import json
import logging

import pytest
import structlog

from adapters.telemetry import AllowedKeys, LogKeyNotAllowed, Metrics, configure_logging

SECRET = "QX-SECRET-PASSPORT-7"


@pytest.fixture
def log():
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logging(stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_foreign_key_raises_in_tests():
    with pytest.raises(LogKeyNotAllowed):
        AllowedKeys(strict=True)(None, "info", {"event": "x", "birth_date": SECRET})


def test_a_foreign_key_is_left_out_and_counted():
    dropped = []
    line = AllowedKeys(on_dropped=dropped.append)(None, "info", {"event": "x", "name": SECRET})
    assert (line, dropped) == ({"event": "x"}, [1])


def test_lines_are_json_away_from_a_terminal(log):
    structlog.get_logger().info("message.decided", outcome="accepted", family_name=SECRET)
    line = json.loads(log.getvalue())
    assert (line["event"], line["outcome"], line["level"]) == (
        "message.decided",
        "accepted",
        "info",
    )
    assert "family_name" not in line


def test_a_bug_is_logged_without_its_text(log):
    try:
        {}[SECRET]
    except KeyError as error:
        Metrics().observe_bug(error)
    assert SECRET not in log.getvalue()
    line = json.loads(log.getvalue())
    assert line["error"] == "KeyError"
    assert "test_telemetry.py" in line["trace"]


def test_libraries_do_not_quote_either(log):
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application: %s", SECRET)
    assert SECRET not in log.getvalue()
    assert "ValueError" in log.getvalue()
