"""Hashes and proofs of the RFC 6962 Merkle tree over SHA-256.

The verification loops are those of RFC 9162, sections 2.1.3.2 (inclusion) and 2.1.4.2
(consistency). No leaf is padded or doubled: a tree of n leaves splits at the largest power
of two below n.
"""

from collections.abc import Sequence
from hashlib import sha256

from exchange.trail.errors import ProofInvalid

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf, SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def verify_inclusion(
    *, leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Require that the leaf stands at `index` (from 0) in the tree of `size` leaves with `root`.

    Raises:
        ProofInvalid: the proof does not lead from this leaf to this root.
    """
    _require_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size:
        raise ProofInvalid("The leaf index lies outside the tree")
    fn, sn = index, size - 1
    computed = leaf_hash
    for sibling in proof:
        if sn == 0:
            raise ProofInvalid("The inclusion proof is longer than the path to the root")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            fn, sn = _to_right_child(fn, sn)
        else:
            computed = node_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofInvalid("The inclusion proof is shorter than the path to the root")
    if computed != root:
        raise ProofInvalid("The inclusion proof leads to another root")


def verify_consistency(
    *,
    first_size: int,
    second_size: int,
    proof: Sequence[bytes],
    first_root: bytes,
    second_root: bytes,
) -> None:
    """Require that the second tree is the first one with leaves appended and nothing changed.

    The empty tree is a prefix of every tree; that needs no hashes.

    Raises:
        ProofInvalid: the proof does not connect the two roots.
    """
    _require_hashes(first_root, second_root, *proof)
    if not 0 <= first_size <= second_size:
        raise ProofInvalid("The older tree is larger than the newer one")
    if first_size in (0, second_size):
        _require_no_path(first_size, second_size, proof, first_root, second_root)
        return
    # A complete first tree is itself a node of the second one, so the proof leaves its root out.
    path = [first_root, *proof] if first_size & (first_size - 1) == 0 else list(proof)
    if not path:
        raise ProofInvalid("The consistency proof is empty")
    if _climb(first_size - 1, second_size - 1, path) != (first_root, second_root):
        raise ProofInvalid("The consistency proof leads to other roots")


class CompactTree:
    """A tree that keeps only the roots of its complete subtrees: one hash for each bit of size."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right end."""
        merged, carried = leaf, self.size
        while carried & 1:
            merged = node_hash(self._subtrees.pop(), merged)
            carried >>= 1
        self._subtrees.append(merged)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves appended so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1]
        for left in reversed(self._subtrees[:-1]):
            root = node_hash(left, root)
        return root


def _require_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ProofInvalid("A hash is not 32 bytes long")


def _to_right_child(fn: int, sn: int) -> tuple[int, int]:
    """Climb the levels where the rightmost node has no sibling and is carried up as it is."""
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _climb(fn: int, sn: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Return the older and the newer root to which the path leads (RFC 9162, 2.1.4.2)."""
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    older = newer = path[0]
    for node in path[1:]:
        if sn == 0:
            raise ProofInvalid("The consistency proof is longer than the path to the root")
        if fn & 1 or fn == sn:
            older, newer = node_hash(node, older), node_hash(node, newer)
            fn, sn = _to_right_child(fn, sn)
        else:
            newer = node_hash(newer, node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofInvalid("The consistency proof is shorter than the path to the root")
    return older, newer


def _require_no_path(
    first_size: int,
    second_size: int,
    proof: Sequence[bytes],
    first_root: bytes,
    second_root: bytes,
) -> None:
    """Require what needs no proof: equal trees have equal roots, and the empty root is fixed."""
    if proof:
        raise ProofInvalid("The consistency proof holds hashes where none are needed")
    if first_size == 0 and first_root != EMPTY_ROOT:
        raise ProofInvalid("The root of the empty tree is wrong")
    if first_size == second_size and first_root != second_root:
        raise ProofInvalid("Two roots are shown for one tree size")
