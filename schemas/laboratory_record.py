"""What routing needs from a test; the facts themselves are derived in `record_facts`."""

from dataclasses import dataclass
from typing import Any

from schemas.record_facts import read_facts


@dataclass(frozen=True, slots=True)
class LaboratoryRecord:
    """The facts of one test that decisions rest on.

    Attributes:
        disease: key of our terminology, or None when no coding named a disease we know.
    """

    disease: str | None


def read_laboratory_record(
    resource: dict[str, Any], entries: dict[str, dict[str, Any]]
) -> LaboratoryRecord:
    """The disease by the code of the report or observation, else by those of its results."""
    return LaboratoryRecord(read_facts(resource, entries).disease)
