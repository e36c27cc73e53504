"""A preview is what would be delivered, and leaves nothing behind."""

import json

import pytest

from tests.support.consents import a_mandate, a_policy
from tests.support.running import running_world
from tests.support.world import KG, KZ, consent, usual_cast, vaccination
from tests.unit.exchange.test_processor import submit
from tests.unit.exchange.test_views_delivered import two_registries_of_one_country


def without_ids(body):
    """The message but for what is made anew for each delivery."""
    tree = json.loads(body)
    own = tree["entry"][0]["resource"]["id"]
    text = body.decode().replace(own, "ID")
    for number, entry in enumerate(tree["entry"]):
        text = text.replace(entry["fullUrl"], f"URL{number}")
    return text


@pytest.mark.parametrize("view", ["minimum", "pseudonymous"])
async def test_it_is_what_is_then_delivered(tmp_path, view):
    cast = two_registries_of_one_country()
    policies = (a_policy(mandates=[a_mandate(view=view)]),)
    message = vaccination(documents=("N 1",))
    async with running_world(tmp_path, cast, policies=policies) as exchange:
        await submit(exchange, cast, vaccination(documents=("N 1",)))  # the traveller is known
        before = await exchange.store.checkpoint()
        found = await exchange.previews.preview(message[1], KZ)
        assert await exchange.store.checkpoint() == before
        outcome = await submit(exchange, cast, message)

    delivered = next(one for one in outcome.deliveries if one.subscriber == KZ)
    assert found.entitlement.view == view
    shown, sent = without_ids(found.body), without_ids(delivered.body)
    # Of the original each names a commitment that nobody but the exchange can compare.
    assert kinds(shown) == kinds(sent)
    assert shown.partition("Provenance")[0] == sent.partition("Provenance")[0]


def kinds(text):
    return text.count("resourceType"), "Consent" in text


async def test_in_full_it_is_the_received_bytes(tmp_path):
    cast = usual_cast()
    async with running_world(tmp_path, cast) as exchange:
        _, body = vaccination(consent())
        assert (await exchange.previews.preview(body, KZ)).body == body


async def test_a_consent_on_file_counts_and_its_absence_is_told(tmp_path):
    cast = usual_cast()
    async with running_world(tmp_path, cast) as exchange:
        _, body = vaccination(documents=("N 2",))
        refused = await exchange.previews.preview(body, KZ)
        await submit(exchange, cast, vaccination(consent(recipients=[KZ]), documents=("N 2",)))

        assert refused.refusal.reason == "consent-refused"
        assert (await exchange.previews.preview(body, KZ)).entitlement.basis.entry > 0
        assert (await exchange.previews.preview(body, KG)).entitlement is None


async def test_who_would_not_be_asked_and_what_is_no_message_is_told(tmp_path):
    cast = usual_cast()
    async with running_world(tmp_path, cast) as exchange:
        _, body = vaccination(consent())
        assert (await exchange.previews.preview(body, "registry:uz")).refusal is not None
        assert (await exchange.previews.preview(b"{}", KZ)).refusal.reason == "invalid-record"
