"""Which labels a record carries: what its codes mean, what its sender says, what a policy adds."""

import json
from importlib.resources import files

import pytest

from schemas.labels.labelling import (
    labels_of,
    message_labels,
    with_policy_labels,
)
from schemas.labels.rules import label_rules
from schemas.profile.parts import find_parts
from schemas.record_traits import RecordTraits
from tests.unit.schemas.profile_messages import (
    RESULT,
    coded,
    immunization,
    laboratory,
    message,
    observation,
    patient,
    report,
)

LOINC, SNOMED, ICD_10 = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://hl7.org/fhir/sid/icd-10",
)
ICD_11 = "http://id.who.int/icd/release/11/mms"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def stated(*codes):
    systems = {"N": CONFIDENTIALITY, "R": CONFIDENTIALITY, "V": CONFIDENTIALITY}
    systems |= {"L": CONFIDENTIALITY, "Z": CONFIDENTIALITY}
    return {"security": [{"system": systems.get(code, ACT_CODE), "code": code} for code in codes]}


def labels_in(bundle, sensitive=None):
    return message_labels(bundle, find_parts(bundle, []), sensitive or {})


@pytest.mark.parametrize(
    ("system", "code", "label"),
    [
        (LOINC, "75622-1", "HIV"),
        (LOINC, "56888-1", "HIV"),
        (SNOMED, "86406008", "HIV"),
        (ICD_10, "B20.1", "HIV"),
        (ICD_10, "B201", "HIV"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "Z21", "HIV"),
        ("urn:oid:1.2.643.5.1.13.13.11.1005", "B23.0", "HIV"),
        (ICD_11, "1C62.Z", "HIV"),
        (ICD_11, "CA40.Z&1C62.Z", "HIV"),
        (LOINC, "24111-7", "STD"),
        (SNOMED, "76272004", "STD"),
        (ICD_10, "A53.9", "STD"),
        (LOINC, "82810-3", "PREGNANT"),
        (ICD_10, "O80", "PREGNANT"),
        (ICD_10, "F32.1", "PSY"),
        (ICD_10, "F11.2", "OPIOIDUD"),
        (ICD_10, "F10.1", "ETHUD"),
        (ICD_10, "F14.1", "ETH"),
        (ICD_10, "T74.2", "SDV"),
        (ICD_10, "Y05", "SDV"),
    ],
)
def test_a_code_says_what_is_sensitive(system, code, label):
    labels = labels_of(observation(code=coded(system, code)))

    assert label in labels.sensitivity
    assert labels.confidentiality == "R"


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (LOINC, "94500-6"),
        (ICD_10, "A15.0"),
        (ICD_10, "A95"),
        (ICD_10, "B05"),
        (ICD_10, "Z23"),
        (SNOMED, "840539006"),
        ("urn:somebody", "75622-1"),
    ],
)
def test_other_codes_say_nothing(system, code):
    assert labels_of(observation(code=coded(system, code))) == labels_of(observation())
    assert labels_of(observation()).sensitivity == ()
    assert labels_of(observation()).confidentiality is None


@pytest.mark.parametrize(
    "hidden",
    [
        {"valueCodeableConcept": coded(SNOMED, "86406008")},
        {"component": [{"code": coded(LOINC, "75622-1")}]},
        {"contained": [{"resourceType": "Observation", "code": coded(LOINC, "75622-1")}]},
        {"extension": [{"url": "urn:x", "valueCoding": {"system": ICD_10, "code": "B24"}}]},
        {"interpretation": [coded(SNOMED, "165816005")]},
    ],
)
def test_wherever_in_the_resource_the_code_stands(hidden):
    assert "HIV" in labels_of(observation(**hidden)).sensitivity
    focus = report(code=coded(LOINC, "24323-8"))
    assert labels_in(laboratory(focus, result=hidden)).parts == ("HIV",)


@pytest.mark.parametrize("code", ["N", "L"])
def test_a_sender_cannot_lower_what_the_rules_say(code):
    hiv = observation(code=coded(LOINC, "75622-1"), meta=stated(code))

    assert labels_of(hiv).confidentiality == "R"


def test_a_sender_can_raise_it():
    assert labels_of(observation(meta=stated("V"))).confidentiality == "V"
    assert labels_of(observation(meta=stated("SDV"))).sensitivity == ("SDV",)
    assert labels_of(observation(meta=stated("SDV", "N"))).confidentiality == "R"


def test_a_label_that_nobody_knows_counts_as_the_strictest():
    assert labels_of(observation(meta=stated("Z"))).confidentiality == "V"
    assert labels_of(observation(meta=stated("NEWPOLICY"))).sensitivity == ("NEWPOLICY",)


def test_what_to_do_with_a_record_is_no_sensitivity():
    labels = labels_of(observation(meta=stated("NOREUSE", "PERSISTLABEL", "N")))

    assert (labels.sensitivity, labels.confidentiality) == ((), "N")


def test_the_message_is_as_confidential_as_its_most_confidential_part():
    assert labels_in(message(immunization())).confidentiality == "N"
    assert labels_in(laboratory(result={"meta": stated("V")})).confidentiality == "V"
    assert labels_in(laboratory(report(meta=stated("R")))).confidentiality == "R"


def test_what_is_unlabelled_is_normal_also_beside_something_low():
    assert labels_in(message(immunization(meta=stated("L")))).confidentiality == "N"


def test_a_label_of_the_message_holds_for_all_of_it():
    labels = labels_in(laboratory() | {"meta": stated("SDV")})

    assert (labels.focus, labels.parts, labels.confidentiality) == (("SDV",), (), "R")
    assert labels_in(message(immunization()) | {"meta": stated("L")}).confidentiality == "L"


def test_the_travellers_own_label_is_the_records():
    labelled = patient(meta=stated("SDV"))

    assert labels_in(message(immunization(), patient=labelled)).focus == ("SDV",)


def test_a_part_and_the_focus_are_told_apart():
    focus = report(conclusionCode=[coded(ICD_10, "A53")])
    labels = labels_in(laboratory(focus, result={"code": coded(LOINC, "75622-1")}))

    assert (labels.focus, labels.parts) == (("STD",), ("HIV",))


def test_what_the_focus_carries_is_not_told_of_the_part_again():
    hiv = coded(LOINC, "75622-1")
    labels = labels_in(laboratory(report(code=hiv), result={"code": hiv}))

    assert (labels.focus, labels.parts) == (("HIV",), ())


def test_a_consent_that_forbids_hiv_makes_nothing_sensitive():
    consent = {
        "resourceType": "Consent",
        "provision": {"code": [coded(LOINC, "75622-1")]},
        "meta": stated("HIV"),
    }
    bundle = message(immunization(), others=[(RESULT, consent)])

    assert labels_in(bundle) == labels_in(message(immunization()))


def test_tuberculosis_is_sensitive_only_where_a_policy_says_so():
    tuberculosis = report(code=coded(LOINC, "38379-4"))

    assert labels_in(laboratory(tuberculosis)).focus == ()
    policy = {"tuberculosis": ["TBOO"]}
    assert labels_in(laboratory(tuberculosis), policy).focus == ("TBOO",)
    assert labels_in(laboratory(tuberculosis), policy).confidentiality == "R"
    assert labels_in(message(immunization()), policy).focus == ()


def test_a_policy_that_comes_later_adds_to_the_focus():
    traits = RecordTraits(
        author="a",
        collected_in="KZ",
        record_class="Observation",
        diseases=("tuberculosis",),
        part_labels=("TBOO", "HIV"),
    )

    added = with_policy_labels(traits, {"tuberculosis": ["TBOO"], "measles": ["SPI"]})

    assert (added.labels, added.part_labels) == (("TBOO",), ("HIV",))
    assert added.confidentiality == "R"
    assert with_policy_labels(traits, {"measles": ["SPI"]}) is traits


def test_every_rule_names_its_source_and_a_label_that_exists():
    document = json.loads(files("schemas.labels").joinpath("rules.json").read_text("utf-8"))

    for rule in document["rules"]:
        assert rule["about"]
        assert set(rule["labels"]) <= label_rules().known
        for group in rule["codes"]:
            assert group["source"]
            assert group["system"] in document["systems"]
            assert len(set(group["codes"])) == len(group["codes"])
    assert label_rules().known.isdisjoint(label_rules().handling)


def test_every_loinc_and_snomed_code_has_a_right_check_digit():
    for system, code in label_rules().by_code:
        if system == LOINC:
            digits, check = code.split("-")
            assert luhn(digits) == int(check), code
        if system == SNOMED:
            assert verhoeff(code) == 0, code


def luhn(digits):
    """The check digit of LOINC (mod 10)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def verhoeff(code):
    """0 for a right SNOMED CT identifier."""
    dihedral = [[(a + b) % 5 if a < 5 and b < 5 else 0 for b in range(10)] for a in range(10)]
    for a in range(10):
        for b in range(10):
            if a < 5 <= b:
                dihedral[a][b] = (a + b - 5) % 5 + 5
            elif b < 5 <= a:
                dihedral[a][b] = (a - 5 - b) % 5 + 5
            elif a >= 5 and b >= 5:
                dihedral[a][b] = (a - b) % 5
    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for position, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(position % 8):
            value = permutation[value]
        check = dihedral[check][value]
    return check
