"""Who says they sent these bytes, when, and under which key? The detached JWS around a message.

RFC 7515 with RFC 7797 (`b64: false`): the signature covers the body exactly as received, so nothing
is canonicalised (STANDARDS 4.2, 4.6). Nothing here is trusted yet: a key has to verify it first.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NoReturn

from schemas.jwk import read_base64url, write_base64url
from schemas.participant import PARTICIPANT_ID
from schemas.strict_json import read_json
from schemas.violation import SchemaViolation, problem

Algorithm = Literal["Ed25519", "ES256"]

#: HTTP and AMQP header that carries the envelope.
SIGNATURE_HEADER: Final = "x-jws-signature"

FHIR_JSON: Final = "application/fhir+json"
ACKNOWLEDGEMENT: Final = "application/vnd.bhx.acknowledgement+json"
CESSATION: Final = "application/vnd.bhx.cessation+json"
BREAK_GLASS_REQUEST: Final = "application/vnd.bhx.break-glass-request+json"
BREAK_GLASS_APPROVAL: Final = "application/vnd.bhx.break-glass-approval+json"
POLICY: Final = "application/vnd.bhx.policy+json"

MAX_CHARACTERS: Final = 4_096
SIGNATURE_BYTES: Final = 64

_TYPE = "bhx-msg+jws"
#: `EdDSA` is the name that RFC 9864 replaced with the fully specified `Ed25519`.
_ALGORITHMS: dict[str, Algorithm] = {"Ed25519": "Ed25519", "EdDSA": "Ed25519", "ES256": "ES256"}
#: Header members that would let a message bring its own key.
_KEY_CARRIERS = ("jku", "jwk", "x5u", "x5c")
#: 9999-12-31T23:59:59Z, the last second that a calendar date can name.
_LAST_SECOND = 253_402_300_799

_KEY_ID = re.compile(r"[!-~]{1,128}")
_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_MEDIA_TYPE = re.compile(r"[!-~]{1,128}")
_MOST_ISSUER_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedHeader:
    """What the signature covers besides the body.

    Attributes:
        key_id: `kid`; which of the issuer's keys is said to have signed.
        issued_at: `iat`; seconds since 1970-01-01T00:00:00Z by the sender's clock.
        message_id: `jti`; must be the MessageHeader's id.
        issuer: `iss`; participant id of the sender.
        content_type: `cty`; media type of the body.
    """

    algorithm: Algorithm
    key_id: str
    issued_at: int
    message_id: str
    issuer: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A detached JWS, read but not verified.

    Attributes:
        protected: the header as received (base64url): what was signed is this text.
        signature: 64 bytes; Ed25519, or r and s of ES256.
    """

    header: ProtectedHeader
    protected: str
    signature: bytes


def open_envelope(jws: str) -> Envelope:
    """Return what a detached JWS (`header..signature`) claims.

    Raises:
        SchemaViolation: it is not one, or asks for something that this exchange does not do.
    """
    if len(jws) > MAX_CHARACTERS:
        _refuse("envelope.too-long", "too-long", None, str(MAX_CHARACTERS))
    protected, separator, signature_text = jws.partition("..")
    if not separator:
        _refuse("envelope.not-detached", "structure", None)
    header = _read_protected(protected)
    signature = read_base64url(signature_text, SIGNATURE_HEADER)
    if len(signature) != SIGNATURE_BYTES:
        _refuse("envelope.signature-length", "structure", None)
    return Envelope(header=header, protected=protected, signature=signature)


def signing_input(protected: str, body: bytes) -> bytes:
    """The octets that are signed: header text, a dot, the body as it is (RFC 7797, 3)."""
    return protected.encode("ascii") + b"." + body


def write_protected(header: ProtectedHeader) -> str:
    """The header in base64url, ready to be signed.

    Raises:
        SchemaViolation: a receiver would refuse it.
    """
    members = {
        "alg": header.algorithm,
        "kid": header.key_id,
        "b64": False,
        "crit": ["b64"],
        "typ": _TYPE,
        "iat": header.issued_at,
        "jti": header.message_id,
        "iss": header.issuer,
        "cty": header.content_type,
    }
    _header_from(members)
    return write_base64url(json.dumps(members, separators=(",", ":")).encode())


def _read_protected(protected: str) -> ProtectedHeader:
    text = read_base64url(protected, SIGNATURE_HEADER)
    try:
        members = read_json(text, max_bytes=MAX_CHARACTERS, max_depth=8)
    except SchemaViolation as violation:
        raise SchemaViolation(
            [replace(one, expression=SIGNATURE_HEADER) for one in violation.problems]
        ) from None
    if not isinstance(members, dict):
        _refuse("envelope.header-not-object", "structure", None)
    return _header_from(members)


def _header_from(members: dict[str, Any]) -> ProtectedHeader:
    _require_extensions(members)
    if members.get("typ", _TYPE) != _TYPE:
        _refuse("envelope.type", "value", "typ", _TYPE)
    algorithm = members.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        _refuse("envelope.algorithm", "not-supported", "alg")
    issuer = _text(members, "iss", PARTICIPANT_ID, "envelope.issuer")
    if len(issuer) > _MOST_ISSUER_CHARACTERS:
        _refuse("envelope.long-issuer", "value", "iss", str(_MOST_ISSUER_CHARACTERS))
    return ProtectedHeader(
        algorithm=_ALGORITHMS[algorithm],
        key_id=_text(members, "kid", _KEY_ID, "envelope.key-id"),
        issued_at=_seconds(members),
        message_id=_text(members, "jti", _FHIR_ID, "envelope.message-id"),
        issuer=issuer,
        content_type=_text(members, "cty", _MEDIA_TYPE, "envelope.content-type"),
    )


def _require_extensions(members: dict[str, Any]) -> None:
    # `is`, because 0 == False: only the JSON literal false switches the encoding off.
    if members.get("b64") is not False:
        _refuse("envelope.encoded", "not-supported", "b64")
    if members.get("crit") != ["b64"]:
        _refuse("envelope.critical", "not-supported", "crit")
    for name in _KEY_CARRIERS:
        if name in members:
            _refuse("envelope.brings-key", "security", name)


def _text(members: dict[str, Any], name: str, pattern: re.Pattern[str], sentence: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        code = "value" if name in members else "required"
        _refuse(sentence, code, name)
    return value


def _seconds(members: dict[str, Any]) -> int:
    value = members.get("iat")
    # bool is an int in Python, not in JSON.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LAST_SECOND:
        code = "value" if "iat" in members else "required"
        _refuse("envelope.issued-at", code, "iat")
    return value


def _refuse(sentence: str, code: str, member: str | None, *words: str) -> NoReturn:
    expression = f"{SIGNATURE_HEADER}.{member}" if member else SIGNATURE_HEADER
    raise SchemaViolation(problem(sentence, code, expression, *words))
