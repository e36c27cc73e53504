"""What the path of a message asks: who may have this record, and may they still?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from exchange.consent.decision import BasisDecision, decide
from exchange.consent.request import DisclosureRequest
from exchange.errors import ConsentRefused
from exchange.model import ConsentOnFile, Entitlement, PendingDelivery, Recipient
from schemas.policy import Policy
from schemas.record_traits import RecordClass, RecordTraits
from schemas.violation import problem

#: What a delivery from before there were traits says of its record; laboratory results are one
#: class. Whatever else a rule asks for is missing, so it never permits and always denies.
_CLASSES: Final[dict[str, RecordClass]] = {
    "immunization": "Immunization",
    "labresult": "DiagnosticReport",
}


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
        entitlement
        for recipient in recipients
        for entitlement in _first_allowed(recipient, traits, consents, at, policies)
    )
    if not entitled:
        raise ConsentRefused(problem("consent.no-basis", "forbidden", "Consent"))
    return entitled


def entitlement_again(
    pending: PendingDelivery,
    jurisdictions: Mapping[str, str],
    consents: Sequence[ConsentOnFile],
    at: datetime,
    policies: Sequence[Policy] = (),
) -> Entitlement | None:
    """On what basis a delivery may still go, or stay where it went; None when there is none.

    Args:
        pending: with its traits, where they are known.
        jurisdictions: of all participants, by id; nothing goes to or from one without.
        consents: on file about the traveller now.
        at: the moment of the decision.
        policies: deployed now.
    """
    country = jurisdictions.get(pending.subscriber)
    traits = pending.traits or _traits_kept(pending, jurisdictions)
    if country is None or traits is None:
        return None
    request = DisclosureRequest(
        recipient=pending.subscriber,
        recipient_jurisdiction=country,
        purpose=pending.purpose,
        traits=traits,
    )
    return _entitlement(request, decide(consents, policies, request, at))


def _traits_kept(pending: PendingDelivery, jurisdictions: Mapping[str, str]) -> RecordTraits | None:
    collected_in = jurisdictions.get(pending.identity.publisher)
    if collected_in is None:
        return None
    return RecordTraits(
        author=pending.identity.publisher,
        collected_in=collected_in,
        record_class=_CLASSES[pending.record_type],
    )


def _first_allowed(
    recipient: Recipient,
    traits: RecordTraits,
    consents: Sequence[ConsentOnFile],
    at: datetime,
    policies: Sequence[Policy],
) -> Iterator[Entitlement]:
    for purpose in recipient.purposes:
        request = DisclosureRequest(
            recipient=recipient.participant,
            recipient_jurisdiction=recipient.jurisdiction,
            purpose=purpose,
            traits=traits,
        )
        entitlement = _entitlement(request, decide(consents, policies, request, at))
        if entitlement is not None:
            yield entitlement
            return


def _entitlement(request: DisclosureRequest, decision: BasisDecision) -> Entitlement | None:
    if decision.basis is None or decision.view is None:
        return None
    return Entitlement(
        recipient=request.recipient,
        purpose=request.purpose,
        basis=decision.basis,
        view=decision.view,
        redact=decision.redact,
        inputs=lambda: decision.inputs_digest,
    )
