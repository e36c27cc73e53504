"""Checkpoints: the tree head of a trail as a C2SP signed note (tlog-checkpoint, signed-note).

    <origin>
    <tree size, decimal>
    <root hash, base64>

    — <key name> <base64 of key id and Ed25519 signature>

Reading is strict: one spelling for each value, so that two readers never see two checkpoints in
the same bytes.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.errors import ConfigurationError, IntegrityBroken
from exchange.trail.errors import CheckpointInvalid
from exchange.trail.merkle import EMPTY_ROOT, HASH_BYTES

# Room for far more than the 16 signatures a verifier must take, post-quantum ones included.
MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 64
MAX_SIZE = 2**63 - 1

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the trail's name, its number of leaves and the root over all of them."""

    origin: str
    size: int
    root: bytes


class NoteVerifier:
    """The public half of a note key: a name and an Ed25519 key that belong together."""

    def __init__(self, name: str, key: Ed25519PublicKey) -> None:
        _require_key_name(name)
        self.name = name
        self._key = key
        self.key_id = _key_id(name, key.public_bytes_raw())

    @classmethod
    def from_vkey(cls, vkey: str) -> "NoteVerifier":
        """Read a verifier key, `<name>+<key id, hex>+<base64 of type and key>`.

        Raises:
            ConfigurationError: it is not an Ed25519 verifier key, or its parts disagree.
        """
        expected = "A verifier key is <name>+<8 hex digits>+<base64 of 0x01 and the Ed25519 key>"
        match = _VKEY.fullmatch(vkey)
        typed_key = None if match is None else _strict_base64(match[3])
        if match is None or typed_key is None or len(typed_key) != 1 + HASH_BYTES:
            raise ConfigurationError(expected)
        if typed_key[:1] != _ED25519:
            raise ConfigurationError(expected)
        verifier = cls(match[1], Ed25519PublicKey.from_public_bytes(typed_key[1:]))
        if verifier.key_id.hex() != match[2]:
            raise ConfigurationError("The key id in the verifier key is not that of name and key")
        return verifier

    @property
    def key_bytes(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_bytes_raw()

    @property
    def verifier_key(self) -> str:
        """The vkey string that others configure to trust this key."""
        typed_key = base64.b64encode(_ED25519 + self._key.public_bytes_raw()).decode()
        return f"{self.name}+{self.key_id.hex()}+{typed_key}"

    def verify(self, text: str, signature: bytes) -> None:
        """Require that this key signed the note text.

        Raises:
            CheckpointInvalid: it did not.
        """
        try:
            self._key.verify(signature, text.encode())
        except InvalidSignature:
            raise CheckpointInvalid("The signature of the trusted key does not hold") from None


class NoteSigner:
    """A note key that signs; its name is the origin of the trail whose checkpoints it signs."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.verifier = NoteVerifier(name, key.public_key())
        self.name = name
        self.verifier_key = self.verifier.verifier_key
        self._key = key

    def sign(self, text: str) -> str:
        """Return the note: the text, which ends in a newline, a blank line and the signature."""
        signed = base64.b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signed}\n"


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> str:
    """Return the signed note of a checkpoint.

    Sign only after the entries are durable: a signed head cannot be taken back.

    Raises:
        IntegrityBroken: this is not a head that this signer's trail can have.
    """
    if checkpoint.origin != signer.name:
        raise IntegrityBroken("A checkpoint is signed only by the key of its own origin")
    if not 0 <= checkpoint.size <= MAX_SIZE or len(checkpoint.root) != HASH_BYTES:
        raise IntegrityBroken("A checkpoint needs a size and a 32-byte root")
    root = base64.b64encode(checkpoint.root).decode()
    return signer.sign(f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n")


def open_checkpoint(note: str | bytes, verifier: NoteVerifier) -> Checkpoint:
    """Return the checkpoint in a note that the verifier's key signed.

    Signatures of other keys are ignored. The origin must be the verifier's name, so that a key
    never speaks for another trail. Extension lines are allowed and left out.

    Raises:
        CheckpointInvalid: the bytes are anything else.
    """
    text, signatures = _split_note(_note_text(note))
    known = [
        signature
        for name, key_id, signature in map(_read_signature, signatures)
        if name == verifier.name and key_id == verifier.key_id
    ]
    if not known:
        raise CheckpointInvalid("The trusted key has not signed this checkpoint")
    for signature in known:
        verifier.verify(text, signature)
    checkpoint = _read_checkpoint(text)
    if checkpoint.origin != verifier.name:
        raise CheckpointInvalid("The checkpoint belongs to another trail than its key")
    return checkpoint


def _note_text(note: str | bytes) -> str:
    try:
        raw = note if isinstance(note, bytes) else note.encode()
        if len(raw) > MAX_NOTE_BYTES:
            raise CheckpointInvalid("The note is too long")
        text = raw.decode()
    except UnicodeError:
        raise CheckpointInvalid("The note is not UTF-8") from None
    if _CONTROL.search(text):
        raise CheckpointInvalid("The note holds a control character")
    return text


def _split_note(note: str) -> tuple[str, list[str]]:
    """Split at the last blank line into the signed text and the signature lines."""
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise CheckpointInvalid("A note is a text, a blank line and lines of signatures")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise CheckpointInvalid("The note holds too many signatures")
    return text + "\n", lines


def _read_signature(line: str) -> tuple[str, bytes, bytes]:
    """Read one signature line into key name, key id and signature."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _is_key_name(parts[1]):
        raise CheckpointInvalid("A signature line is an em dash, a key name and base64")
    blob = _strict_base64(parts[2])
    if blob is None or len(blob) <= _KEY_ID_BYTES:
        raise CheckpointInvalid("A signature line ends in base64 of key id and signature")
    return parts[1], blob[:_KEY_ID_BYTES], blob[_KEY_ID_BYTES:]


def _read_checkpoint(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise CheckpointInvalid("A checkpoint is three or more lines, none of them empty")
    origin, size, encoded_root = lines[:3]
    root = _strict_base64(encoded_root)
    if not _DECIMAL.fullmatch(size) or int(size) > MAX_SIZE:
        raise CheckpointInvalid("The tree size is not a decimal number without leading zeros")
    if root is None or len(root) != HASH_BYTES:
        raise CheckpointInvalid("The root hash is not base64 of 32 bytes")
    if int(size) == 0 and root != EMPTY_ROOT:
        raise CheckpointInvalid("The root of the empty tree is wrong")
    return Checkpoint(origin, int(size), root)


def _strict_base64(text: str) -> bytes | None:
    """Decode standard base64 in its one canonical spelling, else return None."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _require_key_name(name: str) -> None:
    if not _is_key_name(name) or _CONTROL.search(name) or not name.isprintable():
        raise ConfigurationError("A key name is not empty and holds no space, '+' or control")


def _key_id(name: str, raw_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + raw_key).digest()[:_KEY_ID_BYTES]
