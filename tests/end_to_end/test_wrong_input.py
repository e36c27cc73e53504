"""What a running deployment does with wrong input: it decides, records, proves and tells the cure.

Every refusal is in the trail under its reason, its receipt is proven like an acceptance's, and no
answer repeats what was sent. What RabbitMQ itself must refuse, it refuses.
"""

import asyncio
import base64
import json
import subprocess
import uuid

import aio_pika
import aiormq.exceptions
import pytest

from tests.end_to_end import independent
from tests.end_to_end.deployment import run_bhx, until
from tests.end_to_end.real_records import compose, consent

SECRET = "Ktznxqv"
RECORD = json.dumps(
    {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "37"}]},
        "patient": {"reference": "Patient/1"},
        "occurrenceDateTime": "2026-05-20",
        "lotNumber": SECRET,
    }
)


def message(deployment, *, source=None, consents=None, record=RECORD, **options):
    """Id and bytes of a vaccination; with both registries' consent unless told otherwise."""
    if consents is None:
        consents = [consent(deployment.kz, deployment.kg)]
    return compose(
        record,
        source=source or deployment.ala,
        consents=consents,
        document=f"N {uuid.uuid4()}",
        **options,
    )


def signed(deployment, body, message_id, *, by=None, issuer=None):
    by = by or deployment.ala
    return independent.signed(
        deployment.private_jwk(by), body, issuer=issuer or by, message_id=message_id
    )


def conflicting(deployment):
    message_id, body = message(deployment)
    first = deployment.post_message(body, signed(deployment, body, message_id))
    assert first.status_code == 200
    return body + b"\n", signed(deployment, body + b"\n", message_id)


def badly_signed(deployment):
    message_id, body = message(deployment)
    return body.replace(b"2026-05-20", b"2026-05-21"), signed(deployment, body, message_id)


def signed_by_a_stranger(deployment):
    message_id, body = message(deployment)
    return body, signed(deployment, body, message_id, by=deployment.oss, issuer=deployment.ala)


def sent_by_a_registry(deployment):
    message_id, body = message(deployment)
    return body, signed(deployment, body, message_id, by=deployment.kz)


def without_consent(deployment):
    message_id, body = message(deployment, consents=[])
    return body, signed(deployment, body, message_id)


def forbidden_by_its_traveller(deployment):
    denied = consent(deployment.kz, deployment.kg, decision="deny")
    message_id, body = message(deployment, consents=[denied])
    return body, signed(deployment, body, message_id)


def to_nobody_known(deployment):
    message_id, body = message(deployment, destinations=["registry:xx:nobody"])
    return body, signed(deployment, body, message_id)


def not_fhir(deployment):
    wrong = RECORD.replace('"completed"', f'{{"{SECRET}": 1}}')
    message_id, body = message(deployment, record=wrong)
    return body, signed(deployment, body, message_id)


def signed_garbage(deployment):
    body = b"\xff\x00" + SECRET.encode()
    return body, signed(deployment, body, str(uuid.uuid4()))


def unsigned(deployment):
    return message(deployment)[1], None


@pytest.mark.parametrize(
    ("make", "status", "reason"),
    [
        (conflicting, 409, "message-reused"),
        (badly_signed, 403, "untrusted-sender"),
        (signed_by_a_stranger, 403, "untrusted-sender"),
        (sent_by_a_registry, 403, "untrusted-sender"),
        (without_consent, 403, "consent-refused"),
        (forbidden_by_its_traveller, 403, "consent-refused"),
        (to_nobody_known, 422, "no-recipient"),
        (not_fhir, 422, "invalid-record"),
        (signed_garbage, 400, "malformed-message"),
        (unsigned, 400, "malformed-message"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_refusal_is_told_recorded_and_proven(deployment, make, status, reason):
    body, signature = make(deployment)
    before = len(deployment.deliveries(deployment.kg))

    answer = deployment.post_message(body, signature)

    assert answer.status_code == status, answer.text
    assert SECRET not in answer.text
    header, outcome, binary = (one["resource"] for one in answer.json()["entry"])
    assert header["response"]["code"] == "fatal-error"
    assert all(one["expression"] and one["diagnostics"] for one in outcome["issue"])
    receipt = json.loads(base64.b64decode(binary["data"]))
    assert (receipt["outcome"], receipt["reason"]) == ("refused", reason)
    raw = independent.unpadded(receipt["entry"])
    entries = deployment.entries()
    independent.require_proven(receipt["proof"], raw, entries, deployment.log_key)
    entry = json.loads(raw)
    assert (entry["type"], entry["reason"]) == ("refused", reason)
    assert SECRET.encode() not in b"".join(entries)
    assert len(deployment.deliveries(deployment.kg)) == before


def test_the_same_garbage_again_gets_the_same_answer(deployment):
    first = deployment.post_message(b"{" * 200)
    size = len(deployment.entries())

    assert deployment.post_message(b"{" * 200).content == first.content
    assert len(deployment.entries()) == size


def test_a_body_above_the_limit_is_not_read(deployment):
    size = len(deployment.entries())

    answer = deployment.post_message(b" " * (1_048_576 + 1))

    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"
    assert len(deployment.entries()) == size


def test_garbage_of_a_known_user_is_answered_to_it(deployment):
    deployment.amqp_publish(deployment.oss, [(b"\xfe" + SECRET.encode(), None)])

    [(raw, _)] = deployment.amqp_read(f"bhx.receipts.{deployment.oss}", 1, user=deployment.oss)

    receipt = json.loads(raw)
    assert (receipt["outcome"], receipt["reason"]) == ("refused", "malformed-message")
    assert SECRET not in raw.decode()
    entry = independent.unpadded(receipt["entry"])
    independent.require_proven(receipt["proof"], entry, deployment.entries(), deployment.log_key)


def test_a_message_of_somebody_else_than_the_user_is_refused(deployment):
    """OSS's own signature, put into the exchange of ALA under ALA's login."""
    message_id, body = message(deployment, source=deployment.oss)
    signature = signed(deployment, body, message_id, by=deployment.oss)

    deployment.amqp_publish(deployment.ala, [(body, signature)])

    [(raw, _)] = deployment.amqp_read(f"bhx.receipts.{deployment.ala}", 1, user=deployment.ala)
    assert json.loads(raw)["reason"] == "untrusted-sender"


def test_garbage_of_nobody_is_recorded_and_ends_among_the_dead_letters(deployment, amqp_tools):
    """amqp-publish names no user, and garbage has no issuer: there is nobody to answer."""
    garbage = b"\xfd" + SECRET.encode()
    size = len(deployment.entries())

    subprocess.run(
        [
            "amqp-publish", "--url", deployment.amqp_url(deployment.ala), "--persistent",
            "--exchange", f"bhx.submissions.{deployment.ala}", "--routing-key", "",
        ],
        input=garbage, check=True, capture_output=True, timeout=30,
    )  # fmt: skip

    [(sealed, headers)] = until(
        lambda: deployment.amqp_read(
            "bhx.dead-letters.sealed", 1, user=deployment.exchange_user, leave=True
        ),
        "the sealed letter",
    )
    assert (headers["bhx-reason"], headers["bhx-queue"]) == ("malformed-message", "bhx.submissions")
    assert SECRET.encode() not in sealed
    box = ["--broker", deployment.amqp_url(deployment.exchange_user), *deployment.own_store]
    [[letter]], _ = run_bhx("dead-letters", "list", "--json", *box)
    assert (letter["reason"], letter["bytes"]) == ("malformed-message", len(garbage))
    target = deployment.folder / "letter"
    run_bhx("dead-letters", "open", letter["id"], "--out", target, *box)
    assert target.read_bytes() == garbage
    run_bhx("dead-letters", "drop", letter["id"], *box)
    assert run_bhx("dead-letters", "list", "--json", *box)[0] == [[]]
    [entry] = [json.loads(one) for one in deployment.entries()[size:]]
    assert (entry["type"], entry["reason"], entry["publisher"]) == (
        "refused",
        "malformed-message",
        "",
    )


def test_a_forged_acknowledgement_acknowledges_nothing(deployment):
    message_id, body = message(deployment)
    assert deployment.post_message(body, signed(deployment, body, message_id)).status_code == 200
    ids = until(
        lambda: [one["delivery"] for one in deployment.deliveries(deployment.kz)], "a delivery"
    )
    statement, _ = deployment.acknowledgement(deployment.kz, ids)
    _, another = deployment.acknowledgement(deployment.kz, ids[:1])

    answer = deployment.http.post(
        "/acknowledgements",
        content=statement + b" ",
        headers={**deployment.login(deployment.kz), "x-jws-signature": another},
    )

    assert answer.status_code == 403
    kinds = [json.loads(one)["type"] for one in deployment.entries()]
    assert "acknowledged" not in kinds


@pytest.mark.parametrize(
    ("party", "path"),
    [
        (None, "/deliveries"),
        ("ala", "/deliveries"),
        ("kz", "/trail/tile/entries/000.p/1"),
        ("auditor", "/deliveries"),
        (None, "/participants"),
    ],
)
def test_nobody_reads_what_is_not_for_them(deployment, party, path):
    headers = deployment.login(getattr(deployment, party)) if party else {}

    answer = deployment.http.get(path, headers=headers)

    assert answer.status_code == (403 if party else 401)


async def _publish_elsewhere(channel, deployment):
    exchange = await channel.get_exchange(f"bhx.submissions.{deployment.oss}", ensure=False)
    await exchange.publish(aio_pika.Message(b"x"), routing_key="", timeout=10)


async def _publish_as_another(channel, deployment):
    exchange = await channel.get_exchange(f"bhx.submissions.{deployment.ala}", ensure=False)
    await exchange.publish(
        aio_pika.Message(b"x", user_id=deployment.oss), routing_key="", timeout=10
    )


async def _publish_a_delivery(channel, deployment):
    exchange = await channel.get_exchange("bhx.deliveries", ensure=False)
    await exchange.publish(aio_pika.Message(b"x"), routing_key=deployment.kz, timeout=10)


async def _read_a_registry(channel, deployment):
    queue = await channel.get_queue(f"bhx.deliveries.{deployment.kz}", ensure=False)
    await queue.get(fail=False)


async def _read_submissions(channel, deployment):
    queue = await channel.get_queue("bhx.submissions", ensure=False)
    await queue.get(fail=False)


async def _declare(channel, deployment):
    await channel.declare_queue("bhx.mine")


@pytest.mark.parametrize(
    "act",
    [
        _publish_elsewhere,
        _publish_as_another,
        _publish_a_delivery,
        _read_a_registry,
        _read_submissions,
        _declare,
    ],
    ids=lambda act: act.__name__,
)
def test_rabbitmq_lets_a_participant_do_nothing_else(deployment, act):
    async def attempt():
        async with await aio_pika.connect(deployment.amqp_url(deployment.ala)) as connection:
            channel = await connection.channel(publisher_confirms=True)
            # 403 ACCESS_REFUSED, or 406 for a user id that is not the login's.
            with pytest.raises(
                (
                    aiormq.exceptions.ChannelAccessRefused,
                    aiormq.exceptions.ChannelPreconditionFailed,
                )
            ):
                await act(channel, deployment)

    asyncio.run(attempt())
