"""The bar of `bhx validate`, watched on a pseudo-terminal as a person would."""

import json
import os
import pty
import threading

import pytest

from adapters.cli import app

BAR = "━"
BROKEN = {"resourceType": "Patient", "gender": "f"}


class Terminal:
    """A terminal to write to, and what was written to it."""

    def __init__(self):
        self.shown = ""
        self._master, slave = pty.openpty()
        self.file = os.fdopen(slave, "w", encoding="utf-8")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            while data := os.read(self._master, 65_536):
                self.shown += data.decode()
        except OSError:  # Linux's end of a pseudo-terminal
            pass

    def close(self):
        self.file.close()
        self._reader.join(10)
        os.close(self._master)


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def validate(tmp_path, monkeypatch, terminal):
    """Run it on a file large enough to wait for; what the terminal and the pipe were given."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    large = tmp_path / "large.ndjson"
    large.write_text(f"{json.dumps(BROKEN)}\n{' ' * 2_000_000}\n{json.dumps(BROKEN)}\n")

    def validate(*options, on_terminal):
        with (tmp_path / "pipe").open("w", encoding="utf-8") as pipe:
            for name in ("stdout", "stderr"):
                stream = terminal.file if name in on_terminal else pipe
                monkeypatch.setattr(f"sys.{name}", stream)
            with pytest.raises(SystemExit):
                app(["validate", *options, str(large)])
            pipe.flush()
        terminal.close()
        return terminal.shown, (tmp_path / "pipe").read_text()

    return validate


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_bar_is_drawn_beside_results_that_go_elsewhere(validate, options):
    shown, piped = validate(*options, on_terminal={"stderr"})

    assert BAR in shown
    assert "2.0/2.0 MB" in shown
    assert "Patient.gender" not in shown
    assert piped.count("Patient.gender") == 2
    assert BAR not in piped


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_none_is_drawn_into_a_pipe(validate, options):
    shown, piped = validate(*options, on_terminal=set())

    assert shown == ""
    assert BAR not in piped
    assert "\x1b" not in piped


def test_results_on_the_same_terminal_stand_above_the_bar_and_not_in_it(validate):
    shown, _ = validate(on_terminal={"stdout", "stderr"})

    assert BAR in shown
    # A line begins where the one before it ended or was taken back.
    lines = [line.rpartition("\x1b[2K")[2] for line in shown.split("\n")]
    assert sum("Patient.gender" in line for line in lines) == 2
    assert not any(BAR in line and "Patient" in line for line in lines)
    assert shown.rstrip().endswith("2 resources: 0 valid, 2 to be mended, 0 could not be read")


def test_json_on_a_terminal_shows_by_itself_how_far_it_is(validate):
    shown, _ = validate("--json", on_terminal={"stdout", "stderr"})

    assert [json.loads(line)["valid"] for line in shown.splitlines()] == [False, False]
