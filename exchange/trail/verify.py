"""Whether a whole trail holds: that nothing was changed, left out or let go without a basis.

The argument, numbered here and again at the code that makes each step:

  1. Every entry is hashed into a tree built from nothing but the entries shown.
  2. Every checkpoint is signed by the trail's key, and its root is the root of our own tree at
     its size. So the log signed exactly these entries, in this order.
  3. The last entries are covered by such a checkpoint. So the end was not cut or made up.
  4. Every entry is canonical and of a known type, so it means one thing to every reader.
  5. The trail begins with the entry that names it, and does so once.
  6. Time never goes back, so entries were not slipped in later under an earlier date.
  7. A subscriber's deliveries are numbered from 1 without gap or repeat, withheld ones included.
     So a delivery that was let out cannot be missing from the trail, nor shown as two.
  8. Every delivery names an earlier acceptance of the same message with the same content
     commitment. So nothing was let out that was not checked first.
  9. Every release by consent names the earlier acceptance that brought the consent.
 10. Every acknowledgement names deliveries (or tombstones) that went to the same subscriber.
 11. Versions of a record form one chain: an acceptance replaces, or is marked older than, an
     earlier acceptance of the same publisher that nothing had replaced. A release says
     `superseded`, and by what, exactly when its message had been replaced by then. So no older
     version was ever let out as the current one.

Findings name entries by index and never repeat what an entry says.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from exchange.trail.checkpoint import Checkpoint, NoteVerifier, open_checkpoint
from exchange.trail.errors import CheckpointInvalid
from exchange.trail.merkle import CompactTree, leaf_hash
from schemas.trail_entry import (
    AcceptedEntry,
    AcknowledgedEntry,
    LogCreatedEntry,
    ReleasedEntry,
    TrailEntry,
    WithheldEntry,
    read_entry,
)
from schemas.violation import SchemaViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailReport:
    """What a whole-trail check found.

    Attributes:
        size: entries checked.
        root: root over them, as recomputed.
        checkpoints: signed checkpoints that agree with the recomputed tree.
        entries_by_type: number of readable entries of each type.
        findings: one sentence for each thing that does not hold; empty when the trail holds.
    """

    size: int
    root: bytes
    checkpoints: int
    entries_by_type: Mapping[str, int]
    findings: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every step of the argument holds for every entry."""
        return not self.findings


class _Numbering:
    """Which numbers of one subscriber were used; expects them almost in order."""

    def __init__(self) -> None:
        self._next = 1
        self._ahead: dict[int, int] = {}

    def use(self, number: int, index: int) -> bool:
        """Take a number for the entry at `index`; False when it was taken before."""
        if number < self._next or number in self._ahead:
            return False
        self._ahead[number] = index
        while self._next in self._ahead:
            del self._ahead[self._next]
            self._next += 1
        return True

    def gap(self) -> tuple[int, int, int] | None:
        """Return the first and last missing number and the entry after them, if any is missing."""
        if not self._ahead:
            return None
        after = min(self._ahead)
        return self._next, after - 1, self._ahead[after]


class TrailVerification:
    """One pass over a trail, entry by entry; memory grows with messages, not with tree nodes.

    Give every checkpoint before or at the moment the trail reaches its size.
    """

    def __init__(self, verifier: NoteVerifier) -> None:
        self._verifier = verifier
        self._tree = CompactTree()
        self._expected: dict[int, set[Checkpoint]] = defaultdict(set)
        self._checkpoints = 0
        self._covered = 0
        self._last_time = ""
        self._counts: Counter[str] = Counter()
        self._accepted: dict[int, tuple[str, str, str]] = {}
        self._replaced: set[int] = set()
        self._numbering: dict[str, _Numbering] = defaultdict(_Numbering)
        self._outcomes: dict[str, str] = {}
        self._findings: list[str] = []

    @property
    def size(self) -> int:
        """How many entries have been given."""
        return self._tree.size

    def add_checkpoint(self, note: str | bytes) -> None:
        """Take a signed checkpoint; it is compared when the trail has its size."""
        try:
            checkpoint = open_checkpoint(note, self._verifier)
        except CheckpointInvalid as invalid:
            self._findings.append(f"A checkpoint given at size {self.size} is invalid: {invalid}.")
            return
        if checkpoint.size < self.size:
            self._findings.append(
                f"The checkpoint of size {checkpoint.size} was given only at size {self.size},"
                " too late to be compared."
            )
            return
        self._expected[checkpoint.size].add(checkpoint)
        self._compare_checkpoints()

    def add_entry(self, raw: bytes) -> None:
        """Take the next entry's exact bytes."""
        index = self._tree.size
        self._tree.append(leaf_hash(raw))  # 1. our own tree
        self._compare_checkpoints()
        try:
            entry = read_entry(raw)  # 4. canonical, of a known type
        except SchemaViolation as violation:
            self._find(index, f"cannot be read: {violation}")
            if index == 0:
                self._find(index, "does not name the trail, as the first entry must")
            return
        self._counts[entry.type] += 1
        self._check_beginning(index, entry)
        self._check_time(index, entry.time)
        match entry:
            case AcceptedEntry():
                self._check_succession(index, entry)
                self._accepted[index] = (entry.publisher, entry.message, entry.content)
            case ReleasedEntry():
                self._check_delivery(index, entry)
                self._check_release(index, entry)
                self._check_standing(index, entry)
            case WithheldEntry():
                self._check_delivery(index, entry)
            case AcknowledgedEntry():
                self._check_acknowledgement(index, entry)
            case _:
                pass

    def result(self) -> TrailReport:
        """Return the report on everything given so far; call it after the last entry."""
        findings = list(self._findings)
        size = self._tree.size
        findings += [
            f"The signed checkpoint of size {expected} covers entries that are not in the trail."
            for expected in sorted(self._expected)
        ]
        # 3. the end is covered
        if self._covered < size or not self._checkpoints:
            findings.append(f"No signed checkpoint covers the trail from entry {self._covered} on.")
        # 7. no gap: only now is it certain that the missing number does not follow
        gaps = [gap for numbering in self._numbering.values() if (gap := numbering.gap())]
        findings += [
            f"Entry {index} follows a gap: its subscriber's deliveries {first} to {last} are"
            " neither released nor withheld."
            for first, last, index in sorted(gaps, key=lambda gap: gap[2])
        ]
        return TrailReport(
            size=size,
            root=self._tree.root(),
            checkpoints=self._checkpoints,
            entries_by_type=dict(self._counts),
            findings=tuple(findings),
        )

    def _compare_checkpoints(self) -> None:
        """2. A signed root is the root of our own tree."""
        size = self._tree.size
        if size not in self._expected:
            return
        root = self._tree.root()
        for checkpoint in self._expected.pop(size):
            if checkpoint.root == root:
                self._checkpoints += 1
                self._covered = size
            else:
                self._findings.append(
                    f"The signed checkpoint of size {size} has another root than the entries."
                )

    def _check_beginning(self, index: int, entry: TrailEntry) -> None:
        """5. The first entry names the trail, and no other does."""
        if isinstance(entry, LogCreatedEntry):
            if index:
                self._find(index, "begins the trail a second time")
            elif entry.origin != self._verifier.name:
                self._find(index, "names another trail than the one whose key is trusted")
        elif index == 0:
            self._find(index, "does not name the trail, as the first entry must")

    def _check_time(self, index: int, time: str) -> None:
        """6. Time never goes back; the spelling has a fixed width, so text order is time order."""
        if time < self._last_time:
            self._find(index, "is dated before the entry that precedes it")
        self._last_time = max(self._last_time, time)

    def _check_delivery(self, index: int, entry: ReleasedEntry | WithheldEntry) -> None:
        """7. Numbers do not repeat, nor do delivery ids. 8. An acceptance comes before."""
        if not self._numbering[entry.subscriber].use(entry.number, index):
            self._find(index, "repeats a number of its subscriber")
        if entry.delivery in self._outcomes:
            self._find(index, "decides on a delivery that was decided before")
        self._outcomes.setdefault(entry.delivery, entry.subscriber)
        if entry.accepted not in self._accepted:
            self._find(index, "names no earlier accepted entry")

    def _check_release(self, index: int, entry: ReleasedEntry) -> None:
        accepted = self._accepted.get(entry.accepted)
        if accepted is not None:  # 8. the same message, the same content
            publisher, message, content = accepted
            if (entry.publisher, entry.message) != (publisher, message):
                self._find(index, "names the accepted entry of another message")
            if entry.content != content:
                self._find(index, "delivers other content than was accepted")
        # 9. the consent came with an accepted message
        if entry.basis.kind == "consent":
            brought = self._accepted.get(entry.basis.entry)
            if brought is None:
                self._find(index, "rests on a consent that no earlier accepted entry brought")
            elif brought[2] != entry.basis.consent:
                self._find(index, "rests on another consent than its entry brought")

    def _check_succession(self, index: int, entry: AcceptedEntry) -> None:
        """11. It replaces the end of its chain, or is marked as older than it."""
        if entry.supersedes is not None:
            if not self._is_newest(entry.supersedes, entry.publisher):
                self._find(index, "supersedes what is no current version of its publisher's")
            self._replaced.add(entry.supersedes)
        if entry.superseded_by is not None:
            if not self._is_newest(entry.superseded_by, entry.publisher):
                self._find(index, "is superseded by what is no current version of its publisher's")
            self._replaced.add(index)

    def _check_standing(self, index: int, entry: ReleasedEntry) -> None:
        """11. A release tells a version that was replaced from one that was not."""
        is_replaced = entry.accepted in self._replaced
        if is_replaced != (entry.standing == "superseded"):
            self._find(index, "says otherwise than the trail whether its version was superseded")
        if entry.superseded_by is not None and not self._is_newest(
            entry.superseded_by, entry.publisher
        ):
            self._find(index, "names as newer what is no current version of its publisher's")

    def _is_newest(self, index: int, publisher: str) -> bool:
        """Whether that is an earlier acceptance of this publisher that nothing has replaced."""
        accepted = self._accepted.get(index)
        return accepted is not None and accepted[0] == publisher and index not in self._replaced

    def _check_acknowledgement(self, index: int, entry: AcknowledgedEntry) -> None:
        """10. Only what went to a subscriber, tombstones included, can be acknowledged by it."""
        if any(self._outcomes.get(delivery) != entry.subscriber for delivery in entry.deliveries):
            self._find(index, "acknowledges a delivery that did not go to its subscriber")

    def _find(self, index: int, sentence: str) -> None:
        self._findings.append(f"Entry {index} {sentence}.")
