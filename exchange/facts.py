"""What the store knew when the tree head was locked; grows while a batch is decided.

Decisions are pure functions of (message, facts, time). Because facts are read under the tree
head's lock, the trail's order is the order of decisions, and a consent withdrawn at entry n is
known to every decision after n.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from exchange.errors import ConflictingMessage
from exchange.model import (
    ConsentOnFile,
    Disclosed,
    MessageIdentity,
    NewestVersion,
    OpenedMessage,
    Outbox,
    StandingDecision,
    Subject,
)
from schemas.violation import problem


@dataclass(slots=True, kw_only=True)
class Facts:
    """Facts for one batch.

    Attributes:
        standing: decisions already recorded, by identity.
        subjects: the subject each known token leads to.
        consents: consents on file by subject id.
        outboxes: counters by subscriber.
        versions: the newest version accepted of each record.
        disclosed: what was let out and not recalled, by subject id; only where it was asked for.
    """

    standing: dict[MessageIdentity, StandingDecision] = field(default_factory=dict)
    subjects: dict[bytes, Subject] = field(default_factory=dict)
    consents: dict[str, list[ConsentOnFile]] = field(default_factory=dict)
    outboxes: dict[str, Outbox] = field(default_factory=dict)
    versions: dict[bytes, NewestVersion] = field(default_factory=dict)
    disclosed: dict[str, list[Disclosed]] = field(default_factory=dict)

    def standing_decision(
        self, identity: MessageIdentity, digest: bytes
    ) -> StandingDecision | None:
        """The decision that stands for these very bytes, or None for a new message.

        Raises:
            ConflictingMessage: the identity stands for other bytes.
        """
        standing = self.standing.get(identity)
        if standing is not None and standing.digest != digest:
            raise ConflictingMessage(problem("message.id-used", "duplicate", "MessageHeader.id"))
        return standing

    def known_subjects(self, tokens: Iterable[bytes]) -> tuple[Subject, ...]:
        """The subjects the tokens lead to, each once, ordered by id.

        More than one means that the documents were first seen apart: all their consents count.
        """
        found = {
            self.subjects[token].subject_id: self.subjects[token]
            for token in tokens
            if token in self.subjects
        }
        return tuple(found[subject_id] for subject_id in sorted(found))

    def with_known_origins(self, opened: OpenedMessage) -> OpenedMessage:
        """The message with the countries that any of its traveller's documents so far came from.

        A traveller who shows the passport of the country they left once, and later only a paper of
        the country they are in, left that country all the same.
        """
        if opened.traits is None:
            return opened
        known = {
            country
            for subject in self.known_subjects(opened.subject_tokens)
            for country in subject.origins
        }
        if known <= set(opened.traits.origins):
            return opened
        origins = tuple(sorted(known.union(opened.traits.origins)))
        return replace(opened, traits=replace(opened.traits, origins=origins))

    def replace_subject(self, subject: Subject) -> None:
        """From now on the traveller is known like this."""
        for token, known in self.subjects.items():
            if known.subject_id == subject.subject_id:
                self.subjects[token] = subject

    def merge(self, other: Subject, into: Subject) -> None:
        """From now on both are one traveller: `into`."""
        for token, subject in self.subjects.items():
            if subject.subject_id == other.subject_id:
                self.subjects[token] = into
        moved = self.consents.pop(other.subject_id, [])
        self.consents.setdefault(into.subject_id, []).extend(moved)
        # Asked for again under the one that stands: its consents count for all of them now.
        shown = [
            replace(one, pending=replace(one.pending, subject_id=into.subject_id))
            for one in self.disclosed.pop(other.subject_id, [])
        ]
        self.disclosed.setdefault(into.subject_id, []).extend(shown)

    def consents_of(self, subject_ids: Iterable[str]) -> list[ConsentOnFile]:
        """Every consent on file for these subjects."""
        return [
            on_file for subject_id in subject_ids for on_file in self.consents.get(subject_id, ())
        ]

    def outbox(self, subscriber: str) -> Outbox:
        """The subscriber's counters; a new subscriber starts at zero."""
        return self.outboxes.setdefault(subscriber, Outbox())
