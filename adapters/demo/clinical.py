"""The clinical resources of the demo's records: one Immunization, or one test with its results."""

import random as random_module
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.demo.people import Traveller
from adapters.demo.products import (
    DETECTED,
    ORAL,
    Coding,
    LaboratoryTest,
    Vaccine,
)
from schemas.fhir_names import (
    DIAGNOSTIC_SERVICE_SECTIONS,
    LOINC,
    OBSERVATION_CATEGORY,
    SNOMED_CT,
    UCUM,
)

_PATIENT = {"reference": "Patient/traveller"}
_POST = {"reference": "Organization/post"}
_SITES: tuple[Coding, ...] = (
    (SNOMED_CT, "368208006", "Left upper arm structure"),
    (SNOMED_CT, "368209003", "Right upper arm structure"),
)
#: Share of vaccinations given at the post itself; the others are read from a vaccination card.
_GIVEN_AT_POST = 0.6
_POSITIVE_SHARE = 0.07
_CYCLE_THRESHOLD: Coding = (LOINC, "94745-7", "SARS-CoV-2 RNA Resp Ct Qn")


def when_given(
    random: random_module.Random,
    vaccine: Vaccine,
    traveller: Traveller,
    sent_at: datetime,
    *,
    is_first: bool,
) -> datetime:
    """Some minutes ago at the post, or up to three years ago and read from the traveller's card.

    Only a first dose is read from a card, so the doses of one traveller stay in order; and none
    was given before the product's youngest age.
    """
    if not is_first or random.random() < _GIVEN_AT_POST:
        return sent_at - timedelta(minutes=random.randint(5, 60))
    days_lived = (sent_at.date() - traveller.birth_date).days
    longest = min(3 * 365, days_lived - max(vaccine.ages[0] * 366, 7))
    return sent_at - timedelta(days=random.randint(1, max(1, longest)))


def immunization(
    random: random_module.Random,
    vaccine: Vaccine,
    dose_number: int,
    given_at: datetime,
    sent_at: datetime,
) -> dict[str, Any]:
    """One vaccination: exact when given at the post, a date when read from a card."""
    at_post = sent_at - given_at < timedelta(days=1)
    record: dict[str, Any] = {
        "resourceType": "Immunization",
        "id": "record",
        "identifier": [{"system": "urn:bhx:demo:immunizations", "value": _number(random)}],
        "status": "completed",
        "vaccineCode": {**_concept(*vaccine.codings), "text": vaccine.name},
        "patient": _PATIENT,
        "occurrenceDateTime": _instant(given_at) if at_post else given_at.date().isoformat(),
        "recorded": _instant(sent_at),
        "primarySource": at_post,
        "location": {"reference": "Location/place"},
        "manufacturer": {"display": vaccine.manufacturer},
        "lotNumber": f"{vaccine.lot_prefix}{random.randint(100, 999)}{random.choice('ABDEVY')}",
        "expirationDate": (given_at.date() + timedelta(days=random.randint(60, 700))).isoformat(),
        "route": _concept(vaccine.route),
        "doseQuantity": {"value": vaccine.dose, "unit": "mL", "system": UCUM, "code": "mL"},
        "performer": [{"actor": _POST}],
        "protocolApplied": [_protocol(vaccine, dose_number)],
    }
    if vaccine.route != ORAL:
        record["site"] = _concept(random.choice(_SITES))
    if not at_post:
        record["reportOrigin"] = {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/immunization-origin",
                    "code": "record",
                }
            ]
        }
    return record


def diagnostic_report(
    random: random_module.Random, test: LaboratoryTest, sent_at: datetime
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One laboratory report, and the Observations and the Specimen it refers to."""
    reported_at = sent_at - timedelta(minutes=random.randint(3, 90))
    collected_at = reported_at - timedelta(minutes=random.randint(20, 2 * 24 * 60))
    result = test.results[random.random() < _POSITIVE_SHARE]
    observations = [
        _observation("result", test.coding, test.name, collected_at)
        | {"valueCodeableConcept": _concept(result)}
    ]
    if test.disease == "covid-19" and test.name == "Real-time PCR" and result == DETECTED:
        cycles = Decimal(random.randint(1600, 3600)).scaleb(-2)
        observations.append(
            _observation("cycles", _CYCLE_THRESHOLD, test.name, collected_at)
            | {"valueQuantity": {"value": cycles, "unit": "cycles", "system": UCUM, "code": "1"}}
        )
    report = {
        "resourceType": "DiagnosticReport",
        "id": "record",
        "identifier": [{"system": "urn:bhx:demo:reports", "value": _number(random)}],
        "status": "final",
        "category": [{"coding": [{"system": DIAGNOSTIC_SERVICE_SECTIONS, "code": "MB"}]}],
        "code": _concept(test.coding),
        "subject": _PATIENT,
        "effectiveDateTime": _instant(collected_at),
        "issued": _instant(reported_at),
        "performer": [_POST],
        "specimen": [{"reference": "Specimen/specimen"}],
        "result": [{"reference": f"Observation/{item['id']}"} for item in observations],
    }
    return report, [*observations, _specimen(test, collected_at, random)]


def _protocol(vaccine: Vaccine, dose_number: int) -> dict[str, Any]:
    protocol: dict[str, Any] = {
        "doseNumberPositiveInt": dose_number,
        "seriesDosesPositiveInt": vaccine.doses,
    }
    if vaccine.target is not None:
        protocol["targetDisease"] = [_concept(vaccine.target)]
    return protocol


def _observation(
    local_id: str, coding: Coding, method: str, collected_at: datetime
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": local_id,
        "status": "final",
        "category": [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "laboratory"}]}],
        "code": _concept(coding),
        "subject": _PATIENT,
        "effectiveDateTime": _instant(collected_at),
        "method": {"text": method},
        "specimen": {"reference": "Specimen/specimen"},
    }


def _specimen(
    test: LaboratoryTest, collected_at: datetime, random: random_module.Random
) -> dict[str, Any]:
    described = (
        {"text": test.specimen} if isinstance(test.specimen, str) else _concept(test.specimen)
    )
    return {
        "resourceType": "Specimen",
        "id": "specimen",
        "identifier": [{"system": "urn:bhx:demo:specimens", "value": _number(random)}],
        "type": described,
        "subject": _PATIENT,
        "collection": {"collectedDateTime": _instant(collected_at)},
    }


def _concept(*codings: Coding) -> dict[str, Any]:
    return {
        "coding": [
            {"system": system, "code": code, "display": display}
            for system, code, display in codings
        ]
    }


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _number(random: random_module.Random) -> str:
    return f"DEMO-{random.getrandbits(40):010X}"
