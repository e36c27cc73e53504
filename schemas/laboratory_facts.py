"""What a test was for, when it was taken and which way it points: DiagnosticReport, Observation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.codeable_concept import codings_of
from schemas.terminology.diseases import diseases_of, routed_disease
from schemas.terminology.translation import Meaning, is_positive

Resource = dict[str, Any]
Entries = dict[str, dict[str, Any]]

#: A record in these states says nothing about the traveller.
_WITHOUT_RESULT = frozenset({"entered-in-error", "cancelled", "registered"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryFacts:
    """The facts of one test; see `RecordFacts`."""

    diseases: tuple[str, ...]
    date: str | None
    result: Meaning | None


def laboratory_facts(focus: Resource, entries: Entries) -> LaboratoryFacts:
    """The diseases by the report's own code, else by those of its results; likewise the date.

    The result is that of the observations about the disease the report is routed by: in a panel
    another virus that was found does not make this traveller positive.
    """
    observed = list(_observations(focus, entries))
    own = diseases_of(codings_of(focus.get("code")))
    diseases = own or tuple(dict.fromkeys(d for o in observed for d in _diseases(o)))
    return LaboratoryFacts(
        diseases=diseases,
        date=next((date for date in map(_date, (focus, *observed)) if date is not None), None),
        result=_result(focus, observed, diseases),
    )


def _observations(focus: Resource, entries: Entries) -> Iterator[Resource]:
    """The results in the Bundle with their members and components, two levels deep at most."""
    if focus["resourceType"] == "Observation":
        yield from _with_parts(focus, entries)
        return
    for result in focus.get("result", ()):
        observation = entries.get(result.get("reference", ""))
        if observation is not None:
            yield from _with_parts(observation, entries)


def _with_parts(observation: Resource, entries: Entries) -> Iterator[Resource]:
    if not _says_something(observation):
        return
    yield observation
    yield from observation.get("component", ())
    for member in observation.get("hasMember", ()):
        part = entries.get(member.get("reference", ""))
        if part is not None and _says_something(part):
            yield part
            yield from part.get("component", ())


def _says_something(resource: Resource) -> bool:
    return (
        resource["resourceType"] == "Observation" and resource.get("status") not in _WITHOUT_RESULT
    )


def _diseases(observation: Resource) -> tuple[str, ...]:
    return diseases_of(codings_of(observation.get("code")))


def _date(resource: Resource) -> str | None:
    """When the sample was taken, as written; of a period its start, the older claim."""
    date: str | None = (
        resource.get("effectiveDateTime")
        or resource.get("effectiveInstant")
        or resource.get("effectivePeriod", {}).get("start")
    )
    return date


def _result(focus: Resource, observed: list[Resource], diseases: tuple[str, ...]) -> Meaning | None:
    if focus.get("status") in _WITHOUT_RESULT:
        return None
    about = routed_disease(diseases) or next(iter(diseases), None)
    meanings = {_meaning(o) for o in observed if _is_about(o, about)}
    for conclusion in focus.get("conclusionCode", ()):
        meanings.add(is_positive(codings_of(conclusion)))
    return _strongest(meanings)


def _is_about(observation: Resource, disease: str | None) -> bool:
    own = _diseases(observation)
    return not own or disease is None or disease in own


def _strongest(meanings: set[Meaning | None]) -> Meaning | None:
    """One gene found is a finding; one inconclusive target leaves the rest without a clear no."""
    for meaning in ("detected", "inconclusive", "not-detected"):
        if meaning in meanings:
            return meaning
    return None


def _meaning(observation: Resource) -> Meaning | None:
    """By the coded value and the interpretation; None when the two contradict each other."""
    codings = list(codings_of(observation.get("valueCodeableConcept")))
    for interpretation in observation.get("interpretation", ()):
        codings += codings_of(interpretation)
    return is_positive(codings)
