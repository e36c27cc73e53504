import copy
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given
from hypothesis import strategies as st

from schemas.compose_message import compose_message
from schemas.fhir_names import EVENT_CODES, endpoint_of, participant_of
from schemas.violation import SchemaViolation

MESSAGE_ID = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"
PATIENT_ID = "7f3c2b1a-9d8e-4c6b-a5f4-e3d2c1b0a998"
NOW = datetime(2026, 5, 4, 8, 30, tzinfo=UTC)


def patient(**more):
    return {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": "Жұмабеков", "given": ["Нұрлан"]}],
        "gender": "male",
        "birthDate": "1990-02-28",
        **more,
    }


def immunization(**more):
    return {
        "resourceType": "Immunization",
        "id": "i1",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "37"}]},
        "patient": {"reference": "Patient/p1"},
        "occurrenceDateTime": "2026-05-04",
        "doseQuantity": {"value": Decimal("0.50"), "unit": "mL"},
        **more,
    }


def compose(**changes):
    arguments = {
        "event": "immunization-published",
        "source": "poe:kz:ala",
        "source_name": "Almaty International Airport",
        "destinations": [],
        "focus": immunization(),
        "others": [patient()],
        "message_id": MESSAGE_ID,
        "timestamp": NOW,
    }
    return compose_message(**(arguments | changes))


def entries(body):
    return json.loads(body)["entry"]


def test_the_bundle_is_valid_fhir():
    bundle = Bundle.model_validate(json.loads(compose()))
    assert bundle.type == "message"


def test_the_header_says_who_what_and_which_record():
    first, second, third = entries(compose())
    assert first == {
        "fullUrl": f"urn:uuid:{MESSAGE_ID}",
        "resource": {
            "resourceType": "MessageHeader",
            "id": MESSAGE_ID,
            "eventCoding": {
                "system": "urn:bhx:exchange-events",
                "code": "immunization-published",
            },
            "source": {
                "name": "Almaty International Airport",
                "endpoint": "urn:bhx:participant:poe:kz:ala",
            },
            "focus": [{"reference": second["fullUrl"]}],
        },
    }
    assert second["resource"]["resourceType"] == "Immunization"
    assert third["resource"]["resourceType"] == "Patient"


def test_destinations_are_endpoints():
    header = entries(compose(destinations=["registry:kz", "registry:kg"]))[0]["resource"]
    assert header["destination"] == [
        {"endpoint": "urn:bhx:participant:registry:kz"},
        {"endpoint": "urn:bhx:participant:registry:kg"},
    ]


def test_references_inside_the_message_become_full_urls():
    _, record, person = entries(compose())
    assert record["resource"]["patient"]["reference"] == person["fullUrl"]
    assert person["fullUrl"].startswith("urn:uuid:")


def test_a_reference_outside_the_message_stays_as_written():
    focus = immunization(location={"reference": "Location/elsewhere"})
    assert entries(compose(focus=focus))[1]["resource"]["location"] == {
        "reference": "Location/elsewhere"
    }


def test_a_reference_into_a_list_is_found():
    focus = immunization(performer=[{"actor": {"reference": "Patient/p1"}}])
    _, record, person = entries(compose(focus=focus))
    assert record["resource"]["performer"][0]["actor"]["reference"] == person["fullUrl"]


def test_a_uuid_stays_the_identity_of_its_resource():
    focus = immunization(patient={"reference": f"urn:uuid:{PATIENT_ID}"})
    person = entries(compose(focus=focus, others=[patient(id=PATIENT_ID)]))[2]
    assert person["fullUrl"] == f"urn:uuid:{PATIENT_ID}"
    assert person["resource"]["id"] == PATIENT_ID


def test_a_local_name_does_not_leave_the_call():
    assert "id" not in entries(compose())[2]["resource"]


def test_the_same_input_gives_the_same_bytes_and_another_message_other_identities():
    other = "3b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"
    assert compose() == compose()
    assert entries(compose())[1]["fullUrl"] != entries(compose(message_id=other))[1]["fullUrl"]


def test_the_input_is_left_alone():
    focus = immunization()
    before = copy.deepcopy(focus)
    compose(focus=focus)
    assert focus == before


def test_decimals_keep_the_digits_they_have():
    assert b'"value":0.50,' in compose()


def test_the_bytes_are_compact_utf_8():
    body = compose()
    assert "Жұмабеков".encode() in body
    assert b'": ' not in body
    assert b"\n" not in body


def test_two_resources_without_an_id_are_two_entries():
    nameless = {"resourceType": "Organization", "name": "Post"}
    urls = [entry["fullUrl"] for entry in entries(compose(others=[patient(), nameless, nameless]))]
    assert len(set(urls)) == 5


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"event": "passport-checked"}, "MessageHeader.eventCoding.code"),
        ({"message_id": MESSAGE_ID.upper()}, "MessageHeader.id"),
        ({"message_id": "1"}, "MessageHeader.id"),
        ({"timestamp": datetime(2026, 5, 4)}, "Bundle.timestamp"),  # noqa: DTZ001
        ({"others": [patient(), patient()]}, "Bundle.entry.fullUrl"),
        ({"others": [patient(id=MESSAGE_ID)]}, "Bundle.entry.fullUrl"),
        ({"others": [{"name": "nothing"}]}, "Bundle.entry[2].resource"),
        ({"focus": immunization(lotNumber=None)}, "Bundle"),
        ({"focus": immunization(doseQuantity={"value": float("nan")})}, "Bundle"),
        ({"focus": immunization(doseQuantity={"value": Decimal("Infinity")})}, "Bundle"),
        ({"focus": immunization(lotNumber="\ud800")}, "Bundle"),
    ],
)
def test_parts_that_cannot_make_a_message_are_refused(changes, expression):
    with pytest.raises(SchemaViolation) as caught:
        compose(**changes)
    assert [problem.expression for problem in caught.value.problems] == [expression]


def test_a_refusal_does_not_repeat_the_value():
    with pytest.raises(SchemaViolation) as caught:
        compose(event="secret-event")
    assert "secret-event" not in str(caught.value)


@pytest.mark.parametrize("event", EVENT_CODES)
def test_every_event_can_be_announced(event):
    assert entries(compose(event=event))[0]["resource"]["eventCoding"]["code"] == event


@given(
    st.recursive(
        st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"])).filter("reference".__ne__), inner
            )
        ),
        max_leaves=20,
    )
)
def test_any_content_comes_back_as_it_was(content):
    body = compose(focus=immunization(extension=content))
    assert entries(body)[1]["resource"]["extension"] == content


def test_endpoints_name_participants():
    assert endpoint_of("registry:kz") == "urn:bhx:participant:registry:kz"
    assert participant_of("urn:bhx:participant:registry:kz") == "registry:kz"


@pytest.mark.parametrize(
    "endpoint",
    ["", "urn:bhx:participant:", "urn:bhx:participant", "https://example.org/fhir", "registry:kz"],
)
def test_other_endpoints_name_nobody(endpoint):
    assert participant_of(endpoint) is None
