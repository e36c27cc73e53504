"""A private PostgreSQL for tests, in a directory of its own, durable as in production."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.services.processes import (
    ServiceFailed,
    ServiceMissing,
    end_of,
    free_port,
    kill_group,
    stop_group,
    wait_until,
)
from tests.services.wire import postgres_answers

START_SECONDS = 60.0
STOP_SECONDS = 20.0

# After a SIGKILL the server's children still hold its shared memory for a moment.
RETRY_SECONDS = 15.0


def postgres_programs() -> Path | None:
    """Return the folder that holds initdb and postgres, of the newest version installed."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is not None:
        return newest.parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PrivatePostgres:
    """A server with its own port and directory; nothing outlives `remove()`.

    Its data stays between `start`, `stop`, `kill` and `restart`. PostgreSQL refuses to run as
    root, so root runs it as the user `postgres`. fsync stays on: tests kill this server and
    then look for what it promised to keep.
    """

    def __init__(self) -> None:
        programs = postgres_programs()
        if programs is None:
            raise ServiceMissing("PostgreSQL is not installed: apt-get install postgresql")
        self.programs = programs
        self.port = free_port()
        self._user = _unprivileged_user()
        self.directory = Path(tempfile.mkdtemp(prefix="bhx-postgres-"))
        if self._user is not None:
            shutil.chown(self.directory, self._user)
        self.log = self.directory / "output.log"
        self._process: subprocess.Popen | None = None
        self._create_cluster()

    @property
    def url(self) -> str:
        """The URL of the maintenance database, as the superuser, without a driver's name."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def running(self) -> bool:
        """Whether the server's first process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and return once it lets us log in.

        Raises:
            ServiceFailed: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + RETRY_SECONDS
        while not self._start_once():
            if time.monotonic() > deadline:
                raise ServiceFailed(f"PostgreSQL did not start:\n{end_of(self.log)}")
            time.sleep(0.2)
        return self

    def stop(self) -> None:
        """Stop the server in order ("fast": clients are disconnected)."""
        if self._process is not None:
            stop_group(self._process, signal.SIGINT, STOP_SECONDS)

    def kill(self) -> None:
        """End the server with SIGKILL; it recovers from its log at the next start."""
        if self._process is not None:
            kill_group(self._process)

    def restart(self) -> Self:
        """Stop the server in order, then start it on the same data and port."""
        self.stop()
        return self.start()

    def remove(self) -> None:
        """End the server and delete its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _start_once(self) -> bool:
        arguments = [self.programs / "postgres", "-D", self.directory / "data"]
        for setting in (
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.directory}",
            "fsync=on",
            "shared_buffers=32MB",
            "max_connections=60",
        ):
            arguments += ["-c", setting]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                arguments,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                env=self._environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait_until(lambda: postgres_answers(self.url), self._process, START_SECONDS):
            return True
        kill_group(self._process)
        return False

    def _create_cluster(self) -> None:
        arguments = [self.programs / "initdb", "--pgdata", self.directory / "data"]
        arguments += ["--username=postgres", "--auth=trust", "--no-instructions"]
        arguments += ["--encoding=UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            arguments,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            env=self._environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise ServiceFailed(f"initdb failed: {done.stdout}{done.stderr}")

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return inherited | {"HOME": str(self.directory), "LC_ALL": "C.UTF-8"}


def _unprivileged_user() -> str | None:
    """The user to run PostgreSQL as, or None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError as absent:
        raise ServiceMissing(
            "PostgreSQL will not run as root and there is no user postgres: "
            "useradd --system postgres"
        ) from absent
