"""One digest for everything that a decision was made on (docs/consent.md section 8)."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from exchange.consent.request import DisclosureRequest
from exchange.model import ConsentOnFile
from schemas.jwk import write_base64url
from schemas.policy import Policy
from schemas.trail_entry import entry_time

#: Members have ASCII names and values without fractions, so this is their RFC 8785 form.
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def inputs_digest_of(
    consents: Sequence[ConsentOnFile],
    policies: Sequence[Policy],
    request: DisclosureRequest,
    at: datetime,
) -> str:
    """SHA-256, unpadded base64url, the same for the same inputs wherever they are decided on.

    Statements stand in the order of identity, time and arrival, so it tells nothing of the store.
    """
    ordered = sorted(
        (one.statement for one in consents), key=lambda one: (one.identity, one.given_at)
    )
    members = {
        "consents": [statement.to_json() for statement in ordered],
        "policies": sorted(policy.digest for policy in policies),
        "request": request.to_json(),
        "time": entry_time(at),
    }
    # Half a character cannot be received in a message; the digest is total all the same.
    octets = _ENCODER.encode(members).encode("utf-8", "surrogatepass")
    return write_base64url(hashlib.sha256(octets).digest())
