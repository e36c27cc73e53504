"""The disclosure report: who received what about one traveller, when, why, and the proof of it.

1. Find the traveller: by a document, as messages name it, or by a slip. Who asks in vain by a slip
   leaves no entry, so that guessing cannot fill the trail.
2. Enter `disclosures-read` in a transaction of its own. Nothing is shown before it is durable.
3. Read the rows, merged subjects included; then the checkpoint, which therefore covers them all.
4. Prove every entry against that one checkpoint, which the reading's own entry is under as well.

Which disease a record is about is told only to an operator who asks for it, and only while the
record can be opened. A slip never tells: it is paper, and whoever finds it, or makes a traveller
hand it over, must not learn what somebody was tested for. The post, the day and the kind of record
are enough to recognise one's own.
"""

from dataclasses import dataclass

from exchange.directory_cache import DirectoryCache
from exchange.disclosure_rows import DisclosureRows
from exchange.disclosure_writing import ReportWriting, readable_policies
from exchange.errors import IntegrityBroken
from exchange.facts import Facts
from exchange.model import MessageIdentity, SubjectId
from exchange.ports import Clock, LockedTrail, Store
from exchange.proving import ProofDesk
from exchange.recording import Recording
from exchange.slips import digest_of, may_be_token
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import NoteSigner
from schemas.disclosure_report import DisclosureReport, Language, ReportedSlip, TrailName
from schemas.record_traits import RecordTraits
from schemas.trail_entry import entry_time, read_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureDesk:
    """Makes disclosure reports; safe to share between tasks.

    Attributes:
        exchange: this exchange's participant id.
    """

    clock: Clock
    store: Store
    vault: SubjectVault
    directory: DirectoryCache
    proofs: ProofDesk
    signer: NoteSigner
    origin: str
    exchange: str

    async def about_document(
        self,
        system: str,
        value: str,
        *,
        reader: str,
        language: Language = "en",
        with_diseases: bool = False,
    ) -> DisclosureReport:
        """The report on the traveller that this document leads to; empty if it leads nowhere.

        Either is entered in the trail: asking about somebody is an act, whatever comes of it.

        Args:
            system: of the identifier, as messages write it.
            value: of the identifier, in any spelling.
            reader: who asks: a participant id, or `operator`.
            language: of the texts.
            with_diseases: whether to say which diseases records are about.
        """
        tokens = self.vault.tokens_of([(system, value)])
        async with self.store.locked() as trail:
            facts = await trail.facts_about(tokens=tokens)
            # One document leads to one traveller.
            known = next(iter(facts.known_subjects(tokens)), None)
            index = await self._enter_reading(trail, reader)
        subject_id = known.subject_id if known else None
        return await self._report(
            subject_id, index, reader=reader, language=language, with_diseases=with_diseases
        )

    async def by_slip(self, token: str, *, language: Language = "en") -> DisclosureReport | None:
        """The report that a slip opens; None when it opens nothing, whatever the cause."""
        slip = await self.store.slip(digest_of(token)) if may_be_token(token) else None
        if slip is None or self.clock.now() >= slip.expires_at:
            return None
        async with self.store.locked() as trail:
            index = await self._enter_reading(trail, "slip")
        return await self._report(
            slip.subject_id, index, reader="slip", language=language, with_diseases=False
        )

    async def _enter_reading(self, trail: LockedTrail, reader: str) -> int:
        recording = Recording(
            head=trail.head, facts=Facts(), windows={}, origin=self.origin, now=self.clock.now()
        )
        index = recording.append("disclosures-read", reader=reader)
        await trail.save(recording.close(self.signer))
        # If we crash before this returns, somebody may be said to have read who did not.
        await trail.commit()
        return index

    async def _report(
        self,
        subject_id: SubjectId | None,
        reading: int,
        *,
        reader: str,
        language: Language,
        with_diseases: bool,
    ) -> DisclosureReport:
        rows = DisclosureRows()
        if subject_id is not None:
            rows = await self.store.disclosures(subject_id)
        traits = await self._traits_of(rows) if with_diseases else {}
        # Read after the rows, so that it covers every entry they name.
        latest = await self.store.checkpoint()
        if latest is None:
            raise IntegrityBroken("The store has no checkpoint, and entered a reading.")
        size, checkpoint = latest
        shown = _shown_entries(rows, reading)
        proven = await self.proofs.proven_entries([(index, size) for index in shown])
        told = await self.store.entries_at(_told_entries(rows))
        writing = ReportWriting(
            directory=await self.directory.checked(),
            proven={index: one for (index, _), one in proven.items()},
            entries={index: read_entry(raw) for index, raw in told.items()},
            rows=rows,
            policies=readable_policies(rows.policies),
            traits=traits,
            language=language,
            now=self.clock.now(),
        )
        return DisclosureReport(
            language=language,
            exchange=self.exchange,
            made_at=entry_time(writing.now),
            reader=reader,
            trail=TrailName(
                origin=self.origin,
                key=self.signer.verifier.verifier_key,
                size=size,
                checkpoint=checkpoint,
            ),
            reading=writing.proof(reading),
            disclosures=writing.disclosures(),
            broken_glass=tuple(writing.glass(*one) for one in rows.grants),
            slips=tuple(
                ReportedSlip(
                    issued_at=entry_time(one.issued_at), expires_at=entry_time(one.expires_at)
                )
                for one in rows.slips
            ),
        )

    async def _traits_of(self, rows: DisclosureRows) -> dict[MessageIdentity, RecordTraits]:
        """Of the records that can still be opened."""
        identities = dict.fromkeys(one.pending.identity for one in rows.deliveries)
        stored = await self.store.sealed_bodies(list(identities))
        found = {identity: self.vault.traits_of(*one) for identity, one in stored.items()}
        return {identity: traits for identity, traits in found.items() if traits is not None}


def _shown_entries(rows: DisclosureRows, reading: int) -> list[int]:
    """Entries that are shown whole, with their proofs."""
    released = [one.released for one in rows.deliveries if one.released is not None]
    return [
        reading,
        *(one.entry_index for one in released),
        *(index for _, index in rows.grants),
    ]


def _told_entries(rows: DisclosureRows) -> list[int]:
    """Entries whose time or event is told."""
    found: list[int | None] = []
    for one in rows.deliveries:
        found += [one.pending.accepted_entry, one.acknowledged_entry, one.answered_entry]
        found.append(one.released.entry_index if one.released else None)
    return sorted({index for index in found if index is not None})
