"""Does what was shown meet a requirement? Met, not met, or unknown, each with its reasons.

Three values, because "not met" and "we cannot tell" mean different things to who stands at a
border. Without a rule the answer is unknown, never met; and what a date or a dose leaves open is
unknown too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.record_facts import RecordFacts
from schemas.requirement import Requirement
from schemas.sentences.catalogue import LANGUAGES, say
from schemas.violation import SchemaViolation

VerdictValue = Literal["met", "not-met", "unknown"]
Reason = Literal[
    "met",
    "no-rule",
    "no-record",
    "not-given",
    "withdrawn",
    "not-final",
    "doses-missing",
    "dose-not-stated",
    "date-not-stated",
    "date-not-exact",
    "too-old",
    "too-recent",
    "result-not-clear",
    "other-result",
    "records-disagree",
]

_VOID = frozenset({"entered-in-error", "cancelled"})
_NOT_FINAL = frozenset({"preliminary", "partial", "registered", "unknown"})
#: Reasons that say no; all others but `met` leave it open.
_SAYS_NO: frozenset[Reason] = frozenset(
    {"not-given", "doses-missing", "too-old", "too-recent", "other-result"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided, and why.

    Attributes:
        reasons: codes, in order; every one has a sentence in each of our languages.
    """

    value: VerdictValue
    reasons: tuple[Reason, ...]

    def texts(self, language: str = LANGUAGES[0]) -> tuple[str, ...]:
        """The reasons as sentences."""
        return tuple(say(f"verdict.{reason}", (), language) for reason in self.reasons)


def verdict_of(
    facts: Iterable[RecordFacts], requirement: Requirement | None, at: datetime
) -> Verdict:
    """Whether these records of one traveller meet the requirement at this moment.

    Args:
        facts: what each record says; records about something else do no harm.
        requirement: None when no rule exists, which is never met.
        at: with a time zone.
    """
    if requirement is None:
        return Verdict(value="unknown", reasons=("no-rule",))
    asked = [
        one for one in facts if one.kind == requirement.kind and requirement.disease in one.diseases
    ]
    if not asked:
        return Verdict(value="unknown", reasons=("no-record",))
    if requirement.kind == "immunization":
        return _of_doses(asked, requirement, at)
    return _of_tests(asked, requirement, at)


def _of_doses(asked: list[RecordFacts], requirement: Requirement, at: datetime) -> Verdict:
    given = [one for one in asked if one.is_a_dose]
    if not given:
        # A withdrawn record says nothing, also not that no dose was given.
        void = any(one.no_dose == "entered-in-error" for one in asked)
        return _verdict(["withdrawn" if void else "not-given"])
    ages = [_age(one, requirement, at) for one in given]
    # A dose that is too fresh does not count yet, and with a limit neither does one too old.
    counting = [one for one, age in zip(given, ages, strict=True) if age is None]
    if not counting:
        return _verdict([age for age in ages if age is not None])
    return _verdict(list(_doses(counting, requirement)))


def _doses(counting: list[RecordFacts], requirement: Requirement) -> Iterator[Reason]:
    """By the number stated, or by as many records as are certainly of different days."""
    stated = [one.dose for one in counting if one.dose is not None]
    if max((*stated, _different_days(counting))) >= requirement.minimum_doses:
        return
    yield "doses-missing" if len(stated) == len(counting) else "dose-not-stated"


def _different_days(counting: list[RecordFacts]) -> int:
    """How many of these happened one after the other however their dates are read."""
    written = {one.date[:10] for one in counting if one.date is not None}
    # As text, day 31 ends every month; the span that ends first leaves most room for the others.
    spans = sorted(
        (day + "-12-31"[len(day) - 4 :], day + "-01-01"[len(day) - 4 :]) for day in written
    )
    count, last = 0, ""
    for end, begin in spans:
        if begin > last:
            count, last = count + 1, end
    return count


def _of_tests(asked: list[RecordFacts], requirement: Requirement, at: datetime) -> Verdict:
    verdicts = {
        _verdict([reason]) if reason else _verdict([])
        for reason in (_test(one, requirement, at) for one in _newest(asked))
    }
    if len({one.value for one in verdicts}) == 1:
        reasons = dict.fromkeys(r for one in verdicts for r in one.reasons)
        return Verdict(value=next(iter(verdicts)).value, reasons=tuple(sorted(reasons)))
    return Verdict(value="unknown", reasons=("records-disagree",))


def _newest(asked: list[RecordFacts]) -> list[RecordFacts]:
    """The test after all others, where that is certain; else all of them."""
    spans = [_span(one.date) for one in asked]
    for index, span in enumerate(spans):
        others = [other for place, other in enumerate(spans) if place != index]
        if span is not None and all(other is not None and other[1] < span[0] for other in others):
            return [asked[index]]
    return asked


def _test(tested: RecordFacts, requirement: Requirement, at: datetime) -> Reason | None:
    if tested.status in _VOID:
        return "withdrawn"
    if tested.status in _NOT_FINAL:
        return "not-final"
    if tested.result is None or tested.result == "inconclusive":
        return "result-not-clear"
    if tested.result != requirement.result:
        return "other-result"
    return _age(tested, requirement, at)


def _age(record: RecordFacts, requirement: Requirement, at: datetime) -> Reason | None:
    """Why its age does not do under every reading of its date; None when it does under all."""
    span = _span(record.date)
    if span is None:
        return "date-not-stated"
    least = at.astimezone(UTC) - timedelta(days=requirement.minimum_age_days)
    if span[0] > least:
        return "too-recent"
    oldest = None
    if requirement.maximum_age_days is not None:
        oldest = at.astimezone(UTC) - timedelta(days=requirement.maximum_age_days)
        if span[1] < oldest:
            return "too-old"
    # A whole day is read as that day anywhere, which must not make today's dose uncertain.
    too_wide = span[1] > least and requirement.minimum_age_days > 0
    return "date-not-exact" if too_wide or (oldest is not None and span[0] < oldest) else None


def _span(date: str | None) -> tuple[datetime, datetime] | None:
    if date is None:
        return None
    try:
        return instant_at_start(date), instant_at_end(date)
    except SchemaViolation:
        return None


def _verdict(against: Sequence[Reason]) -> Verdict:
    """What stands against it: nothing is met, only what says no is a no, and else it is open."""
    reasons = tuple(dict.fromkeys(against))
    if not reasons:
        return Verdict(value="met", reasons=("met",))
    if all(reason in _SAYS_NO for reason in reasons):
        return Verdict(value="not-met", reasons=reasons)
    open_reasons = tuple(reason for reason in reasons if reason not in _SAYS_NO)
    return Verdict(value="unknown", reasons=open_reasons)
