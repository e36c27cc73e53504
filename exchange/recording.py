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
from typing import Any, NamedTuple

from exchange.commitment import commitment_to, new_salt
from exchange.facts import Facts
from exchange.model import (
    Accepted,
    BreakGlassBasis,
    ConsentBasis,
    ConsentOnFile,
    Disclosed,
    Entitlement,
    Erasure,
    Grant,
    Hold,
    MessageIdentity,
    NewestVersion,
    OpenedMessage,
    PendingDelivery,
    Recall,
    RecallAnswer,
    ReceivedMessage,
    Refused,
    ReleasedDelivery,
    SealedBody,
    Slip,
    StandingDecision,
    Subject,
)
from exchange.ports import RecordedBatch, TreeHead
from exchange.recalls import Again, deadline_of, recalled_by, received_in_error, takes_back
from exchange.record_versions import Succession, succession_of
from exchange.releasing import Releasing, StoredRecord
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import Checkpoint, NoteSigner, sign_checkpoint
from exchange.trail.merkle import leaf_hash
from exchange.trail.tiles import grow
from exchange.views.making import ViewMaker
from schemas.break_glass import ReviewOutcome
from schemas.participant import Participant
from schemas.policy import Policy
from schemas.trail_entry import SALT_BYTES, entry, entry_time


class _Accepted(NamedTuple):
    """Where an accepted message stands, for its deliveries."""

    subject: Subject
    content: str
    salt: bytes
    entry: int


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
        views: ViewMaker | None = None,
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
            views: makes what is not delivered in full; None withholds it.
        """
        # Entries tell time in milliseconds, and a clock set back must not set the trail back.
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.at = max(now, head.last_entry_at) if head.last_entry_at else now
        self._head = head
        self._facts = facts
        self._windows = windows
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
        self._origins: dict[str, tuple[str, ...]] = {}
        self._versions: dict[bytes, NewestVersion] = {}
        self._answers: list[tuple[str, RecallAnswer, int]] = []
        self._erasures: list[Erasure] = []
        self._holds: list[Hold] = []
        self._lifted: list[tuple[str, int]] = []
        self._grants: list[tuple[Grant, int]] = []
        self._reviews: list[tuple[str, ReviewOutcome, int]] = []
        self._adopted: list[tuple[Policy, bytes, int]] = []
        self._slips: list[Slip] = []
        self.releasing = Releasing(
            append=self.append,
            facts=facts,
            at=self.at,
            jurisdictions=jurisdictions,
            policies=policies,
            views=views,
        )
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
            deliveries=len(decision.entitlements),
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
        held = self._held_before(opened)
        subject = self._subject_of(opened, vault)
        # Before its deliveries are let out: they say whether it is the newest.
        self._enter_version(opened, succession, subject.subject_id, index)
        signature = opened.received.signature or ""
        sealed = vault.seal(subject, opened.received.body, signature, opened.traits)
        self._bodies.append((opened.identity, sealed))
        own_basis = ConsentBasis(consent=content, entry=index)
        for statement in opened.message.consents:
            on_file = ConsentOnFile(statement=statement, basis=own_basis)
            self._consents.append((subject.subject_id, on_file))
            self._facts.consents.setdefault(subject.subject_id, []).append(on_file)
        self._recall_what_lost_its_basis(opened, subject.subject_id, index, held)
        accepted = _Accepted(subject, content, salt, index)
        for entitlement in decision.entitlements:
            self._deliver(opened, entitlement, accepted)

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

    def let_out(self, pending: PendingDelivery, record: StoredRecord | None = None) -> None:
        """Release a delivery that waited, or withhold it when its basis no longer holds.

        Args:
            pending: with its traits.
            record: what a view would be made of.
        """
        self._no_longer_waits(pending)
        if pending.recall is not None:
            self._let_out.append(self.releasing.recall(pending, pending.recall))
            return
        entitlement = self.releasing.again(pending)
        self._let_out.append(self.releasing.let_out(pending, entitlement, record))

    def withhold(self, pending: PendingDelivery, reason: str) -> None:
        """Stop a delivery that waited."""
        self._no_longer_waits(pending)
        self._let_out.append(self.releasing.withhold(pending, reason))

    def recall(self, disclosed: Disclosed, recall: Recall) -> None:
        """Tell one who received a delivery to stop using it; waits like any other delivery."""
        pending = disclosed.pending
        outbox = self._facts.outbox(pending.subscriber)
        self._touched.add(pending.subscriber)
        outbox.last_number += 1
        notice = replace(
            pending,
            delivery_id=uuid.uuid4().hex,
            number=outbox.last_number,
            traits=None,
            until=None,
            recall=recall,
        )
        window = self._windows.get(pending.subscriber, 0)
        if outbox.waiting or outbox.in_flight >= window:
            outbox.waiting += 1
            self._new.append(notice)
        else:
            self._new.append(self.releasing.recall(notice, recall))

    def answer_recalls(
        self,
        subscriber: str,
        notices: list[str],
        answer: RecallAnswer,
        signed: ReceivedMessage,
        statement: str,
    ) -> None:
        """Enter a subscriber's signed word that it stopped using, or deleted, what was recalled."""
        self._statements.append((statement, signed))
        index = self.append(
            "recall-answered",
            subscriber=subscriber,
            notices=notices,
            answer=answer,
            statement=statement,
        )
        self._answers.extend((notice, answer, index) for notice in notices)

    def break_glass(
        self,
        grant: Grant,
        records: Sequence[tuple[PendingDelivery, StoredRecord]],
        statements: Sequence[tuple[str, ReceivedMessage]],
    ) -> None:
        """Enter that somebody broke the glass, and let these records out to them.

        What does not fit the window waits, and goes nowhere once the grant's time is over.

        Args:
            grant: who, about whom, why, until when.
            records: what is to be seen, each in the form of a delivery of it.
            statements: the signed request and, if there is one, the signed approval, each by the
                digest that the entry names.
        """
        self._statements.extend(statements)
        digests = dict(zip(("statement", "approval"), (one for one, _ in statements), strict=False))
        index = self.append(
            "break-glass-opened",
            grant=grant.grant_id,
            participant=grant.participant,
            reason=grant.reason,
            until=entry_time(grant.until),
            **({} if grant.approver is None else {"approver": grant.approver}),
            **digests,
        )
        self._grants.append((grant, index))
        outbox = self._facts.outbox(grant.participant)
        self._touched.add(grant.participant)
        for found, record in records:
            outbox.last_number += 1
            pending = replace(
                found,
                delivery_id=uuid.uuid4().hex,
                subscriber=grant.participant,
                number=outbox.last_number,
                basis=BreakGlassBasis(grant=grant.grant_id),
                view="full",
                until=grant.until,
                recall=None,
            )
            window = self._windows.get(grant.participant, 0)
            if outbox.waiting or outbox.in_flight >= window:
                outbox.waiting += 1
                self._new.append(pending)
            else:
                entitlement = self.releasing.again(pending)
                self._new.append(self.releasing.let_out(pending, entitlement, record))

    def review_glass(self, grant: Grant, reviewer: str, outcome: ReviewOutcome) -> None:
        """Enter what somebody else found who looked at a grant."""
        index = self.append(
            "break-glass-reviewed", grant=grant.grant_id, reviewer=reviewer, outcome=outcome
        )
        self._reviews.append((grant.grant_id, outcome, index))

    def adopt(self, policy: Policy, body: bytes) -> None:
        """From now on decisions are made by this version too; its leaf comes before them."""
        index = self.append(
            "policy-adopted",
            jurisdiction=policy.jurisdiction,
            version=policy.version,
            document=policy.digest,
        )
        self._adopted.append((policy, body, index))

    def issue_slip(self, slip: Slip, issuer: str) -> None:
        """Hand out a slip; its leaf says by whom, and of no traveller."""
        self.append("slip-issued", issuer=issuer)
        self._slips.append(slip)

    def erase(self, erasure: Erasure) -> None:
        """Have everything of a traveller destroyed in this transaction; its leaf is appended."""
        self.append(
            "erased", erasure=erasure.erasure_id, cause=erasure.cause, messages=erasure.messages
        )
        self._erasures.append(erasure)

    def give_up(self, pending: PendingDelivery) -> None:
        """A delivery in flight is erased: it may never arrive, and must hold no place for ever."""
        self._facts.outbox(pending.subscriber).in_flight -= 1
        self._touched.add(pending.subscriber)

    def room_of(self, subscriber: str) -> int:
        """How many more deliveries may be in flight to this subscriber now."""
        return self._windows.get(subscriber, 0) - self._facts.outbox(subscriber).in_flight

    def place_hold(self, hold_id: str, subject_id: str, authority: str) -> None:
        """From now on nothing of this traveller is erased."""
        index = self.append("hold-placed", hold=hold_id, authority=authority)
        self._holds.append(
            Hold(hold_id=hold_id, subject_id=subject_id, authority=authority, placed_entry=index)
        )

    def lift_hold(self, hold: Hold) -> None:
        """This hold keeps nothing any more."""
        index = self.append("hold-lifted", hold=hold.hold_id, authority=hold.authority)
        self._lifted.append((hold.hold_id, index))

    def acknowledge(
        self,
        subscriber: str,
        delivery_ids: list[str],
        signed: ReceivedMessage,
        statement: str,
        *,
        given_up: int = 0,
    ) -> None:
        """Enter a subscriber's acknowledgement of deliveries in flight; frees its window.

        The signed bytes are kept under their digest: they are the proof of receipt.

        Args:
            subscriber: who acknowledges.
            delivery_ids: not acknowledged before.
            signed: the statement as it came.
            statement: its digest.
            given_up: how many of these an erasure gave up before: their places are free already.
        """
        self._statements.append((statement, signed))
        self.append(
            "acknowledged", subscriber=subscriber, deliveries=delivery_ids, statement=statement
        )
        self._acknowledged.extend(delivery_ids)
        self._facts.outbox(subscriber).in_flight -= len(delivery_ids) - given_up
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
            origins=self._origins,
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
            answers=self._answers,
            erasures=self._erasures,
            holds=self._holds,
            lifted=self._lifted,
            policies=self._adopted,
            slips=self._slips,
            grants=self._grants,
            reviews=self._reviews,
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
        return self._with_origins(subject, known, opened)

    def _with_origins(
        self, subject: Subject, known: Sequence[Subject], opened: OpenedMessage
    ) -> Subject:
        """The traveller with the countries of all documents seen so far, which the store keeps."""
        origins = {country for one in known for country in one.origins}.union(opened.origins)
        if origins <= set(subject.origins):
            return subject
        subject = replace(subject, origins=tuple(sorted(origins)))
        self._origins[subject.subject_id] = subject.origins
        self._facts.replace_subject(subject)
        return subject

    def _no_longer_waits(self, pending: PendingDelivery) -> None:
        self._facts.outbox(pending.subscriber).waiting -= 1
        self._touched.add(pending.subscriber)

    def _held_before(self, opened: OpenedMessage) -> dict[str, Again]:
        """Deliveries about this traveller that something permits, before the message is entered.

        By id, each with what has to be asked again. Those of a consent whose time was over are not
        among them: nothing is taken back there. What broken glass let out is: it was never more
        than lent. What only a policy forbids meanwhile is too: who takes the consent back counts on
        everybody who has the record on it being told.
        """
        if not takes_back(opened, self._facts):
            return {}
        held: dict[str, Again] = {}
        for subject in self._facts.known_subjects(opened.subject_tokens):
            for one in self._facts.disclosed.get(subject.subject_id, ()):
                pending = one.pending
                again = self.releasing.again
                if isinstance(pending.basis, BreakGlassBasis) or again(pending) is not None:
                    held[pending.delivery_id] = again
                elif self.releasing.again_by_consent(pending) is not None:
                    held[pending.delivery_id] = self.releasing.again_by_consent
        return held

    def _recall_what_lost_its_basis(
        self, opened: OpenedMessage, subject_id: str, index: int, held: Mapping[str, Again]
    ) -> None:
        """Everybody who received, and may not have it any more, is told; nobody else is."""
        own = self._facts.disclosed.get(subject_id, [])
        others = [one for name, one in self._facts.disclosed.items() if name != subject_id]
        standing = [*own, *received_in_error(opened, others)]
        if not standing:
            return
        deadline = deadline_of(self._policies, opened.jurisdiction, self.at)
        recalled = recalled_by(opened, standing, held)
        for disclosed, cause in list(recalled):
            next(one for one in (own, *others) if disclosed in one).remove(disclosed)
            self.recall(
                disclosed,
                Recall(
                    delivery_id=disclosed.pending.delivery_id,
                    cause=cause,
                    deadline=deadline,
                    because=index,
                ),
            )

    def _deliver(
        self,
        opened: OpenedMessage,
        entitlement: Entitlement,
        accepted: _Accepted,
    ) -> None:
        pending = self._pending(opened, entitlement, accepted)
        outbox = self._facts.outbox(pending.subscriber)
        # Those that wait go first: a release here would overtake them.
        if outbox.waiting or outbox.in_flight >= self._windows[pending.subscriber]:
            outbox.waiting += 1
            self._new.append(pending)
            return
        # Decided a moment ago, under this very lock, on the same facts.
        entitlement = replace(entitlement, basis=pending.basis)
        record = StoredRecord(accepted.subject, lambda: opened.message.bundle)
        released = self.releasing.let_out(pending, entitlement, record)
        self._new.append(released)
        if released.state == "released":
            # A later message of this batch may take it back.
            shown = self._facts.disclosed.setdefault(accepted.subject.subject_id, [])
            shown.append(Disclosed(pending=released.pending, entry_index=released.entry_index))

    def _pending(
        self, opened: OpenedMessage, entitlement: Entitlement, accepted: _Accepted
    ) -> PendingDelivery:
        outbox = self._facts.outbox(entitlement.recipient)
        self._touched.add(entitlement.recipient)
        outbox.last_number += 1
        basis = entitlement.basis
        if isinstance(basis, ConsentBasis) and basis.entry < 0:
            basis = ConsentBasis(consent=accepted.content, entry=accepted.entry)
        return PendingDelivery(
            delivery_id=uuid.uuid4().hex,
            subscriber=entitlement.recipient,
            number=outbox.last_number,
            identity=opened.identity,
            subject_id=accepted.subject.subject_id,
            record_type=opened.message.kind,
            purpose=entitlement.purpose,
            basis=basis,
            content=accepted.content,
            accepted_entry=accepted.entry,
            view=entitlement.view,
            traits=opened.traits,
            record=opened.record,
            content_salt=accepted.salt,
        )
