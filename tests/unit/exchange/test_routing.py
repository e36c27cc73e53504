"""Who receives: destinations and standing subscriptions."""

import pytest
from pydantic import ValidationError

from exchange.directory import Directory
from exchange.errors import NoRecipient
from exchange.opening import MessageOpener
from exchange.routing import recipients_of
from exchange.subjects import SubjectVault
from schemas.participant import Subscription
from tests.support.world import ALA, NOON, Cast, vaccination

OPENER = MessageOpener(SubjectVault(bytes(32)), 1_048_576)


def route(cast, *, destinations=(), cvx="37"):
    directory = Directory.of(1, cast.participants.values())
    message_id, body = vaccination(destinations=destinations, cvx=cvx)
    opened = OPENER.open(cast.signed(ALA, body, message_id=message_id), directory, NOON)
    found = recipients_of(opened, directory)
    return {recipient.participant: recipient.purposes for recipient in found}


def cast_with(*subscriptions, **members):
    cast = Cast()
    cast.add(ALA, "publisher", jurisdiction="KZ")
    cast.add("registry:kz", "subscriber", subscriptions=subscriptions, **members)
    return cast


def subscription(**filters):
    return Subscription(id="s", purpose="PUBHLTH", **filters)


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"record_types": ("immunization",)},
        {"diseases": ("yellow-fever",)},
        {"jurisdictions": ("KZ",)},
        {
            "record_types": ("immunization", "labresult"),
            "diseases": ("measles", "yellow-fever"),
            "jurisdictions": ("UZ", "KZ"),
        },
    ],
)
def test_a_subscription_that_matches(filters):
    assert route(cast_with(subscription(**filters))) == {"registry:kz": ("PUBHLTH",)}


@pytest.mark.parametrize(
    "filters",
    [
        {"record_types": ("labresult",)},
        {"diseases": ("measles",)},
        {"jurisdictions": ("UZ",)},
        {"diseases": ("yellow-fever",), "jurisdictions": ("UZ",)},
    ],
)
def test_a_subscription_that_does_not_match(filters):
    with pytest.raises(NoRecipient):
        route(cast_with(subscription(**filters)))


def test_an_unknown_disease_matches_only_a_subscription_to_any():
    assert route(cast_with(subscription()), cvx="999") == {"registry:kz": ("PUBHLTH",)}
    with pytest.raises(NoRecipient):
        route(cast_with(subscription(diseases=("yellow-fever",))), cvx="999")


def test_a_destination_needs_no_subscription():
    found = route(cast_with(purposes=("TREAT", "PUBHLTH")), destinations=["registry:kz"])

    assert found == {"registry:kz": ("TREAT", "PUBHLTH")}


def test_a_destination_nobody_admitted_is_named_by_its_place():
    with pytest.raises(NoRecipient) as refused:
        route(cast_with(subscription()), destinations=["registry:kz", "registry:xx"])

    assert refused.value.problems[0].expression == "MessageHeader.destination[1].endpoint"


def test_a_destination_that_may_not_receive():
    with pytest.raises(NoRecipient):
        route(cast_with(subscription()), destinations=[ALA])


def test_a_suspended_subscriber_receives_nothing():
    with pytest.raises(NoRecipient):
        route(cast_with(subscription(), suspended=True))


def test_a_publisher_never_receives_its_own():
    cast = cast_with(subscription())
    cast.add(ALA, "publisher", "subscriber", jurisdiction="KZ", subscriptions=(subscription(),))

    assert route(cast) == {"registry:kz": ("PUBHLTH",)}


def test_nobody_subscribes_to_breaking_the_glass_and_nothing_is_sent_for_it():
    with pytest.raises(ValidationError):
        Subscription(id="s", purpose="BTG")
    admitted = cast_with(purposes=("TREAT", "BTG"))

    assert route(admitted, destinations=["registry:kz"]) == {"registry:kz": ("TREAT",)}
