"""Our profile of FHIR R4 DiagnosticReport and Observation: what routing needs from a test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.codeable_concept import codings_of
from schemas.terminology.diseases import disease_of


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
    own = disease_of(codings_of(resource.get("code")))
    return LaboratoryRecord(own or disease_of(_result_codings(resource, entries)))


def _result_codings(
    report: dict[str, Any], entries: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    for result in report.get("result", ()):
        observation = entries.get(result.get("reference", ""))
        if observation is not None and observation["resourceType"] == "Observation":
            yield from codings_of(observation.get("code"))
