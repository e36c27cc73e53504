"""Can this have happened? Dates of a record against each other and against the clock.

A record is refused only when it is impossible under every reading of its dates: a partial date is
a span, and a date without a time may be that of any time zone (`fhir_instants`). Texts are compared
first, as written; only what looks wrong is computed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.violation import Problem, SchemaViolation, problem

#: How far clocks of posts may be ahead of ours.
_CLOCKS_DIFFER = timedelta(minutes=5)
#: A date without a time says no time zone, and the day begins up to 14 hours before ours.
_ZONES_DIFFER = timedelta(days=1)
_LONGEST_LIFE_YEARS = 150
#: Length of a whole date; a longer text has a time.
_DATE = 10


@dataclass(frozen=True, slots=True)
class Received:
    """The hour a message came, in the forms its dates are compared with.

    Attributes:
        instant: later instants are in the future.
        day: later dates (YYYY-MM-DD) are in the future.
        oldest: nobody alive was born before this date.
    """

    instant: datetime
    day: str
    oldest: str


@lru_cache(maxsize=16)  # messages of one batch come at one hour
def received_at(at: datetime | None) -> Received | None:
    """The hour in all its forms; `at` has a time zone."""
    if at is None:
        return None
    here = at.astimezone(UTC)
    day = (here + _ZONES_DIFFER).date().isoformat()
    return Received(here + _CLOCKS_DIFFER, day, f"{here.year - _LONGEST_LIFE_YEARS:04}{day[4:]}")


def surely_before(first: str, second: str) -> bool:
    """Whether `first` was over before `second` began, however partial dates are read."""
    if first[:_DATE] >= second[:_DATE] and not (len(first) > _DATE and len(second) > _DATE):
        return False
    try:
        return _latest(first) < _earliest(second)
    except (ValueError, SchemaViolation):
        # A leap second, or a year that datetime cannot hold: nothing can be said.
        return False


def is_in_future(text: str, received: Received) -> bool:
    """Whether what is said to have happened had not when the message came."""
    if len(text) <= _DATE:
        return text > received.day
    try:
        return datetime.fromisoformat(text) > received.instant
    except (ValueError, TypeError):
        return False


def check_past(text: str, path: str, received: Received | None, found: list[Problem]) -> None:
    """Add an error when this lies in the future."""
    if received is not None and is_in_future(text, received):
        found.append(problem("profile.in-future", "business-rule", path))


def check_birth(text: str, path: str, received: Received | None, found: list[Problem]) -> None:
    """Add an error when nobody alive can be born then."""
    if received is None:
        return
    if is_in_future(text, received):
        found.append(problem("profile.birth-in-future", "business-rule", path))
    elif text < received.oldest[: len(text)]:
        found.append(
            problem("profile.birth-too-long-ago", "business-rule", path, str(_LONGEST_LIFE_YEARS))
        )


def _earliest(text: str) -> datetime:
    return datetime.fromisoformat(text) if len(text) > _DATE else instant_at_start(text)


def _latest(text: str) -> datetime:
    return datetime.fromisoformat(text) if len(text) > _DATE else instant_at_end(text)
