"""The codes inside a FHIR CodeableConcept."""

from collections.abc import Iterator
from typing import Any


def codings_of(concept: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """`(system, code)` of every complete Coding in a CodeableConcept."""
    for coding in (concept or {}).get("coding", ()):
        if "system" in coding and "code" in coding:
            yield coding["system"], coding["code"]
