"""The names this exchange uses inside FHIR: code systems, event codes and participant endpoints."""

# Names of our own (urn:bhx). They are part of the public contract: never change one, add another.
EVENT_SYSTEM = "urn:bhx:exchange-events"
PARTICIPANT_IDENTIFIERS = "urn:bhx:participant"
PARTICIPANT_ENDPOINT_PREFIX = "urn:bhx:participant:"

IMMUNIZATION_PUBLISHED = "immunization-published"
IMMUNIZATION_CORRECTED = "immunization-corrected"
IMMUNIZATION_WITHDRAWN = "immunization-withdrawn"
LABRESULT_PUBLISHED = "labresult-published"
LABRESULT_CORRECTED = "labresult-corrected"
LABRESULT_WITHDRAWN = "labresult-withdrawn"
CONSENT_CHANGED = "consent-changed"

#: Every event a message may announce.
EVENT_CODES = (
    IMMUNIZATION_PUBLISHED,
    IMMUNIZATION_CORRECTED,
    IMMUNIZATION_WITHDRAWN,
    LABRESULT_PUBLISHED,
    LABRESULT_CORRECTED,
    LABRESULT_WITHDRAWN,
    CONSENT_CHANGED,
)

#: The resources this exchange carries; FHIR R4 4.0.1 and R4B agree on all of them.
CARRIED_RESOURCES = frozenset(
    {
        "Bundle",
        "Consent",
        "Device",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "Immunization",
        "Location",
        "MessageHeader",
        "Observation",
        "OperationOutcome",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Provenance",
        "ServiceRequest",
        "Specimen",
    }
)

# Terminologies of the records.
CVX = "http://hl7.org/fhir/sid/cvx"
SNOMED_CT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ICD_11 = "http://id.who.int/icd/release/11/mms"
EU_MEDICINAL_PRODUCTS = "https://ec.europa.eu/health/documents/community-register/html/"
UCUM = "http://unitsofmeasure.org"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DIAGNOSTIC_SERVICE_SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"

# Consent (FHIR R4 Consent, the exchange's profile).
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
CONSENT_DOCUMENT = "59284-0"  # LOINC: Consent Document
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PARTICIPATION_TYPE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
RECIPIENT_ROLE = "IRCP"


def endpoint_of(participant_id: str) -> str:
    """The MessageHeader endpoint of a participant."""
    return PARTICIPANT_ENDPOINT_PREFIX + participant_id


def participant_of(endpoint: str) -> str | None:
    """The participant id an endpoint names, or None when it is not one of ours.

    The id is as written: whether such a participant is admitted is for the directory to say.
    """
    if not endpoint.startswith(PARTICIPANT_ENDPOINT_PREFIX):
        return None
    return endpoint.removeprefix(PARTICIPANT_ENDPOINT_PREFIX) or None
