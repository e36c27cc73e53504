"""Published vectors of the tree, the signed note, the checkpoint and the tiles.

Sources: transparency-dev/merkle and transparency-dev/tessera (Apache-2.0), the C2SP specifications.
"""

import base64
import json
from hashlib import sha256

import pytest

from exchange.errors import ConfigurationError
from exchange.trail.checkpoint import Checkpoint, NoteVerifier, open_checkpoint
from exchange.trail.errors import CheckpointInvalid, ProofInvalid, TileInvalid
from exchange.trail.merkle import (
    EMPTY_ROOT,
    CompactTree,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from exchange.trail.tile_paths import (
    bundle_path,
    decode_bundle,
    encode_bundle,
    parse_bundle_path,
    parse_tile_path,
    tile_path,
)
from exchange.trail.tiles import TileId, grow, tile_width, tree_root

TESSERA_VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_SIGNATURE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)
EIGHT_LEAVES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
EIGHT_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def probes(folder):
    found = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]
    for probe in found:
        for name in ("root", "leafHash", "root1", "root2"):
            if name in probe:
                probe[name] = base64.b64decode(probe[name] or "")
        probe["proof"] = [base64.b64decode(value) for value in probe["proof"] or []]
    return found


def holds(verify, **arguments):
    try:
        verify(**arguments)
    except ProofInvalid:
        return False
    return True


@pytest.mark.needs_corpora
def test_every_published_inclusion_probe_is_judged_as_published(corpora):
    found = probes(corpora / "merkle-proofs" / "inclusion")
    assert len(found) == 35
    for probe in found:
        verdict = holds(
            verify_inclusion,
            leaf_hash=probe["leafHash"],
            index=probe["leafIdx"],
            size=probe["treeSize"],
            proof=probe["proof"],
            root=probe["root"],
        )
        assert verdict is not probe["wantErr"], probe["desc"]


@pytest.mark.needs_corpora
def test_every_published_consistency_probe_is_judged_as_published(corpora):
    found = probes(corpora / "merkle-proofs" / "consistency")
    assert len(found) == 22
    for probe in found:
        verdict = holds(
            verify_consistency,
            first_size=probe["size1"],
            second_size=probe["size2"],
            proof=probe["proof"],
            first_root=probe["root1"],
            second_root=probe["root2"],
        )
        assert verdict is not probe["wantErr"], probe["desc"]


@pytest.mark.needs_corpora
def test_published_checkpoints_open_and_agree_with_their_entries_and_tiles(corpora):
    log = corpora / "tlog-checkpoints" / "log"
    verifier = NoteVerifier.from_vkey(TESSERA_VKEY)
    entries = decode_bundle((log / bundle_path(0, 15)).read_bytes())
    tree = CompactTree()
    for size in range(16):
        checkpoint = open_checkpoint((log / f"checkpoint.{size}").read_bytes(), verifier)
        assert checkpoint == Checkpoint("example.com/log/testdata", size, tree.root())
        if size:
            tile = (log / tile_path(0, 0, size)).read_bytes()
            assert tree_root(size, {TileId(0, 0): tile}) == checkpoint.root
            growth = grow(0, {}, [leaf_hash(entry) for entry in entries[:size]])
            assert growth.tiles == {TileId(0, 0): tile}
            bundle = (log / bundle_path(0, size)).read_bytes()
            assert encode_bundle(entries[:size]) == bundle
            assert decode_bundle(bundle) == entries[:size]
        if size < 15:
            tree.append(leaf_hash(entries[size]))
    assert open_checkpoint((log / "checkpoint").read_text(), verifier).size == 15


@pytest.mark.needs_corpora
def test_a_published_checkpoint_with_any_byte_changed_is_rejected(corpora):
    note = (corpora / "tlog-checkpoints" / "log" / "checkpoint.7").read_bytes()
    verifier = NoteVerifier.from_vkey(TESSERA_VKEY)
    for position in range(len(note)):
        changed = bytearray(note)
        changed[position] ^= 1
        with pytest.raises(CheckpointInvalid):
            open_checkpoint(bytes(changed), verifier)


def test_the_specified_hashes_of_the_empty_tree_the_empty_leaf_and_eight_leaves():
    assert EMPTY_ROOT.hex() == sha256(b"").hexdigest()
    assert leaf_hash(b"").hex() == (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    tree = CompactTree()
    for entry in EIGHT_LEAVES:
        tree.append(leaf_hash(entry))
    assert tree.root().hex() == EIGHT_ROOT
    assert grow(0, {}, [leaf_hash(entry) for entry in EIGHT_LEAVES]).root.hex() == EIGHT_ROOT


def test_the_specifications_verifier_key_verifies_its_note():
    verifier = NoteVerifier.from_vkey(SPEC_VKEY)
    assert verifier.verifier_key == SPEC_VKEY
    blob = base64.b64decode(SPEC_SIGNATURE)
    assert blob[:4] == verifier.key_id == bytes.fromhex("530d903a")
    verifier.verify("This is an example message.\n", blob[4:])
    with pytest.raises(CheckpointInvalid):
        verifier.verify("This is another message.\n", blob[4:])
    # A well-signed note that is no checkpoint stays no checkpoint.
    with pytest.raises(CheckpointInvalid):
        open_checkpoint(
            f"This is an example message.\n\n— example.com/foo {SPEC_SIGNATURE}\n", verifier
        )


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        SPEC_VKEY.replace("530d903a", "530d903b"),
        SPEC_VKEY.replace("/foo", "/fop"),
        SPEC_VKEY.replace("+Aeky", "+Beky"),
        SPEC_VKEY[:-4],
        SPEC_VKEY + "\n",
        SPEC_VKEY.replace("foo", "f o"),
    ],
)
def test_a_verifier_key_whose_parts_disagree_is_refused(vkey):
    with pytest.raises(ConfigurationError):
        NoteVerifier.from_vkey(vkey)


def test_the_specifications_tile_geometry_for_70000_leaves():
    widths = {
        (0, 272): 256,
        (0, 273): 112,
        (0, 274): 0,
        (1, 0): 256,
        (1, 1): 17,
        (2, 0): 1,
        (3, 0): 0,
    }
    assert {tile: tile_width(TileId(*tile), 70_000) for tile in widths} == widths


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        ((0, 1234067, None), "tile/0/x001/x234/067"),
        ((0, 1234067, 12), "tile/0/x001/x234/067.p/12"),
        ((63, 0, 255), "tile/63/000.p/255"),
        ((1, 999, None), "tile/1/999"),
        ((1, 1000, 1), "tile/1/x001/000.p/1"),
    ],
)
def test_tile_paths_are_spelt_as_specified(tile, path):
    assert tile_path(*tile) == path
    assert parse_tile_path(path) == tile
    bundle = path.replace(f"tile/{tile[0]}/", "tile/entries/")
    assert bundle_path(*tile[1:]) == bundle
    assert parse_bundle_path(bundle) == tile[1:]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/64/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/1234",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/../000",
        "/tile/0/000",
        "tile/entries/x000/001",
    ],
)
def test_other_tile_paths_are_refused(path):
    with pytest.raises(TileInvalid):
        parse_tile_path(path)
    with pytest.raises(TileInvalid):
        parse_bundle_path(path)
