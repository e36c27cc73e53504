"""A RabbitMQ node for tests: a private one in its own directory, or the one already running."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.services.processes import (
    ServiceFailed,
    ServiceMissing,
    end_of,
    free_port,
    kill_group,
    stop_group,
    wait_until,
)
from tests.services.wire import amqp_answers

PLACES = (
    "/usr/lib/rabbitmq/bin",
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/rabbitmq*/sbin",
)

# Two schedulers and no busy waiting: a test machine is shared. Node-to-node traffic stays local.
ERLANG_ARGUMENTS = "+S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"

START_SECONDS = 90.0
STOP_SECONDS = 30.0
CTL_SECONDS = 60.0


def rabbitmq_programs() -> Path | None:
    """Return the folder that holds rabbitmq-server and rabbitmqctl themselves, not the wrappers."""
    for place in PLACES:
        for folder in sorted(Path("/").glob(place.lstrip("/")), reverse=True):
            if (folder / "rabbitmq-server").exists():
                return folder
    return None


class PrivateRabbitMQ:
    """A node with its own name, ports, directory and cookie; nothing outlives `remove()`.

    Its data stays in its directory between `start`, `stop`, `kill` and `restart`. The node is
    `name@localhost` so that no name server is asked; the Erlang port mapper (epmd) is started
    by the node itself when none runs, and is shared with other nodes of the machine.
    """

    def __init__(self, plugins: Sequence[str] = (), extra_config: str = "") -> None:
        programs = rabbitmq_programs()
        if programs is None:
            raise ServiceMissing("RabbitMQ is not installed: apt-get install rabbitmq-server")
        self.programs = programs
        self.port = free_port()
        self.node = f"bhx-{secrets.token_hex(4)}@localhost"
        self.directory = Path(tempfile.mkdtemp(prefix="bhx-rabbitmq-"))
        self.log = self.directory / "output.log"
        self._process: subprocess.Popen | None = None
        self._environment = self._prepare(plugins, extra_config)

    @property
    def url(self) -> str:
        """The AMQP URL of the default vhost, as its administrator."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def running(self) -> bool:
        """Whether the node's process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the node and return once it lets us log in.

        Raises:
            ServiceFailed: it ended, or did not answer in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "rabbitmq-server"],
                env=self._environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if not wait_until(lambda: amqp_answers(self.url), self._process, START_SECONDS):
            kill_group(self._process)
            raise ServiceFailed(f"RabbitMQ {self.node} did not start:\n{end_of(self.log)}")
        return self

    def stop(self) -> None:
        """Stop the node in order; its durable data stays."""
        if self._process is not None:
            stop_group(self._process, signal.SIGTERM, STOP_SECONDS)

    def kill(self) -> None:
        """End the node with SIGKILL."""
        if self._process is not None:
            kill_group(self._process)

    def restart(self) -> Self:
        """Stop the node in order, then start it on the same data, port and name."""
        self.stop()
        return self.start()

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against this node and return what it printed.

        Raises:
            ServiceFailed: rabbitmqctl reported an error.
        """
        return run_ctl([str(self.programs / "rabbitmqctl")], arguments, env=self._environment)

    def remove(self) -> None:
        """End the node and delete its directory."""
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

    def _prepare(self, plugins: Sequence[str], extra_config: str) -> dict[str, str]:
        (self.directory / "empty.conf").touch()
        (self.directory / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "disk_free_limit.absolute = 50MB\n"
            f"{extra_config}\n"
        )
        cookie = self.directory / ".erlang.cookie"
        cookie.touch(mode=0o600)
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RABBITMQ_")}
        return inherited | {
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self.directory / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "empty.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "none.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.directory / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
        }


class RunningRabbitMQ:
    """The node that already answers at a URL; used as it is, never stopped."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ctl(self, *arguments: str) -> str:
        """Run the machine's rabbitmqctl and return what it printed.

        Raises:
            ServiceFailed: rabbitmqctl reported an error.
        """
        return run_ctl(["rabbitmqctl"], arguments, env=None)

    def is_controllable(self) -> bool:
        """Whether the machine's rabbitmqctl is allowed to talk to exactly this node."""
        parts = urlsplit(self.url)
        local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if not local or shutil.which("rabbitmqctl") is None:
            return False
        listeners = "[element(6, L) || L <- rabbit_networking:active_listeners()]."
        try:
            ports = self.ctl("eval", listeners)
        except ServiceFailed:
            return False
        return str(parts.port or 5672) in ports.strip("[]\n ").split(",")


def run_ctl(program: list[str], arguments: Sequence[str], env: dict[str, str] | None) -> str:
    """Run rabbitmqctl quietly and return its standard output.

    Raises:
        ServiceFailed: it reported an error or took too long.
    """
    try:
        done = subprocess.run(
            [*program, "--quiet", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CTL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise ServiceFailed(f"rabbitmqctl {arguments[0]} took over {CTL_SECONDS} s") from slow
    if done.returncode != 0:
        raise ServiceFailed(f"rabbitmqctl {arguments[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout
