"""Retention: what was kept for as long as the law of the place of collection says, is erased.

By record, not by traveller: of a message that is old enough the body, the views made of it and
every salt go. Whoever received it keeps it by their own law and is told nothing. Its age counts
from its acceptance. A policy that states no days for a class keeps that class.

With the last record of a traveller goes everything else that is kept of them, unless a consent in
force denies something: an objection is kept, or the next record would move against it.

A legal hold stops it for its traveller, and the report says so.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from exchange.consent.mandates import policy_in_force
from exchange.directory_cache import DirectoryCache
from exchange.erasing import begin_erasing, finish_erasing, stop
from exchange.model import Erasure, KeptRecord, MessageIdentity, SubjectId
from exchange.ports import Clock, ErasureLedger, LockedTrail, Store, Traveller
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import NoteSigner
from schemas.policy import Policy

#: Decisions looked at in one question; none of them is locked.
_PAGE = 500
#: Travellers in one transaction, which nobody else can decide in.
_MOST_TRAVELLERS = 100


@dataclass(frozen=True, slots=True)
class Expired:
    """What one policy had erased.

    Attributes:
        messages: how many stored messages became unreadable.
        travellers: of how many nothing is left.
    """

    jurisdiction: str
    version: int
    messages: int
    travellers: int


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What is old enough and stays because of a legal hold."""

    hold_id: str
    authority: str
    messages: int


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What a run did, or would do."""

    expired: tuple[Expired, ...] = ()
    held: tuple[HeldBack, ...] = ()


@dataclass(frozen=True, slots=True)
class _Due:
    """What one policy lets go, by traveller."""

    policy: Policy
    messages: dict[SubjectId, set[MessageIdentity]]


@dataclass(slots=True)
class _Part:
    """What one transaction erases."""

    identities: list[MessageIdentity] = field(default_factory=list)
    subject_ids: list[SubjectId] = field(default_factory=list)
    travellers: list[tuple[Traveller, frozenset[MessageIdentity]]] = field(default_factory=list)
    held: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    gone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDesk:
    """Erases what has been kept long enough; running it again, or beside another, is safe."""

    clock: Clock
    store: Store
    directory: DirectoryCache
    vault: SubjectVault = field(repr=False)
    signer: NoteSigner
    origin: str
    ledger: ErasureLedger
    policies: tuple[Policy, ...] = ()

    async def run(self, *, dry_run: bool = False) -> RetentionReport:
        """Erase it and say what was erased, and what a hold kept.

        Args:
            dry_run: change nothing, only say it.

        Raises:
            Unavailable: the store gave no answer; what was erased before stays erased.
        """
        expired: list[Expired] = []
        held: dict[tuple[str, str], int] = defaultdict(int)
        for due in await self._due(self.clock.now()):
            messages = gone = 0
            travellers = iter(due.messages.items())
            while chunk := dict(islice(travellers, _MOST_TRAVELLERS)):
                part = await self._erase(chunk, dry_run=dry_run)
                messages, gone = messages + len(part.identities), gone + part.gone
                for hold, count in part.held.items():
                    held[hold] += count
            if messages:
                policy = due.policy
                expired.append(Expired(policy.jurisdiction, policy.version, messages, gone))
        return RetentionReport(
            expired=tuple(expired), held=tuple(HeldBack(*hold, held[hold]) for hold in sorted(held))
        )

    async def _due(self, at: datetime) -> list[_Due]:
        """By policy: messages that are old enough."""
        days = [days for policy in self.policies for days in policy.retention.values()]
        if not days:
            return []
        latest = at - timedelta(days=min(days))
        due: dict[tuple[str, int], _Due] = {}
        after: MessageIdentity | None = None
        while True:
            page, after = await self.store.kept_records(
                accepted_by=latest, after=after, limit=_PAGE
            )
            for one in page:
                policy = self._expired_by(one, at)
                if policy is not None:
                    key = (policy.jurisdiction, policy.version)
                    found = due.setdefault(key, _Due(policy, defaultdict(set)))
                    found.messages[one.subject.subject_id].add(one.identity)
            if after is None:
                return list(due.values())

    def _expired_by(self, record: KeptRecord, at: datetime) -> Policy | None:
        """The policy by which it has been kept long enough; None where no law is known."""
        traits = self.vault.traits_of(record.subject, record.sealed)
        if traits is None:
            return None
        policy = policy_in_force(self.policies, traits.collected_in, at)
        days = None if policy is None else policy.retention.get(traits.record_class)
        if days is None or record.decided_at + timedelta(days=days) > at:
            return None
        return policy

    async def _erase(
        self, due: Mapping[SubjectId, set[MessageIdentity]], *, dry_run: bool
    ) -> _Part:
        """One transaction, with one `erased` leaf; asked again under the lock what is due."""
        async with self.store.locked() as trail:
            part = _Part()
            seen: set[SubjectId] = set()
            for subject_id in due:
                if subject_id in seen:
                    continue
                traveller = await trail.traveller(subject_ids=[subject_id])
                seen.update(traveller.subject_ids)
                theirs = set().union(*(due.get(one, ()) for one in traveller.subject_ids))
                await self._add(part, traveller, theirs.intersection(traveller.messages), trail)
            if part.identities and not dry_run:
                await self._write(part, trail)
        return part

    async def _add(
        self,
        part: _Part,
        traveller: Traveller,
        due: set[MessageIdentity],
        trail: LockedTrail,
    ) -> None:
        if not due:
            return
        if traveller.holds:
            for hold in traveller.holds:
                part.held[hold.hold_id, hold.authority] += len(due)
            return
        doomed = frozenset(due)
        if await self._is_gone_with(doomed, traveller, trail):
            doomed = frozenset(traveller.messages)
            part.subject_ids.extend(traveller.subject_ids)
            part.gone += 1
        part.identities.extend(sorted(doomed))
        part.travellers.append((traveller, doomed))

    async def _is_gone_with(
        self, due: frozenset[MessageIdentity], traveller: Traveller, trail: LockedTrail
    ) -> bool:
        """Whether nothing is left that anybody would keep: no record and no objection."""
        records = {row.pending.identity for row in traveller.deliveries}
        if not records.isdisjoint(set(traveller.messages) - due):
            return False
        facts = await trail.facts_about(subject_ids=list(traveller.subject_ids))
        statements = [one.statement for one in facts.consents_of(traveller.subject_ids)]
        return all(one.only_permits or one.status != "active" for one in statements)

    async def _write(self, part: _Part, trail: LockedTrail) -> None:
        rows = [
            row
            for traveller, doomed in part.travellers
            for row in traveller.deliveries
            if row.pending.identity in doomed
        ]
        directory = await self.directory.refreshed(trail)
        recording = await begin_erasing(
            trail, directory, rows, clock=self.clock, origin=self.origin
        )
        await stop(recording, trail, rows)
        erasure = Erasure(
            erasure_id=uuid.uuid4().hex,
            cause="retention",
            subject_ids=tuple(part.subject_ids),
            messages=len(part.identities),
            identities=tuple(part.identities),
        )
        recording.erase(erasure)
        await finish_erasing(trail, recording, erasure, signer=self.signer, ledger=self.ledger)
