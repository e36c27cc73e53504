"""What the OpenAPI document promises, held against the running HTTP interface by schemathesis."""

import asyncio
import subprocess
import sys
import threading

import pytest
import uvicorn

from adapters.http.app import create_app
from adapters.http.tokens import AccessTokens
from schemas.participant import Subscription
from tests.support.running import running_world
from tests.support.world import ALA, KZ, Cast, consent, vaccination

pytestmark = pytest.mark.slow

#: Takes part in every role, so that one token opens every route.
EVERYTHING = "registry:kz:all"
#: The message id that the document gives as an example.
EXAMPLE = "5f0ad1a6-96d5-4a4c-8d70-4e2d4e0f3b55"
CONFIG = """
seed = 1
workers = 2
headers = {{ Authorization = "Bearer {token}" }}

[generation]
max-examples = 10
database = "none"

[phases.stateful.generation]
max-examples = 5

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "413", "415", "422"]

# What no schema can promise: that a signature holds.
[[operations]]
include-path = [
    "/fhir/$process-message", "/acknowledgements", "/recalls/answers", "/break-glass",
    "/auth/token",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "422"]

# Whoever guesses has to wait.
[[operations]]
include-path = "/slip/{{token}}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "429"]
checks.negative_data_rejection.expected-statuses = ["404", "422", "429"]

# Waiting half a minute is tested elsewhere.
[[operations]]
include-path = "/deliveries"
parameters = {{ wait = 0 }}
"""


class Announced(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config):
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.listening.set()


class Serving(threading.Thread):
    """An exchange with records in it, on a free port, in a loop of its own."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.running = threading.Event()
        self.failure = None

    def run(self):
        try:
            asyncio.run(self.serve())
        except BaseException as failure:
            self.failure = failure
            raise
        finally:
            self.running.set()

    async def serve(self):
        cast = Cast()
        cast.add(ALA, "publisher")
        everything = Subscription(id="all", purpose="PUBHLTH")
        cast.add(KZ, "subscriber", subscriptions=(everything,))
        roles = ("publisher", "subscriber", "auditor", "operator")
        cast.add(EVERYTHING, *roles, subscriptions=(everything,))
        async with running_world(self.folder, cast) as exchange:
            for given in (EXAMPLE, None, None):
                message_id, body = vaccination(
                    consent(recipients=[KZ, EVERYTHING]), source=EVERYTHING, message_id=given
                )
                received = cast.signed(EVERYTHING, body, message_id=message_id)
                await exchange.processor.process([received])
            deciding = asyncio.create_task(exchange.intake.run())
            tokens = AccessTokens(exchange)
            self.token = tokens.issue(
                cast.participants[EVERYTHING],
                (
                    "system/receipts.r",
                    "system/deliveries.r",
                    "system/acknowledgements.c",
                    "system/break-glass.c",
                    "system/trail.r",
                    "system/slips.c",
                    "system/disclosures.r",
                    "system/participants.r",
                ),
            )
            self.server = Announced(
                uvicorn.Config(create_app(exchange), port=0, log_config=None, lifespan="off")
            )
            serving = asyncio.create_task(self.server.serve())
            await self.server.listening.wait()
            self.port = self.server.servers[0].sockets[0].getsockname()[1]
            self.running.set()
            await serving
            exchange.intake.stop()
            await deciding


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    thread = Serving(tmp_path_factory.mktemp("exchange"))
    thread.start()
    assert thread.running.wait(30)
    assert thread.failure is None
    yield thread
    thread.server.should_exit = True
    thread.join(20)


def test_every_operation_does_what_it_says(serving, tmp_path):
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(token=serving.token))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(config), "run", "--checks", "all", "--no-color"),
            f"http://127.0.0.1:{serving.port}/openapi.json",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
