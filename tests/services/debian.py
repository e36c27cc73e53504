"""Installs Debian's RabbitMQ and PostgreSQL without letting them start as system services."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")


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
