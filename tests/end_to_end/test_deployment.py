"""Real vaccination and test records through a real deployment, every proof checked by others' code.

Half of the records go in over HTTP and half over AMQP; one registry reads its RabbitMQ queue, the
other fetches over HTTP. Whatever comes out is checked with `independent`, which shares no code
with the exchange, against the tree over all entries that the auditor may read.
"""

import base64
import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.end_to_end import independent
from tests.end_to_end.deployment import ACKNOWLEDGEMENT, until
from tests.end_to_end.real_records import (
    Message,
    compose,
    consent,
    is_immunization,
    record_files,
)

#: What lies in the corpora today; a record that went missing must not go unnoticed.
#: Those that fit the profile; the others are refused in test_real_records.py, each for its reason.
EXPECTED_RECORDS = {"Immunization": 12, "Observation": 17, "DiagnosticReport": 1}


@dataclass
class Day:
    """What was sent, what came, and the trail as the auditor saw it at the end."""

    deployment: object
    messages: list
    early_note: str = ""
    consumed: bytes = b""
    queued: list = field(default_factory=list)
    pulled: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    late_note: str = ""

    def inbox(self, party):
        """A registry's deliveries as (statement, body, signature)."""
        if party == self.deployment.kg:
            return [
                (one, independent.unpadded(one["body"]), one["signature"]) for one in self.pulled
            ]
        return [
            (json.loads(headers["bhx-delivery"]), body, headers["x-jws-signature"])
            for body, headers in self.queued
        ]


def make_messages(deployment, corpora):
    """Every record once, alternating between the posts; consents differ."""
    messages = []
    for number, file in enumerate(record_files(corpora)):
        # In pairs, so that both ways carry every kind.
        source = deployment.ala if number % 2 == 0 else deployment.oss
        text = file.read_text(encoding="utf-8")
        wanting = {deployment.kz}
        destinations = []
        if is_immunization(file):
            wanting.add(deployment.kg)
        elif file.name.startswith("DiagnosticReport"):
            # Nobody's subscription: the sender names the other registry as well.
            wanting.add(deployment.kg)
            destinations = [deployment.kg]
        # Every fifth traveller lets only one registry have the record.
        permitted = {deployment.kz} if number % 5 == 4 else {deployment.kz, deployment.kg}
        message_id, body = compose(
            text,
            source=source,
            consents=[consent(*sorted(permitted))],
            document=f"N {number:07d}",
            destinations=destinations,
        )
        messages.append(
            Message(
                name=file.name,
                message_id=message_id,
                publisher=source,
                body=body,
                recipients=frozenset(wanting & permitted),
                text=text,
                signature=independent.signed(
                    deployment.private_jwk(source), body, issuer=source, message_id=message_id
                ),
            )
        )
    return messages


def receipt_in(answer):
    """The receipt's bytes out of a FHIR response message."""
    [binary] = [
        one["resource"] for one in answer["entry"] if one["resource"]["resourceType"] == "Binary"
    ]
    return base64.b64decode(binary["data"], validate=True)


@pytest.fixture(scope="module")
def day(deployment, corpora, amqp_tools):
    day = Day(deployment, make_messages(deployment, corpora))
    by_http = [one for one in day.messages if one.publisher == deployment.ala]
    by_amqp = [one for one in day.messages if one.publisher == deployment.oss]

    *most, last = by_amqp
    deployment.amqp_publish(deployment.oss, [(one.body, one.signature) for one in most])
    publish_with_amqp_tools(deployment, last)
    for one in by_http:
        answer = deployment.post_message(one.body, one.signature)
        assert answer.status_code == 200, (one.name, answer.text)
        one.receipt = receipt_in(answer.json())
        day.early_note = day.early_note or deployment.get("/trail/checkpoint").text

    receipts = deployment.amqp_read(
        f"bhx.receipts.{deployment.oss}", len(by_amqp), user=deployment.oss
    )
    by_id = {json.loads(body)["message"]: body for body, _ in receipts}
    for one in by_amqp:
        one.receipt = by_id.pop(one.message_id)
    assert not by_id

    expected = Counter(party for one in day.messages for party in one.recipients)
    queue = f"bhx.deliveries.{deployment.kz}"
    day.consumed = consume_with_amqp_tools(deployment, queue)
    day.queued = deployment.amqp_read(queue, expected[deployment.kz] - 1, user=deployment.kz)
    until(
        lambda: len(deployment.deliveries(deployment.kg)) >= expected[deployment.kg],
        "deliveries over HTTP",
    )
    day.pulled = deployment.deliveries(deployment.kg)

    acknowledge_all(deployment, day)
    day.entries = deployment.entries()
    day.late_note = deployment.get(
        f"/trail/checkpoints/{len(day.entries)}", deployment.auditor
    ).text
    return day


def publish_with_amqp_tools(deployment, message):
    subprocess.run(
        [
            "amqp-publish", "--url", deployment.amqp_url(message.publisher), "--persistent",
            "--exchange", f"bhx.submissions.{message.publisher}", "--routing-key", "",
            "--content-type", "application/fhir+json",
            "--header", f"x-jws-signature: {message.signature}",
        ],
        input=message.body,
        check=True,
        capture_output=True,
        timeout=30,
    )  # fmt: skip


def consume_with_amqp_tools(deployment, queue):
    """The body of the first delivery in the queue, which is gone from it then."""
    arguments = ["--url", deployment.amqp_url(deployment.kz), "--queue", queue, "--count", "1"]
    return subprocess.run(
        ["amqp-consume", *arguments, "cat"],
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        timeout=30,
    ).stdout


def acknowledge_all(deployment, day):
    """Each registry signs for what it has, one over AMQP and one over HTTP."""
    ids = {one["delivery"] for one in deployment.deliveries(deployment.kz)}
    statement, signature = deployment.acknowledgement(deployment.kz, sorted(ids))
    deployment.amqp_publish(
        deployment.kz, [(statement, signature)], content_type=ACKNOWLEDGEMENT, to="acknowledgements"
    )
    pulled = [one["delivery"] for one in day.pulled]
    statement, signature = deployment.acknowledgement(deployment.kg, pulled)
    answer = deployment.http.post(
        "/acknowledgements",
        content=statement,
        headers={**deployment.login(deployment.kg), "x-jws-signature": signature},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"acknowledged": len(pulled)}

    def is_acknowledged():
        entries = [json.loads(one) for one in deployment.entries()]
        return {one["subscriber"] for one in entries if one["type"] == "acknowledged"} == {
            deployment.kz,
            deployment.kg,
        }

    until(is_acknowledged, "both acknowledgements in the trail")


def test_every_real_record_that_fits_the_profile_is_accepted(day, corpora):
    kinds = Counter(json.loads(one.text)["resourceType"] for one in day.messages)
    outcomes = {one.name: json.loads(one.receipt)["outcome"] for one in day.messages}

    assert kinds == EXPECTED_RECORDS
    assert {name for name, outcome in outcomes.items() if outcome != "accepted"} == set()
    assert {one.publisher for one in day.messages} == {day.deployment.ala, day.deployment.oss}


def test_every_receipt_is_proven(day):
    for one in day.messages:
        receipt = json.loads(one.receipt)
        raw = independent.unpadded(receipt["entry"])
        index = independent.require_proven(
            receipt["proof"], raw, day.entries, day.deployment.log_key
        )
        entry = json.loads(raw)
        assert (entry["type"], entry["publisher"], entry["message"]) == (
            "accepted",
            one.publisher,
            one.message_id,
        )
        assert entry["key"] == day.deployment.public_jwk(one.publisher)["kid"]
        salt = independent.unpadded(receipt["content_salt"])
        independent.require_committed(entry["content"], salt, one.body)
        with pytest.raises(AssertionError):
            independent.require_committed(entry["content"], salt, one.body + b" ")
        assert day.entries[index] == raw


@pytest.mark.parametrize("registry", ["kz", "kg"])
def test_everybody_gets_exactly_the_bytes_meant_for_them(day, registry):
    party = getattr(day.deployment, registry)
    expected = sorted(one.body for one in day.messages if party in one.recipients)

    received = [body for _, body, _ in day.inbox(party)]
    if registry == "kz":
        received.append(day.consumed)

    assert sorted(received) == expected
    assert len({one["delivery"] for one, _, _ in day.inbox(party)}) == len(day.inbox(party))


@pytest.mark.parametrize("registry", ["kz", "kg"])
def test_every_delivery_is_signed_logged_and_numbered(day, registry):
    party = getattr(day.deployment, registry)
    sent = {one.message_id: one for one in day.messages}
    inbox = day.inbox(party)
    assert inbox
    for statement, body, signature in inbox:
        raw = independent.unpadded(statement["entry"])
        independent.require_proven(statement["proof"], raw, day.entries, day.deployment.log_key)
        entry = json.loads(raw)
        message = sent[entry["message"]]
        independent.require_signed(
            signature,
            body,
            day.deployment.public_jwk(entry["publisher"]),
            iss=message.publisher,
            jti=message.message_id,
            crit=["b64"],
        )
        accepted = json.loads(day.entries[entry["accepted"]])
        basis = json.loads(day.entries[entry["basis"]["entry"]])
        salt = independent.unpadded(statement["content_salt"])

        independent.require_committed(entry["content"], salt, body)
        assert signature == message.signature
        assert (entry["type"], entry["subscriber"]) == ("released", party)
        assert (entry["purpose"], entry["publisher"]) == ("PUBHLTH", message.publisher)
        assert (accepted["message"], accepted["content"]) == (message.message_id, entry["content"])
        assert basis["type"] == "accepted"
        assert (statement["number"], statement["delivery"]) == (entry["number"], entry["delivery"])

    numbers = {one["number"] for one, _, _ in inbox}
    in_trail = [
        json.loads(one)["number"]
        for one in day.entries
        if json.loads(one).get("subscriber") == party and json.loads(one)["type"] == "released"
    ]
    assert in_trail == list(range(1, len(in_trail) + 1))
    # amqp-consume took one of the queue's.
    assert set(in_trail) - numbers == ({1} if registry == "kz" else set())


def test_the_delivery_that_amqp_consume_read_is_the_one_over_http(day):
    [first] = [one for one in day.deployment.deliveries(day.deployment.kz) if one["number"] == 1]

    assert independent.unpadded(first["body"]) == day.consumed
    raw = independent.unpadded(first["entry"])
    independent.require_proven(first["proof"], raw, day.entries, day.deployment.log_key)
    independent.require_signed(
        first["signature"], day.consumed, day.deployment.public_jwk(first["publisher"])
    )


def test_number_text_and_odd_spelling_survive(day):
    [decimal] = [one for one in day.messages if one.name == "Observation-f003.json"]
    written = re.findall(r'"value": ?([0-9]+\.[0-9]+)', decimal.text)

    [delivered] = [
        body
        for one, body, _ in day.inbox(day.deployment.kz)
        if one["message"] == decimal.message_id
    ]

    # A reader that turns numbers into doubles would write 6.0 as 6.
    assert "6.0" in written
    assert re.findall(r'"value": ?([0-9]+\.[0-9]+)', delivered.decode()) == written


def test_the_late_tree_extends_the_early_one(day):
    first, early_root = independent.checkpoint(day.early_note, day.deployment.log_key)
    second, late_root = independent.checkpoint(day.late_note, day.deployment.log_key)
    leaves = [independent.leaf(one) for one in day.entries]
    assert 0 < first < second == len(leaves)
    assert early_root == independent.root(leaves[:first])
    assert late_root == independent.root(leaves)

    answer = day.deployment.get("/trail/proof/consistency", first=first, second=second).json()

    hashes = [base64.b64decode(one, validate=True) for one in answer["hashes"]]
    assert hashes == independent.consistency_path(first, leaves)


def test_every_signed_checkpoint_is_of_this_tree(day):
    auditor, leaves = day.deployment.auditor, [independent.leaf(one) for one in day.entries]
    sizes = day.deployment.get("/trail/checkpoints", auditor, limit=1_000).json()["sizes"]
    assert sizes[-1] == len(leaves)

    for size in sizes:
        note = day.deployment.get(f"/trail/checkpoints/{size}", auditor).text
        assert independent.checkpoint(note, day.deployment.log_key) == (
            size,
            independent.root(leaves[:size]),
        )


def test_acknowledgements_are_in_the_trail(day):
    acknowledged = Counter()
    for one in map(json.loads, day.entries):
        if one["type"] == "acknowledged":
            acknowledged[one["subscriber"]] += len(one["deliveries"])

    expected = Counter(party for one in day.messages for party in one.recipients)
    assert acknowledged == expected


def test_no_entry_names_a_traveller_or_holds_what_a_record_says(day):
    for raw in day.entries:
        for told in ("Иванова", "N 00", "example", "Fluvax"):
            assert told.encode() not in raw


def test_the_same_message_again_gets_the_same_receipt(day):
    one = next(one for one in day.messages if one.publisher == day.deployment.ala)
    before = day.deployment.get("/trail/checkpoint").text

    again = day.deployment.post_message(one.body, one.signature)

    assert (again.status_code, receipt_in(again.json())) == (200, one.receipt)
    kept = day.deployment.get(f"/receipts/{one.message_id}", one.publisher)
    assert kept.content == one.receipt
    assert day.deployment.get("/trail/checkpoint").text == before


def test_the_same_message_again_over_amqp_gets_the_same_receipt(day):
    one = next(one for one in day.messages if one.publisher == day.deployment.oss)

    day.deployment.amqp_publish(one.publisher, [(one.body, one.signature)])

    [(again, _)] = day.deployment.amqp_read(f"bhx.receipts.{one.publisher}", 1, user=one.publisher)
    assert again == one.receipt


def test_the_server_stops_when_asked(day):
    assert day.deployment.served.stop() == 0
