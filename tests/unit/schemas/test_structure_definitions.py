"""What is known of FHIR's types: every carried one can be read, and the code lists agree."""

import json

import pytest
from fhir.resources.R4B import get_fhir_model_class

from schemas.fhir_names import CARRIED_RESOURCES
from schemas.structure.compiled import read_plain
from schemas.structure.elements import is_resource_type, type_definition
from schemas.structure.pinned import pinned

#: The least of each carried type: what R4 4.0.1 requires of it and no more.
CODE = {"text": "a thing"}
LEAST = {
    "Bundle": {"type": "collection"},
    "Consent": {"status": "active", "scope": CODE, "category": [CODE], "policyRule": CODE},
    "Device": {},
    "DiagnosticReport": {"status": "final", "code": CODE},
    "DocumentReference": {
        "status": "current",
        "content": [{"attachment": {"url": "https://example.org/1"}}],
    },
    "Encounter": {"status": "finished", "class": {"code": "AMB"}},
    "Immunization": {
        "status": "completed",
        "vaccineCode": CODE,
        "patient": {"display": "a traveller"},
        "occurrenceString": "unknown",
    },
    "Location": {},
    "MessageHeader": {
        "eventCoding": {"code": "x"},
        "source": {"endpoint": "https://example.org/fhir"},
    },
    "Observation": {"status": "final", "code": CODE},
    "OperationOutcome": {"issue": [{"severity": "error", "code": "invalid"}]},
    "Organization": {"name": "a post"},
    "Patient": {},
    "Practitioner": {},
    "PractitionerRole": {},
    "Provenance": {
        "target": [{"reference": "Patient/1"}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "a post"}}],
    },
    "ServiceRequest": {"status": "active", "intent": "order", "subject": {"display": "x"}},
    "Specimen": {},
}


def code_lists():
    """Every required binding whose codes the models know too, in full (`+` marks a cut list)."""
    for path, codes in pinned().codes.items():
        type_name, name = path.split(".")
        fields = get_fhir_model_class(type_name).model_fields.values()
        extra = next(one.json_schema_extra for one in fields if one.alias == name)
        listed = (extra or {}).get("enum_values")
        if listed and "+" not in listed:
            yield path, codes, frozenset(listed)


@pytest.mark.parametrize("name", sorted(CARRIED_RESOURCES))
def test_every_carried_resource_is_known_and_read_by_the_compiled_path(name):
    resource = {"resourceType": name, **LEAST[name]}

    assert is_resource_type(name)
    assert type_definition(name).kind == "resource"
    assert read_plain(json.dumps(resource).encode()) == resource


@pytest.mark.parametrize("name", sorted(CARRIED_RESOURCES))
def test_the_compiled_path_takes_no_unknown_element_of_any_carried_resource(name):
    resource = {"resourceType": name, **LEAST[name], "unknown": "x"}

    assert read_plain(json.dumps(resource).encode()) is None


def test_required_bindings_are_those_of_the_models():
    lists = list(code_lists())

    assert len(lists) > 250
    assert [path for path, ours, theirs in lists if ours != theirs] == []
