"""Installs Debian's RabbitMQ and PostgreSQL without letting them start as system services."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.postgres import postgres_programs
from tests.services.rabbitmq import rabbitmq_programs

POLICY = Path("/usr/sbin/policy-rc.d")

#: Debian package → whether the programs we want it for are there, wherever they came from.
PROGRAMS: Mapping[str, Callable[[], bool]] = {
    "rabbitmq-server": lambda: rabbitmq_programs() is not None,
    "postgresql": lambda: postgres_programs() is not None,
    "amqp-tools": lambda: shutil.which("amqp-consume") is not None,
}


def not_installed() -> list[str]:
    """The Debian packages whose programs the tests would look for in vain."""
    return [package for package, is_there in PROGRAMS.items() if not is_there()]


def what_to_type(packages: Sequence[str]) -> str:
    """What somebody who is not root is told."""
    return (
        f"The tests need programs that are not installed: {', '.join(packages)}.\n"
        "Type this, then the same make command again:\n"
        "    sudo apt-get update && sudo apt-get install -y --no-install-recommends "
        f"{' '.join(packages)}\n"
        "Nothing has to be started: tests start servers of their own where none answers."
    )


def can_install() -> bool:
    """Whether we are root on a system with apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Install the packages; the tests start private instances from their programs.

    Raises:
        subprocess.CalledProcessError: apt-get failed; its own message is on the terminal.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with _services_kept_off():
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        ):
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)


@contextmanager
def _services_kept_off() -> Iterator[None]:
    """Answer 101, "do not start", to packages that ask whether they may (policy-rc.d)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
