"""Small messages for the profile's tests: valid ones, and what is changed in them."""

import copy
from datetime import UTC, datetime

AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
PATIENT, RECORD, ORGANIZATION, RESULT, SPECIMEN = (
    f"urn:uuid:00000000-0000-4000-8000-00000000000{n}" for n in range(1, 6)
)


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def immunization(**changed):
    return changes(
        {
            "resourceType": "Immunization",
            "identifier": [{"system": "urn:test", "value": "1"}],
            "status": "completed",
            "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "37"),
            "patient": {"reference": PATIENT},
            "occurrenceDateTime": "2026-05-20",
            "performer": [{"actor": {"reference": ORGANIZATION}}],
        },
        changed,
    )


def report(**changed):
    return changes(
        {
            "resourceType": "DiagnosticReport",
            "identifier": [{"system": "urn:test", "value": "2"}],
            "status": "final",
            "category": [coded("http://terminology.hl7.org/CodeSystem/v2-0074", "MB")],
            "code": coded("http://loinc.org", "94500-6"),
            "subject": {"reference": PATIENT},
            "effectiveDateTime": "2026-05-30T08:00:00Z",
            "issued": "2026-05-31T08:00:00Z",
            "performer": [{"reference": ORGANIZATION}],
            "specimen": [{"reference": SPECIMEN}],
            "result": [{"reference": RESULT}],
        },
        changed,
    )


def observation(**changed):
    return changes(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": coded("http://loinc.org", "94500-6"),
            "subject": {"reference": PATIENT},
            "effectiveDateTime": "2026-05-30T08:00:00Z",
            "valueCodeableConcept": coded("http://snomed.info/sct", "260415000"),
        },
        changed,
    )


def specimen(**changed):
    return changes(
        {
            "resourceType": "Specimen",
            "type": coded("http://snomed.info/sct", "258500001"),
            "collection": {"collectedDateTime": "2026-05-30T08:00:00Z"},
        },
        changed,
    )


def patient(**changed):
    return changes(
        {"resourceType": "Patient", "name": [{"family": "Иванова"}], "birthDate": "1990-04-12"},
        changed,
    )


def organization(**changed):
    return changes(
        {"resourceType": "Organization", "name": "Post", "address": [{"country": "KZ"}]}, changed
    )


def changes(resource, changed):
    """The resource with these members; None removes one."""
    resource = {**resource, **changed}
    return {name: value for name, value in resource.items() if value is not None}


def message(focus, *, event="immunization-published", others=(), header=(), **entries):
    """A message around a focus; `entries` replace the usual patient and organization."""
    usual = {"patient": patient(), "organization": organization()} | entries
    head = {
        "resourceType": "MessageHeader",
        "id": "00000000-0000-4000-8000-0000000000aa",
        "eventCoding": {"system": "urn:bhx:exchange-events", "code": event},
        "source": {"endpoint": "urn:bhx:participant:poe:kz:ala"},
        "focus": [{"reference": RECORD}],
    } | dict(header)
    placed = [
        ("urn:uuid:00000000-0000-4000-8000-0000000000aa", head),
        (RECORD, focus),
        (PATIENT, usual["patient"]),
        (ORGANIZATION, usual["organization"]),
        *others,
    ]
    return copy.deepcopy(
        {
            "resourceType": "Bundle",
            "type": "message",
            "timestamp": "2026-06-01T11:59:00Z",
            "entry": [
                {"fullUrl": url, "resource": resource}
                for url, resource in placed
                if resource is not None
            ],
        }
    )


def laboratory(focus=None, *, result=(), sample=(), event="labresult-published", **entries):
    others = [(RESULT, observation(**dict(result))), (SPECIMEN, specimen(**dict(sample)))]
    return message(focus or report(), event=event, others=others, **entries)
