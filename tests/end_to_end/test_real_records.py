"""Real records, real RabbitMQ and PostgreSQL, the real command line; checked by the oracle."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import aio_pika
import pytest

from tests.crash.served import SERVE, Served
from tests.end_to_end.independent import (
    checkpoint,
    require_committed,
    require_proven,
    require_signed,
    unpadded,
)
from tests.end_to_end.real_records import compose, consent, record_files, unfit_files

PROJECT = Path(__file__).resolve().parents[2]
POST, QUEUE, PULL = "poe:kz:ala", "registry:kz", "registry:kg"
AUDITOR = "auditor:who-euro"


def bhx(*arguments, expect=0, cwd=None):
    done = subprocess.run(
        [sys.executable, "-m", "adapters.cli", *map(str, arguments)],
        cwd=cwd or PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, f"{arguments}: {done.stdout[-800:]} {done.stderr[-800:]}"
    return done.stdout


def wrapped(file):
    """The record in a message of ours, complete, and with the traveller's consent."""
    return compose(
        file.read_text(encoding="utf-8"),
        source=POST,
        consents=[consent(QUEUE, PULL)],
        document=f"P-{uuid.uuid4()}",
    )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(url, body, signature=None):
    headers = {"content-type": "application/fhir+json"}
    if signature:
        headers["x-jws-signature"] = signature
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
        return answer.read()


def receipt_of(response):
    binary = next(
        one["resource"] for one in response["entry"] if one["resource"]["resourceType"] == "Binary"
    )
    return json.loads(base64.b64decode(binary["data"]))


class Town:
    """Everybody's keys and documents, made by the command line."""

    def __init__(self, folder):
        self.folder = folder
        self.roles = {
            POST: ["--role", "publisher", "--jurisdiction", "KZ"],
            QUEUE: [
                "--role",
                "subscriber",
                "--jurisdiction",
                "KZ",
                "--purpose",
                "PUBHLTH",
                "--subscribe",
                "*",
            ],
            PULL: [
                "--role",
                "subscriber",
                "--jurisdiction",
                "KG",
                "--purpose",
                "PUBHLTH",
                "--subscribe",
                "*",
                "--pull",
            ],
            AUDITOR: ["--role", "auditor", "--jurisdiction", "*"],
        }
        for name, roles in self.roles.items():
            bhx("key", "new", "--out", self.key(name), "--json")
            bhx(
                "participant",
                "new",
                name,
                "--name",
                name,
                *roles,
                "--key",
                self.key(name),
                "-o",
                self.document(name),
            )

    def key(self, name):
        return self.folder / f"{name.replace(':', '-')}.key"

    def document(self, name):
        return self.folder / f"{name.replace(':', '-')}.json"

    def public_jwk(self, name):
        return json.loads(self.document(name).read_text())["keys"][0]["jwk"]

    def sign(self, name, body, message_id):
        """A detached JWS made by joserfc's own parts, not ours."""
        from joserfc import jws
        from joserfc.jwk import import_key

        private = json.loads(self.key(name).read_text())
        header = {
            "alg": "Ed25519",
            "kid": self.kid(name),
            "b64": False,
            "crit": ["b64"],
            "iat": int(time.time()),
            "jti": message_id,
            "iss": name,
            "cty": "application/fhir+json",
        }
        protected = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
        key = import_key({one: private[one] for one in ("kty", "crv", "x", "d")})
        signer = jws.JWSRegistry(algorithms=["Ed25519"]).get_alg("Ed25519")
        signature = signer.sign(protected + b"." + body, key)
        encoded = base64.urlsafe_b64encode(signature).rstrip(b"=")
        return (protected + b".." + encoded).decode()

    def kid(self, name):
        jwk = self.public_jwk(name)
        if jwk.get("kid"):
            return jwk["kid"]
        import hashlib

        canonical = json.dumps({n: jwk[n] for n in ("crv", "kty", "x")}, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture
async def town(tmp_path, fresh_vhost, fresh_database):
    town = Town(tmp_path)
    town.broker = fresh_vhost
    settings = {
        "data": tmp_path / "data",
        "broker": fresh_vhost,
        "database": fresh_database.replace("+asyncpg", ""),
        "listen": f"127.0.0.1:{free_port()}",
    }
    bhx(
        "participant",
        "admit",
        *map(town.document, town.roles),
        "--data",
        settings["data"],
        "--database",
        settings["database"],
    )
    town.served = Served(settings, tmp_path)
    await town.served.start("serve", "--json", module=SERVE)
    town.url = town.served.url
    try:
        yield town
        await town.served.stop()
    finally:
        town.served.remove()


async def taken(channel, queue, count, *, seconds=60):
    """That many messages of a queue, acknowledged."""
    found = []
    declared = await channel.get_queue(queue, ensure=False)
    deadline = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < deadline, f"{queue}: {len(found)} of {count}"
        message = await declared.get(fail=False, timeout=5)
        if message is not None:
            found.append(message)
            await message.ack()
    return found


@pytest.mark.slow
async def test_real_records_travel_and_prove_themselves(town, corpora, tmp_path):
    vkey = json.loads(get(f"{town.url}/trail/verifier-key"))["verifier_key"]
    files = record_files(corpora)
    messages = [wrapped(file) for file in files]
    assert len(messages) > 25
    bodies = dict(messages)
    signatures = {name: town.sign(POST, body, name) for name, body in messages}

    # Half by HTTP …
    receipts = {}
    for name, body in messages[::2]:
        status, answer = post(f"{town.url}/fhir/$process-message", body, signatures[name])
        assert status == 200, [one["resource"] for one in answer["entry"][1:2]]
        receipts[name] = receipt_of(answer)
    early = get(f"{town.url}/trail/checkpoint").decode()

    # … and half by AMQP, with a client that is not ours.
    connection = await aio_pika.connect(town.broker)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        own = await channel.get_exchange(f"bhx.submissions.{POST}", ensure=False)
        for name, body in messages[1::2]:
            headers = {"x-jws-signature": signatures[name]}
            await own.publish(aio_pika.Message(body, headers=headers), routing_key="")
        for message in await taken(channel, f"bhx.receipts.{POST}", len(messages[1::2])):
            receipt = json.loads(message.body)
            receipts[receipt["message"]] = receipt
        assert {one["outcome"] for one in receipts.values()} == {"accepted"}

        # One delivery is read by Debian's amqp-consume, byte for byte.
        by_hand = None
        if shutil.which("amqp-consume"):
            by_hand = subprocess.run(
                [
                    "amqp-consume",
                    f"--url={town.broker}",
                    f"--queue=bhx.deliveries.{QUEUE}",
                    "--count=1",
                    "cat",
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=True,
            ).stdout
        elif os.environ.get("CI"):
            pytest.fail("amqp-consume is missing: install amqp-tools")
        rest = len(messages) - (by_hand is not None)
        queued = await taken(channel, f"bhx.deliveries.{QUEUE}", rest)
        if by_hand is not None:
            assert by_hand in bodies.values()

        # Garbage from nobody we know: a recorded refusal, and a dead letter with its reason.
        await own.publish(aio_pika.Message(b"\xff garbage"), routing_key="")
        (dead,) = await taken(channel, "bhx.dead-letters.sealed", 1)
        assert dead.headers["bhx-reason"] == "malformed-message"
        assert b"garbage" not in dead.body

    # Trouble over HTTP, each with its status and a receipt.
    url = f"{town.url}/fhir/$process-message"
    name, body = messages[0]
    status, answer = post(url, body, signatures[name])
    assert (status, receipt_of(answer)) == (200, receipts[name])
    other = body + b"\n"
    assert post(url, other, town.sign(POST, other, name))[0] == 409
    assert post(url, other, signatures[name])[0] == 403
    assert post(url, b"\x00" * 10)[0] == 400
    unwilling, text = wrapped(files[0])
    tree = json.loads(text)
    del tree["entry"][-1]
    text = json.dumps(tree).encode()
    assert post(url, text, town.sign(POST, text, unwilling))[0] == 403

    # Real records that no registry could use: each refusal names what is missing.
    unfit = unfit_files(corpora)
    assert len(unfit) > 5
    for file, why in unfit:
        unfit_name, text = wrapped(file)
        status, answer = post(url, text, town.sign(POST, text, unfit_name))
        issues = answer["entry"][1]["resource"]["issue"]
        told = [one["expression"][0] for one in issues if one["severity"] == "error"]
        assert status == 422, file.name
        assert any(f".{why}" in expression for expression in told), (file.name, told)

    # The pulling registry takes, verifies and signs for everything, by the command line.
    inbox = tmp_path / "inbox"
    bhx(
        "subscribe",
        "--as",
        PULL,
        "--key",
        town.key(PULL),
        "--from",
        town.url,
        "--out",
        inbox,
        "--once",
        "--json",
    )
    assert bhx(
        "audit", "verify", "--url", town.url, "--as", AUDITOR, "--key", town.key(AUDITOR), "--json"
    )
    life = bhx(
        "audit",
        "trail",
        name,
        "--url",
        town.url,
        "--as",
        AUDITOR,
        "--key",
        town.key(AUDITOR),
        "--json",
    )
    assert name in life
    kept = [path.read_bytes() for path in inbox.rglob("*") if path.is_file()]
    assert all(body in kept for body in bodies.values())

    # Every receipt and delivery, by the oracle, over all entries of the trail.
    entries = await all_entries(town)
    size, _ = checkpoint(get(f"{town.url}/trail/checkpoint").decode(), vkey)
    assert len(entries) >= size
    checkpoint(early, vkey)
    jwk = town.public_jwk(POST)
    for name, receipt in receipts.items():
        entry = unpadded(receipt["entry"])
        require_proven(receipt["proof"], entry, entries, vkey)
        said = json.loads(entry)
        assert (said["type"], said["publisher"], said["message"]) == ("accepted", POST, name)
        require_committed(said["content"], unpadded(receipt["content_salt"]), bodies[name])
    numbers = []
    for message in queued:
        stated = json.loads(message.headers["bhx-delivery"])
        entry = unpadded(stated["entry"])
        require_proven(stated["proof"], entry, entries, vkey)
        said = json.loads(entry)
        assert (said["type"], said["subscriber"]) == ("released", QUEUE)
        assert said["purpose"] == "PUBHLTH"
        assert message.body == bodies[said["message"]]
        require_committed(said["content"], unpadded(stated["content_salt"]), message.body)
        require_signed(
            message.headers["x-jws-signature"], message.body, jwk, jti=said["message"], iss=POST
        )
        numbers.append(said["number"])
    assert len(set(numbers)) == rest
    assert set(numbers) <= set(range(1, len(messages) + 1))


async def all_entries(town):
    """Every entry of the trail, straight from the database."""
    import asyncpg

    connection = await asyncpg.connect(town.served.settings["database"])
    try:
        rows = await connection.fetch("SELECT entry FROM trail_entries ORDER BY idx")
        return [bytes(row["entry"]) for row in rows]
    finally:
        await connection.close()
