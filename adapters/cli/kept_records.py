"""Received records as files: the exact bytes, the proof beside them, durable before we sign."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.clients.verified_delivery import VerifiedDelivery


def make_private_folder(folder: Path) -> None:
    """A folder for health records, which only its owner can enter."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made ({error.strerror})."
        raise ConfigurationError(msg) from error


def keep_record(folder: Path, delivery: "VerifiedDelivery") -> str:
    """Write the record and, beside it, its proof; return the record's path once both are durable.

    The record's name appears only when it is whole.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    from schemas.delivery import DELIVERY_HEADER

    # A verified delivery's id is hexadecimal, so the name cannot lead out of the folder.
    name = f"{delivery.number:09d}-{delivery.delivery.delivery}"
    proof = {
        "delivery": json.loads(delivery.delivery.to_headers()[DELIVERY_HEADER]),
        "signature": delivery.delivery.signature,
    }
    try:
        _write_private(folder / f"{name}.proof.json", json.dumps(proof, indent=2).encode() + b"\n")
        if delivery.body is not None:
            _write_private(folder / f"{name}.json", delivery.body)
        _make_names_durable(folder)
    except OSError as error:
        msg = f"{folder} cannot be written to ({error.strerror}): nothing more is acknowledged."
        raise ConfigurationError(msg) from error
    return str(folder / (f"{name}.proof.json" if delivery.body is None else f"{name}.json"))


def _write_private(file: Path, data: bytes) -> None:
    beside = file.with_name(f".{file.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        # Acknowledged means kept, also when the power fails.
        os.fsync(stream.fileno())
    beside.replace(file)


def _make_names_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
