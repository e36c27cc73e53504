"""Commitments to content: what the trail holds instead of a hash of a health record.

A record has little entropy, so its plain hash could be guessed. The trail holds HMAC-SHA-256 under
a random salt that lies beside the encrypted body: who has both can check, erasing the salt hides
the record for good, and the leaf still verifies (STANDARDS 7.6).
"""

import base64
import hashlib
import hmac
import os

from exchange.errors import ExchangeError

SALT_BYTES = 32


class CommitmentBroken(ExchangeError):
    """The content is not what the trail committed to."""


def new_salt() -> bytes:
    """A fresh 32-byte salt."""
    return os.urandom(SALT_BYTES)


def commitment_to(content: bytes, salt: bytes) -> str:
    """Unpadded base64url of HMAC-SHA-256(salt, content)."""
    digest = hmac.new(salt, content, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def require_commitment(commitment: str, content: bytes, salt: bytes) -> None:
    """Return when the commitment is to exactly this content.

    Raises:
        CommitmentBroken: it is not, or the salt is not one of ours.
    """
    matches = hmac.compare_digest(commitment_to(content, salt), commitment)
    if len(salt) != SALT_BYTES or not matches:
        msg = "The content is not what the trail entry committed to."
        raise CommitmentBroken(msg)
