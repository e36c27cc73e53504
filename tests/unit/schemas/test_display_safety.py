"""Names and identifiers that would be read as something else are found."""

import pytest

from schemas.profile.display_safety import bidi_problems

TURNS = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


def patient(**elements):
    return {"resourceType": "Patient", **elements}


@pytest.mark.parametrize("turn", TURNS)
def test_every_character_that_turns_the_writing_is_found(turn):
    (found,) = bidi_problems(patient(name=[{"family": f"Sa{turn}to"}]), "Patient")

    assert (found.code, found.expression) == ("invalid", "Patient.name[0].family")
    assert found.is_error
    assert found.text_in("ru") != found.text
    assert turn not in found.text


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        (patient(name=[{"given": ["a", "b\u202e"]}]), "Patient.name[0].given[1]"),
        (patient(identifier=[{"value": "12\u202e34"}]), "Patient.identifier[0].value"),
        (
            {"resourceType": "Organization", "name": "\u2066x\u2069"},
            "Organization.name",
        ),
        ({"resourceType": "Location", "alias": ["\u202dx"]}, "Location.alias[0]"),
        ({"resourceType": "Immunization", "lotNumber": "A\u202e12"}, "Immunization.lotNumber"),
        (
            patient(contained=[{"resourceType": "Organization", "id": "a", "name": "\u202ex"}]),
            "Patient.contained[0].name",
        ),
        (
            {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": patient(contact=[{"name": {"text": "\u202ex"}}])}],
            },
            "Bundle.entry[0].resource.contact[0].name.text",
        ),
    ],
)
def test_they_are_found_wherever_names_and_identifiers_stand(resource, where):
    assert [one.expression for one in bidi_problems(resource, resource["resourceType"])] == [where]


def test_scripts_written_from_right_to_left_are_names_as_any_other():
    assert bidi_problems(patient(name=[{"family": "محمد", "given": ["שרה"]}]), "Patient") == []


def test_text_that_names_nobody_is_left_alone():
    note = {"resourceType": "Observation", "note": [{"text": "\u202ex"}]}

    assert bidi_problems(note, "Observation") == []
