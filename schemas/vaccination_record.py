"""What routing needs from a vaccination; the facts themselves are derived in `record_facts`."""

from dataclasses import dataclass
from typing import Any

from schemas.record_facts import read_facts


@dataclass(frozen=True, slots=True)
class VaccinationRecord:
    """The facts of one vaccination that decisions rest on.

    Attributes:
        disease: key of our terminology, or None when no coding named a disease we know.
    """

    disease: str | None


def read_vaccination_record(immunization: dict[str, Any]) -> VaccinationRecord:
    """The disease by `protocolApplied.targetDisease` if it says so, else by the product."""
    return VaccinationRecord(read_facts(immunization, {}).disease)
