"""What the path of a message asks: who may have this record, and may they still?

One place knows what a message tells about its record: `traits_of`, and `request_again` for a
delivery that waited. Until a message is read for codes, dates and labels, those traits are missing,
so a rule of a consent that depends on them never permits, and always denies. Nothing is told at
acceptance that is not told again at release: what was entitled once would only be withheld.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from exchange.consent.decision import decide
from exchange.consent.request import DisclosureRequest
from exchange.errors import ConsentRefused
from exchange.model import (
    ConsentBasis,
    ConsentOnFile,
    Entitlement,
    OpenedMessage,
    PendingDelivery,
    Recipient,
)
from schemas.policy import Policy
from schemas.record_traits import RecordClass, RecordTraits
from schemas.violation import problem

#: A delivery keeps only the kind of its record; laboratory results are one class.
_CLASSES: Final[dict[str, RecordClass]] = {
    "immunization": "Immunization",
    "labresult": "DiagnosticReport",
}


def traits_of(opened: OpenedMessage) -> RecordTraits:
    """What a message tells about its record, for the decision."""
    message = opened.message
    return RecordTraits(
        author=opened.identity.publisher,
        collected_in=opened.jurisdiction,
        record_class=message.record_class or _CLASSES[message.kind],
        diseases=() if message.disease is None else (message.disease,),
    )


def request_again(
    pending: PendingDelivery, jurisdictions: Mapping[str, str]
) -> DisclosureRequest | None:
    """What a delivery that waited asks for; None when a party is no longer known.

    Args:
        pending: the delivery.
        jurisdictions: of all participants, by id.
    """
    collected_in = jurisdictions.get(pending.identity.publisher)
    to = jurisdictions.get(pending.subscriber)
    if collected_in is None or to is None:
        return None
    return DisclosureRequest(
        recipient=pending.subscriber,
        recipient_jurisdiction=to,
        purpose=pending.purpose,
        traits=RecordTraits(
            author=pending.identity.publisher,
            collected_in=collected_in,
            record_class=_CLASSES[pending.record_type],
        ),
    )


def entitlements_of(
    recipients: Iterable[Recipient],
    traits: RecordTraits,
    consents: Sequence[ConsentOnFile],
    at: datetime,
    policies: Sequence[Policy] = (),
) -> tuple[Entitlement, ...]:
    """The recipients that a basis allows, each with its first allowed purpose.

    Raises:
        ConsentRefused: nobody is allowed. The text does not tell an absent consent from an
            expired, withdrawn or narrower one.
    """
    entitled = tuple(
        Entitlement(recipient.participant, purpose, basis)
        for recipient in recipients
        for purpose, basis in _first_allowed(recipient, traits, consents, at, policies)
    )
    if not entitled:
        raise ConsentRefused(problem("consent.no-basis", "forbidden", "Consent"))
    return entitled


def basis_for(
    request: DisclosureRequest,
    consents: Sequence[ConsentOnFile],
    at: datetime,
    policies: Sequence[Policy] = (),
) -> ConsentBasis | None:
    """The consent that permits the whole record to go as it was received, or None.

    What may go only as a narrower view, or without some parts, does not go at all as long as
    deliveries carry what was received; and a delivery names a consent, so a mandate is none here.
    """
    decision = decide(consents, policies, request, at)
    if decision.view != "full" or decision.redact:
        return None
    return decision.basis if isinstance(decision.basis, ConsentBasis) else None


def _first_allowed(
    recipient: Recipient,
    traits: RecordTraits,
    consents: Sequence[ConsentOnFile],
    at: datetime,
    policies: Sequence[Policy],
) -> Iterable[tuple[str, ConsentBasis]]:
    for purpose in recipient.purposes:
        request = DisclosureRequest(
            recipient=recipient.participant,
            recipient_jurisdiction=recipient.jurisdiction,
            purpose=purpose,
            traits=traits,
        )
        basis = basis_for(request, consents, at, policies)
        if basis is not None:
            return [(purpose, basis)]
    return []
