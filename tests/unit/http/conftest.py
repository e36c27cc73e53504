"""An exchange on SQLite behind its HTTP interface, called without sockets."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import import_key

from adapters.http.app import create_app
from adapters.telemetry import Metrics
from tests.support.running import running_world
from tests.support.world import SetClock, usual_cast

BASE = "https://exchange.example"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Caller:
    """Calls the app as one of the cast."""

    def __init__(self, exchange, cast, app, http):
        self.exchange, self.cast, self.app, self.http = exchange, cast, app, http

    def claims(self, name, **changed):
        now = int(self.exchange.clock.now().timestamp())
        usual = {
            "iss": name,
            "sub": name,
            "aud": f"{BASE}/auth/token",
            "iat": now,
            "exp": now + 240,
            "jti": str(uuid.uuid4()),
        }
        return {key: value for key, value in {**usual, **changed}.items() if value is not None}

    def assertion(self, name, *, header=None, key=None, **claims):
        signing = self.cast.keys[name]
        usual = {"alg": signing.algorithm, "kid": signing.key_id}
        header = {**usual, **(header or {})}
        private = key or import_key({**signing.to_private_jwk()})
        return jwt.encode(header, self.claims(name, **claims), private, algorithms=[header["alg"]])

    async def ask_token(self, assertion, **fields):
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            **fields,
        }
        form = {key: value for key, value in form.items() if value is not None}
        return await self.http.post("/auth/token", data=form)

    async def login(self, name, **fields):
        answer = await self.ask_token(self.assertion(name), **fields)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def submit(self, body, signature=None, headers=None):
        sent = {"Content-Type": "application/fhir+json", **(headers or {})}
        if signature is not None:
            sent["x-jws-signature"] = signature
        return await self.http.post("/fhir/$process-message", content=body, headers=sent)

    async def publish(self, name, message, **options):
        message_id, body = message
        received = self.cast.signed(name, body, message_id=message_id)
        return await self.submit(received.body, received.signature, **options)


@asynccontextmanager
async def called_exchange(folder, cast, clock, *, readiness=None, **settings):
    async with running_world(folder, cast, clock=clock, public_url=BASE, **settings) as exchange:
        app = create_app(exchange, metrics=Metrics(), readiness=readiness)
        deciding = asyncio.create_task(exchange.intake.run())
        try:
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
                yield Caller(exchange, cast, app, http)
        finally:
            exchange.intake.stop()
            await deciding


@pytest.fixture
def cast():
    return usual_cast()


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
async def caller(tmp_path, cast, clock):
    async with called_exchange(tmp_path, cast, clock) as calling:
        yield calling
