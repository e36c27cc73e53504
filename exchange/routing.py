"""Who should receive a record: those it names and those that subscribe (content-based router)."""

from exchange.directory import Directory
from exchange.errors import NoRecipient
from exchange.model import OpenedMessage, Recipient
from schemas.consent.purposes import BREAK_GLASS
from schemas.participant import Participant, Subscription
from schemas.violation import problem


def recipients_of(opened: OpenedMessage, directory: Directory) -> tuple[Recipient, ...]:
    """The recipients of a record, ordered by id; the publisher itself is never one.

    A recipient's purposes are those of its matching subscriptions, or, when the record names it,
    all it was admitted with but breaking the glass, which is asked for and never sent. A consent
    goes to nobody: it has no recipients and needs none.

    Raises:
        NoRecipient: nobody subscribes and nobody is named, or a named one cannot receive.
    """
    if opened.message.kind == "consent":
        return ()
    purposes: dict[str, tuple[str, ...]] = {}
    countries: dict[str, str] = {}
    disease = opened.disease
    for subscriber in directory.subscribers():
        wanted = [
            subscription.purpose
            for subscription in subscriber.subscriptions
            if _matches(subscription, opened, disease)
        ]
        if wanted:
            purposes[subscriber.id] = tuple(dict.fromkeys(wanted))
            countries[subscriber.id] = subscriber.jurisdiction
    for index, name in enumerate(opened.message.destinations):
        named = _require_subscriber(directory, name, index)
        standing = tuple(one for one in named.purposes if one != BREAK_GLASS)
        purposes[named.id] = tuple(dict.fromkeys(purposes.get(named.id, ()) + standing))
        countries[named.id] = named.jurisdiction
    purposes.pop(opened.identity.publisher, None)
    if not purposes:
        raise NoRecipient(problem("routing.nobody", "not-supported", "MessageHeader.destination"))
    return tuple(Recipient(name, purposes[name], countries[name]) for name in sorted(purposes))


def _matches(subscription: Subscription, opened: OpenedMessage, disease: str | None) -> bool:
    message = opened.message
    return (
        (not subscription.record_types or message.kind in subscription.record_types)
        and (not subscription.diseases or disease in subscription.diseases)
        and (not subscription.jurisdictions or opened.jurisdiction in subscription.jurisdictions)
    )


def _require_subscriber(directory: Directory, name: str, index: int) -> Participant:
    participant = directory.participant(name)
    if participant is None or participant.suspended or "subscriber" not in participant.roles:
        raise NoRecipient(
            problem(
                "routing.no-such-subscriber",
                "not-found",
                f"MessageHeader.destination[{index}].endpoint",
            )
        )
    return participant
