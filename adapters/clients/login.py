"""Logging in as a participant: SMART Backend Services, `private_key_jwt` (RFC 7523)."""

import json
import secrets
import time
from collections.abc import Callable, Mapping

from exchange.signing import SigningKey
from schemas.jwk import write_base64url

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFETIME_SECONDS = 240


def login_form(
    participant_id: str,
    key: SigningKey,
    token_url: str,
    *,
    seconds_now: Callable[[], float] = time.time,
) -> dict[str, str]:
    """The form to POST to the token endpoint; good once, for four minutes.

    Args:
        participant_id: `iss` and `sub`.
        key: one of the participant's keys in the directory.
        token_url: where it will be sent; `aud`, so that no other server can use it.
        seconds_now: seconds since 1970.
    """
    now = int(seconds_now())
    header = {"alg": key.algorithm, "kid": key.key_id, "typ": "JWT"}
    claims = {
        "iss": participant_id,
        "sub": participant_id,
        "aud": token_url,
        "iat": now,
        "exp": now + _LIFETIME_SECONDS,
        "jti": secrets.token_urlsafe(24),
    }
    signed = f"{_part(header)}.{_part(claims)}"
    assertion = f"{signed}.{write_base64url(key.sign(signed.encode()))}"
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


def _part(members: Mapping[str, object]) -> str:
    return write_base64url(json.dumps(members, separators=(",", ":")).encode())
