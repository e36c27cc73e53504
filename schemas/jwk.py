"""Which public key is this? JSON Web Keys (RFC 7517, 7518, 8037) of the kinds used here.

Messages are signed with Ed25519 or P-256. P-384 and RSA serve only the login of clients
(SMART Backend Services asks servers for ES384 and RS384).
"""

import base64
import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from schemas.violation import SchemaViolation, problem

#: RFC 7518 (6.2.2, 6.3.2, 6.4.1): members that only the owner of the key may know.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

KeyId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]

_Member = Annotated[str, StringConstraints(max_length=2_048)] | None

_COORDINATE_BYTES = {"Ed25519": 32, "P-256": 32, "P-384": 48}
_CURVES = {"OKP": ("Ed25519",), "EC": ("P-256", "P-384"), "RSA": (None,)}
#: RFC 7638, 3.2; RFC 8037, 2: what a key's identity is made of.
_THUMBPRINT_MEMBERS = {
    "OKP": ("crv", "kty", "x"),
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
}


class PublicJwk(BaseModel):
    """A public key as JSON; members that say nothing about the key itself are ignored.

    The form is checked, not yet that an EC point lies on its curve: whoever computes with it does.

    Attributes:
        kid: the id its owner gave it, or None; see `key_id`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    kty: Literal["OKP", "EC", "RSA"]
    crv: Literal["Ed25519", "P-256", "P-384"] | None = None
    x: _Member = None
    y: _Member = None
    n: _Member = None
    e: _Member = None
    kid: KeyId | None = None

    @model_validator(mode="before")
    @classmethod
    def _holds_no_secret(cls, members: Any) -> Any:
        if isinstance(members, dict) and not PRIVATE_MEMBERS.isdisjoint(members):
            msg = "this is a private key: give the public members only, and replace this key"
            raise ValueError(msg)
        return members

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.crv not in _CURVES[self.kty]:
            msg = "crv must be Ed25519 for OKP, P-256 or P-384 for EC, absent for RSA"
            raise ValueError(msg)
        if self.crv is None:
            _require_rsa(_octets(self.n, "n"), _octets(self.e, "e"))
            return self
        for name in ("x",) if self.kty == "OKP" else ("x", "y"):
            if len(_octets(getattr(self, name), name)) != _COORDINATE_BYTES[self.crv]:
                msg = f"{name} must have {_COORDINATE_BYTES[self.crv]} bytes"
                raise ValueError(msg)
        return self

    @cached_property
    def key_id(self) -> str:
        """The id that signatures name: `kid` if it has one, else its thumbprint."""
        return self.kid or thumbprint(self)

    @property
    def signs_messages(self) -> bool:
        """Whether it is of a kind that signs messages; the others only log in."""
        return self.crv in {"Ed25519", "P-256"}


def thumbprint(jwk: PublicJwk) -> str:
    """The key's RFC 7638 identity: SHA-256 of its required members, in base64url."""
    members = {name: getattr(jwk, name) for name in _THUMBPRINT_MEMBERS[jwk.kty]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return write_base64url(hashlib.sha256(canonical).digest())


def write_base64url(octets: bytes) -> str:
    """The octets in base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def read_base64url(text: str, expression: str) -> bytes:
    """Return the octets of the one text that encodes them (RFC 7515, 2; RFC 4648, 3.5).

    Raises:
        SchemaViolation: padded, another alphabet, or not what `write_base64url` would write.
    """
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        octets = b""
    # The decoder skips foreign characters and ignores stray bits; writing it again does not.
    if not octets or write_base64url(octets) != text:
        raise SchemaViolation(problem("envelope.base64url", "structure", expression))
    return octets


def _octets(text: str | None, name: str) -> bytes:
    if text is None:
        msg = f"{name} is missing"
        raise ValueError(msg)
    try:
        return read_base64url(text, name)
    except SchemaViolation:
        msg = f"{name} must be base64url without padding"
        raise ValueError(msg) from None


def _require_rsa(modulus: bytes, exponent: bytes) -> None:
    if modulus[0] == 0 or exponent[0] == 0:
        msg = "n and e must not start with a zero byte"
        raise ValueError(msg)
    # The upper bounds keep one verification cheap.
    if not 2_048 <= int.from_bytes(modulus).bit_length() <= 8_192 or modulus[-1] % 2 == 0:
        msg = "n must be an odd number of 2048 to 8192 bits"
        raise ValueError(msg)
    if not 3 <= int.from_bytes(exponent) < 2**32 or exponent[-1] % 2 == 0:
        msg = "e must be an odd number from 3 to 4294967295"
        raise ValueError(msg)
