"""The bundles that are measured: a real kind of message, many entries, and one that is broken."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from schemas.compose_message import compose_message
from schemas.fhir_names import CVX, ICD_11, IMMUNIZATION_PUBLISHED, SNOMED_CT, UCUM

MESSAGE_ID = "4b1f8b0e-6c5b-4c53-9d25-6a0b1a6b6c11"


def four_entry_message() -> bytes:
    """MessageHeader, Immunization, Patient and Organization, as a border post sends them."""
    return compose_message(
        event=IMMUNIZATION_PUBLISHED,
        source="poe:kz:ala",
        source_name="Almaty airport",
        destinations=(),
        focus=_immunization("1"),
        others=[_patient("p", "N1"), _organization()],
        message_id=MESSAGE_ID,
        timestamp=datetime(2026, 5, 20, 10, 0, tzinfo=UTC),
    )


def collection_of(count: int) -> bytes:
    """A collection of that many resources, vaccinations and travellers in turn."""
    entries = []
    for number in range(count):
        name = f"00000000-0000-4000-8000-{number:012d}"
        patient = f"urn:uuid:00000000-0000-4000-8000-{number // 2 * 2:012d}"
        resource = _patient(name, f"N{number}") if number % 2 == 0 else _immunization(str(number))
        if number % 2:
            resource |= {
                "id": name,
                "patient": {"reference": patient},
                "doseQuantity": {"value": 0.5},
            }
            del resource["performer"]
        entries.append({"fullUrl": f"urn:uuid:{name}", "resource": resource})
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def broken_message() -> bytes:
    """The message with a fault in each of its resources."""
    bundle = json.loads(four_entry_message())
    header, immunization, patient, organization = (one["resource"] for one in bundle["entry"])
    header["sourc"] = header.pop("source")
    immunization["status"] = "given"
    immunization["occurrenceString"] = "in May"
    del immunization["vaccineCode"]
    patient["birthDate"] = "12.04.1990"
    patient["gender"] = "f"
    organization["address"] = {"country": "KZ"}
    organization["name"] = ""
    return json.dumps(bundle).encode()


def _patient(name: str, document: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": "urn:bhx:bench:passport", "value": document}],
        "name": [
            {"use": "official", "family": "Ахметова", "given": ["Айгерим"]},
            {"use": "usual", "family": "Akhmetova", "given": ["Aigerim"]},
        ],
        "gender": "female",
        "birthDate": "1990-04-12",
    }


def _organization() -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "id": "o",
        "identifier": [{"system": "urn:bhx:participant", "value": "poe:kz:ala"}],
        "name": "Sanitary quarantine post, Almaty airport",
        "address": [{"country": "KZ"}],
    }


def _immunization(number: str) -> dict[str, Any]:
    return {
        "resourceType": "Immunization",
        "identifier": [{"system": "urn:bhx:bench", "value": number}],
        "status": "completed",
        "vaccineCode": {
            "coding": [
                {"system": CVX, "code": "183", "display": "Yellow fever vaccine live - alt"},
                {"system": ICD_11, "code": "XM3418"},
            ]
        },
        "patient": {"reference": "Patient/p"},
        "occurrenceDateTime": "2026-05-20",
        "lotNumber": "YF-4711",
        "manufacturer": {"display": "Sanofi Pasteur"},
        "doseQuantity": {"value": Decimal("0.50"), "unit": "mL", "system": UCUM, "code": "mL"},
        "performer": [{"actor": {"reference": "Organization/o"}}],
        "protocolApplied": [
            {
                "doseNumberPositiveInt": 1,
                "targetDisease": [{"coding": [{"system": SNOMED_CT, "code": "16541001"}]}],
            }
        ],
    }
