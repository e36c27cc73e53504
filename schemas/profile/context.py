"""What the rules of one resource need to know about the rest: the traveller and the hour."""

from dataclasses import dataclass
from typing import Any

from schemas.profile.dates import Received

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What stands around a resource.

    Attributes:
        received: when it came, or None to leave out what depends on it.
        birth: the traveller's birth date as written, if known.
        death: when the traveller died as written, if known.
        entries: resources of the Bundle by fullUrl; None for a resource on its own, whose
            references cannot be followed.
    """

    received: Received | None = None
    birth: str | None = None
    death: str | None = None
    entries: dict[str, Resource] | None = None


def context_of(
    patient: Resource | None, received: Received | None, entries: dict[str, Resource] | None
) -> Context:
    """The context of a record about this Patient."""
    if patient is None:
        return Context(received, None, None, entries)
    return Context(received, patient.get("birthDate"), patient.get("deceasedDateTime"), entries)
