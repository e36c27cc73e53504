"""The trail's mathematics against a naive recursive tree, and its readers against any bytes."""

import json
import string
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import count

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.errors import IntegrityBroken
from exchange.trail.checkpoint import Checkpoint, NoteSigner, open_checkpoint, sign_checkpoint
from exchange.trail.errors import CheckpointInvalid, ProofInvalid, TileInvalid
from exchange.trail.merkle import CompactTree, leaf_hash, verify_consistency, verify_inclusion
from exchange.trail.proof import read_proof, verify_proof, write_proof
from exchange.trail.tile_paths import decode_bundle, encode_bundle
from exchange.trail.tiles import (
    consistency_proof,
    grow,
    inclusion_proof,
    inclusion_proofs,
    right_edge,
    tiles_for_consistency,
    tiles_for_inclusion,
    tree_root,
)
from schemas.trail_entry import entry, entry_bytes, read_entry
from schemas.violation import SchemaViolation
from tests.support.thoroughness import examples

ORIGIN = "exchange.example/trail"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOON = datetime(2026, 11, 23, 12, 0, 0, 123_999, tzinfo=UTC)
DIGEST = "A" * 43

# The oracle: RFC 6962 section 2.1 as it is written, over leaf i = SHA-256(0x00 || decimal of i).


@cache
def naive_root(start, end):
    if end == start:
        return sha256(b"").digest()
    if end - start == 1:
        return sha256(b"\0" + str(start).encode()).digest()
    middle = start + largest_power_below(end - start)
    return sha256(b"\1" + naive_root(start, middle) + naive_root(middle, end)).digest()


def largest_power_below(count):
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def naive_path(index, start, end):
    if end - start == 1:
        return []
    middle = start + largest_power_below(end - start)
    if index < middle:
        return [*naive_path(index, start, middle), naive_root(middle, end)]
    return [*naive_path(index, middle, end), naive_root(start, middle)]


def naive_subproof(first, start, end, whole):
    if first == end:
        return [] if whole else [naive_root(start, end)]
    middle = start + largest_power_below(end - start)
    if first <= middle:
        return [*naive_subproof(first, start, middle, whole), naive_root(middle, end)]
    return [*naive_subproof(first, middle, end, False), naive_root(start, middle)]


def leaves(start, end):
    return [sha256(b"\0" + str(index).encode()).digest() for index in range(start, end)]


def grown(*sizes):
    """Grow through the sizes, loading for each step only the tiles that are asked for."""
    tiles, size, growth = {}, 0, None
    for target in sizes:
        edge = {tile: tiles[tile] for tile in right_edge(size)}
        growth = grow(size, edge, leaves(size, target))
        tiles.update(growth.tiles)
        size = target
    return tiles, growth


@cache
def large_tiles():
    return grown(255, 256, 257, 65_535, 65_537, 66_000)[0]


@given(st.lists(st.integers(0, 700), min_size=1, max_size=5).map(sorted))
@settings(max_examples=examples(40), deadline=None)
@example([256])
@example([255, 256, 257, 512])
@example([1, 1, 2])
def test_growing_in_any_batches_gives_the_recursive_root(sizes):
    tiles, growth = grown(*sizes)
    assert growth.size == sizes[-1]
    assert growth.root == naive_root(0, sizes[-1]) == tree_root(sizes[-1], tiles)
    for size in sizes:  # tiles have grown since; the older trees are still in them
        assert tree_root(size, {tile: tiles[tile] for tile in right_edge(size)}) == naive_root(
            0, size
        )


@given(st.integers(0, 700), st.integers(1, 300))
@settings(max_examples=examples(40), deadline=None)
@example(0, 256)
@example(255, 1)
@example(256, 1)
@example(250, 300)
def test_edge_and_growth_suffice_for_the_proofs_of_what_was_appended(before, added):
    tiles, _ = grown(before)
    edge = {tile: tiles[tile] for tile in right_edge(before)}
    growth = grow(before, edge, leaves(before, before + added))
    at_hand = {**edge, **growth.tiles}
    indexes = list(range(before, growth.size))[:: max(1, added // 40)]
    proofs = inclusion_proofs(indexes, growth.size, at_hand)
    assert proofs == [naive_path(index, 0, growth.size) for index in indexes]
    assert consistency_proof(before, growth.size, at_hand) == (
        naive_subproof(before, 0, growth.size, True) if before else []
    )


@pytest.mark.parametrize("size", [255, 256, 257, 65_535, 65_536, 65_537, 65_793, 66_000])
def test_the_65536_boundary(size):
    tiles = large_tiles()
    assert tree_root(size, tiles) == naive_root(0, size)
    for index in {0, 254, 255, 256, size // 2, size - 2, size - 1} & set(range(size)):
        needed = {tile: tiles[tile] for tile in tiles_for_inclusion(index, size)}
        assert inclusion_proof(index, size, needed) == naive_path(index, 0, size)
    for first in {1, 128, 255, 256, 65_535, 65_536, 65_537, size} & set(range(size + 1)):
        needed = {tile: tiles[tile] for tile in tiles_for_consistency(first, size)}
        assert consistency_proof(first, size, needed) == naive_subproof(first, 0, size, True)


@given(st.integers(1, 66_000), st.data())
@settings(max_examples=examples(60), deadline=None)
def test_inclusion_at_any_older_size_is_proven_from_grown_tiles(size, data):
    index = data.draw(st.integers(0, size - 1))
    tiles = large_tiles()
    needed = {tile: tiles[tile] for tile in tiles_for_inclusion(index, size)}
    proof = inclusion_proof(index, size, needed)
    leaf, root = leaves(index, index + 1)[0], tree_root(size, tiles)
    verify_inclusion(leaf_hash=leaf, index=index, size=size, proof=proof, root=root)
    if needed:
        lost = dict(list(needed.items())[1:])
        with pytest.raises(IntegrityBroken):
            inclusion_proof(index, size, lost)


@given(st.integers(0, 66_000), st.integers(0, 66_000))
@settings(max_examples=examples(60), deadline=None)
def test_consistency_of_any_two_older_sizes_is_proven_from_grown_tiles(one, other):
    first, second = sorted((one, other))
    tiles = large_tiles()
    needed = {tile: tiles[tile] for tile in tiles_for_consistency(first, second)}
    proof = consistency_proof(first, second, needed)
    verify_consistency(
        first_size=first,
        second_size=second,
        proof=proof,
        first_root=tree_root(first, tiles),
        second_root=tree_root(second, tiles),
    )


@given(st.integers(2, 600), st.data())
@settings(max_examples=examples(60), deadline=None)
def test_a_changed_inclusion_proof_is_rejected(size, data):
    index = data.draw(st.integers(0, size - 1))
    good = {
        "leaf_hash": leaves(index, index + 1)[0],
        "index": index,
        "size": size,
        "proof": naive_path(index, 0, size),
        "root": naive_root(0, size),
    }
    verify_inclusion(**good)
    for bad in mutations(data, good["proof"]):
        with pytest.raises(ProofInvalid):
            verify_inclusion(**{**good, "proof": bad})
    for name, value in {
        "leaf_hash": flipped(good["leaf_hash"], 0),
        "root": flipped(good["root"], 9),
        "index": (index + 1) % size,
    }.items():
        with pytest.raises(ProofInvalid):
            verify_inclusion(**{**good, name: value})
    for outside in (-1, size, 2**64):
        with pytest.raises(ProofInvalid):
            verify_inclusion(**{**good, "index": outside})


@given(st.integers(2, 600), st.data())
@settings(max_examples=examples(60), deadline=None)
def test_a_changed_consistency_proof_is_rejected(second, data):
    first = data.draw(st.integers(1, second - 1))
    good = {
        "first_size": first,
        "second_size": second,
        "proof": naive_subproof(first, 0, second, True),
        "first_root": naive_root(0, first),
        "second_root": naive_root(0, second),
    }
    verify_consistency(**good)
    for bad in [*mutations(data, good["proof"]), []]:
        with pytest.raises(ProofInvalid):
            verify_consistency(**{**good, "proof": bad})
    for name in ("first_root", "second_root"):
        with pytest.raises(ProofInvalid):
            verify_consistency(**{**good, name: flipped(good[name], 3)})
    with pytest.raises(ProofInvalid):
        verify_consistency(**{**good, "first_size": second, "second_size": first})


def mutations(data, proof):
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    return [
        [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]],
        [*proof[:at], proof[at][:-1], *proof[at + 1 :]],
        proof[:at] + proof[at + 1 :],
        [*proof, bytes(32)],
        [bytes(32), *proof],
    ]


def flipped(value, bit):
    return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")


def test_only_the_empty_root_is_consistent_with_every_tree():
    sizes = {"first_size": 0, "second_size": 3, "second_root": naive_root(0, 3)}
    verify_consistency(**sizes, first_root=naive_root(0, 0), proof=[])
    with pytest.raises(ProofInvalid):
        verify_consistency(**sizes, first_root=naive_root(0, 1), proof=[])
    with pytest.raises(ProofInvalid):
        verify_consistency(**sizes, first_root=naive_root(0, 0), proof=[bytes(32)])
    with pytest.raises(ProofInvalid, match="Two roots"):
        verify_consistency(
            first_size=3,
            second_size=3,
            first_root=naive_root(0, 2),
            second_root=naive_root(0, 3),
            proof=[],
        )


def test_growing_from_an_older_size_ignores_what_its_tiles_hold_since():
    later, _ = grown(100, 300)
    again = grow(100, {tile: later[tile] for tile in right_edge(100)}, leaves(100, 300))
    assert again.root == naive_root(0, 300)
    assert again.tiles == later


def test_a_short_or_missing_tile_and_a_leaf_outside_are_refused():
    tiles, _ = grown(300)
    short = {tile: content[:-32] for tile, content in tiles.items()}
    with pytest.raises(IntegrityBroken):
        grow(300, short, leaves(300, 301))
    with pytest.raises(IntegrityBroken):
        grow(300, {}, leaves(300, 301))
    with pytest.raises(IntegrityBroken):
        grow(300, tiles, [bytes(31), bytes(33)])
    with pytest.raises(IntegrityBroken):
        tree_root(300, short)
    for index in (-1, 300):
        with pytest.raises(ProofInvalid):
            tiles_for_inclusion(index, 300)
        with pytest.raises(ProofInvalid):
            inclusion_proofs([0, index], 300, tiles)
    with pytest.raises(ProofInvalid):
        tiles_for_consistency(5, 4)


@given(st.integers(0, 300))
@settings(max_examples=examples(30), deadline=None)
def test_the_streaming_tree_has_the_recursive_root(size):
    tree = CompactTree()
    for leaf in leaves(0, size):
        tree.append(leaf)
    assert (tree.size, tree.root()) == (size, naive_root(0, size))


@given(st.lists(st.binary(max_size=300), max_size=256))
@settings(max_examples=examples(30))
def test_entry_bundles_give_back_their_entries(entries):
    assert decode_bundle(encode_bundle(entries)) == entries


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_refused(raw):
    try:
        entries = decode_bundle(raw)
    except TileInvalid:
        return
    assert encode_bundle(entries) == raw


def test_a_bundle_cannot_hold_too_much():
    with pytest.raises(IntegrityBroken):
        encode_bundle([bytes(65_536)])
    with pytest.raises(TileInvalid):
        decode_bundle(encode_bundle([b""] * 257))


def checkpoint_note(size=9, signer=SIGNER):
    return sign_checkpoint(Checkpoint(ORIGIN, size, naive_root(0, size)), signer)


def test_a_signed_checkpoint_opens_and_only_for_its_own_key():
    assert open_checkpoint(checkpoint_note(), SIGNER.verifier) == Checkpoint(
        ORIGIN, 9, naive_root(0, 9)
    )
    with pytest.raises(CheckpointInvalid, match="has not signed"):
        open_checkpoint(checkpoint_note(), OTHER.verifier)


def test_unknown_signatures_are_ignored_and_a_known_bad_one_rejects():
    note, other = checkpoint_note(), checkpoint_note(signer=OTHER)
    other_line = other.rpartition("\n\n")[2]
    assert open_checkpoint(note + other_line, SIGNER.verifier).size == 9
    assert open_checkpoint(note + other_line * 16, SIGNER.verifier).size == 9
    stale_line = checkpoint_note(8).rpartition("\n\n")[2]
    with pytest.raises(CheckpointInvalid, match="does not hold"):
        open_checkpoint(note + stale_line, SIGNER.verifier)
    with pytest.raises(CheckpointInvalid, match="too many"):
        open_checkpoint(note + other_line * 64, SIGNER.verifier)


ROOT_LINE = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    "text",
    [
        f"other.example/trail\n5\n{ROOT_LINE}\n",
        f"{ORIGIN}\n05\n{ROOT_LINE}\n",
        f"{ORIGIN}\n+5\n{ROOT_LINE}\n",
        f"{ORIGIN}\n٥\n{ROOT_LINE}\n",
        f"{ORIGIN}\n9223372036854775808\n{ROOT_LINE}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{ROOT_LINE}\n",
        f"{ORIGIN}\n-1\n{ROOT_LINE}\n",
        f"{ORIGIN}\n5\n{ROOT_LINE[:-2]}V=\n",
        f"{ORIGIN}\n5\n{ROOT_LINE[:-1]}\n",
        f"{ORIGIN}\n5\nAAAA\n",
        f"{ORIGIN}\n5\n{ROOT_LINE.replace('+', '-')}\n",
        f"{ORIGIN}\n0\n{'A' * 43}=\n",
        f"{ORIGIN}\n5\n",
        f"{ORIGIN}\n5\n\n{ROOT_LINE}\n",
        f"{ORIGIN}\n5\n{ROOT_LINE}\r\n",
        f"{ORIGIN}\n5\n{ROOT_LINE}\nnote\x07\n",
        f"{ORIGIN}\n5\n{ROOT_LINE}\n\nextension\n",
        "\n",
    ],
    ids=count(),
)
def test_a_well_signed_text_in_another_spelling_is_no_checkpoint(text):
    with pytest.raises(CheckpointInvalid):
        open_checkpoint(SIGNER.sign(text), SIGNER.verifier)


def test_extension_lines_are_allowed():
    text = f"{ORIGIN}\n5\n{ROOT_LINE}\nextension\n"
    assert open_checkpoint(SIGNER.sign(text), SIGNER.verifier).size == 5


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note[:-1],
        lambda note: note + "\n",
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("— ", "—  "),
        lambda note: note + "— x AAAA\n",
        lambda note: note + "— x+y AAAAAAAA\n",
        lambda note: note + "garbage\n",
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note + "\ud800",
        lambda note: note + "— x " + "A" * 300_000 + "\n",
    ],
    ids=count(),
)
def test_a_note_out_of_shape_is_rejected(change):
    with pytest.raises(CheckpointInvalid):
        open_checkpoint(change(checkpoint_note()), SIGNER.verifier)


def test_a_checkpoint_of_another_trail_is_not_signed():
    for wrong in (
        Checkpoint("other.example/trail", 1, bytes(32)),
        Checkpoint(ORIGIN, -1, bytes(32)),
        Checkpoint(ORIGIN, 1, bytes(31)),
    ):
        with pytest.raises(IntegrityBroken):
            sign_checkpoint(wrong, SIGNER)


def tlog_proof(index=4, size=9):
    return write_proof(index, naive_path(index, 0, size), checkpoint_note(size))


def test_a_proof_verifies_its_entry_and_no_other():
    assert verify_proof(tlog_proof(), b"4", SIGNER.verifier).size == 9
    assert verify_proof(tlog_proof(0, 1).encode(), b"0", SIGNER.verifier).size == 1
    with pytest.raises(ProofInvalid):
        verify_proof(tlog_proof(), b"5", SIGNER.verifier)
    with pytest.raises(ProofInvalid):
        verify_proof(tlog_proof().replace("index 4", "index 5"), b"4", SIGNER.verifier)
    with pytest.raises(CheckpointInvalid):
        verify_proof(tlog_proof(), b"4", OTHER.verifier)


def test_extra_data_is_read_and_changes_nothing():
    text = tlog_proof().replace("index", "extra aGk=\nindex", 1)
    assert read_proof(text).extra == b"hi"
    assert verify_proof(text, b"4", SIGNER.verifier).size == 9


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("@v1", "@v2"),
        lambda text: text.replace("index 4", "index 04"),
        lambda text: text.replace("index 4", "index -4"),
        lambda text: text.replace("index 4", "index 9223372036854775808"),
        lambda text: text.replace("index 4\n", ""),
        lambda text: text.replace("index 4\n", "index 4\nAAAA\n"),
        lambda text: text.replace("index 4\n", "index 4\n" + f"{'A' * 43}=\n" * 64),
        lambda text: text.replace("index 4\n", f"index 4\n{'A' * 42}B=\n"),
        lambda text: text.replace("index 4\n", "extra !\nindex 4\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n" + text,
        lambda text: text + "\ud800",
        lambda text: text.partition("\n\n")[0],
        lambda text: text + "A" * 400_000,
    ],
    ids=count(),
)
def test_a_proof_out_of_shape_is_rejected(change):
    with pytest.raises(ProofInvalid):
        read_proof(change(tlog_proof()))


def spliced(sample):
    """Return a strategy of arbitrary bytes, and of the sample with a part overwritten."""
    return st.binary(max_size=300) | st.builds(
        lambda at, cut, new: sample[:at] + new + sample[at + cut :],
        st.integers(0, len(sample)),
        st.integers(0, 20),
        st.binary(max_size=20) | st.text(max_size=9).map(lambda text: text.encode(errors="ignore")),
    )


@given(spliced(checkpoint_note().encode()))
def test_any_bytes_are_the_signed_checkpoint_or_invalid(raw):
    try:
        opened = open_checkpoint(raw, SIGNER.verifier)
    except CheckpointInvalid:
        return
    assert opened == Checkpoint(ORIGIN, 9, naive_root(0, 9))


@given(spliced(tlog_proof().encode()))
def test_any_bytes_are_a_proof_or_invalid(raw):
    try:
        proof = read_proof(raw)
    except ProofInvalid:
        return
    if proof.extra is None:
        assert write_proof(proof.index, proof.hashes, proof.checkpoint_note).encode() == raw


FIELDS = {
    "log-created": {"origin": ORIGIN},
    "accepted": {
        "publisher": "poe:kz:ala",
        "message": "m-1",
        "event": "vaccination",
        "content": DIGEST,
        "key": "k",
    },
    "refused": {"publisher": "", "message": "", "reason": "malformed-message", "content": DIGEST},
    "released": {
        "delivery": "d-1",
        "subscriber": "registry:kz",
        "number": 1,
        "purpose": "PUBHLTH",
        "view": "full",
        "basis": {"kind": "consent", "consent": DIGEST, "entry": 1},
        "content": DIGEST,
        "accepted": 1,
        "publisher": "poe:kz:ala",
        "message": "m-1",
    },
    "withheld": {
        "delivery": "d-2",
        "subscriber": "registry:kz",
        "number": 2,
        "reason": "consent-refused",
        "accepted": 1,
    },
    "acknowledged": {"subscriber": "registry:kz", "deliveries": ["d-1"], "statement": DIGEST},
    "participant-admitted": {"participant": "registry:kz", "document": DIGEST},
    "participant-suspended": {"participant": "registry:kz", "document": DIGEST},
    "participant-changed": {"participant": "registry:kz", "document": DIGEST},
    "key-rotated": {"participant": "registry:kz", "document": DIGEST},
    "exchange-started": {"role": "worker"},
    "exchange-stopped": {"role": "worker"},
    "trail-read": {"reader": "auditor:who-euro", "what": "entries 0-255"},
}


#: What an entry may say besides, when it applies.
MORE = [
    *((kind, {}) for kind in FIELDS),
    ("accepted", {"supersedes": 0}),
    ("accepted", {"superseded_by": 7}),
    ("released", {"standing": "current"}),
    ("released", {"standing": "superseded", "superseded_by": 2**53 - 1}),
]


@pytest.mark.parametrize(("kind", "more"), MORE, ids=str)
def test_every_type_of_entry_is_written_and_read(kind, more):
    raw = entry(kind, time=NOON, salt=b"\xff" * 16, **FIELDS[kind], **more)
    read = read_entry(raw)
    assert read.type == kind
    assert read.time == "2026-11-23T12:00:00.123Z"
    assert read.salt == "_" * 21 + "w"
    assert read.model_dump(mode="json", exclude_none=True) == {
        "v": 1,
        "type": kind,
        "time": "2026-11-23T12:00:00.123Z",
        "salt": read.salt,
        **FIELDS[kind],
        **more,
    }
    assert entry_bytes(read) == raw == rfc8785.dumps(json.loads(raw))


@given(st.lists(st.text(), min_size=4, max_size=4), st.integers(1, 2**53 - 1))
def test_entries_are_in_the_form_of_rfc8785(texts, number):
    publisher, message, view, delivery = (text or "-" for text in texts)
    fields = {**FIELDS["released"], "number": number, "view": view, "delivery": delivery}
    fields |= {"publisher": publisher, "message": message}
    raw = entry("released", time=NOON, salt=bytes(16), **fields)
    assert raw == rfc8785.dumps(json.loads(raw))
    assert read_entry(raw).message == message


@given(spliced(entry("released", time=NOON, salt=bytes(16), **FIELDS["released"])))
def test_any_bytes_are_an_entry_in_its_only_spelling_or_refused(raw):
    try:
        read = read_entry(raw)
    except SchemaViolation:
        return
    assert rfc8785.dumps(json.loads(raw)) == raw == entry_bytes(read)


SAMPLE = entry("released", time=NOON, salt=bytes(16), **FIELDS["released"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":true'),
        (b'"v":1', b'"v":1.0'),
        (b'"v":1', b'"v":1 '),
        (b'"number":1', b'"number":0'),
        (b'"number":1', b'"number":1e0'),
        (b'"number":1', b'"number":"1"'),
        (b'"number":1', b'"number":9007199254740992'),
        (b'"number":1', b'"number":' + b"9" * 5000),
        (b'"released"', b'"handed-over"'),
        (b'"full"', b'"\\u0066ull"'),
        (b'"full"', b'"\\ud800"'),
        (b'"full"', b'"\xff"'),
        (b'"full"', b'""'),
        (b'"full"', b"null"),
        (b"12:00:00.123Z", b"12:00:00Z"),
        (b"12:00:00.123Z", b"12:60:00.123Z"),
        (b"12:00:00.123Z", b"12:00:00.123z"),
        (b'AA","subscriber"', b'AB","subscriber"'),
        (b'A","delivery"', b'B","delivery"'),
        (b'"content":"A', b'"content":"AA'),
        (b'{"accepted":1,', b'{"accepted":1,"also":1,'),
        (b'{"accepted":1,', b"{"),
        (b'{"accepted":1,', b'{"accepted":1,"accepted":1,'),
        (b'{"accepted":1,', b'{"accepted":' + b"[" * 9000 + b"]" * 9000 + b',"accepted":1,'),
        (b'{"accepted":1,', b'{"accepted":NaN,"accepted":1,'),
        (b'{"accepted":1,', b'{"accepted":' + b"9" * 5000 + b',"accepted":1,'),
        (b'{"accepted":1,', b'{"basis":{},"accepted":1,'),
        (b'"kind":"consent"', b'"kind":"consent","x":1'),
        (b'"view":"full"', b'"view":"' + b"f" * 65_535 + b'"'),
    ],
    ids=count(),
)
def test_anything_but_the_canonical_bytes_is_refused(old, new):
    changed = SAMPLE.replace(old, new)
    assert changed != SAMPLE
    with pytest.raises(SchemaViolation):
        read_entry(changed)


def test_a_refusal_never_repeats_what_was_received():
    for old, new in (
        (b'"full"', b'["Aliyeva"]'),
        (b'{"accepted"', b'{"Aliyeva":1,"accepted"'),
        (b'"released"', b'"Aliyeva"'),
        (b'"kind"', b'"Aliyeva"'),
    ):
        with pytest.raises(SchemaViolation) as caught:
            read_entry(SAMPLE.replace(old, new))
        told = str(caught.value) + repr(caught.value.problems)
        assert "Aliyeva" not in told
        assert all(char in string.printable for char in told)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("accepted", {"supersedes": 1, "superseded_by": 2}),
        ("accepted", {"supersedes": None}),
        ("accepted", {"superseded_by": None}),
        ("accepted", {"supersedes": -1}),
        ("accepted", {"supersedes": 1.0}),
        ("released", {"standing": "superseded"}),
        ("released", {"standing": "current", "superseded_by": 1}),
        ("released", {"superseded_by": 1}),
        ("released", {"standing": None}),
        ("released", {"standing": "newest"}),
    ],
)
def test_versions_of_a_record_have_one_spelling(kind, more):
    raw = entry(kind, time=NOON, salt=bytes(16), **FIELDS[kind], **more)
    with pytest.raises(SchemaViolation):
        read_entry(raw)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("unknown", {}),
        ("refused", {**FIELDS["refused"], "supersedes": 1}),
        ("withheld", {**FIELDS["withheld"], "standing": "current"}),
        ("accepted", {"supersedes": 1}),
        ("exchange-started", {}),
        ("exchange-started", {"role": "worker", "more": "x"}),
        ("exchange-started", {"role": "worker", "salt": bytes(15)}),
        ("exchange-started", {"role": "worker", "time": NOON.replace(tzinfo=None)}),
        ("exchange-started", {"role": "w" * 65_536}),
        ("exchange-started", {"role": "\ud800"}),
    ],
)
def test_an_entry_that_nobody_could_read_is_not_written(kind, arguments):
    with pytest.raises(SchemaViolation):
        entry(kind, **{"time": NOON, "salt": bytes(16), **arguments})


def test_an_acknowledgement_names_1_to_1000_deliveries():
    for named, fits in ((0, False), (1, True), (1000, True), (1001, False)):
        fields = {**FIELDS["acknowledged"], "deliveries": ["d"] * named}
        raw = entry("acknowledged", time=NOON, salt=bytes(16), **fields)
        if fits:
            assert len(read_entry(raw).deliveries) == named
        else:
            with pytest.raises(SchemaViolation):
                read_entry(raw)


def test_a_leaf_is_hashed_with_its_own_prefix():
    assert leaf_hash(b"4") == leaves(4, 5)[0]
