"""An auditor's side: does the whole trail hold, and what became of one message?"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.clients.errors import RequestRefused, UnprovenTrail
from adapters.clients.transport import ShownEntry, TrailReader
from adapters.reading_files import read_file
from exchange.errors import ConfigurationError
from exchange.trail.checkpoint import Checkpoint, NoteVerifier, open_checkpoint
from exchange.trail.errors import CheckpointInvalid, ProofInvalid
from exchange.trail.proof import read_proof, verify_proof
from exchange.trail.tile_paths import TILE_WIDTH
from exchange.trail.verify import TrailReport, TrailVerification
from schemas.trail_entry import (
    AcceptedEntry,
    AcknowledgedEntry,
    RecallAnsweredEntry,
    RecalledEntry,
    RefusedEntry,
    ReleasedEntry,
    TrailEntry,
    WithheldEntry,
    read_entry,
)
from schemas.violation import SchemaViolation

#: How many requests may be under way at once.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenTrailEntry:
    """An entry that is proven to stand in the trail.

    Attributes:
        index: its place.
        entry: what it says.
        checkpoint: the signed tree head that covers it.
    """

    index: int
    entry: TrailEntry
    checkpoint: Checkpoint
    raw: bytes = field(repr=False)


class Auditor:
    """Reads the trail through a reader it does not trust."""

    def __init__(
        self, trail: TrailReader, log_verifier: NoteVerifier, *, memory: Path | None = None
    ) -> None:
        """Audit the trail of this key.

        Args:
            trail: shows entries and checkpoints.
            log_verifier: the pinned key of the trail.
            memory: a file that keeps the last checkpoint verified; with it, a trail that was
                rewritten since, or cut, is found out even if it holds together again.
        """
        self._trail = trail
        self._log_verifier = log_verifier
        self._memory = memory

    async def verify_trail(self, progress: Callable[[int, int], None] | None = None) -> TrailReport:
        """The report on the whole trail up to its latest checkpoint.

        The argument is that of `exchange.trail.verify`, with every checkpoint that was ever shown
        to anybody, as far as the exchange admits to them, and the last one we verified.

        Args:
            progress: told the entries verified so far and their number in all.

        Raises:
            UnprovenTrail: there is no checkpoint by the trusted key to verify against.
            Unavailable: the trail could not be read to its end.
            RequestRefused: it may not be read, or not by us.
        """
        note = await self._trail.checkpoint()
        try:
            size = open_checkpoint(note, self._log_verifier).size
        except CheckpointInvalid as invalid:
            raise UnprovenTrail(f"The latest checkpoint does not hold: {invalid}.") from invalid
        verification = TrailVerification(self._log_verifier)
        remembered = self._remembered()
        if remembered is not None:
            verification.add_checkpoint(remembered)
        await self._add_entries(verification, size, progress or _silent)
        if verification.size <= size:
            verification.add_checkpoint(note)
        report = verification.result()
        if report.holds:
            self._remember(note)
        return report

    async def message_trail(self, message_id: str) -> tuple[ProvenTrailEntry, ...]:
        """What the trail says about one message, in order: decision, releases, acknowledgements.

        Every entry is proven to be in the trail and to be about this message. That none was left
        out only `verify_trail` can show.

        Raises:
            UnprovenTrail: an entry is not proven, or is about something else.
            Unavailable: the entries could not be had.
            RequestRefused: they may not be read, or not by us.
        """
        shown = sorted(await self._trail.message_entries(message_id), key=lambda one: one.index)
        proven = tuple(self._proven(one) for one in shown)
        _require_about(message_id, proven)
        return proven

    async def _add_entries(
        self, verification: TrailVerification, size: int, progress: Callable[[int, int], None]
    ) -> None:
        """Give it the entries up to `size`, bundle by bundle, and the checkpoints on the way."""
        sizes: list[int] = []
        for index in range(-(-size // TILE_WIDTH)):
            end = min((index + 1) * TILE_WIDTH, size)
            sizes = await self._add_checkpoints(verification, sizes, end)
            for raw in await self._trail.bundle(index, end - index * TILE_WIDTH):
                verification.add_entry(raw)
            if verification.size != end:
                return  # cut short: the report will say that no checkpoint covers the end
            progress(end, size)

    def _proven(self, shown: ShownEntry) -> ProvenTrailEntry:
        try:
            entry = read_entry(shown.entry)
            checkpoint = verify_proof(shown.proof, shown.entry, self._log_verifier)
            index = read_proof(shown.proof).index
        except (SchemaViolation, ProofInvalid, CheckpointInvalid) as invalid:
            raise UnprovenTrail(
                f"The entry shown at {shown.index} is not proven: {invalid}"
            ) from invalid
        if index != shown.index:
            raise UnprovenTrail(f"The entry shown at {shown.index} stands elsewhere.")
        return ProvenTrailEntry(index=index, entry=entry, checkpoint=checkpoint, raw=shown.entry)

    async def _add_checkpoints(
        self, verification: TrailVerification, sizes: list[int], end: int
    ) -> list[int]:
        """Give it the checkpoints of sizes up to `end`; return the sizes not yet used."""
        after = sizes[-1] if sizes else verification.size
        while not sizes or sizes[-1] < end:
            more = [size for size in await self._trail.checkpoint_sizes(after) if size > after]
            if not more:
                break
            sizes, after = [*sizes, *sorted(more)], max(more)
        due = [size for size in sizes if size <= end]
        for start in range(0, len(due), _AT_ONCE):
            some = due[start : start + _AT_ONCE]
            for note in await asyncio.gather(*(self._checkpoint(size) for size in some)):
                verification.add_checkpoint(note)
        return [size for size in sizes if size > end]

    async def _checkpoint(self, size: int) -> str:
        """The note of that size; what is none, or another's, is no valid note for it either."""
        try:
            note = await self._trail.checkpoint(size)
            is_of_size = open_checkpoint(note, self._log_verifier).size == size
        except (RequestRefused, CheckpointInvalid):
            return ""
        return note if is_of_size else ""

    def _remembered(self) -> str | None:
        if self._memory is None or not self._memory.exists():
            return None
        try:
            note = read_file(self._memory).decode()
            open_checkpoint(note, self._log_verifier)
        except (UnicodeError, CheckpointInvalid) as error:
            msg = f"{self._memory} does not hold a checkpoint of this trail: give another file."
            raise ConfigurationError(msg) from error
        return note

    def _remember(self, note: str) -> None:
        if self._memory is None:
            return
        beside = self._memory.with_name(self._memory.name + ".new")
        try:
            beside.write_text(note)
            beside.replace(self._memory)
        except OSError as error:
            msg = f"{self._memory} cannot be written ({error.strerror})."
            raise ConfigurationError(msg) from error


def _silent(done: int, total: int) -> None:
    """Nobody asked how far we are."""


def _require_about(message_id: str, proven: Sequence[ProvenTrailEntry]) -> None:
    """Every entry is one of the message, or follows from one that is."""
    accepted: set[int] = set()
    deliveries: set[str] = set()
    for one in proven:
        if not _is_about(message_id, one.entry, accepted, deliveries):
            raise UnprovenTrail(f"The entry shown at {one.index} is about something else.")
        if isinstance(one.entry, AcceptedEntry):
            accepted.add(one.index)
        if isinstance(one.entry, ReleasedEntry | WithheldEntry | RecalledEntry):
            deliveries.add(one.entry.delivery)


def _is_about(message_id: str, entry: TrailEntry, accepted: set[int], deliveries: set[str]) -> bool:
    match entry:
        case AcceptedEntry() | RefusedEntry():
            return entry.message == message_id
        case ReleasedEntry() | WithheldEntry():
            # A view without names only commits to what it was made of.
            return entry.accepted is None or entry.accepted in accepted
        case RecalledEntry():
            return entry.recalls in deliveries
        case RecallAnsweredEntry():
            return not deliveries.isdisjoint(entry.notices)
        case AcknowledgedEntry():
            return not deliveries.isdisjoint(entry.deliveries)
        case _:
            return False
