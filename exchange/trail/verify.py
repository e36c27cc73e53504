"""Whether a whole trail holds: that nothing was changed, left out or let go without a basis.

The argument, numbered here and again at the code that makes each step:

  1. Every entry is hashed into a tree built from nothing but the entries shown.
  2. Every checkpoint is signed by the trail's key, and its root is the root of our own tree at
     its size. So the log signed exactly these entries, in this order.
  3. The last entries are covered by such a checkpoint. So the end was not cut or made up.
  4. Every entry is canonical and of a known type, so it means one thing to every reader.
  5. The trail begins with the entry that names it, and does so once.
  6. Time never goes back, so entries were not slipped in later under an earlier date.
  7. A subscriber's deliveries are numbered from 1 without gap or repeat, withheld ones and notices
     of recall included. So a delivery that was let out cannot be missing from the trail, nor shown
     as two.
  8. Every delivery names an earlier acceptance, in full of the same message with the same content
     commitment; a view without names commits to it instead. So nothing was let out that was not
     checked first.
  9. Every release names what it rests on, and that came before: the acceptance that brought the
     consent, the adoption of the policy (which never shows a full record), or the broken glass that
     was open for that subscriber at that time. A view without names commits to it instead.
 10. Every acknowledgement names deliveries (or tombstones) that went to the same subscriber.
 11. Versions of a record form one chain: an acceptance replaces, or is marked older than, an
     earlier acceptance of the same publisher that nothing had replaced. A release says
     `superseded`, and by what, exactly when its message had been replaced by then. So no older
     version was ever let out as the current one.
 12. Every recall names a delivery that was released to the same subscriber and not recalled before.
 13. Every answer to a recall comes from the subscriber that was told, once; only `deleted` may
     follow `ceased`.
 14. Every broken glass was opened once and, if approved, by another; who reviewed it, once, neither
     opened nor approved it.
 15. Every release names a purpose of the closed list of health purposes. So nothing was let go for
     immigration or law enforcement: with 7, no other delivery exists.

Findings name entries by index and never repeat what an entry says.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from exchange.trail.checkpoint import Checkpoint, NoteVerifier, open_checkpoint
from exchange.trail.delivery_rules import DeliveryRules
from exchange.trail.errors import CheckpointInvalid
from exchange.trail.merkle import CompactTree, leaf_hash
from schemas.trail_entry import LogCreatedEntry, TrailEntry, read_entry
from schemas.violation import SchemaViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailReport:
    """What a whole-trail check found.

    Attributes:
        size: entries checked.
        root: root over them, as recomputed.
        checkpoints: signed checkpoints that agree with the recomputed tree.
        entries_by_type: number of readable entries of each type.
        purposes: how many deliveries were released, by purpose and subscriber.
        findings: one sentence for each thing that does not hold; empty when the trail holds.
    """

    size: int
    root: bytes
    checkpoints: int
    entries_by_type: Mapping[str, int]
    purposes: Mapping[tuple[str, str], int]
    findings: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every step of the argument holds for every entry."""
        return not self.findings


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
        self._findings: list[str] = []
        self._rules = DeliveryRules(self._find)

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
        self._rules.add(index, entry)

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
        findings += self._rules.gaps()
        return TrailReport(
            size=size,
            root=self._tree.root(),
            checkpoints=self._checkpoints,
            entries_by_type=dict(self._counts),
            purposes=dict(self._rules.purposes),
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

    def _find(self, index: int, sentence: str) -> None:
        self._findings.append(f"Entry {index} {sentence}.")
