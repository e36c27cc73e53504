"""Who logs in? The signed assertion of SMART Backend Services (`private_key_jwt`, RFC 7523).

The argument, in order: a client assertion that names a listed key (1), whose algorithm is that
key's (2), which that key signed (3), by a participant that may act (4) with a key that is good now
(5), about itself, for this server, for the next minutes (6), and never shown before (7).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

from exchange.directory_cache import DirectoryCache
from exchange.ports import Clock, Store
from schemas.jwk import PublicJwk
from schemas.participant import Participant, ParticipantKey
from schemas.strict_json import read_json
from schemas.violation import SchemaViolation

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: SMART Backend Services: `exp` lies at most five minutes ahead.
LONGEST_LIFE = timedelta(minutes=5)
#: How far a client's clock may differ from ours.
CLOCK_SKEW = timedelta(seconds=30)

#: `EdDSA` is the name that RFC 9864 replaced with the fully specified `Ed25519`.
_ALGORITHMS: dict[str | None, tuple[str, ...]] = {
    "Ed25519": ("Ed25519", "EdDSA"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    None: ("RS384",),
}
LOGIN_ALGORITHMS = tuple(name for names in _ALGORITHMS.values() for name in names)

_KEY_MEMBERS = {"kty", "crv", "x", "y", "n", "e"}
_MOST_CHARACTERS = 8_192
_MOST_ID_CHARACTERS = 256


class LoginRefused(Exception):
    """The login is refused.

    Attributes:
        error: RFC 6749 error code.
        text: what to mend; never what was sent.
    """

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginDesk:
    """Checks login assertions.

    Attributes:
        audience: URL of the token endpoint, which `aud` must name.
    """

    clock: Clock
    store: Store
    directory: DirectoryCache
    audience: str

    async def verify(self, assertion: str) -> Participant:
        """The participant that logs in with this assertion, which is used up by that.

        Raises:
            LoginRefused: with the reason.
            Unavailable: the store does not answer.
        """
        at = self.clock.now()
        header, claimed = _read(assertion)
        participant = (await self.directory.checked()).participant(str(claimed.get("sub", "")))
        key = participant.key(str(header.get("kid", ""))) if participant else None
        if participant is None or key is None:  # 1
            raise _invalid("No admitted client has a key of that kid.")
        _require_signed(assertion, header, key.jwk)  # 2, 3
        if participant.suspended:  # 4
            raise _invalid("The participant is suspended: ask the exchange's operator.")
        _require_usable(key, at)  # 5
        expires_at = self._require_claims(claimed, participant.id, at)  # 6
        name = f"{participant.id}\x00{claimed['jti']}".encode()
        first = await self.store.remember_login(
            hashlib.sha256(name).hexdigest(), expires_at + CLOCK_SKEW
        )
        if not first:  # 7
            raise _invalid("This assertion was used before: sign one with a new jti.")
        return participant

    def _require_claims(self, claims: dict[str, Any], party: str, at: datetime) -> datetime:
        """When the assertion expires, if its claims hold."""
        if claims.get("iss") != party or claims.get("sub") != party:
            raise _invalid("iss and sub must both be the participant's id.")
        if claims.get("aud") not in (self.audience, [self.audience]):
            raise _invalid("aud must be this server's token endpoint, and nothing else.")
        expires_at = _instant(claims, "exp")
        if expires_at is None or expires_at <= at - CLOCK_SKEW:
            raise _invalid("The assertion has expired: sign a new one, and set the clock.")
        if expires_at > at + LONGEST_LIFE + CLOCK_SKEW:
            raise _invalid("exp must lie at most five minutes ahead.")
        for name in ("iat", "nbf"):
            begins = _instant(claims, name)
            if name in claims and (begins is None or begins > at + CLOCK_SKEW):
                raise _invalid(f"{name} lies in the future: set the clock and sign again.")
        assertion_id = claims.get("jti")
        if not isinstance(assertion_id, str) or not 0 < len(assertion_id) <= _MOST_ID_CHARACTERS:
            raise _invalid("jti must be a text of 1 to 256 characters.")
        return expires_at


def _read(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWS, not yet verified."""
    try:
        if len(assertion) > _MOST_CHARACTERS or not assertion.isascii():
            raise _malformed()
        signature = jws.extract_compact(assertion.encode(), registry=_registry())
        header, claims = signature.headers(), read_json(signature.payload or b"")
    except (JoseError, SchemaViolation, ValueError):
        raise _malformed() from None
    if not isinstance(claims, dict) or not isinstance(header.get("alg"), str):
        raise _malformed()
    return header, claims


def _require_signed(assertion: str, header: dict[str, Any], public: PublicJwk) -> None:
    if header["alg"] not in _ALGORITHMS[public.crv]:
        raise _invalid("alg is not an algorithm of the key that kid names.")
    try:
        key = jwk.import_key(public.model_dump(include=_KEY_MEMBERS, exclude_none=True))
        jws.deserialize_compact(
            assertion.encode(), key, registry=_registry(_ALGORITHMS[public.crv])
        )
    except (JoseError, ValueError):
        raise _invalid("The signature does not hold.") from None


def _require_usable(key: ParticipantKey, at: datetime) -> None:
    if key.revoked_at is not None:
        raise _invalid("That key was revoked: log in with a current key.")
    if not key.is_usable_at(at):
        raise _invalid("That key is outside its validity: rotate it, or check its dates.")


def _registry(algorithms: tuple[str, ...] = LOGIN_ALGORITHMS) -> jws.JWSRegistry:
    # Other header members are ignored as RFC 7515 asks, unless `crit` names them.
    return _Registry(algorithms=algorithms, strict_check_header=False)


class _Registry(jws.JWSRegistry):
    """Reads EdDSA as Ed25519: the library warns of the old name, which clients still use."""

    max_header_length = 2_048
    max_payload_length = 4_096

    def get_alg(self, name: str) -> Any:
        """The algorithm, if it is allowed here."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


def _instant(claims: dict[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**36:
        return None
    return datetime.fromtimestamp(value, UTC)


def _malformed() -> LoginRefused:
    return _invalid("client_assertion must be one compact JWS with JSON claims.")


def _invalid(text: str) -> LoginRefused:
    return LoginRefused("invalid_client", text)
