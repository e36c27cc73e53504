"""Received records as files: the exact bytes, the proof beside them, durable before we sign.

What is recalled goes the same way back: the record is overwritten and removed (or, when its use is
only to end, put aside under a name that nothing reads), and the proof says so. The proof keeps
that the delivery came, and no longer what opens its content commitment.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.clients.verified_delivery import VerifiedDelivery
    from exchange.model import RecallAnswer
    from schemas.trail_entry import RecalledEntry


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


def forget_record(folder: Path, notice: "RecalledEntry", answer: "RecallAnswer") -> bool:
    """Delete, or put aside, the record that a notice recalls; whether it was kept here at all.

    When this returns it is durable. Doing it again is safe, and tells the same.

    Raises:
        ConfigurationError: the folder cannot be changed.
    """
    # A verified notice recalls a hexadecimal id: no pattern, and no way out of the folder.
    recalled = notice.recalls
    try:
        proofs = list(folder.glob(f"*-{recalled}.proof.json"))
        for record in [*folder.glob(f"*-{recalled}.json"), *folder.glob(f"*-{recalled}.ceased")]:
            if answer == "deleted":
                _overwrite(record)
                record.unlink()
            elif record.suffix == ".json":
                record.replace(record.with_suffix(".ceased"))
        for proof in proofs:
            _mark_recalled(proof, notice, answer)
        _make_names_durable(folder)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{folder} cannot be changed: delivery {recalled} is recalled and still there."
        raise ConfigurationError(msg) from error
    return bool(proofs)


def _overwrite(file: Path) -> None:
    """Zeros in place of the bytes: the least that can be done before the name goes."""
    with file.open("r+b") as stream:
        stream.write(bytes(file.stat().st_size))
        stream.flush()
        os.fsync(stream.fileno())


def _mark_recalled(proof: Path, notice: "RecalledEntry", answer: "RecallAnswer") -> None:
    kept = json.loads(proof.read_bytes())
    # The salt opens the commitment and the signature fits the record only: either would tell
    # somebody who guesses that the guess is right.
    kept["delivery"].pop("content_salt", None)
    kept.pop("signature", None)
    kept["recalled"] = {
        "notice": notice.delivery,
        "cause": notice.cause,
        "answer": answer,
    }
    _write_private(proof, json.dumps(kept, indent=2).encode() + b"\n")


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
