"""Structure of FHIR R4 against records and verdicts that we did not make."""

import json
import re

import pytest

from schemas.strict_json import read_json
from schemas.structure.explained import structure_problems
from schemas.structure.reading import read_resource
from schemas.violation import SchemaViolation

pytestmark = pytest.mark.needs_corpora

MOST_BYTES = 8_000_000


def errors_in(data):
    """Expressions of the errors in a file's resource; JSON that cannot be read is one error."""
    try:
        _, problems = read_resource(data.removeprefix(b"\xef\xbb\xbf"), max_bytes=MOST_BYTES)
    except SchemaViolation:
        return ["$this"]
    return [one.expression for one in problems if one.is_error]


@pytest.mark.parametrize(("folder", "count"), [("fhir-r4-examples", 88), ("nhs-immunisation", 13)])
def test_real_records_are_valid(corpora, folder, count):
    files = [file for file in (corpora / folder).rglob("*.json") if file.name != "package.json"]
    found = {file.name: errors_in(file.read_bytes()) for file in files}

    assert len(found) == count
    assert {name: told for name, told in found.items() if told} == {}
    print(f"\n{folder}: {count} of {count} valid at level structure")


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **members}


#: A resource that carries the value in an element of that type.
CARRIERS = {
    "boolean": lambda value: patient(active=value),
    "code": lambda value: patient(language=value),
    "date": lambda value: patient(birthDate=value),
    "date_time": lambda value: observation(effectiveDateTime=value),
    "id": lambda value: patient(id=value),
    "oid": lambda value: patient(extension=[{"url": "x", "valueOid": value}]),
    "string": lambda value: patient(name=[{"family": value}]),
    "unsigned_int": lambda value: patient(extension=[{"url": "x", "valueUnsignedInt": value}]),
    "uri": lambda value: patient(implicitRules=value),
}
#: JSON has null only in an array of primitives, where the extensions stand for the value.
NULL = {
    "resourceType": "Patient",
    "name": [{"given": [None], "_given": [{"extension": [{"url": "x", "valueCode": "unknown"}]}]}],
}


@pytest.mark.parametrize("expected", ["valid", "invalid"])
def test_each_value_of_a_primitive(corpora, expected):
    wrong, seen = [], 0
    for name, carrier in CARRIERS.items():
        file = corpora / "fhir-r4-primitives" / f"{name}.{expected}.ndjson"
        for line in file.read_text(encoding="utf-8").splitlines():
            seen += 1
            marked = json.dumps(carrier("@value@"))
            text = json.dumps(NULL) if line == "null" else marked.replace('"@value@"', line)
            if bool(errors_in(text.encode())) != (expected == "invalid"):
                wrong.append((name, line))

    assert wrong == []
    assert seen == {"valid": 30, "invalid": 45}[expected]


#: Where we and the reference validator differ, and why it is not about structure.
DISAGREEMENTS = {
    "R4.bad-markdown-no-html-base.json": "that run refused HTML in markdown, by an option",
    "R4.dr-example-org-base.json": "that run refused example.org addresses, by an option",
    "R4.ips-htmlrefs-backwards-base.json": "an extension's own definition, from a package",
    "R4.json-comments-1-yes-base.json": "that run allowed comments in JSON, by an option",
    "R4.json-comments-2-yes-base.json": "that run allowed comments in JSON, by an option",
    "R4.maiden-name-extension-base.json": "where an extension may stand, from a package",
    "R4.obs-vs-1-base.json": "an extension it did not know, and a profile for vital signs",
    "R4.pat-dob-ext-base.json": "an extension it did not know",
    "R4.pat-example-extensions-base.json": "an extension it did not know",
    "R4.target-ref-profile-empty-base.json": "extensions it did not know, and display texts",
    "R4.uk-msg-base.json": "display texts, and national SNOMED CT codes, by its server",
}


def test_the_reference_validator_agrees(corpora):
    folder = corpora / "fhir-validator-cases"
    index = (corpora / "INDEX.md").read_text(encoding="utf-8")
    cases = re.findall(r"^\| (\S+\.json) \| (java/\S+(?: - \S+)?) \| \d+ \|", index, re.MULTILINE)
    differ = set()
    for file, outcome in cases:
        issues = json.loads((folder / "outcomes" / outcome).read_text("utf-8-sig")).get("issue", [])
        theirs = any(one["severity"] in {"error", "fatal"} for one in issues)
        if bool(errors_in((folder / file).read_bytes())) != theirs:
            differ.add(outcome.removeprefix("java/"))

    assert len(cases) == 46
    assert differ == set(DISAGREEMENTS)
    print(f"\nfhir-validator-cases: {len(cases) - len(differ)} of {len(cases)} agree")


def test_server_samples_are_judged_as_described(corpora):
    found = {
        file.name: errors_in(file.read_bytes())
        for file in (corpora / "fhir-server-samples").rglob("*.json")
    }

    assert len(found) == 12
    assert {name: told for name, told in found.items() if told} == {
        "ObservationWithNoCode.json": ["Observation.code"],
        "ObservationWithInvalidStatus.json": ["Observation.status", "Observation.code"],
        "PatientWithUnknownElements.json": ["Patient"],
        "Patient.json": ["Patient.meta.lastUpdated"],
        "Observation-For-Patient-f001.json": ["Observation.interpretation"],
        "ObservationWithBloodPressure.json": [
            "Observation.interpretation",
            "Observation.component[0].interpretation",
            "Observation.component[1].interpretation",
        ],
    }


#: Elements that R4 4.0.1 asks for at least once, by place: all that the converter's bundles hold.
#: Written down from the resource pages of the specification, not from our definitions.
REQUIRED = {
    "Coverage": ("status", "beneficiary", "payor"),
    "Coverage.class": ("type", "value"),
    "Device.deviceName": ("name", "type"),
    "DiagnosticReport": ("status", "code"),
    "DiagnosticReport.media": ("link",),
    "Encounter": ("status", "class"),
    "Encounter.classHistory": ("class", "period"),
    "Encounter.diagnosis": ("condition",),
    "Encounter.location": ("location",),
    "Encounter.statusHistory": ("status", "period"),
    "EpisodeOfCare": ("status", "patient"),
    "EpisodeOfCare.diagnosis": ("condition",),
    "EpisodeOfCare.statusHistory": ("status", "period"),
    "Location.position": ("longitude", "latitude"),
    "MessageHeader": ("event", "source"),
    "MessageHeader.destination": ("endpoint",),
    "MessageHeader.response": ("identifier", "code"),
    "MessageHeader.source": ("endpoint",),
    "Observation": ("status", "code"),
    "Observation.component": ("code",),
    "Organization": (),
    "Patient": (),
    "Patient.communication": ("language",),
    "Patient.link": ("other", "type"),
    "Practitioner": (),
    "Practitioner.qualification": ("code",),
    "PractitionerRole": (),
    "Provenance": ("target", "recorded", "agent"),
    "Provenance.agent": ("who",),
    "Provenance.entity": ("role", "what"),
    "Provenance.signature": ("type", "when", "who"),
    "RelatedPerson": ("patient",),
    "RelatedPerson.communication": ("language",),
    "ServiceRequest": ("status", "intent", "subject"),
    "Specimen": (),
    "Device": (),
    "Location": (),
}


def lacking(value, place, where):
    """Where a required element is not there, a value nor its extensions, in any of its forms."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from lacking(one, place, f"{where}[{index}]")
    elif isinstance(value, dict):
        for element in REQUIRED.get(place, ()):
            forms = ("event[A-Z].*",) if element == "event" else (element,)
            if not any(re.fullmatch(f"_?{form}", name) for form in forms for name in value):
                yield f"{where}.{element}"
        for name, member in value.items():
            yield from lacking(member, f"{place}.{name}", f"{where}.{name}")


def test_converted_bundles_are_told_all_that_they_lack(corpora):
    files = sorted((corpora / "reportstream-hl7-fhir").rglob("*.fhir"))
    total = 0
    for file in files:
        tree = read_json(file.read_bytes(), max_bytes=MOST_BYTES)
        problems = [one for one in structure_problems(tree) if one.is_error]
        told = {one.expression for one in problems if one.code == "required"}
        expected = set()
        for index, entry in enumerate(tree["entry"]):
            resource = entry["resource"]
            assert resource["resourceType"] in REQUIRED, file.name
            assert "contained" not in resource, file.name
            where = f"Bundle.entry[{index}].resource"
            expected |= set(lacking(resource, resource["resourceType"], where))
        assert problems, file.name
        assert told == expected, file.name
        total += len(expected)
    assert len(files) == 45
    print(f"\nreportstream-hl7-fhir: {len(files)} refused, {total} missing elements, all told")
