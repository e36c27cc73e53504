"""The traits of a record that lies in a file: a message, or one resource by itself."""

from datetime import datetime
from typing import Any

from schemas.fhir_names import participant_of
from schemas.profile.parts import find_parts
from schemas.record_traits import RecordTraits
from schemas.traits_reading import read_traits, traits_of


def traits_in(tree: Any, *, collected_in: str | None, at: datetime) -> RecordTraits | None:
    """What the exchange decides on when it receives this; None when there is no record in it.

    Args:
        tree: structurally valid FHIR R4.
        collected_in: the sender's country; None takes the one that its id names, or none.
        at: when it was received, with a time zone.
    """
    if tree.get("resourceType") != "Bundle":
        return traits_of(tree, author="", collected_in=collected_in or "", at=at)
    parts = find_parts(tree, [])
    author = participant_of(parts.header.get("source", {}).get("endpoint", "")) or ""
    return read_traits(
        tree, parts, author=author, collected_in=collected_in or country_in(author), at=at
    )


def country_in(participant: str) -> str:
    """The country that a participant's id names in its second part; empty when it names none."""
    parts = participant.split(":")
    country = parts[1] if len(parts) > 1 else ""
    return country.upper() if len(country) == 2 and country.isascii() and country.isalpha() else ""
