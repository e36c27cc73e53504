"""When was a consent given? What it permits is read elsewhere (`schemas.consent_record`)."""

from schemas.profile.context import Resource
from schemas.profile.dates import Received, check_past
from schemas.violation import Problem


def check_given(
    consent: Resource, path: str, received: Received | None, found: list[Problem]
) -> None:
    """Add an error for a consent of tomorrow: the latest wins, over any withdrawal till then."""
    if isinstance(consent.get("dateTime"), str):
        check_past(consent["dateTime"], f"{path}.dateTime", received, found)
