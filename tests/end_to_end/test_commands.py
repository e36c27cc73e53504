"""The commands of a post, a registry, an auditor and an operator against a running deployment."""

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.sentences.catalogue import template
from tests.end_to_end import independent
from tests.end_to_end.deployment import PROJECT, own_environment, run_bhx, until
from tests.end_to_end.real_records import compose, consent, record_files


@pytest.fixture(scope="module")
def records(deployment, corpora):
    """Files as a post has them: (path, message id), the last one without consent."""
    made = []
    chosen = [one for one in record_files(corpora) if "Immunization" in str(one)][:4]
    for number, file in enumerate(chosen):
        last = number == len(chosen) - 1
        message_id, body = compose(
            file.read_text(encoding="utf-8"),
            source=deployment.ala if number < 2 or last else deployment.oss,
            consents=[] if last else [consent(deployment.kz, deployment.kg)],
            document=f"N {uuid.uuid4()}",
        )
        path = deployment.folder / f"record-{number}.json"
        path.write_bytes(body)
        made.append((path, message_id))
    return made


def publish(deployment, party, files, *, to, code=0, options=()):
    [summary], _ = run_bhx(
        "publish", *files, "--as", party, "--key", deployment.file(party, "key"), "--to", to,
        *options, "--json", code=code,
    )  # fmt: skip
    return summary


@pytest.fixture(scope="module")
def published(deployment, records):
    """What `bhx publish` said over HTTP, over AMQP, and about a file that is refused."""
    (first, _), (second, _), (third, _), (refused, _) = records
    over_amqp = deployment.amqp_url(deployment.oss)
    receipts = deployment.folder / "receipts"
    return {
        "http": publish(
            deployment, deployment.ala, [first, second],
            to=deployment.base_url, options=["--receipts", receipts],
        ),
        "amqp": publish(
            deployment, deployment.oss, [third],
            to=over_amqp, options=["--api", deployment.base_url],
        ),
        "refused": publish(
            deployment, deployment.ala, [first, refused], to=deployment.base_url, code=1
        ),
    }  # fmt: skip


def test_publish_says_what_was_decided(deployment, records, published):
    http, amqp, refused = published["http"], published["amqp"], published["refused"]

    assert (http["published"], http["accepted"], http["refused"]) == (2, 2, {})
    assert [one["message"] for one in http["messages"]] == [name for _, name in records[:2]]
    assert (amqp["accepted"], amqp["without_receipt"]) == (1, 0)
    assert refused["refused"] == {"consent-refused": 1}
    # The first file again: the same entry as before.
    assert refused["messages"][0]["entry"] == http["messages"][0]["entry"]
    assert refused["messages"][1]["issues"][0]["expression"]


def test_the_receipts_on_disk_are_evidence(deployment, records, published):
    entries = deployment.entries()
    for path, message_id in records[:2]:
        receipt = json.loads(
            (deployment.folder / "receipts" / f"{message_id}.receipt.json").read_bytes()
        )
        raw = independent.unpadded(receipt["entry"])
        independent.require_proven(receipt["proof"], raw, entries, deployment.log_key)
        independent.require_committed(
            json.loads(raw)["content"],
            independent.unpadded(receipt["content_salt"]),
            path.read_bytes(),
        )


def test_a_file_that_changed_under_its_id_is_refused(deployment, records, published):
    changed = deployment.folder / "changed.json"
    changed.write_bytes(records[0][0].read_bytes() + b" ")

    summary = publish(deployment, deployment.ala, [changed], to=deployment.base_url, code=1)

    assert summary["refused"] == {"message-reused": 1}


def test_what_to_mend_is_told_in_the_language_asked_for(deployment, records, published):
    changed = deployment.folder / "changed.json"
    changed.write_bytes(records[0][0].read_bytes() + b" ")

    done = subprocess.run(
        [
            sys.executable, "-m", "adapters.cli", "publish", changed, "--as", deployment.ala,
            "--key", deployment.file(deployment.ala, "key"), "--to", deployment.base_url,
            "--lang", "ru",
        ],
        cwd=PROJECT, env=own_environment(COLUMNS="200"), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert template("message.id-used", "ru") in " ".join(done.stdout.split())


@pytest.mark.parametrize("way", ["http", "amqp"])
def test_subscribe_keeps_the_exact_bytes_and_signs(deployment, records, published, way):
    party = deployment.kg if way == "http" else deployment.kz
    out = deployment.folder / f"inbox-{way}"
    source = ["--from", deployment.base_url]
    if way == "amqp":
        source = ["--from", deployment.amqp_url(party), "--api", deployment.base_url]
    command = [
        "subscribe", "--as", party, "--key", deployment.file(party, "key"), *source,
        "--once", "--out", out, "--json",
    ]  # fmt: skip

    (*deliveries, summary), _ = run_bhx(*command)

    assert summary == {
        "received": 3, "withheld": 0, "recalled": 0,
        "unanswered": [], "unproven": [], "missing": [],
    }  # fmt: skip
    assert [one["number"] for one in deliveries] == [1, 2, 3]
    sent = {name: path.read_bytes() for path, name in records}
    entries = deployment.entries()
    for one in deliveries:
        kept = Path(one["file"])
        assert kept.read_bytes() == sent[one["message"]]
        assert kept.stat().st_mode & 0o777 == 0o600
        proof = json.loads(kept.with_suffix(".proof.json").read_text())
        raw = independent.unpadded(proof["delivery"]["entry"])
        independent.require_proven(proof["delivery"]["proof"], raw, entries, deployment.log_key)
        independent.require_signed(
            proof["signature"], kept.read_bytes(), deployment.public_jwk(one["publisher"])
        )
    until(lambda: acknowledged(deployment, party) == 3, "the acknowledgement in the trail")
    (again,), _ = run_bhx(*command)
    assert again["received"] == 0


def acknowledged(deployment, party):
    entries = map(json.loads, deployment.entries())
    return sum(
        len(one["deliveries"])
        for one in entries
        if one["type"] == "acknowledged" and one["subscriber"] == party
    )


def as_auditor(deployment):
    return [
        "--url", deployment.base_url, "--as", deployment.auditor,
        "--key", deployment.file(deployment.auditor, "key"), "--json",
    ]  # fmt: skip


def test_audit_verify_from_outside_and_from_inside(deployment, published):
    [outside], _ = run_bhx("audit", "verify", *as_auditor(deployment))
    [inside], _ = run_bhx("audit", "verify", *deployment.own_store, "--json")

    leaves = [independent.leaf(one) for one in deployment.entries()]
    for report in (outside, inside):
        assert (report["verified"], report["findings"]) == (True, [])
        assert report["root"] == independent.root(leaves[: report["size"]]).hex()
    assert inside["entries_by_type"]["accepted"] == 3


def test_audit_trail_tells_the_life_of_a_message(deployment, records, published):
    (_, first), *_, (_, refused) = records

    [[told, other]], _ = run_bhx("audit", "trail", first, refused, *as_auditor(deployment))

    assert told["message"] == first
    kinds = [one["type"] for one in told["entries"]]
    assert kinds[0] == "accepted"
    assert kinds.count("released") == 2
    assert {one["subscriber"] for one in told["entries"] if one["type"] == "released"} == {
        deployment.kz,
        deployment.kg,
    }
    assert [one["reason"] for one in other["entries"]] == ["consent-refused"]
    entries = deployment.entries()
    for one in told["entries"]:
        assert json.loads(entries[one["index"]])["type"] == one["type"]


def test_audit_trail_of_an_unknown_message_is_bad(deployment, published):
    [[told]], _ = run_bhx("audit", "trail", str(uuid.uuid4()), *as_auditor(deployment), code=1)

    assert told["entries"] == []


def test_a_registry_may_not_audit(deployment, published):
    party = deployment.kz
    [told], _ = run_bhx(
        "audit", "verify", "--url", deployment.base_url, "--as", party,
        "--key", deployment.file(party, "key"), "--json", code=1,
    )  # fmt: skip
    assert told["text"].endswith("(403): The access token does not allow this.")


def test_a_suspended_post_is_refused_by_the_running_exchange(deployment, corpora, published):
    run_bhx("participant", "suspend", deployment.oss, *deployment.own_store, "--json")
    message_id, body = compose(
        record_files(corpora)[0].read_text(encoding="utf-8"),
        source=deployment.oss,
        consents=[consent(deployment.kz, deployment.kg)],
        document="N 1",
    )
    signature = independent.signed(
        deployment.private_jwk(deployment.oss), body, issuer=deployment.oss, message_id=message_id
    )

    assert deployment.post_message(body, signature).status_code == 403
    [again], _ = run_bhx(
        "participant", "admit", deployment.file(deployment.oss, "json"), *deployment.own_store,
        "--json",
    )  # fmt: skip
    assert again == [{"participant": deployment.oss, "change": "participant-changed"}]


def test_a_correction_that_comes_before_its_original_is_not_to_be_overwritten(
    deployment, corpora, published
):
    document, identifier = f"N {uuid.uuid4()}", str(uuid.uuid4())

    def version(made_at, event):
        record = json.loads(record_files(corpora)[0].read_text(encoding="utf-8"))
        record["identifier"] = [{"system": "urn:bhx:test", "value": identifier}]
        record["meta"] = {"lastUpdated": made_at}
        message_id, body = compose(
            json.dumps(record, ensure_ascii=False),
            source=deployment.ala,
            consents=[consent(deployment.kg)],
            document=document,
            event=f"immunization-{event}",
        )
        (deployment.folder / f"{event}.json").write_bytes(body)
        return message_id

    newer = version("2026-01-02T09:00:00+05:00", "corrected")
    older = version("2026-01-02T05:00:00+05:00", "published")
    said = [
        publish(
            deployment, deployment.ala, [deployment.folder / f"{event}.json"],
            to=deployment.base_url,
        )["messages"][0]
        for event in ("corrected", "published")
    ]  # fmt: skip
    assert [one["standing"] for one in said] == ["current", "superseded"]

    out = deployment.folder / "versions"
    (*deliveries, _), _ = run_bhx(
        "subscribe", "--as", deployment.kg, "--key", deployment.file(deployment.kg, "key"),
        "--from", deployment.base_url, "--once", "--out", out, "--json",
    )  # fmt: skip
    told = {one["message"]: one for one in deliveries}
    assert (told[newer]["standing"], told[newer]["superseded_by"]) == ("current", None)
    assert (told[older]["standing"], told[older]["superseded_by"]) == (
        "superseded",
        said[0]["entry"],
    )
    proof = json.loads(Path(told[older]["file"]).with_suffix(".proof.json").read_text())
    assert proof["delivery"]["standing"] == "superseded"
    [[life]], _ = run_bhx("audit", "trail", older, *as_auditor(deployment))
    assert life["entries"][0]["superseded_by"] == said[0]["entry"]


def test_what_is_recalled_is_deleted_answered_and_listed(deployment, corpora, published):
    """Over HTTP it is deleted, over AMQP put aside; one registry moved its record away."""
    given = consent(deployment.kz, deployment.kg)
    traveller = {"source": deployment.ala, "document": f"N {uuid.uuid4()}"}
    text = record_files(corpora)[0].read_text(encoding="utf-8")
    record, withdrawal = (deployment.folder / f"recalled-{number}.json" for number in (1, 2))
    message_id, body = compose(text, consents=[given], **traveller)
    record.write_bytes(body)
    publish(deployment, deployment.ala, [record], to=deployment.base_url)
    kept = {}
    for party in (deployment.kg, deployment.kz):
        (*deliveries, _) = subscribe(deployment, party)
        [kept[party]] = [Path(one["file"]) for one in deliveries if one["message"] == message_id]

    ended = {**given, "status": "inactive", "dateTime": datetime.now(UTC).isoformat()}
    _, body = compose(json.dumps(ended), event="consent-changed", **traveller)
    withdrawal.write_bytes(body)
    publish(deployment, deployment.ala, [withdrawal], to=deployment.base_url)

    (*told, summary) = subscribe(deployment, deployment.kg)
    assert [one["state"] for one in told] == ["recalled"]
    assert (summary["recalled"], summary["unanswered"]) == (1, [])
    assert not kept[deployment.kg].exists()
    proof = json.loads(kept[deployment.kg].with_suffix(".proof.json").read_text())
    assert proof["recalled"]["answer"] == "deleted"
    assert "content_salt" not in proof["delivery"]
    assert (proof["delivery"]["signature"], proof.get("signature")) == (None, None)

    elsewhere = deployment.folder / "moved.json"
    kept[deployment.kz].with_suffix(".proof.json").unlink()
    kept[deployment.kz].rename(elsewhere)
    (*told, summary) = subscribe(deployment, deployment.kz, "--on-recall", "cease", code=1)
    assert [one["delivery"] for one in told] == summary["unanswered"]
    states = {one["subscriber"]: one["state"] for one in recalls(deployment)}
    assert states == {deployment.kg: "deleted", deployment.kz: "acknowledged"}
    subscribe(deployment, deployment.kz, "--elsewhere", "ceased")
    until(
        lambda: {one["state"] for one in recalls(deployment)} == {"deleted", "ceased"},
        "the answer in the trail",
    )
    [inside], _ = run_bhx("audit", "verify", *deployment.own_store, "--json")
    assert (inside["verified"], inside["entries_by_type"]["recall-answered"]) == (True, 2)


def subscribe(deployment, party, *options, code=0):
    """As the directory has them: one fetches over HTTP, the other has a queue."""
    source = ["--from", deployment.base_url]
    if party == deployment.kz:
        source = ["--from", deployment.amqp_url(party), "--api", deployment.base_url]
    said, _ = run_bhx(
        "subscribe", "--as", party, "--key", deployment.file(party, "key"), *source, "--once",
        "--out", deployment.folder / f"recalls-{party.replace(':', '-')}", *options, "--json",
        code=code,
    )  # fmt: skip
    return said


def recalls(deployment):
    [listed], _ = run_bhx("recalls", *deployment.own_store, "--json")
    return listed["recalls"]


def test_definitions_keep_passwords_and_take_a_suspended_user_its_rights(deployment, published):
    before = dict(deployment.passwords)
    run_bhx("participant", "suspend", deployment.kz, *deployment.own_store, "--json")

    deployment.define()

    assert deployment.passwords == before
    definitions = json.loads((deployment.folder / "definitions.json").read_text())
    assert deployment.kz in {one["name"] for one in definitions["users"]}
    assert deployment.kz not in {one["user"] for one in definitions["permissions"]}
