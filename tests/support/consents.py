"""Consents, requests and policies in the fewest words, for tests of the basis."""

import json
from datetime import UTC, datetime, timedelta

from exchange.consent.request import DisclosureRequest
from exchange.consent.resources import decide_on
from schemas.policy import read_policy
from schemas.record_traits import RecordTraits
from tests.support.world import ALA, KG, KZ, NOON

UZ = "registry:uz"
COUNTRY = {KZ: "KZ", KG: "KG", UZ: "UZ"}

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
TYPES = "http://hl7.org/fhir/resource-types"
PARTICIPANT = "urn:bhx:participant"
ISO = "urn:iso:std:iso:3166"
PCF = "https://profiles.ihe.net/ITI/PCF/"
CVX = "http://hl7.org/fhir/sid/cvx"

DAY = (datetime(2026, 5, 20, tzinfo=UTC), datetime(2026, 5, 21, tzinfo=UTC) - timedelta(seconds=1))


def actor(value, *, system=PARTICIPANT, role="IRCP", roles=None):
    participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
    codings = roles or [{"system": participation, "code": role}]
    return {
        "role": {"coding": codings},
        "reference": {"identifier": {"system": system, "value": value}},
    }


def coded(system, *codes):
    return [{"system": system, "code": code} for code in codes]


def concept(system, *codes):
    return {"coding": coded(system, *codes)}


def rule(kind, *exceptions, **criteria):
    """A provision; `kind` None leaves its type out, and `class_` stands for `class`."""
    found = {} if kind is None else {"type": kind}
    found.update({name.rstrip("_"): value for name, value in criteria.items()})
    if exceptions:
        found["provision"] = list(exceptions)
    return found


def permit(*exceptions, **criteria):
    return rule("permit", *exceptions, **criteria)


def deny(*exceptions, **criteria):
    return rule("deny", *exceptions, **criteria)


def a_consent(provision=None, *, name="a", given="2026-05-01T10:00:00Z", **elements):
    """An active consent by the traveller; elements given as None are left out."""
    resource = {
        "resourceType": "Consent",
        "identifier": [{"system": "urn:test", "value": name}],
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p"},
        "performer": [{"reference": "Patient/p"}],
        "dateTime": given,
        "policy": [{"uri": "https://example.org/privacy"}],
        "provision": provision,
        **elements,
    }
    return {name: value for name, value in resource.items() if value is not None}


def opted(code, provision=None, **elements):
    """Core R4: the policy decides."""
    return a_consent(provision, policy=None, policyRule=concept(ACT_CODE, code), **elements)


def a_request(recipient=KZ, purpose="PUBHLTH", *, country=None, **traits):
    known = {
        "author": ALA,
        "collected_in": "KZ",
        "record_class": "Immunization",
        "record": "urn:test|r1",
        "codes": ((CVX, "37"),),
        "diseases": ("yellow-fever",),
        "date": DAY,
        "origins": ("UZ",),
        "is_minor": False,
    }
    return DisclosureRequest(
        recipient=recipient,
        recipient_jurisdiction=country or COUNTRY[recipient],
        purpose=purpose,
        traits=RecordTraits(**{**known, **traits}),
    )


def a_policy(**members):
    document = {
        "jurisdiction": "KZ",
        "version": 1,
        "valid_from": "2026-01-01T00:00:00Z",
        "authority": "Ministry of Health",
        **members,
    }
    return read_policy(json.dumps(document).encode())


def a_mandate(**members):
    return {
        "id": "ihr",
        "law": "International Health Regulations (2005)",
        "citation": "Article 6",
        "period": {"start": "2026-01-01T00:00:00Z"},
        "view": "minimum",
        **members,
    }


def decided(*consents, policies=(), at=NOON, **request):
    """The decision; what is not of the decision itself is of the request."""
    return decide_on(consents, policies, a_request(**request), at)
