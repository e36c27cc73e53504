"""Real records as messages, as a post would send them: about our traveller, and complete.

A record's numbers keep their digits. What it refers to and does not bring along becomes a display;
an identifier, the organisation and the country are added, as the exchange's profile asks.
"""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TYPES = ("Immunization", "Observation", "DiagnosticReport")
#: Code systems that readers of other countries know.
INTERNATIONAL = {"http://loinc.org", "http://snomed.info/sct"}


@dataclass
class Message:
    """A message and what must become of it.

    Attributes:
        recipients: participants that must get it, and nobody else may.
        receipt: bytes of its receipt, once it came.
    """

    name: str
    message_id: str
    publisher: str
    body: bytes
    recipients: frozenset
    text: str
    signature: str
    receipt: bytes = b""


def record_files(corpora):
    """Every real record that this exchange is for."""
    return [file for file in _all_files(corpora) if why_not(json.loads(file.read_bytes())) is None]


def unfit_files(corpora):
    """Real records that the profile refuses, with what is wrong with each."""
    found = [(file, why_not(json.loads(file.read_bytes()))) for file in _all_files(corpora)]
    return [(file, why) for file, why in found if why is not None]


def _all_files(corpora):
    files = sorted((corpora / "nhs-immunisation" / "Immunization").glob("*.json"))
    for kind in TYPES:
        files += sorted((corpora / "fhir-r4-examples").glob(f"{kind}-*.json"))
    return files


def why_not(record):
    """The element for which the exchange refuses a record, read off the record itself; or None."""
    if record["resourceType"] == "Immunization":
        return None if "occurrenceDateTime" in record else "occurrence"
    if record["resourceType"] == "DiagnosticReport" and not record.get("result"):
        return "result"
    if not any(name.startswith("effective") for name in record) and record["status"] == "final":
        return "effective"
    for element in ("code", "valueCodeableConcept"):
        codings = record.get(element, {}).get("coding")
        if codings and not any(one.get("system") in INTERNATIONAL for one in codings):
            return element.removesuffix("CodeableConcept")
    return None


def travelling(text):
    """The record as text, and the Observations it needs beside it, none referring elsewhere."""
    record = json.loads(text, parse_float=lambda digits: f"@@{digits}@@")
    results = []
    if record["resourceType"] == "DiagnosticReport":
        for reference in record.get("result", ()):
            url = f"urn:uuid:{uuid.uuid4()}"
            reference["reference"] = url
            results.append((url, _result_of(record)))
    _leave_their_patient(record)
    _cut_loose(record)
    named = [one for one in record.get("identifier", ()) if {"system", "value"} <= one.keys()]
    if not named:
        own = {"system": "urn:bhx:test:records", "value": str(uuid.uuid4())}
        record["identifier"] = [own, *record.get("identifier", ())]
    return _as_text(record), [(url, _as_text(one)) for url, one in results]


def _result_of(report):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": report["code"],
        "subject": {"reference": "Patient/traveller"},
        "effectiveDateTime": report["effectiveDateTime"],
        "valueString": "see the report",
    }


def _leave_their_patient(record):
    """A Patient contained in the record is not our traveller, and nothing refers to it any more."""
    theirs = record.get("patient", record.get("subject", {})).get("reference", "")
    kept = [one for one in record.pop("contained", ()) if f"#{one['id']}" != theirs]
    if kept:
        record["contained"] = kept


def _cut_loose(value):
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _cut_loose(inner)
    if isinstance(value, dict) and isinstance(value.get("reference"), str):
        reference = value["reference"]
        if not reference.startswith(("#", "urn:uuid:", "Patient/")):
            del value["reference"]
            value.setdefault("display", reference)


def _as_text(record):
    return re.sub('"@@([^"@]+)@@"', r"\1", json.dumps(record, ensure_ascii=False))


def event_of(record):
    """The event under which a post sends a record of this status."""
    if record["resourceType"] == "Consent":
        return "consent-changed"
    kind = "immunization" if record["resourceType"] == "Immunization" else "labresult"
    status = record.get("status")
    if status in ("entered-in-error", "cancelled"):
        return f"{kind}-withdrawn"
    if status in ("amended", "corrected", "appended"):
        return f"{kind}-corrected"
    return f"{kind}-published"


def post_organization():
    """Who answers for the records: a post, in a country."""
    return {
        "resourceType": "Organization",
        "name": "Санитарно-карантинный пункт",
        "address": [{"country": "KZ"}],
    }


def is_immunization(file):
    return json.loads(file.read_bytes())["resourceType"] == "Immunization"


def about(text, patient_url):
    """The record's text with its own reference to its patient pointing at ours, else untouched."""
    record = json.loads(text)
    element = "patient" if record["resourceType"] in {"Immunization", "Consent"} else "subject"
    theirs = record.get(element, {}).get("reference")
    if theirs is None:
        record = json.loads(text, parse_float=lambda digits: f"@@{digits}@@")
        return _as_text({**record, element: {"reference": patient_url}})
    return text.replace(json.dumps(theirs, ensure_ascii=False), json.dumps(patient_url))


def compose(text, *, source, consents=(), document, destinations=(), event=None, message_id=None):
    """Id and bytes of a message around one resource, put together as text."""
    message_id = message_id or str(uuid.uuid4())
    patient, focus = (f"urn:uuid:{uuid.uuid4()}" for _ in range(2))
    record = json.loads(text)
    others = []
    if record["resourceType"] in TYPES:
        text, others = travelling(text)
    text = about(text, patient)
    header = {
        "resourceType": "MessageHeader",
        "id": message_id,
        "eventCoding": {
            "system": "urn:bhx:exchange-events",
            "code": event or event_of(record),
        },
        "source": {"name": "Пункт пропуска", "endpoint": f"urn:bhx:participant:{source}"},
        "focus": [{"reference": focus}],
    }
    if destinations:
        header["destination"] = [{"endpoint": f"urn:bhx:participant:{one}"} for one in destinations]
    traveller = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:bhx:test:passport", "value": document}],
        "name": [{"family": "Иванова", "given": ["Анна"]}],
        "birthDate": "1950-02-03",
    }
    resources = [(f"urn:uuid:{message_id}", json.dumps(header, ensure_ascii=False))]
    resources += [(focus, text), (patient, json.dumps(traveller, ensure_ascii=False))]
    resources += [(url, about(other, patient)) for url, other in others]
    resources.append(
        (f"urn:uuid:{uuid.uuid4()}", json.dumps(post_organization(), ensure_ascii=False))
    )
    for consent in consents:
        resources.append((f"urn:uuid:{uuid.uuid4()}", about_patient(consent, patient)))
    entries = ", ".join(
        f'{{"fullUrl": "{url}", "resource": {resource}}}' for url, resource in resources
    )
    at = datetime.now(UTC).isoformat(timespec="seconds")
    bundle = f'{{"resourceType": "Bundle", "type": "message", "timestamp": "{at}", "entry": ['
    return message_id, (bundle + entries + "]}").encode()


def consent(*recipients, decision="permit"):
    """A traveller's consent for public health, since yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
    scope = {
        "system": "http://terminology.hl7.org/CodeSystem/consentscope",
        "code": "patient-privacy",
    }
    reason = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "PUBHLTH"}
    return {
        "resourceType": "Consent",
        "identifier": [{"system": "urn:bhx:test:consent", "value": str(uuid.uuid4())}],
        "status": "active",
        "scope": {"coding": [scope]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/traveller"},
        "dateTime": yesterday.isoformat(timespec="seconds"),
        "policyRule": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}
            ]
        },
        "provision": {
            "type": decision,
            "actor": [
                {
                    "role": {"coding": [role]},
                    "reference": {"identifier": {"system": "urn:bhx:participant", "value": one}},
                }
                for one in recipients
            ],
            "purpose": [reason],
        },
    }


def about_patient(statement, patient_url):
    return json.dumps({**statement, "patient": {"reference": patient_url}}, ensure_ascii=False)
