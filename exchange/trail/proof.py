"""The proof of one trail entry that anyone can check offline (c2sp.org/tlog-proof@v1).

c2sp.org/tlog-proof@v1
index <leaf index, from 0>
<sibling hashes, base64, the leaf's own sibling first>

<signed checkpoint, verbatim>
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.trail.checkpoint import (
    MAX_NOTE_BYTES,
    MAX_SIZE,
    Checkpoint,
    NoteVerifier,
    open_checkpoint,
)
from exchange.trail.errors import ProofInvalid
from exchange.trail.merkle import HASH_BYTES, leaf_hash, verify_inclusion

MAX_PROOF_BYTES = MAX_NOTE_BYTES + 64 * 1024
MAX_HASHES = 63

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as read, not yet verified; `extra` is authenticated by nothing."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_note: str
    extra: bytes | None = None


def write_proof(index: int, proof_hashes: Sequence[bytes], checkpoint_note: str) -> str:
    """Return the tlog-proof text for the entry at `index` under the signed checkpoint."""
    lines = [_FIRST_LINE, f"index {index}"]
    lines += [base64.b64encode(value).decode() for value in proof_hashes]
    return "\n".join(lines) + "\n\n" + checkpoint_note


def read_proof(text: str | bytes) -> TlogProof:
    """Read a tlog-proof in its one canonical spelling; nothing is verified yet.

    Raises:
        ProofInvalid: the bytes are not a tlog-proof.
    """
    head, blank, note = _proof_text(text).partition("\n\n")
    first, *lines = head.split("\n")
    if not blank or first != _FIRST_LINE:
        raise ProofInvalid("A proof begins with its format and holds a blank line")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _strict_base64(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines[0]) if lines else None
    if match is None or int(match[1]) > MAX_SIZE:
        raise ProofInvalid("A proof names the index of its entry")
    hashes = tuple(_strict_base64(line) for line in lines[1:])
    if len(hashes) > MAX_HASHES or any(len(value) != HASH_BYTES for value in hashes):
        raise ProofInvalid("A proof holds at most 63 hashes of 32 bytes")
    return TlogProof(int(match[1]), hashes, note, extra)


def verify_proof(text: str | bytes, entry: bytes, verifier: NoteVerifier) -> Checkpoint:
    """Require that the entry stands in the verifier's trail; return the checkpoint that says so.

    Raises:
        ProofInvalid: the proof cannot be read or does not lead from this entry to the root.
        CheckpointInvalid: the expected log did not sign the checkpoint.
    """
    proof = read_proof(text)
    checkpoint = open_checkpoint(proof.checkpoint_note, verifier)
    verify_inclusion(
        leaf_hash=leaf_hash(entry),
        index=proof.index,
        size=checkpoint.size,
        proof=proof.hashes,
        root=checkpoint.root,
    )
    return checkpoint


def _proof_text(text: str | bytes) -> str:
    try:
        raw = text if isinstance(text, bytes) else text.encode()
        if len(raw) > MAX_PROOF_BYTES:
            raise ProofInvalid("The proof is too long")
        return raw.decode()
    except UnicodeError:
        raise ProofInvalid("The proof is not UTF-8") from None


def _strict_base64(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofInvalid("A line of the proof is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise ProofInvalid("A line of the proof is not canonical base64")
    return decoded
