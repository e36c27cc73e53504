"""What is said of an element that FHIR does not have: where, and never its name as it was sent."""

from schemas.structure.explained import MOST_PROBLEMS, structure_problems


def found(**elements):
    (one,) = structure_problems({"resourceType": "Patient", **elements})
    return one


def test_a_family_name_as_a_key_is_not_repeated():
    one = found(Ivanova="x")

    assert (one.sentence, one.expression) == ("structure.unknown-element", "Patient")
    assert "Ivanova" not in str(one)


def test_an_element_of_another_type_is_named():
    assert found(vaccineCode={"text": "x"}).expression == "Patient.vaccineCode"


def test_a_misspelt_element_is_answered_with_the_name_that_was_meant():
    one = found(birthDay="2000-01-01")

    assert (one.sentence, one.expression) == ("structure.misspelt-element", "Patient")
    assert one.words == ("birthDate",)
    assert "birthDay" not in str(one)


def test_many_warnings_hide_no_error_and_are_none():
    vague = {"url": "u", "valueReference": {"reference": "vague"}}
    patient = {"resourceType": "Patient", "extension": [vague] * (MOST_PROBLEMS + 100)}

    warnings = structure_problems(patient)
    assert len(warnings) == MOST_PROBLEMS
    assert not any(one.is_error for one in warnings)

    patient["gender"] = "x"
    (error,) = (one for one in structure_problems(patient) if one.is_error)
    assert error.expression == "Patient.gender"


def test_many_errors_end_with_one_that_says_so():
    patient = {"resourceType": "Patient", "name": [{"x": 1}] * (MOST_PROBLEMS + 100)}

    problems = structure_problems(patient)
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1].sentence == "structure.more"
