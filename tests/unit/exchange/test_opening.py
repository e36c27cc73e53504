"""From bytes to an opened message: each rejection by name."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.directory import Directory
from exchange.model import OpenedMessage, ReceivedMessage, Refused
from exchange.opening import MessageOpener
from exchange.signing import SigningKey
from exchange.subjects import SubjectVault
from schemas.jwk import PublicJwk
from schemas.participant import ParticipantKey
from tests.support.world import ALA, KZ, NOON, OSS, consent, usual_cast, vaccination

CAST = usual_cast()
OPENER = MessageOpener(SubjectVault(bytes(range(32))), 1_048_576)
MESSAGE_ID, BODY = vaccination(consent())


def directory(**changes):
    participants = dict(CAST.participants)
    participants[ALA] = participants[ALA].model_copy(update=changes)
    return Directory.of(1, participants.values())


def open_it(received, *, at=NOON, known=None):
    return OPENER.open(received, known or directory(), at)


def signed(**options):
    return CAST.signed(options.pop("by", ALA), BODY, **{"message_id": MESSAGE_ID, **options})


def assert_refused(outcome, reason, element):
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason
    assert [problem.expression for problem in outcome.problems] == [element]


def with_header(received, **changes):
    """The same signature under another protected header: only the header's reading can refuse."""
    protected, _, signature = received.signature.split(".")
    header = json.loads(base64.urlsafe_b64decode(protected + "=="))
    header = {name: value for name, value in {**header, **changes}.items() if value is not ...}
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return replace(received, signature=f"{encoded}..{signature}")


def key_with(name, **changes):
    return (CAST.participants[name].keys[0].model_copy(update=changes),)


def test_a_good_message_opens():
    opened = open_it(signed())

    assert isinstance(opened, OpenedMessage)
    assert opened.identity == (ALA, MESSAGE_ID)
    assert opened.disease == "yellow-fever"
    assert opened.jurisdiction == "KZ" or opened.jurisdiction == "AL"


def test_es256_is_accepted_too():
    message_id, body = vaccination(source=OSS)

    assert isinstance(open_it(CAST.signed(OSS, body, message_id=message_id)), OpenedMessage)


def test_without_a_signature():
    received = ReceivedMessage(body=BODY, signature=None)

    assert_refused(open_it(received), "malformed-message", "x-jws-signature")


@pytest.mark.parametrize("crit", [..., [], ["b64", "exp"], ["exp"], "b64"])
def test_unknown_or_missing_crit(crit):
    outcome = open_it(with_header(signed(), crit=crit))

    assert_refused(outcome, "malformed-message", "x-jws-signature.crit")


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "none", "HS256", "RS256"])
def test_an_alg_that_does_not_match_the_key_or_the_signature(alg):
    outcome = open_it(with_header(signed(), alg=alg))

    assert isinstance(outcome, Refused)
    assert outcome.reason in {"malformed-message", "untrusted-sender"}


def test_another_content_type():
    outcome = open_it(signed(content_type="application/json"))

    assert_refused(outcome, "untrusted-sender", "x-jws-signature.cty")


def test_signed_more_than_five_minutes_ahead():
    assert_refused(
        open_it(signed(at=NOON + timedelta(minutes=5, seconds=1))),
        "untrusted-sender",
        "x-jws-signature.iat",
    )
    assert isinstance(open_it(signed(at=NOON + timedelta(minutes=5))), OpenedMessage)


def test_signed_longer_ago_than_the_directory_allows():
    known = directory(max_message_age_hours=2)

    assert_refused(
        open_it(signed(at=NOON - timedelta(hours=2, seconds=1)), known=known),
        "untrusted-sender",
        "x-jws-signature.iat",
    )
    assert isinstance(open_it(signed(at=NOON - timedelta(hours=2)), known=known), OpenedMessage)


def test_a_key_that_has_expired_when_the_message_arrives():
    known = directory(keys=key_with(ALA, valid_until=NOON))

    assert_refused(open_it(signed(), known=known), "untrusted-sender", "x-jws-signature.kid")
    assert isinstance(open_it(signed(), known=known, at=NOON - timedelta(seconds=1)), OpenedMessage)


def test_a_key_that_is_not_valid_yet():
    known = directory(keys=key_with(ALA, valid_from=NOON + timedelta(seconds=1)))

    assert_refused(open_it(signed(), known=known), "untrusted-sender", "x-jws-signature.kid")


def test_a_revoked_key():
    known = directory(keys=key_with(ALA, revoked_at=NOON + timedelta(days=1)))

    assert_refused(open_it(signed(), known=known), "untrusted-sender", "x-jws-signature.kid")


def test_a_key_nobody_admitted():
    other = SigningKey.generate("Ed25519")
    jwk = PublicJwk.model_validate(other.public_jwk())
    listed = CAST.participants[ALA].keys[0]
    keys = (ParticipantKey(jwk=jwk, valid_from=listed.valid_from, valid_until=listed.valid_until),)

    assert_refused(
        open_it(signed(), known=directory(keys=keys)), "untrusted-sender", "x-jws-signature.kid"
    )


def test_a_key_of_another_participant():
    outcome = open_it(signed(by=OSS, issuer=ALA))

    assert_refused(outcome, "untrusted-sender", "x-jws-signature.kid")


def test_an_issuer_that_the_transport_did_not_authenticate():
    outcome = open_it(signed(authenticated_as=OSS))

    assert_refused(outcome, "untrusted-sender", "x-jws-signature.iss")
    assert outcome.identity.publisher == OSS


def test_an_issuer_nobody_admitted():
    outcome = open_it(signed(issuer="poe:xx:nowhere"))

    assert_refused(outcome, "untrusted-sender", "x-jws-signature.iss")


def test_a_suspended_issuer():
    outcome = open_it(signed(), known=directory(suspended=True))

    assert_refused(outcome, "untrusted-sender", "x-jws-signature.iss")


def test_an_issuer_that_is_no_publisher():
    outcome = open_it(signed(by=KZ))

    assert_refused(outcome, "untrusted-sender", "x-jws-signature.iss")


def test_one_changed_byte():
    received = signed()
    outcome = open_it(replace(received, body=received.body[:-1] + b" "))

    assert isinstance(outcome, Refused)
    assert outcome.reason == "untrusted-sender"


def test_a_signed_id_that_is_not_the_message_headers():
    outcome = open_it(signed(message_id="another-id"))

    assert_refused(outcome, "invalid-record", "MessageHeader.id")


def test_bytes_that_are_not_strict_json():
    body = BODY[:-1] + b',"type":"message"}'
    outcome = open_it(CAST.signed(ALA, body, message_id=MESSAGE_ID))

    assert isinstance(outcome, Refused)
    assert outcome.reason == "malformed-message"


def test_only_a_verified_signer_uses_up_a_message_id():
    forged = replace(signed(), body=BODY + b" ")

    assert open_it(forged).identity != (ALA, MESSAGE_ID)
    assert open_it(signed(at=NOON + timedelta(hours=1))).identity != (ALA, MESSAGE_ID)
    assert open_it(signed()).identity == (ALA, MESSAGE_ID)


def test_a_refusal_never_echoes_what_was_sent():
    secret = "ИВАНОВА"
    tree = json.loads(BODY)
    tree["entry"][1]["resource"][secret] = secret
    tree["entry"][2]["resource"]["status"] = {secret: secret}
    body = json.dumps(tree).encode()
    outcome = open_it(CAST.signed(ALA, body, message_id=MESSAGE_ID))

    assert isinstance(outcome, Refused)
    assert secret not in repr(outcome)
    assert secret not in str(outcome.problems)
