"""Whatever arrives, it is read or it is a violation; whatever is changed, no signature holds."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange.errors import UntrustedSender
from exchange.signing import SigningKey, VerifyingKey, sign_detached, verify_detached
from schemas.envelope import (
    FHIR_JSON,
    Envelope,
    ProtectedHeader,
    open_envelope,
    write_protected,
)
from schemas.jwk import PublicJwk
from schemas.strict_json import read_json
from schemas.violation import SchemaViolation

KEYS = [SigningKey.generate("Ed25519"), SigningKey.generate("ES256")]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)
pieces = st.sampled_from(
    [
        *'[]{}"\\:,0- é\ufeff',
        "\\u",
        "d800",
        "udc00",
        "1e9",
        ".5",
        "NaN",
        "null",
        '"a"',
        '"a":',
        "9" * 5_000,
    ]
)
protected_members = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.sampled_from(fitting)
        for name, fitting in {
            "alg": ["Ed25519", "EdDSA", "ES256", "none"],
            "kid": ["k"],
            "b64": [False],
            "crit": [["b64"]],
            "typ": ["bhx-msg+jws"],
            "iat": [1],
            "jti": ["m-1"],
            "iss": ["poe:kz:ala"],
            "cty": [FHIR_JSON],
        }.items()
    },
)


def verifying(key):
    return VerifyingKey.from_jwk(PublicJwk.model_validate(key.public_jwk()))


def opened(text):
    try:
        return open_envelope(text)
    except SchemaViolation:
        return None


@given(st.binary() | st.lists(pieces).map(lambda parts: "".join(parts).encode()))
@example(b"")
@example(b'"\\ud800"')
@example(b"[" * 10_000)
def test_any_bytes_are_a_value_or_a_violation(data):
    try:
        value = read_json(data)
    except SchemaViolation:
        return
    # What was accepted is JSON to an ordinary reader, too, and can be written as UTF-8.
    assert json.dumps(value, ensure_ascii=False, default=str).encode() is not None
    json.loads(data)


@given(json_values)
def test_any_json_value_is_read_as_it_was(value):
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.text(st.characters()) | st.text(alphabet="eyJ.-_=A0 \n"))
@example("..")
def test_any_text_is_an_envelope_or_a_violation(text):
    assert opened(text) is None or isinstance(opened(text), Envelope)


@given(protected_members, st.binary(min_size=64, max_size=64))
def test_any_header_members_are_an_envelope_or_a_violation(members, signature):
    parts = [json.dumps(members).encode(), signature]
    encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    envelope = opened("..".join(encoded))
    if envelope is not None:
        assert envelope.header.key_id == members["kid"]
        assert members["b64"] is False
        assert members["crit"] == ["b64"]


@given(
    st.builds(
        ProtectedHeader,
        algorithm=st.sampled_from(["Ed25519", "ES256"]),
        key_id=st.from_regex(r"[!-~]{1,128}", fullmatch=True),
        issued_at=st.integers(0, 253_402_300_799),
        message_id=st.from_regex(r"[A-Za-z0-9.-]{1,64}", fullmatch=True),
        issuer=st.from_regex(r"[a-z][a-z0-9-]{0,9}(:[a-z0-9-]{1,9}){1,4}", fullmatch=True),
        content_type=st.just(FHIR_JSON),
    )
)
def test_any_valid_header_is_read_as_it_was_written(header):
    assert open_envelope(f"{write_protected(header)}..{'A' * 86}").header == header


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
@given(body=st.binary(min_size=1, max_size=200), data=st.data())
def test_one_flipped_bit_is_refused(key, body, data):
    jws = sign_detached(
        key, body, issuer="poe:kz:ala", message_id="m-1", issued_at=1, content_type=FHIR_JSON
    )
    text = jws.encode()
    sent = text + body
    position = data.draw(st.integers(0, len(sent) - 1), label="byte")
    bit = data.draw(st.integers(0, 7), label="bit")
    changed = bytearray(sent)
    changed[position] ^= 1 << bit
    envelope = opened(bytes(changed[: len(text)]).decode("latin-1"))
    if envelope is not None:
        with pytest.raises(UntrustedSender):
            verify_detached(envelope, bytes(changed[len(text) :]), verifying(key))
    verify_detached(open_envelope(jws), body, verifying(key))
