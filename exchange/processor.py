"""READ FIRST. The path of a message: received bytes in, recorded decision out.

    open envelope -> verify signer -> validate record     (exchange.opening, before the lock)
        -> find recipients -> check basis -> record       (here, under the tree head's lock)
        -> receipt and deliveries to publish              (after the commit)

Each check returns something more trusted than it was given, or raises a `Refusal`. A refusal is a
decision, not a failure: it is recorded, signed and answered exactly like an acceptance. Any other
error leaves nothing behind, so the same bytes may be tried again.

A batch shares one transaction and one checkpoint signature. Facts are read once, under the lock;
each decision is then a pure function of (message, facts, time), and is entered before the next is
made. So the trail's order is the order in which things were decided, and an auditor who has the
inputs can decide again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.consent.asking import entitlements_of
from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.errors import ConflictingMessage, ConsentRefused, NoRecipient, Refusal
from exchange.facts import Facts
from exchange.model import (
    Accepted,
    ConsentBasis,
    ConsentOnFile,
    Decision,
    Disclosed,
    MessageIdentity,
    OpenedMessage,
    ReceivedMessage,
    Refused,
    SealedBody,
    StandingDecision,
    Subject,
)
from exchange.opening import MessageOpener
from exchange.ports import Clock, DeliveryRow, LockedTrail, RecordedBatch, Store
from exchange.proving import ProofDesk
from exchange.recalls import is_received_in_error, may_recall
from exchange.record_versions import records_among
from exchange.recording import Recording
from exchange.routing import recipients_of
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import NoteSigner
from exchange.views.making import ViewMaker
from schemas.delivery import Delivery
from schemas.policy import Policy
from schemas.receipt import Receipt
from schemas.violation import problem

#: Stands for "the entry this decision is about to get" while a message is being decided.
_OWN_ENTRY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message.

    Attributes:
        answer_to: the participant to answer, or None when nobody is known.
        receipt: the same for the same bytes, whenever they come.
        deliveries: what was released with it and is now to be published.
        repeated: whether the decision stood before.
    """

    decision: StandingDecision
    answer_to: str | None
    receipt: Receipt
    deliveries: tuple[Delivery, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageProcessor:
    """Decides on batches of messages; safe to share between tasks."""

    clock: Clock
    directory: DirectoryCache
    store: Store
    vault: SubjectVault
    opener: MessageOpener
    signer: NoteSigner
    proofs: ProofDesk
    origin: str
    policies: tuple[Policy, ...] = ()
    views: ViewMaker | None = None

    async def process(self, batch: Sequence[ReceivedMessage]) -> list[Outcome]:
        """Decide on every message and return the outcomes, in order, once they are durable.

        The same bytes from the same sender always get the decision recorded first.

        Raises:
            Unavailable: a dependency gave no answer; nothing was recorded, so retry.
        """
        at = self.clock.now()
        directory = await self.directory.current()
        opened = [self.opener.open(received, directory, at) for received in batch]
        async with self.store.locked() as trail:
            if trail.head.directory_version != directory.version:
                # A participant or key changed meanwhile: trust nothing that was decided with it.
                directory = await self.directory.refreshed(trail)
                opened = [self.opener.open(received, directory, at) for received in batch]
            facts = await self._facts_about(opened, directory, trail)
            await self._add_disclosed(opened, facts, trail)
            recording = Recording(
                head=trail.head,
                facts=facts,
                windows={one.id: one.window for one in directory.subscribers()},
                origin=self.origin,
                now=self.clock.now(),
                jurisdictions=directory.jurisdictions(),
                policies=self.policies,
                views=self.views,
            )
            settled = [self._settle(one, directory, facts, recording) for one in opened]
            if any(is_new for _, is_new in settled):
                recorded = recording.close(self.signer)
                await trail.save(recorded)
                # If we crash before this returns, the messages come again: decided or not.
                await trail.commit()
            else:
                recorded = None
        return await self._outcomes(batch, opened, settled, recorded)

    async def _facts_about(
        self,
        opened: Sequence[OpenedMessage | Refused],
        directory: Directory,
        trail: LockedTrail,
    ) -> Facts:
        records = [one for one in opened if isinstance(one, OpenedMessage)]
        conflicts = [self._conflict_identity(one) for one in records]
        return await trail.facts_about(
            identities=[*(one.identity for one in opened), *conflicts],
            tokens=[token for one in records for token in one.subject_tokens],
            subscribers=[one.id for one in directory.subscribers()],
            records=records_among(records),
        )

    async def _add_disclosed(
        self, opened: Sequence[OpenedMessage | Refused], facts: Facts, trail: LockedTrail
    ) -> None:
        """What these messages may recall, with the counters of who received it."""
        subjects = may_recall(opened, facts)
        if not subjects:
            return
        found = await trail.disclosed(subjects)
        facts.disclosed = {
            subject_id: [self._disclosed(subject_id, *one) for one in rows]
            for subject_id, rows in found.items()
        }
        told = {one.pending.subscriber for rows in facts.disclosed.values() for one in rows}
        missing = sorted(told - facts.outboxes.keys())
        if missing:
            facts.outboxes |= (await trail.facts_about(subscribers=missing)).outboxes

    def _disclosed(
        self, subject_id: str, row: DeliveryRow, stored: tuple[Subject, SealedBody] | None
    ) -> Disclosed:
        traits = None if stored is None else self.vault.traits_of(*stored)
        entry_index = -1 if row.released is None else row.released.entry_index
        pending = replace(row.pending, traits=traits, subject_id=subject_id)
        return Disclosed(pending=pending, entry_index=entry_index)

    def _settle(
        self,
        opened: OpenedMessage | Refused,
        directory: Directory,
        facts: Facts,
        recording: Recording,
    ) -> tuple[MessageIdentity, bool]:
        """Decide and enter one message; its identity, and whether the decision is new."""
        try:
            if facts.standing_decision(opened.identity, opened.digest) is not None:
                return opened.identity, False
            decision = self._decide(opened, directory, facts, recording.at)
        except ConflictingMessage as conflict:
            # The id stands for other bytes, so this refusal is filed under the bytes' own name.
            identity = self._conflict_identity(opened)
            if identity in facts.standing:
                return identity, False
            decision = _refused(opened, identity, conflict, recording.at)
        if isinstance(decision, Accepted):
            recording.accept(decision, self.vault)
            return decision.opened.identity, True
        recording.refuse(decision)
        return decision.identity, True

    def _decide(
        self,
        opened: OpenedMessage | Refused,
        directory: Directory,
        facts: Facts,
        at: datetime,
    ) -> Decision:
        if isinstance(opened, Refused):
            return opened
        opened = facts.with_known_origins(opened)
        try:
            recipients = recipients_of(opened, directory)
            if opened.message.kind == "consent":
                return Accepted(opened=opened, at=at, entitlements=())
            consents = _consents_about(opened, facts)
            if opened.traits is None:
                raise ConsentRefused(problem("consent.no-basis", "forbidden", "Consent"))
            entitlements = entitlements_of(recipients, opened.traits, consents, at, self.policies)
        except Refusal as refusal:
            if isinstance(refusal, ConsentRefused | NoRecipient) and is_received_in_error(
                opened, facts
            ):
                return Accepted(opened=opened, at=at, entitlements=())
            return _refused(opened, opened.identity, refusal, at)
        return Accepted(opened=opened, at=at, entitlements=entitlements)

    def _conflict_identity(self, opened: OpenedMessage | Refused) -> MessageIdentity:
        digest = self.vault.digest_of(b"conflict", opened.digest)
        return MessageIdentity(opened.identity.publisher, digest.hex())

    async def _outcomes(
        self,
        batch: Sequence[ReceivedMessage],
        opened: Sequence[OpenedMessage | Refused],
        settled: Sequence[tuple[MessageIdentity, bool]],
        recorded: RecordedBatch | None,
    ) -> list[Outcome]:
        """Receipts and deliveries, with proofs; a repeated message gets its first receipt again."""
        bodies = {one.identity: one.received for one in opened if isinstance(one, OpenedMessage)}
        proven = await self.proofs.prove(recorded, bodies, [name for name, _ in settled])
        seen: set[MessageIdentity] = set()
        outcomes: list[Outcome] = []
        for received, (identity, is_new) in zip(batch, settled, strict=True):
            decision, receipt = proven.receipts[identity]
            first = is_new and identity not in seen
            seen.add(identity)
            outcomes.append(
                Outcome(
                    decision=decision,
                    answer_to=identity.publisher or received.authenticated_as,
                    receipt=receipt,
                    deliveries=proven.deliveries.get(identity, ()) if first else (),
                    repeated=not first,
                )
            )
        return outcomes


def _consents_about(opened: OpenedMessage, facts: Facts) -> list[ConsentOnFile]:
    """The consents on file for the traveller and those in the message itself."""
    known = [subject.subject_id for subject in facts.known_subjects(opened.subject_tokens)]
    own = ConsentBasis(consent="", entry=_OWN_ENTRY)
    brought = [
        ConsentOnFile(statement=statement, basis=own) for statement in opened.message.consents
    ]
    return [*facts.consents_of(known), *brought]


def _refused(
    opened: OpenedMessage | Refused, identity: MessageIdentity, refusal: Refusal, at: datetime
) -> Refused:
    return Refused(
        identity=identity,
        digest=opened.digest,
        received=opened.received,
        at=at,
        reason=refusal.reason,
        problems=refusal.problems,
    )
