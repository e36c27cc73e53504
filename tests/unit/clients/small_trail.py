"""A trail made by hand, with proofs from the definitions of RFC 6962 and nothing of ours."""

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.commitment import commitment_to
from exchange.signing import SigningKey, sign_detached
from exchange.trail.checkpoint import Checkpoint, NoteSigner, sign_checkpoint
from schemas.delivery import Delivery
from schemas.envelope import FHIR_JSON
from schemas.participant import Participant
from schemas.receipt import Receipt
from schemas.trail_entry import entry

ORIGIN = "test.example/trail"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SALT = bytes(range(32))
SUBSCRIBER = "registry:kz"
PUBLISHER = "poe:kz:ala"
DIGEST = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")


def tree_hash(leaves):
    """MTH of RFC 6962, 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m, leaves):
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def consistency(m, leaves):
    """PROOF of RFC 6962, 2.1.2."""

    def subproof(m, leaves, complete):
        if m == len(leaves):
            return [] if complete else [tree_hash(leaves)]
        k = split(len(leaves))
        if m <= k:
            return [*subproof(m, leaves[:k], complete), tree_hash(leaves[k:])]
        return [*subproof(m - k, leaves[k:], False), tree_hash(leaves[:k])]

    return subproof(m, leaves, True)


class SmallTrail:
    """Entries, and whatever can be proven about them."""

    def __init__(self, signer=None, origin=ORIGIN):
        self.signer = signer or NoteSigner(origin, Ed25519PrivateKey.generate())
        self.entries = []
        self.consistency_asked = []
        self.add("log-created", origin=origin)

    @property
    def verifier(self):
        return self.signer.verifier

    def add(self, kind, at=START, **members):
        self.entries.append(entry(kind, time=at, salt=bytes(16), **members))
        return len(self.entries) - 1

    def note(self, size=None):
        size = len(self.entries) if size is None else size
        root = tree_hash(self.entries[:size])
        return sign_checkpoint(Checkpoint(ORIGIN, size, root), self.signer)

    def proof(self, index, size=None):
        size = len(self.entries) if size is None else size
        hashes = path(index, self.entries[:size])
        lines = ["c2sp.org/tlog-proof@v1", f"index {index}"]
        lines += [base64.b64encode(one).decode() for one in hashes]
        return "\n".join(lines) + "\n\n" + self.note(size)

    async def consistency_proof(self, first, second):
        self.consistency_asked.append((first, second))
        return consistency(first, self.entries[:second])


class Post:
    """A publisher with a key, and what it signs."""

    def __init__(self, algorithm="Ed25519", **period):
        self.key = SigningKey.generate(algorithm)
        self.period = {
            "valid_from": START - timedelta(days=10),
            "valid_until": START + timedelta(days=10),
            **period,
        }

    def document(self, participant_id=PUBLISHER):
        return Participant.model_validate(
            {
                "id": participant_id,
                "name": "A post",
                "jurisdiction": "KZ",
                "roles": ["publisher"],
                "keys": [{"jwk": self.key.public_jwk(), **self.period}],
            }
        )

    def sign(self, body, **claims):
        claims = {
            "issuer": PUBLISHER,
            "message_id": "message-1",
            "issued_at": int(START.timestamp()) - 60,
            "content_type": FHIR_JSON,
            **claims,
        }
        return sign_detached(self.key, body, **claims)


def released(trail, post, number=1, *, body=b'{"a": 1}', at=START, **changes):
    """A delivery of a body with its entry appended to the trail; `changes` to the entry."""
    delivery_id = changes.pop("delivery_id", f"{number:032x}")
    members = {
        "delivery": delivery_id,
        "subscriber": SUBSCRIBER,
        "number": number,
        "purpose": "PUBHLTH",
        "view": "full",
        "basis": {"kind": "consent", "consent": DIGEST, "entry": 0},
        "content": commitment_to(body, SALT),
        "accepted": 0,
        "publisher": PUBLISHER,
        "message": "message-1",
        **changes,
    }
    index = trail.add("released", at=at, **members)
    return Delivery(
        delivery=delivery_id,
        subscriber=SUBSCRIBER,
        number=number,
        state="released",
        publisher=PUBLISHER,
        message="message-1",
        entry=trail.entries[index],
        proof=trail.proof(index),
        content_salt=SALT,
        signature=post.sign(body),
        body=body,
        standing=members.get("standing"),
        superseded_by=members.get("superseded_by"),
    )


def withheld(trail, number=1):
    delivery_id = f"{number:032x}"
    index = trail.add(
        "withheld",
        delivery=delivery_id,
        subscriber=SUBSCRIBER,
        number=number,
        reason="no-basis",
        accepted=0,
    )
    return Delivery(
        delivery=delivery_id,
        subscriber=SUBSCRIBER,
        number=number,
        state="withheld",
        publisher=PUBLISHER,
        message="message-1",
        entry=trail.entries[index],
        proof=trail.proof(index),
    )


def receipt_for(trail, sent, *, outcome="accepted", standing=None, **changes):
    """The receipt of a message, its entry appended to the trail; `changes` to the entry."""
    members = {"publisher": PUBLISHER, "message": sent.message_id}
    if outcome == "accepted":
        members |= {"event": "immunization-published", "key": sent.key_id}
    else:
        members |= {"reason": "consent-refused"}
    members |= {"content": commitment_to(sent.body, SALT), **changes}
    index = trail.add(outcome, **members)
    return Receipt(
        publisher=members["publisher"],
        message=members["message"],
        outcome=outcome,
        reason=members.get("reason"),
        decided_at="2026-03-01T12:00:00.000Z",
        standing=standing,
        entry=trail.entries[index],
        proof=trail.proof(index),
        content_salt=SALT,
    )
