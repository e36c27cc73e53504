"""Public keys as JSON: identity by RFC 7638, and no key of a kind or form that is not used here."""

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import ValidationError

from schemas.jwk import PublicJwk, thumbprint

#: RFC 8037, appendix A.2 and A.3.
RFC_8037_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
RFC_8037_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

#: RFC 7517, appendix A.1.
EC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


def test_thumbprint_of_the_rfc_example():
    assert thumbprint(PublicJwk.model_validate(RFC_8037_KEY)) == RFC_8037_THUMBPRINT


@pytest.mark.parametrize(
    "key",
    [
        OKPKey.generate_key("Ed25519"),
        ECKey.generate_key("P-256"),
        ECKey.generate_key("P-384"),
        RSAKey.generate_key(2048),
    ],
    ids=["Ed25519", "P-256", "P-384", "RSA"],
)
def test_thumbprint_agrees_with_joserfc(key):
    assert thumbprint(PublicJwk.model_validate(key.as_dict(private=False))) == key.thumbprint()


def test_key_id_is_the_given_kid_or_else_the_thumbprint():
    assert PublicJwk.model_validate(RFC_8037_KEY | {"kid": "k-1"}).key_id == "k-1"
    assert PublicJwk.model_validate(RFC_8037_KEY).key_id == RFC_8037_THUMBPRINT


def test_members_that_do_not_describe_the_key_are_ignored():
    assert PublicJwk.model_validate(RFC_8037_KEY | {"use": "sig", "nbf": 1}) == (
        PublicJwk.model_validate(RFC_8037_KEY)
    )


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_private_member_is_refused_and_not_shown(member):
    with pytest.raises(ValidationError) as caught:
        PublicJwk.model_validate(RFC_8037_KEY | {member: "c2VjcmV0"})
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"kty": "oct", "k": "AAAA"}, id="symmetric"),
        pytest.param(RFC_8037_KEY | {"crv": "X25519"}, id="agreement-curve"),
        pytest.param(RFC_8037_KEY | {"crv": "P-256"}, id="curve-of-another-kty"),
        pytest.param({"kty": "OKP", "x": RFC_8037_KEY["x"]}, id="no-crv"),
        pytest.param({"kty": "OKP", "crv": "Ed25519"}, id="no-x"),
        pytest.param({**EC_KEY, "y": None}, id="no-y"),
        pytest.param(EC_KEY | {"x": "ADCgQkzSHClEg4otdckrN-duog2fAIk6O07uijwKr-w-"}, id="33-bytes"),
        pytest.param(EC_KEY | {"x": EC_KEY["x"][:-2]}, id="31-bytes"),
        pytest.param(EC_KEY | {"x": EC_KEY["x"] + "="}, id="padding"),
        pytest.param(EC_KEY | {"x": EC_KEY["x"][:-1] + "5"}, id="stray-bits"),
        pytest.param(EC_KEY | {"x": "+" + EC_KEY["x"][1:]}, id="standard-alphabet"),
        pytest.param(EC_KEY | {"x": "é" + EC_KEY["x"][1:]}, id="not-ascii"),
        pytest.param(EC_KEY | {"kid": ""}, id="empty-kid"),
        pytest.param(EC_KEY | {"kid": "k" * 129}, id="long-kid"),
        pytest.param(EC_KEY | {"kid": "k\n"}, id="kid-with-line-break"),
        pytest.param({"kty": "RSA", "n": "_" * 340, "e": "AQAB"}, id="rsa-under-2048-bits"),
        pytest.param({"kty": "RSA", "n": "_" * 342, "e": "AQAB"}, id="rsa-stray-bits"),
        pytest.param({"kty": "RSA", "n": "_" * 341 + "w", "e": "AQ"}, id="rsa-exponent-one"),
        pytest.param({"kty": "RSA", "n": "_" * 341 + "w", "e": "AAEAAQ"}, id="rsa-leading-zero"),
        pytest.param({"kty": "RSA", "n": "_" * 2_000, "e": "AQAB"}, id="rsa-too-long"),
    ],
)
def test_refuses(members):
    with pytest.raises(ValidationError):
        PublicJwk.model_validate(members)
