"""Did the holder of this key sign exactly these bytes? Signing and verifying detached JWS.

Ed25519 (RFC 8037) and ES256 (RFC 7518, 3.4) over the received octets (RFC 7797). Which key may
speak for whom, and when, is the directory's to say; `alg` in a message selects nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

from exchange.errors import ConfigurationError, UntrustedSender
from schemas.envelope import (
    SIGNATURE_HEADER,
    Algorithm,
    Envelope,
    ProtectedHeader,
    signing_input,
    write_protected,
)
from schemas.jwk import PRIVATE_MEMBERS, PublicJwk, read_base64url, write_base64url
from schemas.violation import SchemaViolation, problem

_ES256 = ec.ECDSA(SHA256())
_SCALAR_BYTES = 32

#: Order n of P-256 (FIPS 186-5; SEC 2, 2.4.2).
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_ED25519_PRIME = 2**255 - 19
#: y of a point of order 8 on edwards25519.
_ORDER_EIGHT_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
#: A key whose point has a small order accepts one signature for many messages, so its owner could
#: deny having signed any of them.
_SMALL_ORDER_Y = frozenset(
    {0, 1, _ED25519_PRIME - 1, _ORDER_EIGHT_Y, _ED25519_PRIME - _ORDER_EIGHT_Y}
)


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key that signs messages; its repr does not show it.

    Attributes:
        key_id: the `kid` its JWK gives, else its RFC 7638 thumbprint.
    """

    algorithm: Algorithm
    key_id: str
    _private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls, algorithm: Algorithm = "Ed25519") -> Self:
        """A new key from the operating system's randomness."""
        private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey
        match algorithm:
            case "Ed25519":
                private = Ed25519PrivateKey.generate()
            case "ES256":
                private = ec.generate_private_key(ec.SECP256R1())
            case _:
                assert_never(algorithm)
        return cls(algorithm, PublicJwk.model_validate(_public_members(private)).key_id, private)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """The key that a private JWK (OKP Ed25519 or EC P-256, with `d`) holds.

        Raises:
            ConfigurationError: it is not one, or its public and private halves differ.
        """
        try:
            given = dict(jwk)
            public = PublicJwk.model_validate(
                {name: value for name, value in given.items() if name not in PRIVATE_MEMBERS}
            )
            private = _private_key(public, given.get("d"))
        except (SchemaViolation, ValueError, TypeError):
            # `from None`: the cause may quote the key.
            raise _malformed_private_key() from None
        members = _public_members(private)
        if any(getattr(public, name) != value for name, value in members.items()):
            raise _malformed_private_key()
        return cls("Ed25519" if public.kty == "OKP" else "ES256", public.key_id, private)

    def to_private_jwk(self) -> dict[str, str]:
        """The whole key as a JWK: a secret."""
        if isinstance(self._private, Ed25519PrivateKey):
            octets = self._private.private_bytes_raw()
        else:
            octets = self._private.private_numbers().private_value.to_bytes(_SCALAR_BYTES)
        return {**self.public_jwk(), "d": write_base64url(octets)}

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JWK with its `kid`, for the directory."""
        return {**_public_members(self._private), "kid": self.key_id}

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature over these bytes, in the form JWS uses."""
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        r, s = decode_dss_signature(self._private.sign(data, _ES256))
        return r.to_bytes(_SCALAR_BYTES) + s.to_bytes(_SCALAR_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class VerifyingKey:
    """A public key ready to verify messages: parsed once, safe to share."""

    algorithm: Algorithm
    _public: Ed25519PublicKey | ec.EllipticCurvePublicKey = field(repr=False)

    @classmethod
    def from_jwk(cls, jwk: PublicJwk) -> Self:
        """The key that this JWK describes.

        Raises:
            UntrustedSender: no message may be verified with it: it is for login only, its point
                is not on the curve, or the point makes signatures deniable.
        """
        if jwk.crv not in {"Ed25519", "P-256"}:
            raise _untrusted("signature.login-key")
        x = read_base64url(jwk.x or "", "x")
        if jwk.crv == "Ed25519":
            y = int.from_bytes(x, "little") % 2**255
            if y % _ED25519_PRIME in _SMALL_ORDER_Y:
                raise _untrusted("signature.weak-key")
            return cls("Ed25519", Ed25519PublicKey.from_public_bytes(x))
        point = b"\x04" + x + read_base64url(jwk.y or "", "y")
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            raise _untrusted("signature.not-on-curve") from None
        return cls("ES256", public)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return when this key's holder signed these bytes.

        Raises:
            UntrustedSender: the signature does not hold.
        """
        try:
            if isinstance(self._public, Ed25519PublicKey):
                self._public.verify(signature, data)
            else:
                self._public.verify(_der(signature), data, _ES256)
        except InvalidSignature:
            raise _untrusted("signature.does-not-hold") from None


def sign_detached(
    key: SigningKey,
    body: bytes,
    *,
    issuer: str,
    message_id: str,
    issued_at: int,
    content_type: str,
) -> str:
    """The detached JWS (`header..signature`) over these exact bytes, issued at an epoch second.

    Raises:
        SchemaViolation: a receiver would refuse this header.
    """
    protected = write_protected(
        ProtectedHeader(
            algorithm=key.algorithm,
            key_id=key.key_id,
            issued_at=issued_at,
            message_id=message_id,
            issuer=issuer,
            content_type=content_type,
        )
    )
    return f"{protected}..{write_base64url(key.sign(signing_input(protected, body)))}"


def verify_detached(envelope: Envelope, body: bytes, key: VerifyingKey) -> None:
    """Return when the holder of `key` signed this envelope around exactly these bytes.

    Raises:
        UntrustedSender: the algorithm is not the key's, or the signature does not hold.
    """
    if envelope.header.algorithm != key.algorithm:
        raise _untrusted("signature.other-algorithm", ".alg")
    key.verify(envelope.signature, signing_input(envelope.protected, body))


def _der(signature: bytes) -> bytes:
    """Raw r and s (RFC 7518, 3.4) in the DER form the library wants."""
    if len(signature) != 2 * _SCALAR_BYTES:
        raise InvalidSignature
    r, s = int.from_bytes(signature[:_SCALAR_BYTES]), int.from_bytes(signature[_SCALAR_BYTES:])
    if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
        raise InvalidSignature
    return encode_dss_signature(r, s)


def _public_members(private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, str]:
    if isinstance(private, Ed25519PrivateKey):
        octets = private.public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "x": write_base64url(octets)}
    numbers = private.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": write_base64url(numbers.x.to_bytes(_SCALAR_BYTES)),
        "y": write_base64url(numbers.y.to_bytes(_SCALAR_BYTES)),
    }


def _private_key(public: PublicJwk, secret: Any) -> Ed25519PrivateKey | ec.EllipticCurvePrivateKey:
    if not isinstance(secret, str):
        raise _malformed_private_key()
    octets = read_base64url(secret, "d")
    if len(octets) != _SCALAR_BYTES:
        raise _malformed_private_key()
    if public.crv == "Ed25519":
        return Ed25519PrivateKey.from_private_bytes(octets)
    # A key of another kind gets a public half here that is not the one given.
    return ec.derive_private_key(int.from_bytes(octets), ec.SECP256R1())


def _malformed_private_key() -> ConfigurationError:
    return ConfigurationError(
        "The signing key must be a private JWK: kty OKP with crv Ed25519, or kty EC with crv P-256,"
        " and d the private half of the public members (`bhx key new` writes one)."
    )


def _untrusted(sentence: str, member: str = "") -> UntrustedSender:
    return UntrustedSender(problem(sentence, "security", SIGNATURE_HEADER + member))
