"""Each rule of FHIR structure refuses the smallest resource that breaks it, in its own words."""

import json

import pytest
from fhir.resources.R4B import get_fhir_model_class

from schemas.sentences.catalogue import sentence_keys
from schemas.strict_json import read_json
from schemas.structure.compiled import read_plain
from schemas.structure.explained import structure_problems

ABSENT = [
    {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
]
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **members}


def immunization(**members):
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"text": "x"},
        "patient": {"display": "x"},
        "occurrenceDateTime": "2026",
        **members,
    }


def extension(**value):
    return patient(extension=[{"url": "x", **value}])


def narrative(text):
    return patient(text={"status": "generated", "div": text})


def organization(name, **members):
    return {"resourceType": "Organization", "id": name, "name": "x", **members}


def bundle(*resources):
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": one} for n, one in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


#: Sentence → (what breaks it, the element that is named).
BREAKS = {
    "structure.not-an-object": (patient(meta="x"), "Patient.meta"),
    "structure.no-resource-type": ({"id": "1"}, "Resource"),
    "structure.unknown-resource": ({"resourceType": "Patent"}, "Resource"),
    "structure.unknown-element": (patient(zzzzzz="x"), "Patient"),
    "structure.misspelt-element": (patient(gendre="male"), "Patient"),
    "structure.does-not-repeat": (patient(gender=["male"]), "Patient.gender"),
    "structure.repeats": (patient(name={"family": "x"}), "Patient.name"),
    "structure.empty-array": (patient(name=[]), "Patient.name"),
    "structure.null": (patient(gender=None), "Patient.gender"),
    "structure.empty-element": (patient(name=[{"id": "1"}]), "Patient.name[0]"),
    "structure.required": (immunization(performer=[{}]), "Immunization.performer[0].actor"),
    "structure.required-choice": (
        immunization(protocolApplied=[{"series": "x"}]),
        "Immunization.protocolApplied[0].doseNumber",
    ),
    "structure.one-choice": (immunization(occurrenceString="x"), "Immunization.occurrence"),
    "structure.wrong-code": (
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "zzz"}]},
        "OperationOutcome.issue[0].code",
    ),
    "structure.wrong-code-of": (patient(gender="f"), "Patient.gender"),
    "structure.code-required": (patient(_gender={"extension": ABSENT}), "Patient.gender"),
    "structure.reference-says-nothing": (
        patient(managingOrganization={"type": "Organization"}),
        "Patient.managingOrganization",
    ),
    "structure.reference-form": (
        patient(managingOrganization={"reference": "to be replaced"}),
        "Patient.managingOrganization.reference",
    ),
    "structure.not-contained": (
        patient(managingOrganization={"reference": "#none"}),
        "Patient.managingOrganization.reference",
    ),
    "structure.not-bundled": (
        bundle(patient(managingOrganization={"reference": "urn:uuid:none"})),
        "Bundle.entry[0].resource.managingOrganization.reference",
    ),
    "structure.wrong-target": (
        patient(managingOrganization={"reference": "Patient/1"}),
        "Patient.managingOrganization.reference",
    ),
    "structure.contained-without-id": (
        patient(contained=[{"resourceType": "Organization", "name": "x"}]),
        "Patient.contained[0].id",
    ),
    "structure.contained-twice": (
        patient(
            contained=[organization("a"), organization("a")],
            managingOrganization={"reference": "#a"},
        ),
        "Patient.contained[1].id",
    ),
    "structure.contained-circle": (
        patient(
            contained=[
                organization("a", partOf={"reference": "#b"}),
                organization("b", partOf={"reference": "#a"}),
            ],
            managingOrganization={"reference": "#a"},
        ),
        "Patient.contained",
    ),
    "structure.more": (patient(name=[{"family": ""}] * 600), "Patient"),
    "form.boolean": (patient(active="true"), "Patient.active"),
    "form.integer": (patient(multipleBirthInteger=2**31), "Patient.multipleBirth"),
    "form.unsignedInt": (extension(valueUnsignedInt=-1), "Patient.extension[0].value"),
    "form.positiveInt": (
        immunization(protocolApplied=[{"doseNumberPositiveInt": 0}]),
        "Immunization.protocolApplied[0].doseNumber",
    ),
    "form.decimal": (observation(valueQuantity={"value": "1"}), "Observation.value.value"),
    "form.string": (patient(name=[{"family": " "}]), "Patient.name[0].family"),
    "form.markdown": (observation(note=[{"text": ""}]), "Observation.note[0].text"),
    "form.code": (patient(language=" en"), "Patient.language"),
    "form.id": (patient(id="a_b"), "Patient.id"),
    "form.uri": (patient(implicitRules="a b"), "Patient.implicitRules"),
    "form.url": (extension(valueUrl="a b"), "Patient.extension[0].value"),
    "form.canonical": (patient(meta={"profile": ["a b"]}), "Patient.meta.profile[0]"),
    "form.oid": (extension(valueOid="1.2.3"), "Patient.extension[0].value"),
    "form.uuid": (extension(valueUuid="urn:uuid:X"), "Patient.extension[0].value"),
    "form.base64Binary": (extension(valueBase64Binary="QUJ"), "Patient.extension[0].value"),
    "form.date": (patient(birthDate="2023-02-29"), "Patient.birthDate"),
    "form.dateTime": (
        immunization(occurrenceDateTime="2026-05-01T10:00"),
        "Immunization.occurrence",
    ),
    "form.instant": (patient(meta={"lastUpdated": "2026-05-01"}), "Patient.meta.lastUpdated"),
    "form.time": (extension(valueTime="10:00"), "Patient.extension[0].value"),
    "form.xhtml": (narrative(1), "Patient.text.div"),
    "narrative.not-xml": (narrative(DIV.format("<p>")), "Patient.text.div"),
    "narrative.not-a-div": (narrative("<p>x</p>"), "Patient.text.div"),
    "narrative.forbidden": (narrative(DIV.format("<script>x</script>")), "Patient.text.div"),
    "narrative.empty": (narrative(DIV.format(" ")), "Patient.text.div"),
    "invariant.dom-2": (
        patient(
            contained=[organization("a", contained=[organization("b")])],
            managingOrganization={"reference": "#a"},
        ),
        "Patient.contained[0].contained",
    ),
    "invariant.dom-3": (patient(contained=[organization("a")]), "Patient.contained[0]"),
    "invariant.dom-4": (
        patient(
            contained=[organization("a", meta={"versionId": "1"})],
            managingOrganization={"reference": "#a"},
        ),
        "Patient.contained[0].meta",
    ),
    "invariant.dom-5": (
        patient(
            contained=[organization("a", meta={"security": [{"code": "R"}]})],
            managingOrganization={"reference": "#a"},
        ),
        "Patient.contained[0].meta.security",
    ),
    "invariant.search-id": (
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": patient(active=True)}],
        },
        "Bundle.entry",
    ),
    "invariant.search-outcome": (
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": patient(id="1"), "search": {"mode": "outcome"}}],
        },
        "Bundle.entry",
    ),
}


#: FHIR's issue type of each sentence (R4 valueset-issue-type.html); others by their first word.
CODES = {
    "structure.no-resource-type": "required",
    "structure.unknown-resource": "not-supported",
    "structure.empty-element": "invariant",
    "structure.required": "required",
    "structure.required-choice": "required",
    "structure.wrong-code": "code-invalid",
    "structure.wrong-code-of": "code-invalid",
    "structure.code-required": "required",
    "structure.reference-says-nothing": "invariant",
    "structure.reference-form": "value",
    "structure.not-contained": "not-found",
    "structure.not-bundled": "not-found",
    "structure.wrong-target": "value",
    "structure.contained-without-id": "required",
    "structure.contained-twice": "duplicate",
    "structure.more": "too-costly",
}
CODES_OF_KINDS = {
    "structure": "structure",
    "form": "value",
    "narrative": "invalid",
    "invariant": "invariant",
}


@pytest.mark.parametrize("sentence", BREAKS)
def test_what_breaks_a_rule_is_told_with_its_place(sentence):
    resource, expression = BREAKS[sentence]
    text = json.dumps(resource).encode()

    told = {one.sentence: one for one in structure_problems(read_json(text))}

    assert sentence in told, list(told)
    assert told[sentence].expression == expression
    kind = sentence.partition(".")[0]
    assert told[sentence].code == CODES.get(sentence, CODES_OF_KINDS[kind])
    # What the explaining path objects to, the compiled path never takes.
    assert read_plain(text) is None


def test_every_sentence_of_structure_is_broken_here():
    """Invariants of types have `test_structure_invariants.py`."""
    compared = ("form.", "narrative.", "structure.", "invariant.dom-", "invariant.search-")

    assert {key for key in sentence_keys() if key.startswith(compared)} == set(BREAKS)


@pytest.mark.parametrize(
    "resource",
    [
        {
            key: value
            for key, value in immunization(_occurrenceDateTime={"extension": ABSENT}).items()
            if key != "occurrenceDateTime"
        },
        extension(_valueString={"extension": ABSENT}),
    ],
    ids=["a required choice", "the value of an extension"],
)
def test_a_reason_for_absence_stands_for_the_value(resource):
    text = json.dumps(resource).encode()

    assert structure_problems(read_json(text)) == []
    assert read_plain(text) == resource
    with pytest.raises(Exception, match="validation error"):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@pytest.mark.parametrize(
    "resource",
    [
        patient(birthDate="2024-02-29"),
        patient(name=[{"given": [None, "x"], "_given": [{"extension": ABSENT}, None]}]),
        patient(name=[{"id": "1", "family": "x"}]),
        patient(_birthDate={"extension": ABSENT}),
        observation(effectiveDateTime="2024-05-01T10:00:60Z"),
    ],
)
def test_what_is_rare_is_valid_all_the_same(resource):
    assert structure_problems(resource) == []
