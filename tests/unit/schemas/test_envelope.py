"""The detached JWS around a message: what its header must and must not say."""

import base64
import json

import pytest

from schemas.envelope import (
    FHIR_JSON,
    ProtectedHeader,
    open_envelope,
    signing_input,
    write_protected,
)
from schemas.violation import SchemaViolation

MEMBERS = {
    "alg": "Ed25519",
    "kid": "key-1",
    "b64": False,
    "crit": ["b64"],
    "typ": "bhx-msg+jws",
    "iat": 1_790_000_000,
    "jti": "2f1c5c7e-0000-4000-8000-000000000001",
    "iss": "poe:kz:ala",
    "cty": FHIR_JSON,
}
HEADER = ProtectedHeader(
    algorithm="Ed25519",
    key_id="key-1",
    issued_at=1_790_000_000,
    message_id="2f1c5c7e-0000-4000-8000-000000000001",
    issuer="poe:kz:ala",
    content_type=FHIR_JSON,
)
SIGNATURE = bytes(range(64))


def encoded(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def jws(members, *, signature=SIGNATURE):
    text = members if isinstance(members, bytes) else json.dumps(members).encode()
    return f"{encoded(text)}..{encoded(signature)}"


def without(name):
    return {member: value for member, value in MEMBERS.items() if member != name}


def refusal(text):
    with pytest.raises(SchemaViolation) as caught:
        open_envelope(text)
    (problem,) = caught.value.problems
    return problem


def test_opens_what_was_sent():
    text = jws(MEMBERS)
    envelope = open_envelope(text)
    assert envelope.header == HEADER
    assert envelope.protected == text.split("..")[0]
    assert envelope.signature == SIGNATURE


def test_old_name_of_ed25519_is_normalised():
    assert open_envelope(jws(MEMBERS | {"alg": "EdDSA"})).header.algorithm == "Ed25519"


def test_written_header_is_read_back():
    envelope = open_envelope(f"{write_protected(HEADER)}..{encoded(SIGNATURE)}")
    assert envelope.header == HEADER


def test_written_header_carries_the_members_of_the_standard():
    text = write_protected(HEADER)
    assert json.loads(base64.urlsafe_b64decode(text + "==")) == MEMBERS


def test_header_that_a_receiver_would_refuse_is_not_written():
    header = ProtectedHeader(
        algorithm="ES256", key_id="k", issued_at=1, message_id="a b", issuer="p:a", content_type="x"
    )
    with pytest.raises(SchemaViolation):
        write_protected(header)


def test_signing_input_is_header_dot_body():
    assert signing_input("eyJ9", b"\x00.\xff") == b"eyJ9.\x00.\xff"


def test_unknown_member_outside_crit_is_ignored():
    assert open_envelope(jws(MEMBERS | {"aud": "exchange:cis", "x": None})).header == HEADER


def test_typ_may_be_left_out():
    assert open_envelope(jws(without("typ"))).header == HEADER


@pytest.mark.parametrize("name", ["alg", "kid", "b64", "crit", "iat", "jti", "iss", "cty"])
def test_missing_member_is_refused(name):
    assert refusal(jws(without(name))).expression == f"x-jws-signature.{name}"


def test_unknown_crit_is_refused():
    assert refusal(jws(MEMBERS | {"crit": ["b64", "exp"]})).code == "not-supported"


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c"])
def test_key_carried_by_the_message_is_refused(name):
    problem = refusal(jws(MEMBERS | {name: "https://keys.example"}))
    assert (problem.code, problem.expression) == ("security", f"x-jws-signature.{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alg", "none"),
        ("alg", "HS256"),
        ("alg", "RS256"),
        ("alg", "ES384"),
        ("alg", "ed25519"),
        ("alg", ["Ed25519"]),
        ("alg", {}),
        ("b64", True),
        ("b64", 0),
        ("b64", None),
        ("crit", []),
        ("crit", ["b64", "b64"]),
        ("crit", "b64"),
        ("crit", {"b64": 1}),
        ("typ", "JWT"),
        ("typ", None),
        ("kid", ""),
        ("kid", 7),
        ("kid", "k" * 129),
        ("kid", "k\n"),
        ("iat", "1790000000"),
        ("iat", 1790000000.5),
        ("iat", 1e9),
        ("iat", True),
        ("iat", -1),
        ("iat", 10**12),
        ("jti", ""),
        ("jti", "a_b"),
        ("jti", "a" * 65),
        ("jti", "a\n"),
        ("iss", "poe"),
        ("iss", "Poe:kz"),
        ("iss", "poe:kz\n"),
        ("iss", "p:" + "a" * 63),
        ("iss", None),
        ("cty", ""),
        ("cty", "text/plain; x"),
        ("cty", "a" * 129),
    ],
)
def test_unfit_member_is_refused(name, value):
    problem = refusal(jws(MEMBERS | {name: value}))
    assert problem.expression == f"x-jws-signature.{name}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("..", id="empty-parts"),
        pytest.param(jws(MEMBERS).replace("..", ".e30."), id="body-inside"),
        pytest.param(jws(MEMBERS).replace("..", "."), id="one-dot"),
        pytest.param(jws(MEMBERS).replace("..", "..."), id="three-dots"),
        pytest.param(jws(MEMBERS) + ".AA", id="fourth-part"),
        pytest.param(jws(MEMBERS) + "==", id="padding"),
        pytest.param(jws(MEMBERS) + " ", id="space"),
        pytest.param(jws(MEMBERS)[:-1] + "x", id="stray-bits"),
        pytest.param("é" + jws(MEMBERS), id="not-ascii"),
        pytest.param("\ud800" + jws(MEMBERS), id="lone-surrogate"),
        pytest.param(jws(MEMBERS, signature=SIGNATURE[:-1]), id="63-bytes"),
        pytest.param(jws(MEMBERS, signature=SIGNATURE + b"\0"), id="65-bytes"),
        pytest.param(jws(MEMBERS, signature=b""), id="no-signature"),
        pytest.param(jws([MEMBERS]), id="header-is-array"),
        pytest.param(jws(b"\xff"), id="header-not-utf-8"),
        pytest.param(jws(b'{"alg":"none",' + json.dumps(MEMBERS).encode()[1:]), id="alg-twice"),
        pytest.param(jws(b"[" * 2_000), id="header-too-deep"),
    ],
)
def test_not_a_detached_jws(text):
    problem = refusal(text)
    assert (problem.code, problem.expression) == ("structure", "x-jws-signature")


def test_header_text_is_bounded():
    # The header itself is under 4 KiB; its base64url is not.
    assert refusal(jws(MEMBERS | {"x": "a" * 3_200})).code == "too-long"
    open_envelope(jws(MEMBERS | {"x": "a" * 2_500}))


def test_attached_body_is_named():
    assert "detached" in refusal(jws(MEMBERS).replace("..", ".e30.")).text
