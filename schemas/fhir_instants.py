"""What moments a FHIR date or dateTime can mean.

A partial date is a span, not midnight: `2026-05` starts on 1 May and ends on 31 May. A date says
no time zone, so the span is widened to the whole day anywhere on Earth (UTC+14 to UTC-12).
"""

import calendar
from datetime import UTC, datetime, timedelta

from schemas.violation import SchemaViolation, problem

_EARLIEST_ZONE = timedelta(hours=14)
_LATEST_ZONE = timedelta(hours=12)
_MOST_DATE_CHARACTERS = 10


def instant_at_start(text: str) -> datetime:
    """The first instant (UTC) that a FHIR date or dateTime can mean.

    Raises:
        SchemaViolation: it is not a FHIR date or dateTime.
    """
    if "T" in text:
        return _instant(text)
    year, month, day = _parts(text)
    return _utc(year, month or 1, day or 1) - _EARLIEST_ZONE


def instant_at_end(text: str) -> datetime:
    """The last instant (UTC, to the microsecond) that a FHIR date or dateTime can mean.

    Raises:
        SchemaViolation: it is not a FHIR date or dateTime.
    """
    if "T" in text:
        return _instant(text)
    year, month, day = _parts(text)
    month = month or 12
    day = day or calendar.monthrange(year, month)[1]
    return _utc(year, month, day) + timedelta(days=1) + _LATEST_ZONE - timedelta(microseconds=1)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _not_a_date()


def _parts(text: str) -> tuple[int, int | None, int | None]:
    parts = text.split("-")
    # Longer is no date, and could be a number too long to read.
    if (
        len(text) > _MOST_DATE_CHARACTERS
        or not all(part.isascii() and part.isdigit() for part in parts)
        or len(parts) > 3
    ):
        raise _not_a_date()
    numbers = [int(part) for part in parts]
    # The margins keep the arithmetic above inside what a datetime can hold.
    if not 1000 <= numbers[0] <= 9000 or not all(1 <= month <= 12 for month in numbers[1:2]):
        raise _not_a_date()
    return (
        numbers[0],
        numbers[1] if len(numbers) > 1 else None,
        numbers[2] if len(numbers) > 2 else None,
    )


def _utc(year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError as error:
        raise _not_a_date() from error


def _not_a_date() -> SchemaViolation:
    return SchemaViolation(problem("instant.not-a-date", "value", "dateTime"))
