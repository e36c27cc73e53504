"""What the posts send: mostly good records, and every kind of trouble a real day brings."""

import json
import random as random_module
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.clients.transport import SignedMessage
from adapters.demo.cast import OSH, POSTS, REGISTRIES, Cast
from adapters.demo.records import SampleRecord, sample_records
from exchange.signing import SigningKey, sign_detached
from schemas.envelope import FHIR_JSON

SEED = 20211126

#: Of two hundred: how many of each kind of trouble.
WITHOUT_CONSENT = 14
BAD_SIGNATURE = 6
EXPIRED_KEY = 4
REPEATED = 4
CONFLICTING = 3
NOT_FHIR = 2


@dataclass(frozen=True, slots=True)
class Submission:
    """One thing a post sends.

    Attributes:
        expected: `accepted`, `repeated`, or the reason of the refusal.
    """

    publisher: str
    message: SignedMessage = field(repr=False)
    expected: str


def plan(cast: Cast, *, count: int, now: datetime, run: str) -> list[Submission]:
    """`count` submissions in the order they are sent; the same for the same `run` and keys.

    Args:
        cast: who sends, with what keys.
        count: at least 60, so that every kind of trouble has its place.
        now: the time of signing.
        run: makes ids new for a second demo in the same world.
    """
    random = random_module.Random(f"{SEED} {run}")  # noqa: S311 - a demo, not a secret
    flags = [True] * (count - REPEATED - CONFLICTING)
    for index in random.sample(range(len(flags)), WITHOUT_CONSENT):
        flags[index] = False
    records = sample_records(
        random,
        posts=POSTS,
        registries=REGISTRIES,
        count=len(flags),
        now=now,
        consent=flags,
    )
    submissions = [_good(cast, record, now) for record in records]
    _spoil(random, cast, records, submissions, now)
    good = [n for n, one in enumerate(submissions) if one.expected == "accepted"]
    again = [submissions[n] for n in random.sample(good, REPEATED)]
    # At the end: a repeat repeats something, and a conflict conflicts with something.
    submissions.extend(Submission(one.publisher, one.message, "repeated") for one in again)
    return submissions


def _spoil(
    random: random_module.Random,
    cast: Cast,
    records: Sequence[SampleRecord],
    submissions: list[Submission],
    now: datetime,
) -> None:
    spoilable = [n for n, record in enumerate(records) if record.has_consent]
    osh = [n for n in spoilable if records[n].publisher == OSH]
    chosen = random.sample(osh, EXPIRED_KEY)
    for index in chosen:
        message = _signed(cast.expired, records[index], records[index].body, now)
        submissions[index] = Submission(OSH, message, "untrusted-sender")
    others = [n for n in spoilable if n not in chosen]
    for index in random.sample(others, BAD_SIGNATURE):
        others.remove(index)
        record = records[index]
        good = submissions[index].message
        # One more blank is the same record to a reader, and another document to a signature.
        spoiled = SignedMessage(
            body=record.body + b" ",
            signature=good.signature,
            message_id=good.message_id,
            key_id=good.key_id,
        )
        submissions[index] = Submission(record.publisher, spoiled, "untrusted-sender")
    for index in random.sample(others, NOT_FHIR):
        others.remove(index)
        record = records[index]
        body = record.body.replace(b'"status":"completed"', b'"state":"completed"')
        body = body.replace(b'"status":"final"', b'"state":"final"')
        message = _signed(cast.keys[record.publisher], record, body, now)
        submissions[index] = Submission(record.publisher, message, "invalid-record")
    for index in random.sample(others, CONFLICTING):
        record = records[index]
        tree = json.loads(record.body)
        tree["timestamp"] = now.isoformat()
        body = json.dumps(tree, ensure_ascii=False).encode()
        message = _signed(cast.keys[record.publisher], record, body, now)
        submissions.append(Submission(record.publisher, message, "message-reused"))


def _good(cast: Cast, record: SampleRecord, now: datetime) -> Submission:
    expected = "accepted" if record.has_consent else "consent-refused"
    return Submission(
        record.publisher, _signed(cast.keys[record.publisher], record, record.body, now), expected
    )


def _signed(key: SigningKey, record: SampleRecord, body: bytes, now: datetime) -> SignedMessage:
    signature = sign_detached(
        key,
        body,
        issuer=record.publisher,
        message_id=record.message_id,
        issued_at=int(now.timestamp()),
        content_type=FHIR_JSON,
    )
    return SignedMessage(
        body=body, signature=signature, message_id=record.message_id, key_id=key.key_id
    )
