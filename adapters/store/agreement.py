"""Does the database say what its trail says? For an auditor who sits beside the store.

The trail proves what was decided; the database is what participants are served from. Somebody who
can write to it could hide a decision, a delivery or a signed acknowledgement and leave the trail
whole. Every entry therefore has to lead to its rows, and every such row back to an entry:

    log head       the checkpoint that stands beside it, no later one, and as many entries;
                   nothing names a later entry
    tiles          the hashes of the entries
    accepted       its decision, as many deliveries as it says, how it stood among the versions of
                   its record, and a stored record that is what the entry commits to; from that
                   record follow the consents as they are enforced, and the newest version of each
                   record
    refused        its decision, with the same reason
    released,      the delivery, with the same subscriber, number, acceptance, view, basis and newer
    withheld       version
    recalled       the notice, of the same delivery, for the same cause
    acknowledged   the signed statement of that digest, and its deliveries marked with it
    participant-…  the directory document of that digest
    erased         as many acceptances as it says have no salt any more, nor a stored record
    hold-…         the hold, of the same authority

One thing no entry names, so it cannot be told from here: which documents lead to which traveller.

Run it on a trail that holds. Findings name entries by index and never repeat what a row says.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from adapters.store.agreement_accepted import AcceptedComparison
from adapters.store.agreement_queries import (
    ANSWERED,
    DECIDED,
    DECISIONS,
    DELIVERIES,
    ENTRIES,
    GRANTS,
    HEAD,
    HELD,
    KEPT,
    LACKING_CHECKPOINTS,
    LEADING_TO_ENTRIES,
    LET_OUT,
    LOST_VERSIONS,
    MISCOUNTED,
    NOTE,
    STATEMENTS,
    STRAY_VERSIONS,
    WITHOUT_SALT,
)
from adapters.store.database import Database, Statements
from adapters.store.locked_trail import read_tiles
from adapters.store.rows import read_basis, read_pending
from exchange.errors import IntegrityBroken
from exchange.subjects import SubjectVault
from exchange.subscriber_statements import statement_digest
from exchange.trail.merkle import leaf_hash
from exchange.trail.tile_paths import TILE_WIDTH, tile_path
from exchange.trail.tiles import TileId, grow
from exchange.views.making import origin_commitment
from schemas.trail_entry import (
    AcceptedEntry,
    AcknowledgedEntry,
    BreakGlassOpenedEntry,
    BreakGlassReviewedEntry,
    ErasedEntry,
    HoldEntry,
    ParticipantEntry,
    RecallAnsweredEntry,
    RecalledEntry,
    RefusedEntry,
    ReleasedEntry,
    SealedEntryBasis,
    WithheldEntry,
    entry_time,
    read_entry,
)
from schemas.violation import SchemaViolation


async def disagreements(database: Database, vault: SubjectVault) -> tuple[str, ...]:
    """One sentence for each thing the database says otherwise than its trail; none when it agrees.

    Args:
        database: may be in use; only what was recorded when this begins is looked at.
        vault: opens the stored records, to compare them with what the trail commits to.

    Raises:
        Unavailable: the database gave no answer.
        IntegrityBroken: it is so damaged that it cannot be read.
    """
    async with database.reading() as statements:
        comparison = _Comparison(statements, vault)
        await comparison.run()
    return tuple(comparison.findings)


class _Comparison:
    """One pass over the entries; each bundle asks for its rows at once."""

    def __init__(self, statements: Statements, vault: SubjectVault) -> None:
        self.findings: list[str] = []
        self._statements = statements
        self._tiles: dict[TileId, bytes] = {}
        self._documents: dict[str, tuple[int, str]] = {}
        self._decided = 0
        self._let_out = 0
        self._accepted = AcceptedComparison(statements, vault, self._find)
        self._erased = 0
        self._holds: set[tuple[int, str, str]] = set()
        self._answered = 0

    async def run(self) -> None:
        head = await self._statements.rows(HEAD)
        if not head:
            raise IntegrityBroken("The database has lost its tree head.")
        size = head[0].size
        await self._compare_head(head[0])
        for start in range(0, size, TILE_WIDTH):
            if not await self._compare_bundle(start, min(start + TILE_WIDTH, size)):
                return
        self._compare_directory({row.id: row.document for row in head if row.id is not None})
        await self._compare_numbers(size)
        await self._compare_kept(size)
        await self._compare_erased(size)
        await self._compare_holds(size)

    async def _compare_head(self, head: Any) -> None:
        notes = await self._statements.rows(NOTE, {"size": head.size})
        if head.size and [row.note for row in notes] != [head.checkpoint]:
            self._find("The latest checkpoint is not kept among the checkpoints as it was signed.")
        if (head.last_checkpoint or 0) > head.size:
            self._find("A checkpoint is kept that is later than the head of the trail.")
        if head.entries > head.size:
            self._find("There are entries beyond the head of the trail, which nothing proves.")
        led_to = [getattr(head, f"last_{column}") for column in LEADING_TO_ENTRIES]
        if any(index is not None and index >= head.size for index in led_to):
            self._find("Decisions or deliveries name entries beyond the head: it was set back.")
        for row in await self._statements.rows(LACKING_CHECKPOINTS, {"size": head.size}):
            self._find(f"The checkpoint of size {row.tree_size}, which proves entries, is missing.")

    async def _compare_bundle(self, start: int, end: int) -> bool:
        """False when the entries themselves cannot be read, so that nothing follows from them."""
        rows = await self._statements.rows(ENTRIES, {"start": start, "end": end})
        try:
            entries = {row.idx: read_entry(row.entry) for row in rows}
        except (SchemaViolation, TypeError):
            entries = {}
        if len(entries) != end - start:
            self._find(f"Entries from {start} on are missing or cannot be read.")
            return False
        await self._compare_tiles(start, [leaf_hash(row.entry) for row in rows])
        await self._compare_decisions(
            {n: e for n, e in entries.items() if isinstance(e, AcceptedEntry | RefusedEntry)}
        )
        await self._compare_deliveries(
            {
                n: e
                for n, e in entries.items()
                if isinstance(e, ReleasedEntry | WithheldEntry | RecalledEntry)
            }
        )
        await self._compare_acknowledgements(
            {n: e for n, e in entries.items() if isinstance(e, AcknowledgedEntry)}
        )
        await self._compare_answers(
            {n: e for n, e in entries.items() if isinstance(e, RecallAnsweredEntry)}
        )
        await self._compare_grants(
            {
                n: e
                for n, e in entries.items()
                if isinstance(e, BreakGlassOpenedEntry | BreakGlassReviewedEntry)
            }
        )
        for index, entry in entries.items():
            if isinstance(entry, ParticipantEntry):
                self._documents[entry.participant] = (index, entry.document)
            elif isinstance(entry, ErasedEntry):
                self._erased += entry.messages
            elif isinstance(entry, HoldEntry):
                self._holds.add((index, entry.hold, entry.authority))
        return True

    async def _compare_tiles(self, start: int, leaves: Sequence[bytes]) -> None:
        grown = grow(start, self._tiles, leaves).tiles
        self._tiles |= grown
        stored = await read_tiles(self._statements, list(grown))
        for tile, content in grown.items():
            # A tile on the right edge may have grown since.
            if stored.get(tile, b"")[: len(content)] != content:
                self._find(f"Tile {tile_path(*tile)} does not hold the hashes of the entries.")

    async def _compare_decisions(self, entries: dict[int, AcceptedEntry | RefusedEntry]) -> None:
        asked = [entry.message for entry in entries.values()]
        rows = {row.entry_index: row for row in await DECISIONS.rows(self._statements, asked)}
        self._decided += len(entries)
        for index, entry in entries.items():
            row = rows.get(index)
            said = (entry.publisher, entry.message, entry.type, getattr(entry, "reason", None))
            if row is None:
                self._find(f"The decision of entry {index} is missing.")
            elif (row.publisher, row.message_id, row.outcome, row.reason) != said:
                self._find(f"The decision of entry {index} is recorded otherwise.")
        accepted = {n: e for n, e in entries.items() if isinstance(e, AcceptedEntry)}
        await self._accepted.compare(accepted, rows)

    async def _compare_deliveries(
        self, entries: dict[int, ReleasedEntry | WithheldEntry | RecalledEntry]
    ) -> None:
        asked = [entry.delivery for entry in entries.values()]
        rows = {row.delivery_id: row for row in await DELIVERIES.rows(self._statements, asked)}
        self._let_out += len(entries)
        for index, entry in entries.items():
            row = rows.get(entry.delivery)
            if row is None:
                self._find(f"The delivery of entry {index} is missing.")
                continue
            stored = (row.entry_index, row.state, row.subscriber, row.number)
            said = (index, entry.type, entry.subscriber, entry.number)
            if stored != said or not _names_the_same(row, entry):
                self._find(f"The delivery of entry {index} is recorded otherwise.")

    async def _compare_acknowledgements(self, entries: dict[int, AcknowledgedEntry]) -> None:
        digests = [entry.statement for entry in entries.values()]
        kept = {row.digest: row for row in await STATEMENTS.rows(self._statements, digests)}
        asked = [one for entry in entries.values() for one in entry.deliveries]
        marks = {
            row.delivery_id: row.acknowledged_entry
            for row in await DELIVERIES.rows(self._statements, asked)
        }
        for index, entry in entries.items():
            row = kept.get(entry.statement)
            if row is None or statement_digest(row.body, row.signature) != entry.statement:
                self._find(f"The signed acknowledgement of entry {index} is missing or changed.")
            if any(marks.get(one, index) != index for one in entry.deliveries):
                self._find(f"A delivery acknowledged by entry {index} is not marked so.")

    async def _compare_answers(self, entries: dict[int, RecallAnsweredEntry]) -> None:
        digests = [entry.statement for entry in entries.values()]
        kept = {row.digest: row for row in await STATEMENTS.rows(self._statements, digests)}
        asked = [notice for entry in entries.values() for notice in entry.notices]
        rows = {row.delivery_id: row for row in await DELIVERIES.rows(self._statements, asked)}
        for index, entry in entries.items():
            row = kept.get(entry.statement)
            if row is None or statement_digest(row.body, row.signature) != entry.statement:
                self._find(f"The signed answer of entry {index} is missing or changed.")
            for notice in entry.notices:
                marked = rows.get(notice)
                stands = marked and (marked.answered_entry, marked.answer)
                self._answered += stands == (index, entry.answer)
                if stands != (index, entry.answer) and not _is_followed(index, entry, marked):
                    self._find(f"A recall answered by entry {index} is not marked so.")

    async def _compare_grants(
        self, entries: dict[int, BreakGlassOpenedEntry | BreakGlassReviewedEntry]
    ) -> None:
        """A grant's row may be gone: it is erased with its traveller."""
        asked = [entry.grant for entry in entries.values()]
        rows = {row.grant_id: row for row in await GRANTS.rows(self._statements, asked)}
        named = [
            digest
            for entry in entries.values()
            if isinstance(entry, BreakGlassOpenedEntry)
            for digest in (entry.statement, entry.approval)
            if digest is not None
        ]
        kept = {row.digest: row for row in await STATEMENTS.rows(self._statements, named)}
        for index, entry in entries.items():
            if not _is_the_grant(index, entry, rows.get(entry.grant)):
                self._find(f"The broken glass of entry {index} is recorded otherwise.")
            if isinstance(entry, BreakGlassReviewedEntry):
                continue
            for digest in (entry.statement, entry.approval):
                row = None if digest is None else kept.get(digest)
                if digest and (not row or statement_digest(row.body, row.signature) != digest):
                    self._find(f"What was signed for entry {index} is missing or changed.")

    def _compare_directory(self, documents: dict[str, str]) -> None:
        for participant, (index, digest) in self._documents.items():
            document = documents.get(participant)
            if document is None or _digest(document) != digest:
                self._find(f"The participant's document of entry {index} is missing or changed.")
        if documents.keys() - self._documents.keys():
            self._find("The directory holds a participant that no entry admitted.")

    async def _compare_numbers(self, size: int) -> None:
        [[decided]] = await self._statements.rows(DECIDED, {"size": size})
        [[let_out]] = await self._statements.rows(LET_OUT, {"size": size})
        [[answered]] = await self._statements.rows(ANSWERED, {"size": size})
        [[miscounted]] = await self._statements.rows(MISCOUNTED)
        if decided > self._decided:
            self._find("There are decisions that no entry made.")
        if let_out > self._let_out:
            self._find("There are deliveries let out that no entry released or withheld.")
        if answered > self._answered:
            self._find("There are recalls marked as answered that no entry answers.")
        if miscounted:
            self._find(
                f"The deliveries of {miscounted} subscribers are not as many as were numbered:"
                " some that waited are missing."
            )

    async def _compare_kept(self, size: int) -> None:
        [kept] = await self._statements.rows(KEPT, {"size": size})
        [[lost]] = await self._statements.rows(LOST_VERSIONS, {"size": size})
        [[stray]] = await self._statements.rows(STRAY_VERSIONS, {"size": size})
        if kept.waiting > self._accepted.waiting:
            self._find("There are deliveries that wait for a message that no entry accepted.")
        if kept.consents > self._accepted.consents:
            self._find("There are consents enforced that no accepted message brought.")
        if lost or stray:
            self._find("The newest versions of some records are missing, or others than accepted.")

    async def _compare_holds(self, size: int) -> None:
        held = {
            one
            for row in await self._statements.rows(HELD)
            for one in (
                (row.placed_entry, row.hold_id, row.authority),
                (row.lifted_entry, row.hold_id, row.authority),
            )
            if one[0] is not None and one[0] < size
        }
        if held != self._holds:
            self._find("The legal holds are not those that entries placed and lifted.")

    async def _compare_erased(self, size: int) -> None:
        """What was erased since this began may be of the entries that are looked at."""
        [[without]] = await self._statements.rows(WITHOUT_SALT, {"size": size})
        since = await self._statements.rows(ENTRIES, {"start": size, "end": size + TILE_WIDTH})
        later = [read_entry(row.entry) for row in since]
        most = self._erased + sum(one.messages for one in later if isinstance(one, ErasedEntry))
        if not self._erased <= without <= most:
            self._find("The records that cannot be opened are not as many as were erased.")

    def _find(self, sentence: str) -> None:
        self.findings.append(sentence)


def _is_the_grant(
    index: int, entry: BreakGlassOpenedEntry | BreakGlassReviewedEntry, row: Any
) -> bool:
    if row is None:
        return True
    if isinstance(entry, BreakGlassReviewedEntry):
        return bool((row.reviewed_entry, row.outcome) == (index, entry.outcome))
    stored = (row.opened_entry, row.participant, row.reason, row.approver, entry_time(row.until))
    return bool(stored == (index, entry.participant, entry.reason, entry.approver, entry.until))


def _is_followed(index: int, entry: RecallAnsweredEntry, row: Any) -> bool:
    """Whether a later, stronger answer stands in the place of this one."""
    return (
        entry.answer == "ceased"
        and row is not None
        and row.answer == "deleted"
        and (row.answered_entry or 0) > index
    )


def _names_the_same(row: Any, entry: ReleasedEntry | WithheldEntry | RecalledEntry) -> bool:
    """The same acceptance, and of a release all that it says."""
    if isinstance(entry, RecalledEntry):
        stored = (row.recalls, row.cause, row.deadline and entry_time(row.deadline))
        return bool(
            stored == (entry.recalls, entry.cause, entry.deadline)
            and entry.because in {None, row.because}
        )
    if entry.accepted is not None and row.accepted_entry != entry.accepted:
        return False
    if isinstance(entry, WithheldEntry):
        return row.superseded_by is None
    return _releases_the_same(row, entry)


def _releases_the_same(row: Any, entry: ReleasedEntry) -> bool:
    """The same purpose, view, basis and newer version and, in full, message and content."""
    if (row.purpose, row.view) != (entry.purpose, entry.view):
        return False
    # An erased message is no version of anything any more.
    is_open = row.content_salt is not None
    if is_open and (row.record is None) != (entry.standing is None):
        return False
    if entry.origin is None and row.superseded_by != entry.superseded_by:
        return False
    if not _rests_on_the_same(row, entry, is_open=is_open):
        return False
    stored = (row.publisher, row.message_id, row.content)
    return entry.view != "full" or bool(stored == (entry.publisher, entry.message, entry.content))


def _rests_on_the_same(row: Any, entry: ReleasedEntry, *, is_open: bool) -> bool:
    """The same basis, named or committed to; an erased view without names forgot its own."""
    try:
        basis = read_basis(row)
    except IntegrityBroken:
        return False
    if not isinstance(entry.basis, SealedEntryBasis):
        return basis.to_entry() == entry.basis.model_dump(exclude_none=True)
    if not is_open:
        return True
    salt = row.origin_salt
    return salt is not None and origin_commitment(read_pending(row), basis, salt) == entry.origin


def _digest(document: str) -> str:
    digest = hashlib.sha256(document.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
