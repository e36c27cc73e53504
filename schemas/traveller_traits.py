"""What a Patient says that a basis depends on: whose documents these are, and whether of age.

Both are read conservatively: a country only from a system that names it, an age only when every
reading of a partial birth date agrees.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from schemas.terminology.countries import country_of

AGE_OF_MAJORITY: Final = 18

#: HL7's systems of passport numbers, one for each country (alpha-3).
_PASSPORTS: Final = "http://hl7.org/fhir/sid/passport-"
#: Our own systems, whose last part is the country of the document before it.
_DOCUMENTS: Final = re.compile(
    r"urn:bhx:(?:[a-z0-9-]+:)*(?:passport|national-id|travel-document):([a-z]{2,3})"
)
#: It is somebody's birthday from UTC-12 to UTC+14.
_BEHIND, _AHEAD = timedelta(hours=12), timedelta(hours=14)


def origins_of(patient: dict[str, Any]) -> tuple[str, ...]:
    """The countries (alpha-2) that issued the traveller's documents; what names none adds none."""
    found: dict[str, None] = {}
    for identifier in patient.get("identifier", ()):
        country = _issuer(identifier.get("system", ""))
        if country is not None:
            found[country] = None
    return tuple(found)


def is_minor(
    birth: str | None, at: datetime, age_of_majority: int = AGE_OF_MAJORITY
) -> bool | None:
    """Whether somebody born then is under age; None when the date leaves it open.

    Args:
        birth: a FHIR date, possibly of a year or a month; None when it is not stated.
        at: the moment asked about; with a time zone.
        age_of_majority: in years, where the record was collected.
    """
    if birth is None or not birth[:4].isdecimal():
        return None
    year = int(birth[:4]) + age_of_majority
    today_at_the_latest, today_at_the_earliest = _days(at)
    # As text, day 31 is after the end of every month. Who is born on 29 February comes of age on
    # 28 February or 1 March, as the country has it: between the two nothing is certain.
    last = f"{year:04}{birth[4:]}{'-12-31'[len(birth) - 4 :]}"
    if last <= today_at_the_earliest:
        return False
    first = f"{year:04}{birth[4:]}{'-01-01'[len(birth) - 4 :]}".replace("-02-29", "-02-28")
    return True if first > today_at_the_latest else None


@lru_cache(maxsize=1024)  # a few systems, again and again
def _issuer(system: str) -> str | None:
    if system.startswith(_PASSPORTS):
        return country_of(system.removeprefix(_PASSPORTS).upper())
    document = _DOCUMENTS.fullmatch(system)
    return None if document is None else country_of(document[1].upper())


@lru_cache(maxsize=16)  # messages of one batch come at one hour
def _days(at: datetime) -> tuple[str, str]:
    """The latest and the earliest date that it may be somewhere, as text."""
    here = at.astimezone(UTC)
    return (here + _AHEAD).date().isoformat(), (here - _BEHIND).date().isoformat()
