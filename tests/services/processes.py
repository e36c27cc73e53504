"""What both private services share: a free port, waiting for an answer, ending a process group."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class ServiceMissing(Exception):
    """A service is neither running nor installed; the text says what to type."""


class ServiceFailed(Exception):
    """A service is installed but did not do as told; the text carries the end of its log."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(answers: Callable[[], bool], process: subprocess.Popen, seconds: float) -> bool:
    """Return True once `answers` holds; False when the process ended or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.1)
    return False


def kill_group(process: subprocess.Popen) -> None:
    """End the process and its group at once; they get no chance to tidy up."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop_group(process: subprocess.Popen, ask: signal.Signals, seconds: float) -> None:
    """Ask the process to stop; end its group when it has not within `seconds`."""
    if process.poll() is None:
        process.send_signal(ask)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)


def end_of(log: Path, lines: int = 100) -> str:
    """Return the last lines of a log, or a note that there is none."""
    if not log.exists():
        return f"(no log at {log})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
