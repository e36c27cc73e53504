"""The trail over HTTP, checked with a plain recursive tree."""

import base64
from hashlib import sha256

import pytest

from exchange.trail.checkpoint import NoteVerifier, open_checkpoint
from exchange.trail.merkle import verify_consistency
from exchange.trail.proof import verify_proof
from exchange.trail.tile_paths import decode_bundle
from schemas.trail_entry import read_entry
from schemas.wire_json import decode_bytes
from tests.support.world import ALA, AUDITOR, consent, vaccination


def plain_root(entries):
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return sha256(b"\1" + plain_root(entries[:split]) + plain_root(entries[split:])).digest()


@pytest.fixture
async def published(caller):
    for _ in range(4):
        await caller.publish(ALA, vaccination(consent()))
    return caller


async def text(caller, path, **options):
    answer = await caller.http.get(path, **options)
    assert answer.status_code == 200, answer.text
    return answer.text


async def latest(caller):
    key = (await caller.http.get("/trail/verifier-key")).json()
    verifier = NoteVerifier.from_vkey(key["verifier_key"])
    assert verifier.name == key["origin"]
    return open_checkpoint(await text(caller, "/trail/checkpoint"), verifier), verifier


async def entries_of(caller, size):
    headers = await caller.login(AUDITOR)
    answer = await caller.http.get(f"/trail/tile/entries/000.p/{size}", headers=headers)
    assert answer.headers["cache-control"].startswith("private")
    return decode_bundle(answer.content)


async def test_the_entries_make_up_the_checkpoint(published):
    head, _ = await latest(published)
    entries = await entries_of(published, head.size)
    assert len(entries) == head.size
    assert plain_root(entries) == head.root


async def test_tiles_hold_the_leaf_hashes(published):
    head, _ = await latest(published)
    entries = await entries_of(published, head.size)
    for width in (1, head.size):
        answer = await published.http.get(f"/trail/tile/0/000.p/{width}")
        assert answer.content == b"".join(sha256(b"\0" + one).digest() for one in entries[:width])
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "0/000",
        "0/000.p/255",
        "0/001.p/1",
        "1/000.p/1",
        "63/000.p/1",
        "64/000.p/1",
        "0/x000/000.p/1",
        "0/x999/x999/x999/x999/x999/999",
    ],
)
async def test_what_is_no_tile_yet_or_ever_is_not_there(published, path):
    assert (await published.http.get(f"/trail/tile/{path}")).status_code == 404
    if path.startswith("0/"):
        headers = await published.login(AUDITOR)
        bundle = await published.http.get(f"/trail/tile/entries/{path[2:]}", headers=headers)
        assert bundle.status_code == 404


@pytest.mark.parametrize("path", ["00/000", "x/000", "0/0", "0/000.p/0", "0/..%2f000", "100/000"])
async def test_what_is_not_written_as_a_tile_is_refused(published, path):
    answer = await published.http.get(f"/trail/tile/{path}")
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_inclusion_proofs_lead_to_the_checkpoint(published):
    head, verifier = await latest(published)
    entries = await entries_of(published, head.size)
    for index, entry in enumerate(entries):
        query = {"index": index, "size": head.size}
        proof = await text(
            published, "/trail/proof/inclusion", params=query, headers={"Accept": "text/plain"}
        )
        assert verify_proof(proof, entry, verifier) == head
        answer = (await published.http.get("/trail/proof/inclusion", params=query)).json()
        assert all(value in proof for value in answer["hashes"])
        assert (answer["index"], answer["size"]) == (index, head.size)


async def test_consistency_proofs_connect_every_two_sizes(published):
    head, _ = await latest(published)
    entries = await entries_of(published, head.size)
    for first in range(1, head.size + 1):
        query = {"first": first, "second": head.size}
        answer = (await published.http.get("/trail/proof/consistency", params=query)).json()
        verify_consistency(
            first_size=first,
            second_size=head.size,
            proof=[base64.b64decode(one) for one in answer["hashes"]],
            first_root=plain_root(entries[:first]),
            second_root=head.root,
        )


async def test_there_is_no_proof_beyond_the_trail(published):
    head, _ = await latest(published)
    for path, query in (
        ("inclusion", {"index": head.size, "size": head.size}),
        ("inclusion", {"index": 0, "size": head.size + 1}),
        ("consistency", {"first": 2, "second": 1}),
        ("consistency", {"first": 0, "second": 2**63 - 1}),
    ):
        answer = await published.http.get(f"/trail/proof/{path}", params=query)
        assert answer.status_code == 404
    answer = await published.http.get("/trail/proof/inclusion", params={"index": 0, "size": 2**63})
    assert answer.status_code == 422


async def test_an_auditor_walks_through_the_checkpoints(published):
    headers = await published.login(AUDITOR)
    head, verifier = await latest(published)
    entries = await entries_of(published, head.size)
    sizes, after = [], 0
    while True:
        page = await published.http.get(
            "/trail/checkpoints", params={"after": after, "limit": 3}, headers=headers
        )
        if not page.json()["sizes"]:
            break
        sizes += page.json()["sizes"]
        after = sizes[-1]
    assert sizes[-1] == head.size
    for size in sizes:
        note = await text(published, f"/trail/checkpoints/{size}", headers=headers)
        assert open_checkpoint(note, verifier).root == plain_root(entries[:size])
    missing = set(range(head.size)) - set(sizes)
    gap = await published.http.get(f"/trail/checkpoints/{max(missing)}", headers=headers)
    assert gap.status_code == 404


async def test_all_that_a_message_led_to(published):
    message_id, body = vaccination(consent())
    await published.publish(ALA, (message_id, body))
    headers = await published.login(AUDITOR)
    answer = await published.http.get(f"/trail/messages/{message_id}", headers=headers)
    _, verifier = await latest(published)
    shown = answer.json()["entries"]
    for one in shown:
        verify_proof(one["proof"], decode_bytes(one["entry"]), verifier)
    kinds = [read_entry(decode_bytes(one["entry"])).type for one in shown]
    assert kinds == ["accepted", "released", "released"]
    absent = await published.http.get("/trail/messages/nobody", headers=headers)
    assert absent.status_code == 404
