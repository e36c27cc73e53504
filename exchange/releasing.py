"""Letting deliveries out: each gets the leaf that says so, or the one that says why not.

The same code lets out at acceptance and from the relay, so a withdrawal in between still stops the
delivery and its number stays as a tombstone, and what a newer version overtook while it waited is
marked. A notice of recall takes the same way: its leaf is the whole notice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from exchange.commitment import commitment_to
from exchange.consent.asking import entitlement_again
from exchange.consent.mandates import lets_break_glass, requirement_for
from exchange.consent.request import DisclosureRequest
from exchange.facts import Facts
from exchange.model import (
    BreakGlassBasis,
    Entitlement,
    MadeView,
    PendingDelivery,
    Recall,
    ReleasedDelivery,
    Subject,
)
from exchange.record_versions import newer_than
from exchange.views.making import ViewMaker, origin_commitment
from exchange.views.render import ViewImpossible
from schemas.policy import Policy
from schemas.trail_entry import entry_time


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record that a view may be made of.

    Attributes:
        subject: whose key seals it.
        read: its message as JSON; called only when it is needed.
    """

    subject: Subject
    read: Callable[[], Mapping[str, Any]] = field(repr=False)


class AppendLeaf(Protocol):
    """Adds one leaf to the trail."""

    def __call__(self, entry_type: str, **members: Any) -> int:
        """Add it and return its index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasing:
    """Decides and enters what becomes of deliveries, at one moment.

    Attributes:
        append: adds the leaf.
        facts: consents, versions and counters; counters are changed in place.
        at: the moment.
        jurisdictions: of all participants, by id.
        policies: deployed now.
        views: makes what is not delivered in full; None delivers only what is.
    """

    append: AppendLeaf
    facts: Facts
    at: datetime
    jurisdictions: Mapping[str, str]
    policies: Sequence[Policy]
    views: ViewMaker | None

    def again(self, pending: PendingDelivery) -> Entitlement | None:
        """On what basis it may still go, as of now."""
        if isinstance(pending.basis, BreakGlassBasis):
            return self._while_open(pending)
        consents = self.facts.consents.get(pending.subject_id, ())
        return entitlement_again(pending, self.jurisdictions, consents, self.at, self.policies)

    def again_by_consent(self, pending: PendingDelivery) -> Entitlement | None:
        """On which of the traveller's consents it might still go, whatever policies say."""
        consents = self.facts.consents.get(pending.subject_id, ())
        return entitlement_again(pending, self.jurisdictions, consents, self.at)

    def let_out(
        self,
        pending: PendingDelivery,
        entitlement: Entitlement | None,
        record: StoredRecord | None,
    ) -> ReleasedDelivery:
        """Release it on that basis, or withhold it when there is none.

        Args:
            pending: numbered, with its traits.
            entitlement: what allows it now.
            record: the record, for a view of it; None when it cannot be read any more.
        """
        if entitlement is None:
            return self.withhold(pending, "no-basis")
        pending = replace(pending, basis=entitlement.basis, view=entitlement.view)
        made: MadeView | None = None
        if pending.view != "full":
            try:
                made = self._make(pending, entitlement, record)
            except ViewImpossible:
                made = None
            if made is None:
                return self.withhold(pending, "view-impossible")
        return self._release(pending, entitlement, made)

    def withhold(self, pending: PendingDelivery, reason: str) -> ReleasedDelivery:
        """Stop it; its number stays used."""
        self.facts.outbox(pending.subscriber).in_flight += 1
        members = _delivery_members(pending)
        if pending.is_joinable:
            members["accepted"] = pending.accepted_entry
        index = self.append("withheld", reason=reason, **members)
        return ReleasedDelivery(pending=pending, state="withheld", entry_index=index, tree_size=0)

    def recall(self, notice: PendingDelivery, recall: Recall) -> ReleasedDelivery:
        """Let a notice out."""
        self.facts.outbox(notice.subscriber).in_flight += 1
        members = _delivery_members(notice)
        if notice.is_joinable and recall.because is not None:
            members["because"] = recall.because
        index = self.append(
            "recalled",
            recalls=recall.delivery_id,
            cause=recall.cause,
            deadline=entry_time(recall.deadline),
            **members,
        )
        return ReleasedDelivery(pending=notice, state="recalled", entry_index=index, tree_size=0)

    def _while_open(self, pending: PendingDelivery) -> Entitlement | None:
        """Broken glass lets out until its time is over, and while policies let it."""
        country = self.jurisdictions.get(pending.subscriber)
        if pending.until is None or self.at > pending.until:
            return None
        if country is None or pending.traits is None:
            return None
        request = DisclosureRequest(
            recipient=pending.subscriber,
            recipient_jurisdiction=country,
            purpose=pending.purpose,
            traits=pending.traits,
        )
        if not lets_break_glass(self.policies, request, self.at):
            return None
        return Entitlement(pending.subscriber, pending.purpose, pending.basis, pending.view)

    def _make(
        self, pending: PendingDelivery, entitlement: Entitlement, record: StoredRecord | None
    ) -> MadeView | None:
        if self.views is None or record is None:
            return None
        labels = {
            disease: named
            for policy in self.policies
            for disease, named in policy.sensitive.items()
        }
        return self.views.make(
            pending,
            record.read(),
            record.subject,
            redact=entitlement.redact,
            sensitive=labels,
            at=self.at,
            requirement=requirement_for(
                self.policies,
                self.jurisdictions.get(pending.subscriber, ""),
                pending.traits,
                self.at,
            ),
        )

    def _release(
        self, pending: PendingDelivery, entitlement: Entitlement, made: MadeView | None
    ) -> ReleasedDelivery:
        self.facts.outbox(pending.subscriber).in_flight += 1
        newer = newer_than(pending.record, pending.accepted_entry, self.facts.versions)
        members = _delivery_members(pending) | self._content_members(pending, made)
        if pending.record is not None:
            members["standing"] = "current" if newer is None else "superseded"
        salt = pending.content_salt
        if made is not None:
            salt = made.sealed.origin_salt
        if pending.is_joinable:
            members["accepted"] = pending.accepted_entry
            members["basis"] = pending.basis.to_entry()
            if newer is not None:
                members["superseded_by"] = newer
        elif made is not None:
            members["basis"] = {"kind": "sealed", "of": pending.basis.to_entry()["kind"]}
            members["origin"] = origin_commitment(pending, pending.basis, made.sealed.origin_salt)
        if entitlement.inputs is not None and salt is not None:
            members["inputs"] = commitment_to(entitlement.inputs().encode(), salt)
        index = self.append("released", purpose=pending.purpose, view=pending.view, **members)
        return ReleasedDelivery(
            pending=pending,
            state="released",
            entry_index=index,
            tree_size=0,
            superseded_by=newer,
            made=made,
        )

    def _content_members(self, pending: PendingDelivery, made: MadeView | None) -> dict[str, Any]:
        if made is None or self.views is None:
            return {
                "content": pending.content,
                "publisher": pending.identity.publisher,
                "message": pending.identity.message_id,
            }
        return {
            "content": commitment_to(made.body, made.sealed.content_salt),
            "publisher": self.views.exchange,
            "message": made.message_id,
        }


def _delivery_members(pending: PendingDelivery) -> dict[str, Any]:
    return {
        "delivery": pending.delivery_id,
        "subscriber": pending.subscriber,
        "number": pending.number,
    }
