"""Nothing of a traveller is in any log, metric, trail entry, error reply or dead letter.

Records full of words that occur nowhere else are sent every way a deployment takes them, good and
bad; then everything that is not meant to hold a record is searched for these words.
"""

import base64
import json
import subprocess
import uuid

import pytest

from tests.end_to_end.deployment import run_bhx, until
from tests.end_to_end.real_records import compose, consent
from tests.end_to_end.test_wrong_input import signed

#: A name, a birth date, a document's number, a code, a lot, an address, a free text.
MARKERS = {
    "name": "Zyxwvutova",
    "birth": "1971-02-23",
    "document": "QQ9988776655",
    "code": "7731-90-XYZZY",
    "lot": "LOTMARK31337",
    "city": "Nowherograd",
    "text": "whisperedword",
}
WORDS = [word.encode() for word in MARKERS.values()]


def record(**changes):
    return json.dumps(
        {
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": {
                "coding": [
                    {"system": "http://hl7.org/fhir/sid/cvx", "code": "37"},
                    {"system": "http://snomed.info/sct", "code": MARKERS["code"]},
                ],
                "text": MARKERS["text"],
            },
            "patient": {"reference": "Patient/1"},
            "occurrenceDateTime": "2026-05-20",
            "lotNumber": MARKERS["lot"],
            "note": [{"text": MARKERS["text"]}],
            **changes,
        }
    )


def composed(deployment, consents, **changes):
    message_id, body = compose(
        record(**changes),
        source=deployment.ala,
        consents=consents,
        document=f"{MARKERS['document']}{uuid.uuid4()}",
    )
    tree = json.loads(body)
    patient = next(
        one["resource"] for one in tree["entry"] if one["resource"]["resourceType"] == "Patient"
    )
    patient["name"] = [{"family": MARKERS["name"], "given": [MARKERS["name"]]}]
    patient["birthDate"] = MARKERS["birth"]
    patient["address"] = [{"city": MARKERS["city"], "country": "KZ"}]
    return message_id, json.dumps(tree).encode()


@pytest.fixture(scope="module")
def answers(deployment):
    """Every reply and receipt that came back, after all of it was sent."""
    permit = [consent(deployment.kz, deployment.kg)]
    found = []
    good = composed(deployment, permit)
    sent = [
        good,
        composed(deployment, []),
        composed(deployment, permit, occurrenceDateTime="2031-01-01"),
        composed(deployment, permit, status=MARKERS["text"]),
        composed(deployment, permit, **{MARKERS["text"]: MARKERS["name"]}),
        composed(deployment, [{**consent(deployment.kz), "status": MARKERS["text"]}]),
    ]
    for message_id, body in sent:
        answer = deployment.post_message(body, signed(deployment, body, message_id))
        found.append(answer.content)
    # The same id for other bytes, a signature over other bytes, no signature, and no JSON.
    other = good[1] + b"\n"
    found.append(deployment.post_message(other, signed(deployment, other, good[0])).content)
    found.append(deployment.post_message(other, signed(deployment, good[1], good[0])).content)
    found.append(deployment.post_message(good[1]).content)
    found.append(deployment.post_message(good[1][:-9]).content)
    found.append(deployment.http.get(f"/deliveries/{MARKERS['document']}").content)
    found.append(deployment.http.get("/audit", params={"q": MARKERS["name"]}).content)
    size = len(deployment.entries())
    by_queue = [composed(deployment, permit), (None, good[1][:-9])]
    pairs = [(body, name and signed(deployment, body, name)) for name, body in by_queue]
    deployment.amqp_publish(deployment.ala, pairs)
    until(lambda: len(deployment.entries()) >= size + 3, "what came by RabbitMQ")
    receipts = deployment.amqp_read(f"bhx.receipts.{deployment.ala}", 2, user=deployment.ala)
    # From nobody: it becomes a dead letter.
    subprocess.run(
        [
            "amqp-publish", "--url", deployment.amqp_url(deployment.ala), "--persistent",
            "--exchange", f"bhx.submissions.{deployment.ala}", "--routing-key", "",
        ],
        input=b"\xfd" + good[1], check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return found + [raw for raw, _ in receipts]


def assert_without_markers(data, what):
    assert [word for word in WORDS if word in data] == [], what


def test_no_reply_or_receipt_repeats_what_was_sent(answers):
    assert len(answers) > 10
    for number, answer in enumerate(answers):
        assert_without_markers(answer, f"answer {number}")


def test_the_trail_holds_none_of_it(deployment, answers):
    entries = deployment.entries()

    assert {json.loads(one)["type"] for one in entries} >= {"accepted", "refused", "released"}
    assert_without_markers(b"\n".join(entries), "trail")


def test_metrics_and_logs_hold_none_of_it(deployment, answers):
    metrics = deployment.http.get("/metrics").content
    log = deployment.served.log.read_bytes()

    assert b"bhx_" in metrics
    assert log.count(b"\n") > 5
    assert_without_markers(metrics, "metrics")
    assert_without_markers(log, "log")


def test_dead_letters_hold_none_of_it(deployment, answers, amqp_tools):
    letters = until(
        lambda: deployment.amqp_read(
            "bhx.dead-letters.sealed", 1, user=deployment.exchange_user, leave=True
        ),
        "the dead letter",
    )
    for body, headers in letters:
        assert_without_markers(body + repr(headers).encode(), "dead letter")


def test_what_the_operator_lists_holds_none_of_it(deployment, answers):
    box = ["--broker", deployment.amqp_url(deployment.exchange_user), *deployment.own_store]
    listed = [
        run_bhx("dead-letters", "list", "--json", *box),
        run_bhx("audit", "verify", "--json", *deployment.own_store),
        run_bhx("audit", "purposes", "--json", *deployment.own_store),
        run_bhx("recalls", "--json", *deployment.own_store),
    ]
    assert_without_markers(repr(listed).encode(), "lists")


def test_the_markers_were_really_there(deployment, answers):
    """So that the search is not for words that were never sent."""
    delivered = json.dumps(deployment.deliveries(deployment.kg))

    bodies = [
        base64.urlsafe_b64decode(one["body"] + "==") for one in json.loads(delivered) if one["body"]
    ]
    assert any(all(word in body for word in WORDS) for body in bodies)
