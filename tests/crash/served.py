"""One exchange process after the other, on the same data and the same port."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import DEADLINE_SECONDS, until

PROJECT = Path(__file__).resolve().parents[2]
CRASHING = "tests.crash.crashing_exchange"
SERVE = "adapters.cli"


class Served:
    """An exchange in a process of its own, started again on the same settings."""

    def __init__(self, settings, folder):
        self.settings = settings
        self.log = folder / "exchange.log"
        self._process = None

    @property
    def url(self):
        return f"http://{self.settings['listen']}"

    @property
    def pid(self):
        return self._process.pid

    @property
    def lives(self):
        return self._process is not None and self._process.poll() is None

    async def start(self, *arguments, module=CRASHING):
        """Start it, and wait for its line unless it is meant to end by itself."""
        assert not self.lives
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("BHX_")}
        chosen = {f"BHX_{name.upper()}": str(value) for name, value in self.settings.items()}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=PROJECT,
                env=inherited | chosen,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(DEADLINE_SECONDS):
            line = await asyncio.to_thread(self._process.stdout.readline)
        if not line:
            # It may have crashed as told before it could say anything.
            assert await self.ended() == -signal.SIGKILL, self.said()
        else:
            assert json.loads(line)["running"]

    async def ended(self, seconds=DEADLINE_SECONDS):
        """The exit code, once it has ended by itself."""
        await until(lambda: not self.lives, seconds, what="the exchange ended")
        self._process.stdout.close()
        return self._process.returncode

    async def kill(self):
        """End it from outside, at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL

    async def stop(self, seconds=10.0):
        """Ask it to end; it must, in that time, and say that all is well."""
        self.tell_to_stop()
        assert await self.ended(seconds) == 0, self.said()

    def tell_to_stop(self):
        """Ask it to end."""
        self._process.send_signal(signal.SIGTERM)

    async def stopped_listening(self):
        """Return when its port takes nobody: it has heard that it is to end, or is gone."""
        host, _, port = self.settings["listen"].rpartition(":")

        def refuses():
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                return True
            return False

        await until(refuses, what="its port is closed")

    def said(self):
        """What it wrote last."""
        return self.log.read_text(errors="replace")[-4_000:]

    def remove(self):
        """Leave no process behind."""
        if self._process is not None:
            if self.lives:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process.stdout.close()
