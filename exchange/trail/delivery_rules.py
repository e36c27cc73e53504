"""What must hold between the entries of a trail: steps 7 to 15 of the argument in `verify`.

Each check takes an entry and adds a sentence for what does not hold; it never repeats a value.
"""

from collections import Counter, defaultdict
from collections.abc import Callable

from schemas.consent.purposes import HEALTH_PURPOSES
from schemas.trail_entry import (
    AcceptedEntry,
    AcknowledgedEntry,
    BreakGlassOpenedEntry,
    BreakGlassReviewedEntry,
    ConsentEntryBasis,
    PolicyAdoptedEntry,
    RecallAnsweredEntry,
    RecalledEntry,
    ReleasedEntry,
    TrailEntry,
    WithheldEntry,
)

#: Adds a finding about the entry at an index.
Find = Callable[[int, str], None]


class Numbering:
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


class DeliveryRules:
    """The entries so far, as far as later ones refer to them; memory grows with messages."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._accepted: dict[int, tuple[str, str, str]] = {}
        self._replaced: set[int] = set()
        self._numbering: dict[str, Numbering] = defaultdict(Numbering)
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._recalled: set[str] = set()
        self._answered: dict[str, str] = {}
        self._policies: set[str] = set()
        self._grants: dict[str, tuple[str, str]] = {}
        self.purposes: Counter[tuple[str, str]] = Counter()
        self._approvers: dict[str, str | None] = {}
        self._reviewed: set[str] = set()

    def add(self, index: int, entry: TrailEntry) -> None:
        """Check the next entry against those before it."""
        match entry:
            case AcceptedEntry():
                self._check_succession(index, entry)
                self._accepted[index] = (entry.publisher, entry.message, entry.content)
            case ReleasedEntry():
                self._check_delivery(index, entry)
                self._check_accepted(index, entry)
                self._check_basis(index, entry)
                self._check_purpose(index, entry)
                self._check_standing(index, entry)
            case WithheldEntry():
                self._check_delivery(index, entry)
                self._check_accepted(index, entry)
            case RecalledEntry():
                self._check_delivery(index, entry)
                self._check_recall(index, entry)
            case RecallAnsweredEntry():
                self._check_answer(index, entry)
            case AcknowledgedEntry():
                self._check_acknowledgement(index, entry)
            case _:
                self._remember(index, entry)

    def _remember(self, index: int, entry: TrailEntry) -> None:
        """What later releases may rest on."""
        if isinstance(entry, PolicyAdoptedEntry):
            self._policies.add(entry.document)
        elif isinstance(entry, BreakGlassOpenedEntry):
            self._check_opening(index, entry)
        elif isinstance(entry, BreakGlassReviewedEntry):
            self._check_review(index, entry)

    def gaps(self) -> list[str]:
        """7. A sentence for each gap; only at the end is it certain that nothing fills it."""
        gaps = [gap for numbering in self._numbering.values() if (gap := numbering.gap())]
        return [
            f"Entry {index} follows a gap: its subscriber's deliveries {first} to {last} are"
            " neither released, withheld nor recalled."
            for first, last, index in sorted(gaps, key=lambda gap: gap[2])
        ]

    def _check_delivery(
        self, index: int, entry: ReleasedEntry | WithheldEntry | RecalledEntry
    ) -> None:
        """7. Numbers do not repeat, nor do delivery ids."""
        if not self._numbering[entry.subscriber].use(entry.number, index):
            self._find(index, "repeats a number of its subscriber")
        if entry.delivery in self._outcomes:
            self._find(index, "decides on a delivery that was decided before")
        self._outcomes.setdefault(entry.delivery, (entry.subscriber, entry.type))

    def _check_accepted(self, index: int, entry: ReleasedEntry | WithheldEntry) -> None:
        """8. An acceptance comes before; what is delivered in full is what was accepted."""
        if entry.accepted is None:
            return  # committed to: who is shown the salt can check
        accepted = self._accepted.get(entry.accepted)
        if accepted is None:
            self._find(index, "names no earlier accepted entry")
        elif isinstance(entry, ReleasedEntry) and entry.view == "full":
            publisher, message, content = accepted
            if (entry.publisher, entry.message) != (publisher, message):
                self._find(index, "names the accepted entry of another message")
            if entry.content != content:
                self._find(index, "delivers other content than was accepted")

    def _check_basis(self, index: int, entry: ReleasedEntry) -> None:
        """9. What it rests on came before: a consent, a policy, a broken glass."""
        match entry.basis.kind:
            case "consent":
                self._check_consent(index, entry.basis)
            case "mandate":
                if entry.basis.policy not in self._policies:
                    self._find(index, "rests on a policy that no earlier entry adopted")
                if entry.view == "full":
                    self._find(index, "shows a full record by a mandate of law")
            case "break-glass":
                participant, until = self._grants.get(entry.basis.grant, ("", ""))
                if participant != entry.subscriber or entry.time > until:
                    self._find(index, "rests on a broken glass that was not open for it")
            case _:
                pass

    def _check_purpose(self, index: int, entry: ReleasedEntry) -> None:
        """15. Only health purposes: those for which nothing else is a purpose here."""
        self.purposes[entry.purpose, entry.subscriber] += 1
        if entry.purpose not in HEALTH_PURPOSES:
            self._find(index, "let a record go for what is no health purpose")

    def _check_consent(self, index: int, basis: ConsentEntryBasis) -> None:
        brought = self._accepted.get(basis.entry)
        if brought is None:
            self._find(index, "rests on a consent that no earlier accepted entry brought")
        elif brought[2] != basis.consent:
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
        accepted = None if entry.accepted is None else self._accepted.get(entry.accepted)
        if accepted is None:
            return
        is_replaced = entry.accepted in self._replaced
        if is_replaced != (entry.standing == "superseded"):
            self._find(index, "says otherwise than the trail whether its version was superseded")
        newer = entry.superseded_by
        if newer is not None and not self._is_newest(newer, accepted[0]):
            self._find(index, "names as newer what is no current version of its publisher's")

    def _is_newest(self, index: int, publisher: str) -> bool:
        """Whether that is an earlier acceptance of this publisher that nothing has replaced."""
        accepted = self._accepted.get(index)
        return accepted is not None and accepted[0] == publisher and index not in self._replaced

    def _check_acknowledgement(self, index: int, entry: AcknowledgedEntry) -> None:
        """10. Only what went to a subscriber, tombstones included, can be acknowledged by it."""
        if any(self._went_to(one) != entry.subscriber for one in entry.deliveries):
            self._find(index, "acknowledges a delivery that did not go to its subscriber")

    def _check_recall(self, index: int, entry: RecalledEntry) -> None:
        """12. What is recalled was released to the same subscriber, and is recalled once."""
        if self._outcomes.get(entry.recalls) != (entry.subscriber, "released"):
            self._find(index, "recalls what was not released to its subscriber")
        if entry.recalls in self._recalled:
            self._find(index, "recalls what was recalled before")
        self._recalled.add(entry.recalls)
        if entry.because is not None and entry.because not in self._accepted:
            self._find(index, "names no earlier accepted entry as its cause")

    def _check_answer(self, index: int, entry: RecallAnsweredEntry) -> None:
        """13. Only the recipient of a notice answers it, once; `deleted` may follow `ceased`."""
        asked = (entry.subscriber, "recalled")
        if any(self._outcomes.get(notice) != asked for notice in entry.notices):
            self._find(index, "answers a recall that did not go to its subscriber")
        if len(set(entry.notices)) != len(entry.notices):
            self._find(index, "answers a recall twice")
        says_more = {None, "ceased"} if entry.answer == "deleted" else {None}
        if any(self._answered.get(notice) not in says_more for notice in entry.notices):
            self._find(index, "answers a recall that was answered before")
        self._answered.update(dict.fromkeys(entry.notices, entry.answer))

    def _check_opening(self, index: int, entry: BreakGlassOpenedEntry) -> None:
        """14. A grant is opened once, before its end, and approved by somebody else."""
        if entry.grant in self._grants:
            self._find(index, "opens a grant that was opened before")
        if entry.until <= entry.time:
            self._find(index, "opens a grant whose time is over")
        if entry.approver == entry.participant:
            self._find(index, "opens a grant that only one participant agreed to")
        self._grants.setdefault(entry.grant, (entry.participant, entry.until))
        self._approvers.setdefault(entry.grant, entry.approver)

    def _check_review(self, index: int, entry: BreakGlassReviewedEntry) -> None:
        """14. Somebody else reviews it, once."""
        participant, _ = self._grants.get(entry.grant, (None, ""))
        if participant is None:
            self._find(index, "reviews a grant that no earlier entry opened")
        elif entry.reviewer in {participant, self._approvers[entry.grant]}:
            self._find(index, "reviews a grant of its own reviewer")
        if entry.grant in self._reviewed:
            self._find(index, "reviews a grant that was reviewed before")
        self._reviewed.add(entry.grant)

    def _went_to(self, delivery: str) -> str | None:
        outcome = self._outcomes.get(delivery)
        return None if outcome is None else outcome[0]
