"""Real records as messages: each record's own text, with only its traveller exchanged for ours."""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TYPES = ("Immunization", "Observation", "DiagnosticReport")


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
    files = sorted((corpora / "nhs-immunisation" / "Immunization").glob("*.json"))
    for kind in TYPES:
        files += sorted((corpora / "fhir-r4-examples").glob(f"{kind}-*.json"))
    return files


def is_immunization(file):
    return json.loads(file.read_bytes())["resourceType"] == "Immunization"


def about(text, patient_url):
    """The record's text with its own reference to its patient pointing at ours, else untouched."""
    record = json.loads(text)
    element = "patient" if record["resourceType"] in {"Immunization", "Consent"} else "subject"
    if element not in record:
        member = json.dumps({element: {"reference": patient_url}})[1:-1]
        return text.replace("{", "{" + member + ",", 1)
    theirs = re.escape(json.dumps(record[element]["reference"], ensure_ascii=False))
    return re.sub(theirs, json.dumps(patient_url), text)


def compose(text, *, source, consents=(), document, destinations=(), event=None, message_id=None):
    """Id and bytes of a message around one resource, put together as text."""
    message_id = message_id or str(uuid.uuid4())
    patient, focus = (f"urn:uuid:{uuid.uuid4()}" for _ in range(2))
    text = about(text, patient)
    kind = json.loads(text)["resourceType"]
    names = {"Immunization": "immunization-published", "Consent": "consent-changed"}
    header = {
        "resourceType": "MessageHeader",
        "id": message_id,
        "eventCoding": {
            "system": "urn:bhx:exchange-events",
            "code": event or names.get(kind, "labresult-published"),
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
    }
    resources = [(f"urn:uuid:{message_id}", json.dumps(header, ensure_ascii=False))]
    resources += [(focus, text), (patient, json.dumps(traveller, ensure_ascii=False))]
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
