"""Signing and verifying: only the key's holder, only these bytes, only the key's algorithm."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from exchange.errors import ConfigurationError, UntrustedSender
from exchange.signing import SigningKey, VerifyingKey, sign_detached, verify_detached
from schemas.envelope import FHIR_JSON, open_envelope
from schemas.jwk import PublicJwk
from schemas.violation import SchemaViolation

#: The dot makes joserfc detach the payload as well.
BODY = '{"resourceType": "Bundle", "value": 0.40, "name": "Жанна"}'.encode()
ALGORITHMS = ("Ed25519", "ES256")
P256_ORDER = int("115792089210356248762697446949407573529996955224135760342422259061068512044369")


@pytest.fixture(params=ALGORITHMS)
def key(request):
    return SigningKey.generate(request.param)


def verifying(key):
    return VerifyingKey.from_jwk(PublicJwk.model_validate(key.public_jwk()))


def signed(key, body=BODY):
    return sign_detached(
        key,
        body,
        issuer="poe:kz:ala",
        message_id="m-1",
        issued_at=1_790_000_000,
        content_type=FHIR_JSON,
    )


def joserfc_key(jwk):
    return (OKPKey if jwk["kty"] == "OKP" else ECKey).import_key(jwk)


def lenient_registry():
    return jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


def test_signed_message_verifies(key):
    envelope = open_envelope(signed(key))
    verify_detached(envelope, BODY, verifying(key))
    assert envelope.header.key_id == key.key_id


def test_empty_body_can_be_signed(key):
    verify_detached(open_envelope(signed(key, b"")), b"", verifying(key))


def test_joserfc_verifies_our_token(key):
    public = joserfc_key(key.public_jwk())
    found = jws.deserialize_compact(signed(key), public, registry=lenient_registry(), payload=BODY)
    assert found.headers()["iss"] == "poe:kz:ala"


def test_we_verify_the_token_of_joserfc(key):
    header = {
        "alg": key.algorithm,
        "kid": key.key_id,
        "b64": False,
        "crit": ["b64"],
        "iat": 1,
        "jti": "m-1",
        "iss": "poe:kz:ala",
        "cty": FHIR_JSON,
    }
    private = joserfc_key(key.to_private_jwk())
    token = jws.serialize_compact(header, BODY, private, registry=lenient_registry())
    verify_detached(open_envelope(token), BODY, verifying(key))


def test_thumbprint_is_the_key_id_and_joserfc_agrees(key):
    assert key.key_id == joserfc_key(key.public_jwk()).thumbprint()


def test_other_body_is_refused(key):
    with pytest.raises(UntrustedSender):
        verify_detached(open_envelope(signed(key)), BODY + b" ", verifying(key))


def test_body_rewritten_as_equal_json_is_refused(key):
    rewritten = json.dumps(json.loads(BODY)).encode()
    with pytest.raises(UntrustedSender):
        verify_detached(open_envelope(signed(key)), rewritten, verifying(key))


def test_other_key_is_refused(key):
    with pytest.raises(UntrustedSender):
        verify_detached(
            open_envelope(signed(key)), BODY, verifying(SigningKey.generate(key.algorithm))
        )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_alg_not_matching_the_key_is_refused(algorithm):
    (other,) = set(ALGORITHMS) - {algorithm}
    envelope = open_envelope(signed(SigningKey.generate(algorithm)))
    with pytest.raises(UntrustedSender) as caught:
        verify_detached(envelope, BODY, verifying(SigningKey.generate(other)))
    assert caught.value.problems[0].expression == "x-jws-signature.alg"


def test_refusal_is_about_security_and_echoes_nothing(key):
    with pytest.raises(UntrustedSender) as caught:
        verify_detached(open_envelope(signed(key)), b"Aigerim", verifying(key))
    assert caught.value.problems[0].code == "security"
    assert "Aigerim" not in str(caught.value)


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 1), (1, 0), (0, 0), (P256_ORDER, 1), (1, P256_ORDER), (2**256 - 1, 2**256 - 1)],
)
def test_es256_scalar_outside_the_group_is_refused(r, s):
    key = verifying(SigningKey.generate("ES256"))
    with pytest.raises(UntrustedSender):
        key.verify(r.to_bytes(32) + s.to_bytes(32), BODY)


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 72, 128])
def test_signature_of_another_length_is_refused(key, length):
    with pytest.raises(UntrustedSender):
        verifying(key).verify(b"\x01" * length, BODY)


def test_es256_signature_has_one_form_only():
    key = SigningKey.generate("ES256")
    signature = key.sign(BODY)
    verifying(key).verify(signature, BODY)
    with pytest.raises(UntrustedSender):
        verifying(key).verify(signature[:32] + b"\0" + signature[32:], BODY)


def test_private_scalar_has_one_length_only():
    jwk = private_jwk()
    scalar = base64.urlsafe_b64decode(jwk["d"] + "=")
    jwk["d"] = base64.urlsafe_b64encode(b"\0" + scalar).rstrip(b"=").decode()
    with pytest.raises(ConfigurationError):
        SigningKey.from_jwk(jwk)


def test_header_that_nobody_would_accept_is_not_signed(key):
    with pytest.raises(SchemaViolation):
        sign_detached(
            key, BODY, issuer="Nobody", message_id="m-1", issued_at=1, content_type=FHIR_JSON
        )


def test_private_jwk_round_trip(key):
    again = SigningKey.from_jwk(key.to_private_jwk())
    assert again.to_private_jwk() == key.to_private_jwk()
    assert (again.algorithm, again.key_id) == (key.algorithm, key.key_id)
    verify_detached(open_envelope(signed(again)), BODY, verifying(key))


def test_kid_of_a_private_jwk_is_kept(key):
    named = SigningKey.from_jwk(key.to_private_jwk() | {"kid": "front-desk-7"})
    assert named.key_id == named.public_jwk()["kid"] == "front-desk-7"


def test_public_jwk_holds_no_secret(key):
    assert "d" not in key.public_jwk()


def test_repr_hides_the_private_key(key):
    assert key.to_private_jwk()["d"] not in repr(key)
    assert "rivate" not in repr(key)


def test_rfc_8037_example_signature():
    # RFC 8037, appendix A.1 and A.4: the signing input and signature of its JWS.
    key = SigningKey.from_jwk(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }
    )
    signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")
    assert base64.urlsafe_b64encode(signature).rstrip(b"=") == (
        b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


def private_jwk(algorithm="ES256"):
    return SigningKey.generate(algorithm).to_private_jwk()


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param({}, id="empty"),
        pytest.param([], id="array"),
        pytest.param(["abc"], id="array-of-text"),
        pytest.param(None, id="null"),
        pytest.param({"kty": "oct", "k": "AAAA"}, id="symmetric"),
        pytest.param({**private_jwk(), "d": None}, id="no-d"),
        pytest.param({**private_jwk(), "d": "AAAA"}, id="short-d"),
        pytest.param({**private_jwk(), "d": "A" * 43}, id="zero-d"),
        pytest.param({**private_jwk(), "d": "_" * 42 + "8"}, id="d-beyond-the-order"),
        pytest.param({**private_jwk(), "d": private_jwk()["d"]}, id="d-of-another-key"),
        pytest.param(
            {**private_jwk("Ed25519"), "d": private_jwk("Ed25519")["d"]}, id="ed25519-of-another"
        ),
        pytest.param({**private_jwk(), "x": 7}, id="x-is-a-number"),
        pytest.param(ECKey.generate_key("P-384").as_dict(private=True), id="P-384"),
        pytest.param(RSAKey.generate_key(2048).as_dict(private=True), id="RSA"),
    ],
)
def test_malformed_private_jwk_is_a_configuration_error(jwk):
    with pytest.raises(ConfigurationError) as caught:
        SigningKey.from_jwk(jwk)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    if isinstance(jwk, dict) and jwk.get("d"):
        assert jwk["d"] not in str(caught.value)


@pytest.mark.parametrize(
    "key", [ECKey.generate_key("P-384"), RSAKey.generate_key(2048)], ids=["P-384", "RSA"]
)
def test_login_key_verifies_no_message(key):
    jwk = PublicJwk.model_validate(key.as_dict(private=False))
    with pytest.raises(UntrustedSender, match="login"):
        VerifyingKey.from_jwk(jwk)


def test_point_off_the_curve_is_refused():
    members = SigningKey.generate("ES256").public_jwk()
    members["y"] = SigningKey.generate("ES256").public_jwk()["y"]
    with pytest.raises(UntrustedSender, match="point"):
        VerifyingKey.from_jwk(PublicJwk.model_validate(members))


SMALL_ORDER_POINTS = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize("point", SMALL_ORDER_POINTS)
def test_ed25519_key_that_lets_its_owner_deny_is_refused(point):
    octets = bytes.fromhex(point)
    # Why it matters: R = the identity and S = 0 "sign" some message nobody signed.
    forged = b"\x01" + bytes(63)
    assert any(accepts(octets, forged, bytes([number])) for number in range(200))
    jwk = {"kty": "OKP", "crv": "Ed25519"}
    jwk["x"] = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    with pytest.raises(UntrustedSender, match="weak"):
        VerifyingKey.from_jwk(PublicJwk.model_validate(jwk))


@pytest.mark.parametrize("last", ["7f", "ff"])
@pytest.mark.parametrize("first", ["ed", "ee"])
def test_small_order_point_written_unreduced_is_refused(first, last):
    octets = bytes.fromhex(first + "ff" * 30 + last)
    text = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    with pytest.raises(UntrustedSender, match="weak"):
        VerifyingKey.from_jwk(PublicJwk(kty="OKP", crv="Ed25519", x=text))


def accepts(public, signature, data):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True
