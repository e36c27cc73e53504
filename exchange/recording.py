"""One batch becomes one transaction: decisions, trail leaves, deliveries and a signed checkpoint.

Pure: it is given the locked tree head and the facts, and returns everything to be written. Each
decision is entered before the next is made, so later messages of a batch see earlier ones.
"""

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from exchange.commitment import commitment_to, new_salt
from exchange.consent.asking import basis_for, request_again
from exchange.facts import Facts
from exchange.model import (
    Accepted,
    ConsentBasis,
    ConsentOnFile,
    Entitlement,
    MessageIdentity,
    NewestVersion,
    OpenedMessage,
    PendingDelivery,
    ReceivedMessage,
    Refused,
    ReleasedDelivery,
    SealedBody,
    StandingDecision,
    Subject,
)
from exchange.ports import RecordedBatch, TreeHead
from exchange.record_versions import Succession, newer_than, succession_of
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import Checkpoint, NoteSigner, sign_checkpoint
from exchange.trail.merkle import leaf_hash
from exchange.trail.tiles import grow
from schemas.participant import Participant
from schemas.policy import Policy
from schemas.trail_entry import SALT_BYTES, entry


class Recording:
    """Gathers what a transaction will write; `close` signs the checkpoint."""

    def __init__(
        self,
        *,
        head: TreeHead,
        facts: Facts,
        windows: dict[str, int],
        origin: str,
        now: datetime,
        jurisdictions: Mapping[str, str] = MappingProxyType({}),
        policies: Sequence[Policy] = (),
    ) -> None:
        """Start after the locked head.

        Args:
            head: the trail as it stands.
            facts: updated in place as decisions are entered.
            windows: the most unacknowledged deliveries by subscriber.
            origin: the log's name, for its first entry.
            now: the clock's time; entries never go back behind the last one's.
            jurisdictions: of all participants, by id; nothing goes to or from one without.
            policies: all that are deployed.
        """
        # Entries tell time in milliseconds, and a clock set back must not set the trail back.
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.at = max(now, head.last_entry_at) if head.last_entry_at else now
        self._head = head
        self._facts = facts
        self._windows = windows
        self._jurisdictions = jurisdictions
        self._policies = policies
        self._origin = origin
        self._entries: list[bytes] = []
        self._decisions: list[StandingDecision] = []
        self._bodies: list[tuple[MessageIdentity, SealedBody]] = []
        self._subjects: list[Subject] = []
        self._tokens: list[tuple[bytes, str]] = []
        self._consents: list[tuple[str, ConsentOnFile]] = []
        self._new: list[PendingDelivery | ReleasedDelivery] = []
        self._let_out: list[ReleasedDelivery] = []
        self._acknowledged: list[str] = []
        self._statements: list[tuple[str, ReceivedMessage]] = []
        self._participants: list[Participant] = []
        self._touched: set[str] = set()
        self._merges: list[tuple[str, str]] = []
        self._versions: dict[bytes, NewestVersion] = {}
        if head.size == 0:
            self.append("log-created", origin=origin)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._entries

    def append(self, entry_type: str, **members: Any) -> int:
        """Add one leaf and return its index."""
        self._entries.append(
            entry(entry_type, time=self.at, salt=os.urandom(SALT_BYTES), **members)
        )
        return self._head.size + len(self._entries) - 1

    def accept(self, decision: Accepted, vault: SubjectVault) -> None:
        """Enter an acceptance: its leaf, its body, its consents and its deliveries.

        What fits the subscriber's window is released at once; the rest waits for the relay.
        """
        opened = decision.opened
        salt = new_salt()
        content = commitment_to(opened.received.body, salt)
        succession = succession_of(opened, self._facts.versions)
        index = self.append(
            "accepted",
            publisher=opened.identity.publisher,
            message=opened.identity.message_id,
            event=opened.message.event,
            content=content,
            key=opened.key_id,
            **succession.entry_members,
        )
        self._enter_decision(
            StandingDecision(
                identity=opened.identity,
                digest=opened.digest,
                outcome="accepted",
                reason=None,
                problems=opened.message.warnings,
                decided_at=self.at,
                entry_index=index,
                tree_size=0,
                content_salt=salt,
                record=opened.record,
                standing=succession.standing,
            )
        )
        subject = self._subject_of(opened, vault)
        # Before its deliveries are let out: they say whether it is the newest.
        self._enter_version(opened, succession, subject.subject_id, index)
        signature = opened.received.signature or ""
        self._bodies.append((opened.identity, vault.seal(subject, opened.received.body, signature)))
        own_basis = ConsentBasis(consent=content, entry=index)
        for statement in opened.message.consents:
            on_file = ConsentOnFile(statement=statement, basis=own_basis)
            self._consents.append((subject.subject_id, on_file))
            self._facts.consents.setdefault(subject.subject_id, []).append(on_file)
        for entitlement in decision.entitlements:
            self._deliver(opened, entitlement, subject.subject_id, content, index)

    def refuse(self, decision: Refused) -> None:
        """Enter a refusal: its leaf. The body is not kept; its publisher has it."""
        salt = new_salt()
        index = self.append(
            "refused",
            publisher=decision.identity.publisher,
            message=decision.identity.message_id,
            reason=decision.reason,
            content=commitment_to(decision.received.body, salt),
        )
        self._enter_decision(
            StandingDecision(
                identity=decision.identity,
                digest=decision.digest,
                outcome="refused",
                reason=decision.reason,
                problems=decision.problems,
                decided_at=self.at,
                entry_index=index,
                tree_size=0,
                content_salt=salt,
            )
        )

    def let_out(self, pending: PendingDelivery) -> None:
        """Release a delivery that waited, or withhold it when its basis no longer holds."""
        outbox = self._facts.outbox(pending.subscriber)
        outbox.waiting -= 1
        self._touched.add(pending.subscriber)
        self._let_out.append(self._released_or_withheld(pending))

    def acknowledge(
        self, subscriber: str, delivery_ids: list[str], signed: ReceivedMessage, statement: str
    ) -> None:
        """Enter a subscriber's acknowledgement of deliveries in flight; frees its window.

        The signed bytes are kept under their digest: they are the proof of receipt.
        """
        self._statements.append((statement, signed))
        self.append(
            "acknowledged", subscriber=subscriber, deliveries=delivery_ids, statement=statement
        )
        self._acknowledged.extend(delivery_ids)
        self._facts.outbox(subscriber).in_flight -= len(delivery_ids)
        self._touched.add(subscriber)

    def change_participant(self, participant: Participant) -> None:
        """Have the directory hold this document; the caller appends the leaf that says why."""
        self._participants.append(participant)

    def close(self, signer: NoteSigner) -> RecordedBatch:
        """Everything to write, with the checkpoint signed over the grown tree."""
        growth = grow(self._head.size, self._head.edge, [leaf_hash(e) for e in self._entries])
        checkpoint = Checkpoint(origin=self._origin, size=growth.size, root=growth.root)
        return RecordedBatch(
            at=self.at,
            first_index=self._head.size,
            entries=self._entries,
            size=growth.size,
            tiles=growth.tiles,
            edge=self._head.edge,
            checkpoint=sign_checkpoint(checkpoint, signer),
            decisions=[replace(one, tree_size=growth.size) for one in self._decisions],
            bodies=self._bodies,
            subjects=self._subjects,
            tokens=self._tokens,
            consents=self._consents,
            merges=self._merges,
            new_deliveries=[
                row if isinstance(row, PendingDelivery) else replace(row, tree_size=growth.size)
                for row in self._new
            ],
            let_out=[replace(row, tree_size=growth.size) for row in self._let_out],
            acknowledged=self._acknowledged,
            statements=self._statements,
            outboxes={name: self._facts.outbox(name) for name in self._touched},
            versions=self._versions,
            participants=self._participants,
        )

    def _enter_decision(self, decision: StandingDecision) -> None:
        """Its tree size is known, and filled in, when the batch is closed."""
        self._decisions.append(decision)
        self._facts.standing[decision.identity] = decision

    def _enter_version(
        self, opened: OpenedMessage, succession: Succession, subject_id: str, index: int
    ) -> None:
        made_at = opened.message.version_at
        if succession.standing != "current" or opened.record is None or made_at is None:
            return
        newest = NewestVersion(
            version_at=made_at, entry_index=index, identity=opened.identity, subject_id=subject_id
        )
        self._versions[opened.record] = self._facts.versions[opened.record] = newest

    def _subject_of(self, opened: OpenedMessage, vault: SubjectVault) -> Subject:
        """The traveller the documents lead to, or a new one; new documents lead there too.

        Documents first seen apart turn out to be one traveller's: the others merge into the first,
        so that a consent given or withdrawn under any document counts for all.
        """
        known = self._facts.known_subjects(opened.subject_tokens)
        subject = known[0] if known else vault.new_subject()
        if not known:
            self._subjects.append(subject)
        for other in known[1:]:
            self._merges.append((other.subject_id, subject.subject_id))
            self._facts.merge(other, subject)
        for token in opened.subject_tokens:
            if token not in self._facts.subjects:
                self._tokens.append((token, subject.subject_id))
                self._facts.subjects[token] = subject
        return subject

    def _deliver(
        self,
        opened: OpenedMessage,
        entitlement: Entitlement,
        subject_id: str,
        content: str,
        accepted_entry: int,
    ) -> None:
        outbox = self._facts.outbox(entitlement.recipient)
        self._touched.add(entitlement.recipient)
        outbox.last_number += 1
        own_basis = entitlement.basis.entry < 0
        pending = PendingDelivery(
            delivery_id=uuid.uuid4().hex,
            subscriber=entitlement.recipient,
            number=outbox.last_number,
            identity=opened.identity,
            subject_id=subject_id,
            record_type=opened.message.kind,
            purpose=entitlement.purpose,
            basis=(
                ConsentBasis(consent=content, entry=accepted_entry)
                if own_basis
                else entitlement.basis
            ),
            content=content,
            accepted_entry=accepted_entry,
            record=opened.record,
        )
        # Those that wait go first: a release here would overtake them.
        window = self._windows[entitlement.recipient]
        if outbox.waiting or outbox.in_flight >= window:
            outbox.waiting += 1
            self._new.append(pending)
        else:
            self._new.append(self._released_or_withheld(pending))

    def _released_or_withheld(self, pending: PendingDelivery) -> ReleasedDelivery:
        """Check basis and standing again, as of now, and write the leaf that says so.

        The same code lets out at acceptance and from the relay, so a withdrawal in between still
        stops the delivery and its number stays as a tombstone, and what a newer version overtook
        while it waited is marked.
        """
        self._facts.outbox(pending.subscriber).in_flight += 1
        request = request_again(pending, self._jurisdictions)
        consents = self._facts.consents.get(pending.subject_id, ())
        basis = None if request is None else basis_for(request, consents, self.at, self._policies)
        members: dict[str, Any] = {
            "delivery": pending.delivery_id,
            "subscriber": pending.subscriber,
            "number": pending.number,
            "accepted": pending.accepted_entry,
        }
        if basis is None:
            index = self.append("withheld", reason="no-basis", **members)
            return ReleasedDelivery(
                pending=pending, state="withheld", entry_index=index, tree_size=0
            )
        newer = newer_than(pending.record, pending.accepted_entry, self._facts.versions)
        if pending.record is not None:
            members["standing"] = "current" if newer is None else "superseded"
        if newer is not None:
            members["superseded_by"] = newer
        index = self.append(
            "released",
            purpose=pending.purpose,
            view="full",
            basis=basis.to_entry(),
            content=pending.content,
            publisher=pending.identity.publisher,
            message=pending.identity.message_id,
            **members,
        )
        return ReleasedDelivery(
            pending=replace(pending, basis=basis),
            state="released",
            entry_index=index,
            tree_size=0,
            superseded_by=newer,
        )
