"""Private keys on disk: made with mode 0600, and refused when anybody else may read them."""

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.reading_files import read_file
from exchange.errors import ConfigurationError
from exchange.signing import SigningKey
from exchange.subjects import MASTER_KEY_BYTES
from exchange.trail.checkpoint import NoteSigner
from schemas.strict_json import read_json
from schemas.violation import SchemaViolation

_SIGNING, _MASTER = "exchange-signing.json", "master.key"


@dataclass(frozen=True, slots=True)
class ExchangeKeys:
    """What the exchange itself signs and encrypts with.

    Attributes:
        signing: signs access tokens; the same Ed25519 key as `note_signer`.
        note_signer: signs checkpoints under the trail's origin.
        master: wraps subject keys and derives the keys of tokens and digests.
    """

    signing: SigningKey = field(repr=False)
    note_signer: NoteSigner = field(repr=False)
    master: bytes = field(repr=False)


def make_private_folder(path: Path) -> None:
    """Make sure the folder is there; a new one is its owner's alone.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"The folder {path} cannot be made ({error.strerror})."
        raise ConfigurationError(msg) from error


def has_exchange_keys(folder: Path) -> bool:
    """Whether any of an exchange's keys is in that folder; then none is made."""
    return any((folder / name).exists() for name in (_SIGNING, _MASTER))


def load_or_create_exchange_keys(folder: Path, origin: str) -> ExchangeKeys:
    """The keys in that folder; made at the first start.

    Raises:
        ConfigurationError: a file is readable by others, or does not hold such a key.
    """
    make_private_folder(folder)
    signing_path, master_path = folder / _SIGNING, folder / _MASTER
    if not has_exchange_keys(folder):
        write_signing_key(signing_path, SigningKey.generate("Ed25519"))
        write_private(master_path, base64.b64encode(os.urandom(MASTER_KEY_BYTES)) + b"\n")
    signing = read_signing_key(signing_path)
    try:
        master = base64.b64decode(read_private(master_path), validate=False)
        secret = base64.urlsafe_b64decode(signing.to_private_jwk()["d"] + "=")
        note_signer = NoteSigner(origin, Ed25519PrivateKey.from_private_bytes(secret))
    except ValueError as error:
        msg = f"{folder} must hold an Ed25519 key and a base64 master key of 32 bytes."
        raise ConfigurationError(msg) from error
    return ExchangeKeys(signing=signing, note_signer=note_signer, master=master)


def write_signing_key(path: Path, key: SigningKey) -> None:
    """Write a new private JWK, never over an existing file.

    Raises:
        ConfigurationError: the file exists or cannot be written.
    """
    text = json.dumps(key.to_private_jwk(), indent=2) + "\n"
    write_private(path, text.encode())


def read_signing_key(path: Path) -> SigningKey:
    """The private JWK in that file.

    Raises:
        ConfigurationError: it is missing, readable by others, or no such key.
    """
    try:
        jwk = read_json(read_private(path))
    except SchemaViolation as error:
        msg = f"{path} must hold one private JWK: make one with `bhx key new`."
        raise ConfigurationError(msg) from error
    return SigningKey.from_jwk(jwk)


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        ConfigurationError: the file exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        msg = f"{path} cannot be written: keys are never overwritten ({error.strerror})."
        raise ConfigurationError(msg) from error


def read_private(path: Path) -> bytes:
    """The file's bytes when nobody but its owner can read it.

    Raises:
        ConfigurationError: it is missing, or its mode lets others in.
    """
    return read_file(path, only_owner=True)
