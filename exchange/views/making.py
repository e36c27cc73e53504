"""Make a view for one delivery: rendered, signed by the exchange, and sealed to be stored.

Erasing the traveller destroys the seal's key and both salts: then neither the document nor what it
was made from can be found again, and the trail still verifies.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exchange.commitment import commitment_to, new_salt
from exchange.model import Basis, MadeView, ParticipantId, PendingDelivery, SealedView, Subject
from exchange.signing import SigningKey, sign_detached
from exchange.subjects import SubjectVault
from exchange.views.render import ViewRequest, render, view_message_id
from schemas.envelope import FHIR_JSON
from schemas.labels.labelling import Sensitive
from schemas.requirement import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewMaker:
    """Makes views in the name of one exchange; safe to share between tasks.

    Attributes:
        signing: the key of the trail: a recipient that pinned it needs no other.
        exchange: this exchange's participant id.
    """

    vault: SubjectVault
    signing: SigningKey = field(repr=False)
    exchange: ParticipantId

    def make(
        self,
        pending: PendingDelivery,
        message: Mapping[str, Any],
        subject: Subject,
        *,
        redact: tuple[str, ...],
        sensitive: Sensitive,
        at: datetime,
        requirement: Requirement | None = None,
    ) -> MadeView:
        """The document that this delivery carries in its view.

        Args:
            pending: what is delivered, in a view that is not `full`.
            message: the message it is made of.
            subject: whose key seals it.
            redact: sensitivity labels whose parts are left out.
            sensitive: labels that policies add, by disease.
            at: the moment of the release.
            requirement: what a verdict is about; None makes it `unknown`.

        Raises:
            ViewImpossible: nothing of the record can be shown in it.
        """
        if pending.view == "full":
            raise AssertionError("what is delivered in full is what was received")
        message_id = view_message_id(pending.delivery_id)
        request = ViewRequest(
            author=pending.identity.publisher,
            recipient=pending.subscriber,
            purpose=pending.purpose,
            exchange=self.exchange,
            subject_id=pending.subject_id,
            pseudonyms=self.vault.pseudonyms_for(pending.subscriber),
            message_id=message_id,
            original_digest=pending.content,
            at=at,
            redact=redact,
            sensitive=sensitive,
            requirement=requirement,
        )
        body = render(pending.view, dict(message), request)
        signature = sign_detached(
            self.signing,
            body,
            issuer=self.exchange,
            message_id=message_id,
            issued_at=int(at.timestamp()),
            content_type=FHIR_JSON,
        )
        return MadeView(
            body=body,
            signature=signature,
            message_id=message_id,
            sealed=SealedView(
                body=self.vault.seal(subject, body, signature),
                content_salt=new_salt(),
                origin_salt=new_salt(),
            ),
        )


def origin_commitment(pending: PendingDelivery, basis: Basis, salt: bytes) -> str:
    """What the entry of a view without names holds in the place of message and basis.

    Only who has the salt can open it: the exchange, and an auditor to whom it shows it.
    """
    return commitment_to(origin_bytes(pending, basis), salt)


def origin_bytes(pending: PendingDelivery, basis: Basis) -> bytes:
    """What is committed to, as canonical JSON (RFC 8785)."""
    members = {
        "accepted": pending.accepted_entry,
        "basis": basis.to_entry(),
        "message": pending.identity.message_id,
        "publisher": pending.identity.publisher,
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
