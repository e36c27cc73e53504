"""Each invariant, broken in the smallest resource that can hold it, is told at its own place.

Whether a rule is HL7's own is compared with FHIRPath in `tests/property/test_invariants.py`; here
is what a sender is told: the sentence, the element and the code.
"""

import json

import pytest

from schemas.sentences.catalogue import sentence_keys
from schemas.strict_json import read_json
from schemas.structure.compiled import read_plain
from schemas.structure.explained import structure_problems
from schemas.structure.invariants import INVARIANTS, UCUM

TEXT = {"text": "x"}
URN = "urn:uuid:00000000-0000-4000-8000-00000000000"
VALUE = "Patient.extension[0].value"


def value(**choice):
    return {"resourceType": "Patient", "extension": [{"url": "x", **choice}]}


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": TEXT, **members}


def organization(**members):
    return {"resourceType": "Organization", **members}


def repeat(**members):
    return value(valueTiming={"repeat": members})


def bundle(kind, *entries, **members):
    whole = {"resourceType": "Bundle", "type": kind, **members}
    return {**whole, "entry": list(entries)} if entries else whole


def entry(number=0, resource=None, **members):
    return {"fullUrl": f"{URN}{number}", "resource": resource or patient(active=True), **members}


def composition(**section):
    return {
        "resourceType": "Composition",
        "status": "final",
        "type": TEXT,
        "date": "2026",
        "author": [{"display": "x"}],
        "title": "x",
        "section": [{"title": "x", **section}],
    }


def document(first=None, **members):
    return bundle(
        "document",
        entry(0, first or composition(text={"status": "generated", "div": DIV})),
        **{"identifier": {"system": "urn:x", "value": "1"}, "timestamp": MOMENT, **members},
    )


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'
MOMENT = "2026-05-01T10:00:00Z"
REQUEST = {"method": "GET", "url": "Patient/1"}
IMMUNIZATION = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": TEXT,
    "patient": {"display": "x"},
    "occurrenceString": "x",
}
CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": TEXT,
    "category": [TEXT],
}
ORDER = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "subject": {"display": "x"},
}
AUDIT = {
    "resourceType": "AuditEvent",
    "type": {"code": "x"},
    "recorded": MOMENT,
    "agent": [{"requestor": True}],
    "source": {"observer": {"display": "x"}},
}
REPEAT = f"{VALUE}.repeat"

#: Type and key of each invariant → (what breaks it, the element that is named).
BREAKS = {
    ("Extension", "ext-1"): (value(), "Patient.extension[0]"),
    ("Attachment", "att-1"): (value(valueAttachment={"data": "QUJD"}), f"{VALUE}.contentType"),
    ("ContactPoint", "cpt-2"): (patient(telecom=[{"value": "1"}]), "Patient.telecom[0].system"),
    ("Period", "per-1"): (value(valuePeriod={"start": "2026", "end": "2025"}), VALUE),
    ("Quantity", "qty-3"): (value(valueQuantity={"value": 1, "code": "g"}), f"{VALUE}.system"),
    ("Age", "qty-3"): (value(valueAge={"value": 1, "code": "a"}), f"{VALUE}.system"),
    ("Age", "age-1"): (value(valueAge={"value": 0, "code": "a", "system": UCUM}), VALUE),
    ("Count", "qty-3"): (value(valueCount={"value": 1, "code": "1"}), f"{VALUE}.system"),
    ("Count", "cnt-3"): (value(valueCount={"value": 1, "code": "2", "system": UCUM}), VALUE),
    ("Distance", "qty-3"): (value(valueDistance={"value": 1, "code": "m"}), f"{VALUE}.system"),
    ("Distance", "dis-1"): (value(valueDistance={"value": 1}), VALUE),
    ("Duration", "qty-3"): (value(valueDuration={"value": 1, "code": "s"}), f"{VALUE}.system"),
    ("Duration", "drt-1"): (value(valueDuration={"code": "s", "system": UCUM}), VALUE),
    ("Range", "rng-2"): (value(valueRange={"low": {"value": 2}, "high": {"value": 1}}), VALUE),
    ("Ratio", "rat-1"): (value(valueRatio={"numerator": {"value": 1}}), VALUE),
    ("Expression", "exp-1"): (value(valueExpression={"language": "text/cql"}), VALUE),
    ("DataRequirementCodeFilter", "drq-1"): (
        value(valueDataRequirement={"type": "Patient", "codeFilter": [{"valueSet": "urn:x"}]}),
        f"{VALUE}.codeFilter[0]",
    ),
    ("DataRequirementDateFilter", "drq-2"): (
        value(valueDataRequirement={"type": "Patient", "dateFilter": [{"valueDateTime": "2026"}]}),
        f"{VALUE}.dateFilter[0]",
    ),
    ("TriggerDefinition", "trd-1"): (
        value(
            valueTriggerDefinition={
                "type": "data-added", "timingDate": "2026", "data": [{"type": "Patient"}],
            }
        ),
        VALUE,
    ),
    ("TriggerDefinition", "trd-2"): (
        value(
            valueTriggerDefinition={
                "type": "named-event", "name": "x",
                "condition": {"language": "text/cql", "expression": "x"},
            }
        ),
        f"{VALUE}.condition",
    ),
    ("TriggerDefinition", "trd-3"): (value(valueTriggerDefinition={"type": "named-event"}), VALUE),
    ("TimingRepeat", "tim-1"): (repeat(duration=1), f"{REPEAT}.durationUnit"),
    ("TimingRepeat", "tim-2"): (repeat(period=1), f"{REPEAT}.periodUnit"),
    ("TimingRepeat", "tim-4"): (repeat(duration=-1, durationUnit="d"), f"{REPEAT}.duration"),
    ("TimingRepeat", "tim-5"): (repeat(period=-1, periodUnit="d"), f"{REPEAT}.period"),
    ("TimingRepeat", "tim-6"): (repeat(periodMax=1), f"{REPEAT}.period"),
    ("TimingRepeat", "tim-7"): (repeat(durationMax=1), f"{REPEAT}.duration"),
    ("TimingRepeat", "tim-8"): (repeat(countMax=1), f"{REPEAT}.count"),
    ("TimingRepeat", "tim-9"): (repeat(offset=1, when=["C"]), f"{REPEAT}.offset"),
    ("TimingRepeat", "tim-10"): (
        repeat(timeOfDay=["10:00:00"], when=["MORN"]),
        f"{REPEAT}.timeOfDay",
    ),
    ("ImmunizationEducation", "imm-1"): (
        {**IMMUNIZATION, "education": [{"presentationDate": "2026"}]},
        "Immunization.education[0]",
    ),
    ("Observation", "obs-6"): (
        observation(valueString="x", dataAbsentReason=TEXT),
        "Observation.dataAbsentReason",
    ),
    ("Observation", "obs-7"): (
        observation(
            code={"coding": [{"code": "1"}]},
            valueString="x",
            component=[{"code": {"coding": [{"code": "1"}]}}],
        ),
        "Observation.component",
    ),
    ("ObservationReferenceRange", "obs-3"): (
        observation(referenceRange=[{"type": TEXT}]),
        "Observation.referenceRange[0]",
    ),
    ("Organization", "org-1"): (organization(active=True), "Organization"),
    ("Organization", "org-2"): (
        organization(name="x", address=[{"use": "home"}]),
        "Organization.address",
    ),
    ("Organization", "org-3"): (
        organization(name="x", telecom=[{"use": "home"}]),
        "Organization.telecom",
    ),
    ("PatientContact", "pat-1"): (patient(contact=[{"gender": "other"}]), "Patient.contact[0]"),
    ("ServiceRequest", "prr-1"): ({**ORDER, "orderDetail": [TEXT]}, "ServiceRequest.orderDetail"),
    ("Consent", "ppc-1"): (CONSENT, "Consent"),
    ("AuditEventEntity", "sev-1"): (
        {**AUDIT, "entity": [{"name": "x", "query": "QUJD"}]},
        "AuditEvent.entity[0].query",
    ),
    ("CompositionSection", "cmp-1"): (composition(), "Composition.section[0]"),
    ("CompositionSection", "cmp-2"): (
        composition(entry=[{"display": "x"}], emptyReason=TEXT),
        "Composition.section[0].emptyReason",
    ),
    ("ParametersParameter", "inv-1"): (
        {"resourceType": "Parameters", "parameter": [{"name": "x"}]},
        "Parameters.parameter[0]",
    ),
    ("Group", "grp-1"): (
        {
            "resourceType": "Group",
            "type": "person",
            "actual": False,
            "member": [{"entity": {"display": "x"}}],
        },
        "Group.member",
    ),
    ("BundleEntry", "bdl-5"): (
        bundle("collection", {"fullUrl": f"{URN}0"}),
        "Bundle.entry[0].resource",
    ),
    ("BundleEntry", "bdl-8"): (
        bundle("collection", {**entry(), "fullUrl": "http://x.example/Patient/1/_history/1"}),
        "Bundle.entry[0].fullUrl",
    ),
    ("BundleEntry", "full-url"): (
        bundle("collection", {**entry(), "fullUrl": "Patient/1"}),
        "Bundle.entry[0].fullUrl",
    ),
    ("Bundle", "bdl-1"): (bundle("collection", total=1), "Bundle.total"),
    ("Bundle", "bdl-2"): (
        bundle("collection", entry(search={"mode": "match"})),
        "Bundle.entry",
    ),
    ("Bundle", "bdl-3"): (bundle("collection", entry(request=REQUEST)), "Bundle.entry"),
    ("Bundle", "bdl-4"): (bundle("collection", entry(response={"status": "200"})), "Bundle.entry"),
    ("Bundle", "bdl-7"): (bundle("collection", entry(), entry()), "Bundle.entry"),
    ("Bundle", "bdl-9"): (document(identifier={"value": "1"}), "Bundle.identifier"),
    ("Bundle", "bdl-10"): (
        {name: member for name, member in document().items() if name != "timestamp"},
        "Bundle.timestamp",
    ),
    ("Bundle", "bdl-11"): (document(patient(active=True)), "Bundle.entry"),
    ("Bundle", "bdl-12"): (bundle("message", entry()), "Bundle.entry"),
    ("Bundle", "search-id"): (bundle("searchset", entry()), "Bundle.entry"),
    ("Bundle", "search-outcome"): (
        bundle("searchset", entry(0, patient(id="1"), search={"mode": "outcome"})),
        "Bundle.entry",
    ),
}  # fmt: skip


def test_every_sentence_of_an_invariant_is_told_here_or_of_contained_resources():
    told = {f"invariant.{key}" for _, key in BREAKS}
    contained = {f"invariant.dom-{number}" for number in range(2, 6)}

    assert {key for key in sentence_keys() if key.startswith("invariant.")} == told | contained


def test_every_invariant_is_broken_here():
    assert set(BREAKS) == {(name, one.key) for name, rules in INVARIANTS.items() for one in rules}


@pytest.mark.parametrize("rule", BREAKS, ids="-".join)
def test_it_alone_is_told_with_its_place(rule):
    resource, expression = BREAKS[rule]
    text = json.dumps(resource).encode()

    told = [(one.sentence, one.code, one.expression) for one in structure_problems(read_json(text))]

    assert (f"invariant.{rule[1]}", "invariant", expression) in told
    # A Duration's own rule asks for the system again, and for more.
    assert {key for key, _, _ in told} - {"invariant.drt-1"} <= {f"invariant.{rule[1]}"}
    assert read_plain(text) is None


def test_a_whole_document_keeps_them_all():
    """What the smallest resources are made of is valid: each is broken by one thing alone."""
    assert structure_problems(document()) == []


@pytest.mark.parametrize("address", ["https://x.example/Patient/1", "HTTPS://x.example/1", "a:1"])
def test_an_address_with_any_scheme_is_a_full_url(address):
    text = json.dumps(bundle("collection", {**entry(), "fullUrl": address})).encode()

    assert structure_problems(read_json(text)) == []
    assert read_plain(text) is not None


@pytest.mark.parametrize("address", ["Patient/1", "/Patient/1", "//x.example/1", "1"])
def test_a_relative_full_url_of_a_message_is_left_to_the_explaining_path(address):
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"code": "x"},
        "source": {"endpoint": "urn:x"},
    }
    message = bundle("message", entry(0, header), {**entry(1), "fullUrl": address})

    assert read_plain(json.dumps(bundle("message", entry(0, header), entry(1))).encode())
    assert read_plain(json.dumps(message).encode()) is None
    assert [one.expression for one in structure_problems(message)] == ["Bundle.entry[1].fullUrl"]
