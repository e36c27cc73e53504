"""The argument for a delivery: for each step a delivery for which exactly that step fails."""

import base64
from datetime import timedelta

import pytest

from adapters.clients.errors import RequestRefused, Unproven, UnprovenDelivery
from adapters.clients.publisher_keys import PinnedKeys
from adapters.clients.subscriber_memory import SqliteMemory
from adapters.clients.verified_delivery import DeliveryVerifier
from exchange.trail.errors import CheckpointInvalid
from tests.unit.clients.small_trail import (
    PUBLISHER,
    START,
    SUBSCRIBER,
    Post,
    SmallTrail,
    released,
    withheld,
)


@pytest.fixture
def trail():
    return SmallTrail()


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def memory():
    with SqliteMemory.open(None) as memory:
        yield memory


def verifier_for(trail, post, memory, reader=None, **changes):
    parts = {
        "log_verifier": trail.verifier,
        "trail": reader or trail,
        "publisher_keys": PinnedKeys([post.document()]),
        "memory": memory,
        **changes,
    }
    return DeliveryVerifier(SUBSCRIBER, **parts)


@pytest.fixture
def verifier(trail, post, memory):
    return verifier_for(trail, post, memory)


async def refused(verifier, delivery, because):
    with pytest.raises(UnprovenDelivery, match=because):
        await verifier.verify(delivery)


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256"])
async def test_a_proven_delivery_is_returned_with_its_entry(trail, memory, algorithm):
    post = Post(algorithm)
    delivery = released(trail, post)

    verified = await verifier_for(trail, post, memory).verify(delivery)

    assert verified.body == b'{"a": 1}'
    assert (verified.index, verified.checkpoint.size, verified.number) == (1, 2, 1)
    assert verified.entry.purpose == "PUBHLTH"
    assert "{" not in repr(verified).replace("'", "")


async def test_a_withheld_delivery_is_proven_without_a_body(trail, verifier):
    verified = await verifier.verify(withheld(trail))

    assert verified.body is None
    assert verified.entry.reason == "no-basis"


async def test_1_bytes_that_are_no_trail_entry_are_refused(trail, post, verifier):
    delivery = released(trail, post).model_copy(update={"entry": b"{}"})

    await refused(verifier, delivery, "no readable trail entry")


async def test_1_an_entry_of_another_kind_is_refused(trail, post, verifier):
    delivery = released(trail, post)
    index = trail.add("exchange-started", role="worker")
    delivery = delivery.model_copy(
        update={"entry": trail.entries[index], "proof": trail.proof(index)}
    )

    await refused(verifier, delivery, "not logged as released")


async def test_1_a_release_that_is_logged_as_withheld_is_refused(trail, post, verifier):
    tombstone = withheld(trail)
    delivery = released(SmallTrail(), post).model_copy(
        update={"entry": tombstone.entry, "proof": tombstone.proof}
    )

    await refused(verifier, delivery, "not logged as released")


@pytest.mark.parametrize(
    "change",
    [
        {"subscriber": "registry:ru"},
        {"number": 7},
        {"delivery": "f" * 32},
        {"publisher": "poe:kg:fru"},
        {"message": "message-2"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_2_an_entry_about_something_else_is_refused(trail, post, verifier, change):
    delivery = released(trail, post).model_copy(update=change)

    await refused(verifier, delivery, "trail entry of another")


async def test_2_an_entry_for_another_subscriber_is_refused(trail, post, verifier):
    delivery = released(trail, post, subscriber="registry:ru")

    await refused(verifier, delivery, "trail entry of another delivery")


async def test_2_a_delivery_that_says_it_is_for_another_is_refused(trail, post, verifier):
    delivery = released(trail, post).model_copy(update={"subscriber": "registry:ru"})

    await refused(verifier, delivery, "trail entry of another delivery")


@pytest.mark.parametrize(
    "says", [{}, {"standing": "current"}, {"standing": "superseded", "superseded_by": 7}]
)
async def test_a_delivery_says_of_its_version_what_is_logged(trail, post, verifier, says):
    verified = await verifier.verify(released(trail, post, **says))

    assert {"standing": verified.standing, "superseded_by": verified.superseded_by} == {
        "standing": None,
        "superseded_by": None,
        **says,
    }


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ({"standing": "superseded", "superseded_by": 7}, ("current", None)),
        ({"standing": "superseded", "superseded_by": 7}, (None, None)),
        ({"standing": "superseded", "superseded_by": 7}, ("superseded", 8)),
        ({"standing": "current"}, ("superseded", 7)),
        ({"standing": "current"}, (None, None)),
        ({}, ("current", None)),
    ],
)
async def test_2_a_version_that_is_said_to_stand_otherwise_is_refused(
    trail, post, verifier, logged, said
):
    delivery = released(trail, post, **logged).model_copy(
        update={"standing": said[0], "superseded_by": said[1]}
    )

    await refused(verifier, delivery, "otherwise than is logged whether it is superseded")


async def test_2_a_tombstone_has_no_standing(trail, verifier):
    delivery = withheld(trail).model_copy(update={"standing": "current"})

    await refused(verifier, delivery, "otherwise than is logged whether it is superseded")


@pytest.mark.parametrize("delivery_id", ["../../etc/x", "A" * 32, "a" * 31, "a" * 32 + "\n"])
async def test_2_an_id_that_could_be_a_path_is_refused(trail, post, verifier, delivery_id):
    delivery = released(trail, post, delivery_id=delivery_id)

    await refused(verifier, delivery, "an id that no delivery can have")


async def test_3_an_entry_that_is_not_in_the_tree_is_refused(trail, post, verifier):
    logged = released(trail, post)
    never_logged = released(SmallTrail(), post, at=START + timedelta(seconds=1))
    delivery = never_logged.model_copy(update={"proof": logged.proof})

    await refused(verifier, delivery, "not proven by the pinned log key")


async def test_3_a_forged_sibling_is_refused(trail, post, verifier):
    delivery = released(trail, post)
    lines = delivery.proof.split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()

    await refused(
        verifier,
        delivery.model_copy(update={"proof": "\n".join(lines)}),
        "not proven by the pinned log key",
    )


async def test_3_another_log_of_the_same_name_is_refused(trail, post, memory):
    delivery = released(SmallTrail(), post)

    await refused(verifier_for(trail, post, memory), delivery, "not proven by the pinned log key")


async def test_3_a_missing_proof_is_refused(trail, post, verifier):
    delivery = released(trail, post).model_copy(update={"proof": ""})

    await refused(verifier, delivery, "not proven by the pinned log key")


async def test_4_a_longer_trail_is_proven_to_extend_the_one_seen(trail, post, verifier, memory):
    await verifier.verify(released(trail, post, 1))
    await verifier.verify(released(trail, post, 2))

    assert trail.consistency_asked == [(2, 3)]
    assert memory.checkpoint() == trail.note(3)


async def test_4_an_older_checkpoint_is_proven_too_and_not_remembered(
    trail, post, verifier, memory
):
    older, newer = released(trail, post, 1), released(trail, post, 2)
    await verifier.verify(newer)
    await verifier.verify(older)

    assert trail.consistency_asked == [(2, 3)]
    assert memory.checkpoint() == trail.note(3)


async def test_4_the_same_checkpoint_is_not_asked_about_again(trail, post, verifier):
    one = released(trail, post, 1)
    two = released(trail, post, 2)
    one = one.model_copy(update={"proof": trail.proof(1)})
    await verifier.verify(one)
    await verifier.verify(two)

    assert trail.consistency_asked == []


@pytest.mark.parametrize("more", [0, 1, 5])
async def test_4_a_trail_that_forked_is_refused(trail, post, memory, more):
    fork = SmallTrail(trail.signer)
    await verifier_for(trail, post, memory).verify(released(trail, post, 1))
    for _ in range(more):
        fork.add("exchange-started", role="worker")
    delivery = released(fork, post, 1, at=START + timedelta(seconds=1), delivery_id="e" * 32)

    await refused(
        verifier_for(fork, post, memory), delivery, "not the one seen before, only longer"
    )
    assert memory.checkpoint() == trail.note(2)


async def test_4_an_exchange_that_shows_no_consistency_proof_is_refused(trail, post, memory):
    class Silent:
        async def consistency_proof(self, first, second):
            raise RequestRefused("no", status=404)

    await verifier_for(trail, post, memory).verify(released(trail, post, 1))

    await refused(
        verifier_for(trail, post, memory, reader=Silent()),
        released(trail, post, 2),
        "not the one seen before",
    )


async def test_4_a_memory_of_another_log_is_never_taken(trail, post, memory):
    memory.remember_checkpoint(SmallTrail().note())

    with pytest.raises(CheckpointInvalid):
        await verifier_for(trail, post, memory).verify(released(trail, post))


async def test_5_two_deliveries_under_one_number_are_refused(trail, post, verifier, memory):
    memory.remember("d" * 32, 1)

    await refused(verifier, released(trail, post, 1), "the log equivocates")


async def test_6_another_body_than_was_logged_is_refused(trail, post, verifier):
    body = b'{"a": 2}'
    delivery = released(trail, post).model_copy(update={"body": body, "signature": post.sign(body)})

    await refused(verifier, delivery, "another body than is logged")


async def test_6_another_salt_is_refused(trail, post, verifier):
    delivery = released(trail, post).model_copy(update={"content_salt": bytes(32)})

    await refused(verifier, delivery, "another body than is logged")


@pytest.mark.parametrize(
    "claims",
    [{"issuer": "poe:kg:fru"}, {"message_id": "message-2"}],
    ids=["iss", "jti"],
)
async def test_7_a_signature_about_another_message_is_refused(trail, post, verifier, claims):
    delivery = released(trail, post)
    signature = post.sign(delivery.body, **claims)

    await refused(verifier, delivery.model_copy(update={"signature": signature}), "another message")


async def test_7_a_signature_about_another_kind_of_content_is_refused(trail, post, verifier):
    delivery = released(trail, post)
    signature = post.sign(delivery.body, content_type="text/plain")

    await refused(
        verifier, delivery.model_copy(update={"signature": signature}), "another type of content"
    )


async def test_7_text_that_is_no_signature_is_refused(trail, post, verifier):
    delivery = released(trail, post).model_copy(update={"signature": "abc"})

    await refused(verifier, delivery, "no readable signature")


async def test_7_a_key_the_directory_does_not_have_is_refused(trail, post, verifier):
    delivery = released(trail, Post())

    await refused(verifier, delivery, "a key that the directory does not have")


async def test_7_a_directory_that_answers_nonsense_is_refused(trail, post, memory):
    class Nonsense:
        async def key_of(self, participant_id, key_id):
            raise Unproven("nonsense")

    await refused(
        verifier_for(trail, post, memory, publisher_keys=Nonsense()),
        released(trail, post),
        "no publisher to be found",
    )


async def test_7_a_key_of_another_participant_is_refused(trail, post, memory):
    keys = PinnedKeys([post.document("poe:kg:fru")])
    delivery = released(trail, post)

    await refused(
        verifier_for(trail, post, memory, publisher_keys=keys),
        delivery,
        "a key that the directory does not have",
    )


@pytest.mark.parametrize(
    "period",
    [
        {"valid_from": START + timedelta(seconds=1)},
        {"valid_until": START - timedelta(minutes=6)},
        {"revoked_at": START - timedelta(hours=1)},
        {"revoked_at": START + timedelta(days=1), "compromised_since": START},
    ],
    ids=["not yet", "no longer when signed", "revoked before", "compromised before"],
)
async def test_7_a_key_that_could_not_be_trusted_then_is_refused(trail, memory, period):
    post = Post(**period)
    delivery = released(trail, post)

    await refused(verifier_for(trail, post, memory), delivery, "key (that was not|was withdrawn)")


@pytest.mark.parametrize(
    "period",
    [
        {"valid_from": START},
        {"valid_until": START},
        {"revoked_at": START + timedelta(hours=1)},
        {
            "revoked_at": START + timedelta(days=2),
            "compromised_since": START + timedelta(days=1),
        },
    ],
    ids=["just in time", "ended while it waited", "revoked since", "compromised since"],
)
async def test_7_a_key_that_could_be_trusted_then_is_taken(trail, memory, period):
    post = Post(**period)

    verified = await verifier_for(trail, post, memory).verify(released(trail, post))

    assert verified.number == 1


async def test_8_a_signature_by_another_key_of_that_name_is_refused(trail, memory):
    post, thief = Post(), Post()
    object.__setattr__(thief.key, "key_id", post.key.key_id)
    delivery = released(trail, thief)

    await refused(verifier_for(trail, post, memory), delivery, "not what its publisher signed")


async def test_8_a_signature_over_other_bytes_is_refused(trail, post, verifier):
    delivery = released(trail, post)
    signature = post.sign(delivery.body + b" ")

    await refused(
        verifier,
        delivery.model_copy(update={"signature": signature}),
        "not what its publisher signed",
    )


async def test_errors_never_repeat_what_was_delivered(trail, post, verifier):
    body = b'{"family": "Ivanova"}'
    delivery = released(trail, post, body=body).model_copy(update={"content_salt": bytes(32)})

    with pytest.raises(UnprovenDelivery) as caught:
        await verifier.verify(delivery)

    assert "Ivanova" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert PUBLISHER not in str(caught.value)
