"""Migration status is refused at the door, wherever a system may put it (promise P8)."""

import json

import pytest

from exchange.errors import InvalidRecord
from exchange.validation import read_record
from tests.support.world import consent
from tests.unit.schemas.profile_messages import (
    AT,
    ORGANIZATION,
    PATIENT,
    RECORD,
    coded,
    immunization,
    laboratory,
    message,
    organization,
    patient,
    report,
)

SCT, LOINC = "http://snomed.info/sct", "http://loinc.org"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ID_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
OTHER = "urn:uuid:00000000-0000-4000-8000-000000000009"
REFUGEE = coded(SCT, "446654005")
EVENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
FOCUS, PERSON, POST, LAST = (f"Bundle.entry[{n}].resource" for n in (1, 2, 3, 4))


def judged(bundle):
    """What is told about it: sentences by severity and place."""
    try:
        problems = read_record(
            json.dumps(bundle, ensure_ascii=False).encode(), at=AT, max_bytes=1 << 20
        ).warnings
    except InvalidRecord as refused:
        problems = refused.problems
    return {(one.severity, one.sentence, one.expression) for one in problems}


def about(**changed):
    return message(immunization(**changed))


def of(**changed):
    return message(immunization(), patient=patient(**changed))


def beside(resource):
    return message(immunization(), others=[(OTHER, resource)])


def beneath(**changed):
    return {**message(immunization()), **changed}


def entered(**changed):
    bundle = message(immunization())
    bundle["entry"][1] |= changed
    return bundle


def encounter(**changed):
    return {"resourceType": "Encounter", "status": "finished", "class": EVENT, **changed}


def location(**changed):
    return {"resourceType": "Location", "name": "Post", **changed}


def provenance(**changed):
    return {
        "resourceType": "Provenance",
        "target": [{"reference": RECORD}],
        "recorded": "2026-05-30T08:00:00Z",
        "agent": [{"who": {"reference": ORGANIZATION}}],
        **changed,
    }


def consenting(provision):
    return beside({**consent(), "patient": {"reference": PATIENT}, "provision": provision})


def text_of(words):
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{words}</div>'
    return {"status": "generated", "div": div}


EXTENSION = {"url": "urn:kz:VisaStatus", "valueString": "x"}
VISA = {"system": "urn:kz:visa", "value": "1"}

REFUSED = [
    # extensions, wherever they hang
    (of(extension=[EXTENSION]), "extension", f"{PERSON}.extension[0]"),
    (
        of(extension=[{"url": "urn:kz:more", "extension": [EXTENSION]}]),
        "extension", f"{PERSON}.extension[0].extension[0]",
    ),
    (of(_birthDate={"extension": [EXTENSION]}), "extension", f"{PERSON}.birthDate.extension[0]"),
    (
        of(name=[{"family": "x", "extension": [EXTENSION]}]),
        "extension", f"{PERSON}.name[0].extension[0]",
    ),
    (
        of(name=[{"given": ["x"], "_given": [{"extension": [EXTENSION]}]}]),
        "extension", f"{PERSON}.name[0].given[0].extension[0]",
    ),
    (about(modifierExtension=[EXTENSION]), "extension", f"{FOCUS}.modifierExtension[0]"),
    (entered(extension=[EXTENSION]), "extension", "Bundle.entry[1].extension[0]"),
    (
        of(extension=[{"url": "urn:kz:info", "valueCode": "refugee"}]),
        "code", f"{PERSON}.extension[0].valueCode",
    ),
    # identifiers of anybody and anything
    (of(identifier=[VISA]), "identifier", f"{PERSON}.identifier[0].system"),
    (about(identifier=[VISA]), "identifier", f"{FOCUS}.identifier[0].system"),
    (
        of(link=[{"other": {"identifier": VISA}, "type": "seealso"}]),
        "identifier", f"{PERSON}.link[0].other.identifier.system",
    ),
    (beneath(identifier=VISA), "identifier", "Bundle.identifier.system"),
    (
        beside(provenance(entity=[{"role": "source", "what": {"identifier": VISA}}])),
        "identifier", f"{LAST}.entity[0].what.identifier.system",
    ),
    (
        of(identifier=[{"type": {"text": "Visa No."}, "system": "urn:x", "value": "1"}]),
        "code", f"{PERSON}.identifier[0].type.text",
    ),
    # codes, and names that stand for codes
    (about(programEligibility=[coded("urn:x", "visa-status")]), "code",
     f"{FOCUS}.programEligibility[0].coding[0]"),
    (about(fundingSource=coded("urn:kz:immigration-status", "R")), "code",
     f"{FOCUS}.fundingSource.coding[0]"),
    (about(reasonCode=[{"coding": [{"display": "Asylum seeker"}]}]), "code",
     f"{FOCUS}.reasonCode[0].coding[0]"),
    (about(reasonCode=[{"text": "Illegal migrant"}]), "code", f"{FOCUS}.reasonCode[0].text"),
    (about(reasonCode=[{"text": "мигрант без документов"}]), "code", f"{FOCUS}.reasonCode[0].text"),
    (about(meta={"tag": [{"system": "urn:kz:x", "code": "deported"}]}), "code",
     f"{FOCUS}.meta.tag[0]"),
    (about(meta={"security": [{"system": "urn:kz:asylum", "code": "R"}]}), "code",
     f"{FOCUS}.meta.security[0]"),
    (beneath(meta={"tag": REFUGEE["coding"]}), "code", "Bundle.meta.tag[0]"),
    (message(immunization(), header={"reason": coded("urn:kz:deportation", "1")}), "code",
     "Bundle.entry[0].resource.reason.coding[0]"),
    (beside(encounter(**{"class": {"system": "urn:kz:detention", "code": "D"}})), "code",
     f"{LAST}.class"),
    (beside(encounter(reasonCode=[REFUGEE])), "code", f"{LAST}.reasonCode[0].coding[0]"),
    (beside(encounter(type=[coded("urn:x", "asylum-screening")])), "code",
     f"{LAST}.type[0].coding[0]"),
    (message(immunization(), organization=organization(type=[{"text": "Detention centre"}])),
     "code", f"{POST}.type[0].text"),
    (beside(location(type=[coded("urn:x", "detention")])), "code", f"{LAST}.type[0].coding[0]"),
    (beside(provenance(reason=[REFUGEE])), "code", f"{LAST}.reason[0].coding[0]"),
    (beside(provenance(activity=coded("urn:kz:deportation", "1"))), "code",
     f"{LAST}.activity.coding[0]"),
    (consenting({"type": "permit", "purpose": [{"system": "urn:kz:immigration", "code": "X"}]}),
     "code", f"{LAST}.provision.purpose[0]"),
    (consenting({"type": "permit", "code": [REFUGEE]}), "code",
     f"{LAST}.provision.code[0].coding[0]"),
    (laboratory(result={"code": coded(LOINC, "93027-1")}), "code", f"{LAST}.code.coding[0]"),
    (laboratory(result={"component": [{"code": {"text": "Visa status"}, "valueString": "x"}]}),
     "code", f"{LAST}.component[0].code.text"),
    # addresses of definitions
    (about(meta={"profile": ["urn:kz:StructureDefinition/refugee-immunization"]}), "address",
     f"{FOCUS}.meta.profile[0]"),
    (beneath(implicitRules="urn:kz:immigration"), "address", "Bundle.implicitRules"),
    (beneath(link=[{"relation": "self", "url": "urn:visa:1"}]), "address", "Bundle.link[0].url"),
    (message(immunization(), header={"definition": "urn:kz:deportation-check"}), "address",
     "Bundle.entry[0].resource.definition"),
    (beside(provenance(policy=["urn:kz:deportation-law"])), "address", f"{LAST}.policy[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("bundle", "kind", "place"), REFUSED)
def test_it_is_refused_with_its_place(bundle, kind, place):
    assert ("error", f"profile.migration-{kind}", place) in judged(bundle)


@pytest.mark.parametrize(
    "coding",
    [
        {"system": SCT, "code": "446654005"},
        {"system": "https://snomed.info/sct", "code": "446654005"},
        {"system": "urn:oid:2.16.840.1.113883.6.96", "code": "446654005"},
        {"system": f"{SCT}/900000000000207008/version/20260101", "code": "446654005"},
        {"system": SCT, "code": "446654005 |Refugee|: 363589002 = 12345006"},
        {"code": "446654005"},
        {"system": ICD_10, "code": "Z65.1"},
        {"system": ID_TYPES, "code": "VS"},
        {"system": ID_TYPES.replace("http:", "https:"), "code": "VS"},
        {"system": "http://hl7.org/fhir/v2/0203", "code": "VS"},
        {"system": "urn:oid:2.16.840.1.113883.12.203", "code": "VS"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Race", "code": "1002-5"},
        {"system": "http://hl7.org/fhir/v3/Race", "code": "1002-5"},
        {"system": "urn:kz:identity", "code": "VISA_TYPE_C"},
    ],
)
def test_a_listed_code_is_known_under_every_name_of_its_system(coding):
    wrong = of(identifier=[{"type": {"coding": [coding]}, "system": "urn:x", "value": "1"}])

    assert ("error", "profile.migration-code", f"{PERSON}.identifier[0].type.coding[0]") in judged(
        wrong
    )


@pytest.mark.parametrize(
    "name",
    [
        "visa", "visa1", "entryVisa", "VISASTATUS", "v%69sa", "ｖｉｓａ", "immigration",
        "migrant-status",
        "work%20permit", "WorkPermit", "residence_permit", "borderCrossing", "refugee-id", "race",
        "виза", "grazhdanstvo", "Staatsangehörigkeit", "nationalité",
    ],
)  # fmt: skip
def test_a_name_is_known_in_every_writing(name):
    assert ("error", "profile.migration-extension", f"{PERSON}.extension[0]") in judged(
        of(extension=[{"url": f"urn:kz:{name}", "valueString": "x"}])
    )


@pytest.mark.parametrize(
    "name",
    ["advisable", "trace", "visage", "passport", "point-of-entry", "residence-country"],
)
def test_another_word_that_holds_its_letters_is_none(name):
    assert judged(of(extension=[{"url": f"urn:kz:{name}", "valueString": "x"}])) == set()


WORDS = [
    (about(note=[{"text": "Visa expired."}]), f"{FOCUS}.note[0].text"),
    (about(text=text_of("Nationality: X")), f"{FOCUS}.text.div"),
    (laboratory(report(conclusion="Asylum seeker.")), f"{FOCUS}.conclusion"),
    (message(immunization(), organization=organization(name="Detention centre 3")), f"{POST}.name"),
    (beside(location(name="Refugee camp")), f"{LAST}.name"),
    (of(managingOrganization={"display": "Detention centre"}),
     f"{PERSON}.managingOrganization.display"),
    (of(extension=[{"url": "urn:kz:info", "valueString": "asylum seeker"}]),
     f"{PERSON}.extension[0].valueString"),
]  # fmt: skip


@pytest.mark.parametrize(("bundle", "place"), WORDS)
def test_in_words_of_people_it_is_a_remark(bundle, place):
    """A camp's vaccination post must be able to send: the same letters may mean no traveller."""
    assert judged(bundle) == {("warning", "profile.migration-text", place)}


def test_a_traveller_may_be_called_anything_and_live_anywhere():
    traveller = patient(
        name=[{"family": "Visa", "given": ["Race"], "text": "Race Visa"}],
        address=[{"city": "Asylum Bay", "country": "KZ"}],
        identifier=[{"system": "urn:kz:passport", "value": "VISA-1"}],
    )

    assert judged(message(immunization(), patient=traveller)) == set()
