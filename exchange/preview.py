"""What would a recipient get of this message, if it were published now? Decided, and not recorded.

The steps are those of the path of a message, with the same rules over the same facts; only the
signature is not asked for, and nothing is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.consent.asking import entitlements_of
from exchange.consent.mandates import requirement_for
from exchange.directory_cache import DirectoryCache
from exchange.errors import NoRecipient, Refusal
from exchange.model import (
    ConsentBasis,
    ConsentOnFile,
    Entitlement,
    PendingDelivery,
    ReceivedMessage,
)
from exchange.opening import MessageOpener
from exchange.ports import Clock, Store
from exchange.routing import recipients_of
from exchange.views.making import ViewMaker
from exchange.views.render import ViewImpossible
from schemas.policy import Policy
from schemas.violation import problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be delivered.

    Attributes:
        entitlement: basis, purpose and view; None when nothing would be.
        refusal: why nothing would be; None when something would.
        body: the bytes; but for the ids of message and delivery, which are made for each delivery.
    """

    entitlement: Entitlement | None = None
    refusal: Refusal | None = None
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewDesk:
    """Decides without recording; safe to share between tasks."""

    clock: Clock
    directory: DirectoryCache
    store: Store
    opener: MessageOpener
    views: ViewMaker
    policies: Sequence[Policy] = ()

    async def preview(self, body: bytes, recipient: str) -> Preview:
        """What this recipient would get of exactly these bytes, were they published now.

        Raises:
            Unavailable: the store gave no answer.
        """
        at = self.clock.now()
        directory = await self.directory.checked()
        try:
            opened = self.opener.read(ReceivedMessage(body=body, signature=None), directory, at)
            recipients = [
                one for one in recipients_of(opened, directory) if one.participant == recipient
            ]
            async with self.store.locked() as trail:
                facts = await trail.facts_about(tokens=opened.subject_tokens)
            traits = facts.with_known_origins(opened).traits
            if not recipients or traits is None:
                raise NoRecipient(problem("preview.not-for-it", "not-found", "Bundle"))
            known = facts.known_subjects(opened.subject_tokens)
            own = ConsentBasis(consent="", entry=-1)
            consents = [
                *facts.consents_of(one.subject_id for one in known),
                *(ConsentOnFile(statement=one, basis=own) for one in opened.message.consents),
            ]
            (entitlement,) = entitlements_of(recipients, traits, consents, at, self.policies)
        except Refusal as refusal:
            return Preview(refusal=refusal)
        if entitlement.view == "full":
            return Preview(entitlement=entitlement, body=body)
        subject = known[0] if known else self.views.vault.new_subject()
        pending = PendingDelivery(
            delivery_id="0" * 32,
            subscriber=recipient,
            number=1,
            identity=opened.identity,
            subject_id=subject.subject_id,
            record_type=opened.message.kind,
            purpose=entitlement.purpose,
            basis=entitlement.basis,
            content=opened.digest.hex(),
            accepted_entry=0,
            view=entitlement.view,
        )
        try:
            made = self.views.make(
                pending,
                opened.message.bundle,
                subject,
                redact=entitlement.redact,
                sensitive={
                    disease: labels
                    for one in self.policies
                    for disease, labels in one.sensitive.items()
                },
                at=at,
                requirement=requirement_for(
                    self.policies, recipients[0].jurisdiction, opened.traits, at
                ),
            )
        except ViewImpossible:
            return Preview(
                refusal=NoRecipient(problem("preview.view-impossible", "not-found", "Bundle"))
            )
        return Preview(entitlement=entitlement, body=made.body)
