"""An oracle that shares no code with the product: hashes, notes and signatures by hand."""

import base64
import hashlib
import hmac
import json
import time
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.jwk import import_key


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def root(leaves):
    """RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def path(index, leaves):
    """RFC 6962 section 2.1.1: the audit path of one leaf."""
    if len(leaves) <= 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*path(index, leaves[:split]), root(leaves[split:])]
    return [*path(index - split, leaves[split:]), root(leaves[:split])]


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def checkpoint(note, vkey):
    """(size, root) of a C2SP signed note that the key signed; asserts that it did."""
    name, key_hash, encoded = vkey.split("+", 2)
    raw = base64.b64decode(encoded)
    assert raw[0] == 1
    assert hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == key_hash
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    origin, size, hashed, _ = text.split("\n", 3)
    assert origin == name
    found = 0
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        assert dash == "—"
        if signer == name:
            signature = base64.b64decode(blob)
            assert signature[:4].hex() == key_hash
            Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text.encode())
            found += 1
    assert found == 1
    return int(size), base64.b64decode(hashed)


def require_proven(proof, entry, entries, vkey):
    """The tlog-proof leads from this entry to a signed root of exactly these entries; its index."""
    head, _, note = proof.partition("\n\n")
    lines = head.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    index = int(lines[1].removeprefix("index "))
    size, signed_root = checkpoint(note, vkey)
    leaves = [leaf(one) for one in entries[:size]]
    assert len(leaves) == size
    assert entries[index] == entry
    assert root(leaves) == signed_root
    assert [base64.b64decode(one) for one in lines[2:]] == path(index, leaves)
    return index


def require_committed(commitment, salt, content):
    assert hmac.new(salt, content, hashlib.sha256).digest() == unpadded(commitment)


def require_signed(signature, body, public_jwk, **claims):
    """The detached JWS holds over these bytes; checked by joserfc."""
    protected, _, signed = signature.split(".")
    header = json.loads(unpadded(protected))
    assert header["b64"] is False
    for name, value in claims.items():
        assert header[name] == value
    key = import_key(
        {name: public_jwk[name] for name in ("kty", "crv", "x", "y") if public_jwk.get(name)}
    )
    registry = jws.JWSRegistry(algorithms=["Ed25519", "ES256"], strict_check_header=False)
    algorithm = registry.get_alg(header["alg"])
    assert algorithm.verify(protected.encode() + b"." + body, unpadded(signed), key)


def consistency_path(size, leaves, *, whole=True):
    """RFC 6962 section 2.1.2, PROOF as SUBPROOF: how the first `size` leaves grew into these."""
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if size <= split:
        left = consistency_path(size, leaves[:split], whole=whole)
        return [*left, root(leaves[split:])]
    right = consistency_path(size - split, leaves[split:], whole=False)
    return [*right, root(leaves[:split])]


def bundle_entries(bundle):
    """Entries of a tlog-tiles entry bundle: each after its big-endian u16 length."""
    entries = []
    while bundle:
        size = int.from_bytes(bundle[:2], "big")
        assert len(bundle) >= 2 + size
        entries.append(bundle[2 : 2 + size])
        bundle = bundle[2 + size :]
    return entries


def signed(private_jwk, body, *, issuer, message_id, content_type="application/fhir+json"):
    """A detached JWS over the exact bytes (RFC 7797), made by joserfc."""
    header = {
        "alg": algorithm_of(private_jwk),
        "kid": private_jwk["kid"],
        "b64": False,
        "crit": ["b64"],
        "typ": "bhx-msg+jws",
        "iat": int(time.time()),
        "jti": message_id,
        "iss": issuer,
        "cty": content_type,
    }
    registry = jws.JWSRegistry(algorithms=["Ed25519", "ES256"], strict_check_header=False)
    # Not `serialize_compact`, which insists on text.
    protected = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    algorithm = registry.get_alg(header["alg"])
    signature = algorithm.sign(protected + b"." + body, import_key(private_jwk))
    return (protected + b".." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def login_assertion(private_jwk, participant, token_url):
    """SMART Backend Services: a `private_key_jwt`, good once and for four minutes."""
    now = int(time.time())
    claims = {"iss": participant, "sub": participant, "aud": token_url}
    claims |= {"iat": now, "exp": now + 240, "jti": str(uuid.uuid4())}
    header = {"alg": algorithm_of(private_jwk), "kid": private_jwk["kid"], "typ": "JWT"}
    registry = jws.JWSRegistry(algorithms=["Ed25519", "ES256"])
    return jws.serialize_compact(
        header, json.dumps(claims), import_key(private_jwk), registry=registry
    )


def algorithm_of(jwk):
    return "Ed25519" if jwk["kty"] == "OKP" else "ES256"
