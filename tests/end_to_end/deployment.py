"""A whole deployment for tests, made only with the commands that operators and participants type.

Keys, documents, admission, RabbitMQ's definitions and the server are each a `bhx` process; what
talks to the server here is httpx2, aio-pika and Debian's amqp-tools, not our clients.
"""

import asyncio
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import aio_pika
import httpx2

from tests.end_to_end import independent
from tests.services.processes import free_port

PROJECT = Path(__file__).resolve().parents[2]
FHIR_JSON = "application/fhir+json"
ACKNOWLEDGEMENT = "application/vnd.bhx.acknowledgement+json"
START_SECONDS = 60
PATIENCE_SECONDS = 40


def own_environment(**more):
    """The environment without any setting of an exchange, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BHX_")}
    # The package may be installed from elsewhere, or not at all.
    return kept | {"PYTHONPATH": str(PROJECT), "NO_COLOR": "1"} | more


def run_bhx(*arguments, code=0, seconds=90, **environment):
    """One `bhx` process: (every JSON value it printed, stderr); requires its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "adapters.cli", *map(str, arguments)],
        env=own_environment(**environment),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == code, (
        f"bhx {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    )
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


class Served:
    """`bhx serve` as a process of its own."""

    def __init__(self, log, *arguments, **environment):
        self._log = log.open("wb")
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli", "serve", "--json", *map(str, arguments)],
            env=own_environment(**environment),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        lines = queue.SimpleQueue()
        self._reader = threading.Thread(
            target=lambda: lines.put(self.process.stdout.readline()), daemon=True
        )
        self._reader.start()
        try:
            line = lines.get(timeout=START_SECONDS)
            assert line, f"bhx serve ended:\n{log.read_text()}"
        except BaseException:
            self.process.kill()
            self.stop()
            raise
        self.announced = json.loads(line)

    def stop(self):
        """Ask for a graceful end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(timeout=5)
            self.process.stdout.close()
            self._log.close()


def until(condition, what, seconds=PATIENCE_SECONDS):
    """The first true value of the condition."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


@dataclass
class Deployment:
    """An exchange on RabbitMQ and PostgreSQL, two posts, two registries and an auditor."""

    folder: Path
    node: object
    database: str
    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    served: Served | None = None

    def __post_init__(self):
        # Users of RabbitMQ are the whole node's: a mark of our own keeps runs apart.
        self.ala, self.oss = f"poe:kz:ala-{self.mark}", f"poe:kg:oss-{self.mark}"
        self.kz, self.kg = f"registry:kz:{self.mark}", f"registry:kg:{self.mark}"
        self.auditor = f"auditor:who:{self.mark}"
        self.vhost, self.exchange_user = f"bhx_e2e_{self.mark}", f"bhx-exchange-{self.mark}"
        self.own_store = ["--data", self.folder / "exchange", "--database", self.database]
        self._tokens = {}

    def start(self, **environment):
        """Do what the README tells everybody to type."""
        options = {
            self.ala: ["--jurisdiction", "KZ", "--role", "publisher"],
            self.oss: ["--jurisdiction", "KG", "--role", "publisher"],
            self.kz: ["--jurisdiction", "KZ", "--role", "subscriber", "--purpose", "PUBHLTH",
                      "--subscribe", "*"],
            self.kg: ["--jurisdiction", "KG", "--role", "subscriber", "--purpose", "PUBHLTH",
                      "--subscribe", "immunization", "--pull"],
            self.auditor: ["--jurisdiction", "*", "--role", "auditor"],
        }  # fmt: skip
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._make_document, options, options.values()))
        [admitted], _ = run_bhx(
            "participant", "admit", *(self.file(one, "json") for one in options),
            *self.own_store, "--json",
        )  # fmt: skip
        assert {one["participant"] for one in admitted} == set(options)
        self.define()
        self.base_url = f"http://127.0.0.1:{free_port()}"
        self.served = Served(
            self.folder / "serve.log",
            *self.own_store,
            "--listen", urlsplit(self.base_url).netloc,
            "--broker", self.amqp_url(self.exchange_user),
            **environment,
        )  # fmt: skip
        self.log_key = self.served.announced["log_key"]
        self.http = httpx2.Client(base_url=self.base_url, timeout=30)
        until(lambda: self._get("/readyz").status_code == 200, "readiness")
        return self

    def define(self):
        """Let RabbitMQ know everybody in the directory."""
        definitions = self.folder / "definitions.json"
        [written], _ = run_bhx(
            "rabbitmq", "definitions", "--out", definitions, "--vhost", self.vhost,
            "--exchange-user", self.exchange_user, *self.own_store, "--json",
        )  # fmt: skip
        self.passwords = json.loads(Path(written["passwords"]).read_text())
        # Debian's rabbitmqctl runs as the user rabbitmq, who cannot enter our folder.
        with tempfile.NamedTemporaryFile(prefix="bhx-definitions-", suffix=".json") as copy:
            copy.write(definitions.read_bytes())
            copy.flush()
            Path(copy.name).chmod(0o644)
            self.node.ctl("import_definitions", copy.name)

    def remove(self):
        """Stop the server and leave nothing in RabbitMQ."""
        if self.served is not None:
            self.http.close()
            if self.served.process.poll() is None:
                self.served.stop()
        steps = [f'rabbit_vhost:delete(<<"{self.vhost}">>, <<"tests">>)'] + [
            f'rabbit_auth_backend_internal:delete_user(<<"{user}">>, <<"tests">>)'
            for user in getattr(self, "passwords", ())
        ]
        self.node.ctl("eval", ", ".join(f"catch {step}" for step in steps) + ".")

    def file(self, party, kind):
        return self.folder / f"{party.replace(':', '-')}.{kind}"

    def private_jwk(self, party):
        return json.loads(self.file(party, "key").read_text())

    def public_jwk(self, party):
        return json.loads(self.file(party, "json").read_text())["keys"][0]["jwk"]

    def amqp_url(self, user):
        parts = urlsplit(self.node.url)
        name, password = quote(user, safe=""), quote(self.passwords[user], safe="")
        place = f"{name}:{password}@{parts.hostname}:{parts.port or 5672}"
        return urlunsplit(("amqp", place, f"/{self.vhost}", "", ""))

    # Over HTTP.

    def login(self, party):
        """The header that says who asks, after a SMART Backend Services login."""
        if party not in self._tokens:
            configuration = self._get("/.well-known/smart-configuration").json()
            url = configuration["token_endpoint"]
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": independent.login_assertion(
                    self.private_jwk(party), party, url
                ),
            }
            answer = self.http.post(url, data=form)
            assert answer.status_code == 200, answer.text
            self._tokens[party] = answer.json()["access_token"]
        return {"Authorization": f"Bearer {self._tokens[party]}"}

    def get(self, path, party=None, **parameters):
        answer = self._get(path, party, **parameters)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer

    def _get(self, path, party=None, **parameters):
        headers = self.login(party) if party else {}
        return self.http.get(path, params=parameters, headers=headers)

    def post_message(self, body, signature=None, content_type=FHIR_JSON):
        headers = {"Content-Type": content_type}
        if signature is not None:
            headers["x-jws-signature"] = signature
        return self.http.post("/fhir/$process-message", content=body, headers=headers)

    def entries(self):
        """Every entry of the trail, as the auditor may fetch them."""
        size = int(self.get("/trail/checkpoint").text.split("\n")[1])
        entries = []
        for index in range(0, size, 256):
            width = min(256, size - index)
            name = f"{index // 256:03d}" + (f".p/{width}" if width < 256 else "")
            bundle = self.get(f"/trail/tile/entries/{name}", self.auditor).content
            entries += independent.bundle_entries(bundle)
        assert len(entries) == size
        return entries

    def deliveries(self, party):
        """All deliveries of a registry, by cursor."""
        found, after = [], 0
        while True:
            page = self.get("/deliveries", party, after=after, limit=20).json()
            if not page["deliveries"]:
                return found
            found, after = found + page["deliveries"], page["next"]

    # Over AMQP, as the participant's own user.

    def amqp_publish(self, party, messages, content_type=FHIR_JSON, to="submissions"):
        """Publish (body, signature) pairs with the broker's confirms and the user's own name."""

        async def publish():
            async with await aio_pika.connect(self.amqp_url(party)) as connection:
                channel = await connection.channel(publisher_confirms=True)
                exchange = await channel.get_exchange(f"bhx.{to}.{party}", ensure=False)
                for body, signature in messages:
                    message = aio_pika.Message(
                        body,
                        headers={} if signature is None else {"x-jws-signature": signature},
                        content_type=content_type,
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                        user_id=party,
                    )
                    await exchange.publish(message, routing_key="", timeout=20)

        asyncio.run(publish())

    def amqp_read(self, queue_name, count, *, user, leave=False):
        """So many messages of a queue: (body, headers) pairs; acknowledged unless they are left."""

        async def read():
            read = []
            async with await aio_pika.connect(self.amqp_url(user)) as connection:
                channel = await connection.channel()
                queue = await channel.get_queue(queue_name, ensure=False)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while len(read) < count:
                        message = await queue.get(fail=False)
                        if message is None:
                            await asyncio.sleep(0.05)
                            continue
                        if not leave:
                            await message.ack()
                        read.append((message.body, dict(message.headers)))
            return read

        return asyncio.run(read())

    def acknowledgement(self, party, deliveries):
        """A statement that the registry holds these, and the signature over it."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        statement = {"v": 1, "subscriber": party, "deliveries": deliveries, "at": at}
        body = json.dumps(statement).encode()
        signature = independent.signed(
            self.private_jwk(party), body, issuer=party, message_id=secrets.token_hex(16),
            content_type=ACKNOWLEDGEMENT,
        )  # fmt: skip
        return body, signature

    def _make_document(self, party, options):
        algorithm = "ES256" if party == self.oss else "Ed25519"
        key, document = self.file(party, "key"), self.file(party, "json")
        [made], _ = run_bhx("key", "new", "--out", key, "--alg", algorithm, "--json")
        [written], _ = run_bhx(
            "participant", "new", party, "--name", f"Test {party}", *options,
            "--key", key, "-o", document, "--json",
        )  # fmt: skip
        assert written["keys"][0]["jwk"]["kid"] == made["kid"]
