"""Wycheproof ECDSA P-256 SHA-256 in P1363 form (C2SP/wycheproof, Apache-2.0): ES256 as in JWS."""

import base64
import json
from collections import Counter

import pytest

from exchange.errors import UntrustedSender
from exchange.signing import VerifyingKey
from schemas.jwk import PublicJwk

pytestmark = pytest.mark.needs_corpora


def jwk_of(group):
    if "publicKeyJwk" in group:
        return group["publicKeyJwk"]
    coordinates = {
        name: base64.urlsafe_b64encode(int(group["publicKey"][f"w{name}"], 16).to_bytes(32))
        for name in ("x", "y")
    }
    return {
        "kty": "EC",
        "crv": "P-256",
        **{name: text.decode().rstrip("=") for name, text in coordinates.items()},
    }


def outcome(key, test):
    try:
        key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
    except UntrustedSender:
        return "invalid"
    return "valid"


def test_es256_agrees_with_every_vector(corpora):
    path = corpora / "wycheproof" / "ecdsa_secp256r1_sha256_p1363_test.json"
    seen = Counter()
    disagreements = []
    for group in json.loads(path.read_text())["testGroups"]:
        key = VerifyingKey.from_jwk(PublicJwk.model_validate(jwk_of(group)))
        for test in group["tests"]:
            seen[test["result"]] += 1
            if outcome(key, test) != test["result"]:
                disagreements.append((test["tcId"], test["comment"]))
    assert disagreements == []
    assert seen == {"valid": 173, "invalid": 89}
