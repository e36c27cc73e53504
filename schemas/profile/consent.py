"""When was a consent given, and is it told apart from all others? Its rules are read elsewhere.

See `schemas.consent.reading`.
"""

import re
from typing import Final

from schemas.profile.context import Resource
from schemas.profile.dates import Received, check_past
from schemas.violation import Problem, problem

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check_given(
    consent: Resource, path: str, received: Received | None, found: list[Problem]
) -> None:
    """Add an error for a consent of tomorrow: the latest wins, over any withdrawal till then.

    And for one whose number could be another's: it would take the place of that one.
    """
    if isinstance(consent.get("dateTime"), str):
        check_past(consent["dateTime"], f"{path}.dateTime", received, found)
    if not is_told_apart(consent):
        found.append(problem("consent.identifier", "required", f"{path}.identifier"))


def is_told_apart(consent: Resource) -> bool:
    """Whether it has a number of some system, or else a UUID as its id.

    A bare number is counted by each post for itself: one post's permit would replace the denial
    that a traveller gave at another.
    """
    for identifier in consent.get("identifier", ()):
        if "value" in identifier:
            return bool(identifier.get("system"))
    return _UUID.fullmatch(consent.get("id", "")) is not None
