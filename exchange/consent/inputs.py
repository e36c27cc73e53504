"""One digest for everything that a decision was made on (docs/consent.md section 8)."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from exchange.consent.request import DisclosureRequest
from exchange.model import ConsentOnFile
from schemas.canonical_json import canonical_text
from schemas.jwk import write_base64url
from schemas.policy import Policy
from schemas.trail_entry import entry_time


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
        [one.statement for one in consents], key=lambda one: (one.identity, one.given_at)
    )
    # The texts of the parts were written once, and are joined in the order of RFC 8785.
    statements = ",".join([statement.canonical_text for statement in ordered])
    digests = canonical_text(sorted([policy.digest for policy in policies])) if policies else "[]"
    text = (
        f'{{"consents":[{statements}],"policies":{digests},'
        f'"request":{request.canonical_text},"time":"{entry_time(at)}"}}'
    )
    # Half a character cannot be received in a message; the digest is total all the same.
    octets = text.encode("utf-8", "surrogatepass")
    return write_base64url(hashlib.sha256(octets).digest())
