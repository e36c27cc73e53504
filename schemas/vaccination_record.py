"""Our profile of FHIR R4 Immunization: what routing and rules need from a vaccination."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.codeable_concept import codings_of
from schemas.terminology.diseases import disease_of


@dataclass(frozen=True, slots=True)
class VaccinationRecord:
    """The facts of one vaccination that decisions rest on.

    Attributes:
        disease: key of our terminology, or None when no coding named a disease we know.
    """

    disease: str | None


def read_vaccination_record(immunization: dict[str, Any]) -> VaccinationRecord:
    """The disease by `protocolApplied.targetDisease` if it says so, else by the product."""
    stated = disease_of(_target_diseases(immunization))
    return VaccinationRecord(stated or disease_of(codings_of(immunization.get("vaccineCode"))))


def _target_diseases(immunization: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for protocol in immunization.get("protocolApplied", ()):
        for disease in protocol.get("targetDisease", ()):
            yield from codings_of(disease)
