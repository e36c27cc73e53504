"""A record's facts for routing, rules and views, whatever code system it came in.

The one place that derives them. Facts are what the record says and no more: a date stays as
precise as it was written, a missing dose number is no first dose, and a text is never read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from schemas.codeable_concept import codings_of
from schemas.laboratory_facts import LaboratoryFacts, laboratory_facts
from schemas.record_country import record_country
from schemas.terminology.diseases import diseases_of, routed_disease
from schemas.terminology.translation import Meaning
from schemas.terminology.vaccines import Vaccine, vaccine_of

Resource = dict[str, Any]
Entries = dict[str, dict[str, Any]]
NoDose = Literal["not-done", "entered-in-error", "no-vaccine", "not-a-vaccine", "subpotent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """What one record says.

    Attributes:
        kind: what the record is.
        disease: the disease it is routed by, one of `disease_keys`, or None when none is known.
        diseases: every disease it is about, also those no subscription can name: measles, mumps
            and rubella for MMR.
        product: `(canonical system, code)` of the vaccine; the first pinned coding, else the first
            of a system that holds vaccines.
        dose: number of the dose as stated; None when not stated, which is no first dose.
        doses_in_series: length of the series as stated.
        date: when it was given or taken, as written: a year or month stays one, a day gets no time.
        result: which way a test points; None when no code says so or codes contradict each other.
        status: as written.
        is_a_dose: whether a full dose of a vaccine was given.
        no_dose: why not, for an immunization: `not-done`; `entered-in-error`; `no-vaccine` (CVX
            998); `not-a-vaccine` (a skin test, antibodies, an adjuvant); `subpotent`
            (`isSubpotent`, a modifier element: part of a dose may count, never a whole one).
        country: alpha-2 of the country where it was done (see `record_country`); None when the
            record does not say, or says two.
    """

    kind: Literal["immunization", "labresult"]
    disease: str | None
    diseases: tuple[str, ...]
    product: tuple[str, str] | None = None
    dose: int | None = None
    doses_in_series: int | None = None
    date: str | None
    result: Meaning | None = None
    status: str
    is_a_dose: bool = False
    no_dose: NoDose | None = None
    country: str | None


def read_facts(focus: Resource, entries: Entries) -> RecordFacts:
    """The facts of an Immunization, DiagnosticReport or Observation that is structurally valid.

    Args:
        focus: the resource as FHIR JSON.
        entries: the other resources of its Bundle by fullUrl; results and places are found there.
    """
    if focus["resourceType"] == "Immunization":
        return _immunization(focus, entries)
    tested: LaboratoryFacts = laboratory_facts(focus, entries)
    return RecordFacts(
        kind="labresult",
        disease=routed_disease(tested.diseases),
        diseases=tested.diseases,
        date=tested.date,
        result=tested.result,
        status=focus.get("status", "unknown"),
        country=record_country(focus, entries),
    )


def record_diseases(focus: Resource, entries: Entries) -> tuple[str, ...]:
    """`RecordFacts.diseases` alone, for what is routed and not looked into."""
    if focus["resourceType"] != "Immunization":
        return laboratory_facts(focus, entries).diseases
    return _diseases(focus.get("protocolApplied", []), _coded(focus))


def _coded(focus: Resource) -> list[Vaccine]:
    return [vaccine_of(system, code) for system, code in codings_of(focus.get("vaccineCode"))]


def _immunization(focus: Resource, entries: Entries) -> RecordFacts:
    coded = _coded(focus)
    protocols: list[Resource] = focus.get("protocolApplied", [])
    diseases = _diseases(protocols, coded)
    disease = routed_disease(diseases)
    protocol = _protocol(protocols, disease)
    no_dose = _no_dose(focus, coded)
    return RecordFacts(
        kind="immunization",
        disease=disease,
        diseases=diseases,
        product=_product(coded),
        dose=_number(protocol, "doseNumberPositiveInt", "doseNumberString"),
        doses_in_series=_number(protocol, "seriesDosesPositiveInt", "seriesDosesString"),
        date=focus.get("occurrenceDateTime"),
        status=focus.get("status", "unknown"),
        is_a_dose=no_dose is None,
        no_dose=no_dose,
        country=record_country(focus, entries),
    )


def _diseases(protocols: list[Resource], coded: list[Vaccine]) -> tuple[str, ...]:
    """What was stated, and what the product adds to it unless the two contradict each other."""
    product = _united([vaccine.diseases for vaccine in coded])
    stated = diseases_of(_targets(protocols)) if protocols else ()
    if not stated:
        return product
    if product and set(stated).isdisjoint(product):
        return stated
    return _united([stated, product])


def _united(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    if len(parts) == 1 or (len(parts) == 2 and parts[0] == parts[1]):
        return parts[0]
    return tuple(dict.fromkeys(disease for part in parts for disease in part))


def _targets(protocols: list[Resource]) -> Iterator[tuple[str, str]]:
    for protocol in protocols:
        for target in protocol.get("targetDisease", ()):
            yield from codings_of(target)


def _protocol(protocols: list[Resource], disease: str | None) -> Resource:
    """The protocol of the disease the record is routed by, else the first; `{}` when none."""
    if not protocols:
        return {}
    if len(protocols) == 1:
        return protocols[0]
    return next((p for p in protocols if disease in diseases_of(_targets([p]))), protocols[0])


def _number(protocol: Resource, as_number: str, as_text: str) -> int | None:
    """A count as stated; FHIR also allows a string, of which only plain digits are a number."""
    if as_number in protocol:
        return int(protocol[as_number])
    text: str = protocol.get(as_text, "")
    digits = text.isascii() and text.isdecimal() and len(text) <= 2
    return int(text) or None if digits else None


def _no_dose(focus: Resource, coded: list[Vaccine]) -> NoDose | None:
    status = focus.get("status")
    if status == "not-done":
        return "not-done"
    if status == "entered-in-error":
        return "entered-in-error"
    for vaccine in coded:
        if vaccine.instead is not None:
            return vaccine.instead
    return "subpotent" if focus.get("isSubpotent") else None


def _product(coded: list[Vaccine]) -> tuple[str, str] | None:
    possible: tuple[str, str] | None = None
    for vaccine in coded:
        if vaccine.product is not None:
            if vaccine.verdict == "known":
                return vaccine.product
            possible = possible or vaccine.product
    return possible
