import json
import re
from collections import defaultdict
from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random

import pytest
from fhir.resources.R4B.bundle import Bundle

from adapters.demo.products import TESTS, VACCINES
from adapters.demo.records import sample_records
from schemas.fhir_message import read_message
from schemas.record_facts import record_diseases
from schemas.terminology.diseases import disease_of, routed_disease

NOW = datetime(2026, 5, 4, 8, 30, tzinfo=UTC)
POSTS = ("poe:kz:ala", "poe:kg:oss")
REGISTRIES = ("registry:kz", "registry:uz")
COUNT = 200


def generate(seed=7, count=COUNT, **options):
    return sample_records(
        Random(seed), posts=POSTS, registries=REGISTRIES, count=count, now=NOW, **options
    )


@pytest.fixture(scope="module")
def records():
    return generate(consent=0.9)


@pytest.fixture(scope="module")
def bundles(records):
    return [json.loads(record.body) for record in records]


def resources(bundle, kind):
    return [
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind
    ]


def the(bundle, kind):
    (only,) = resources(bundle, kind)
    return only


def test_every_bundle_is_valid_fhir(bundles):
    for bundle in bundles:
        Bundle.model_validate(bundle)


def test_the_exchange_reads_each_record_as_announced(records, bundles):
    for record, bundle in zip(records, bundles, strict=True):
        message = read_message(bundle)
        assert message.message_id == record.message_id
        diseases = record_diseases(message.parts.focus, message.parts.by_url)
        assert (message.kind, routed_disease(diseases)) == (record.kind, record.disease)
        assert len(message.consents) == record.has_consent
        assert all(consent.is_usable for consent in message.consents)
        assert all(consent.root.type == "permit" for consent in message.consents)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    assert [r.body for r in generate(count=20)] == [r.body for r in generate(count=20)]
    assert [r.body for r in generate(count=20)] != [r.body for r in generate(8, count=20)]


def test_message_ids_are_unique(records):
    assert len({record.message_id for record in records}) == COUNT


def test_every_reference_finds_its_entry(bundles):
    for bundle in bundles:
        urls = {entry["fullUrl"] for entry in bundle["entry"]}
        assert len(urls) == len(bundle["entry"])
        referred = re.findall(r'"reference": "([^"]+)"', json.dumps(bundle))
        assert set(referred) <= urls


def test_publishers_are_the_posts_and_places_are_in_their_country(records, bundles):
    assert {record.publisher for record in records} == set(POSTS)
    for record, bundle in zip(records, bundles, strict=True):
        country = the(bundle, "Location")["address"]["country"]
        assert country == {"poe:kz:ala": "KZ", "poe:kg:oss": "KG"}[record.publisher]


def test_bodies_have_a_realistic_size(records):
    sizes = [len(record.body) for record in records]
    assert min(sizes) > 1_500
    assert max(sizes) < 6_000
    assert 2_000 < sum(sizes) / len(sizes) < 4_500


def test_there_are_many_diseases_and_both_kinds(records):
    assert len({record.disease for record in records}) >= 8
    assert {record.kind for record in records} == {"immunization", "labresult"}


def test_names_are_in_cyrillic_and_in_latin_and_some_in_both(bundles):
    names = [the(bundle, "Patient")["name"] for bundle in bundles]
    cyrillic = [bool(re.match(r"[Ѐ-ӿ]", name[0]["family"])) for name in names]
    assert any(cyrillic)
    assert not all(cyrillic)
    transliterated = [name[1]["family"] for name in names if len(name) > 1]
    assert transliterated
    assert all(family.isascii() for family in transliterated)


def test_some_travellers_have_no_document_and_documents_are_artificial(bundles):
    identifiers = [the(bundle, "Patient").get("identifier", []) for bundle in bundles]
    assert any(not listed for listed in identifiers)
    systems = {identifier["system"] for listed in identifiers for identifier in listed}
    assert all(system.startswith("urn:bhx:demo:") for system in systems)


def test_a_traveller_is_the_same_person_in_several_records(bundles):
    seen = defaultdict(list)
    for bundle in bundles:
        person = the(bundle, "Patient")
        for identifier in person.get("identifier", []):
            seen[identifier["system"], identifier["value"]].append(
                (person["name"], person["birthDate"], person["gender"])
            )
    assert any(len(persons) > 1 for persons in seen.values())
    for persons in seen.values():
        assert all(person == persons[0] for person in persons)


def test_nobody_is_vaccinated_before_birth_nor_in_the_future(bundles):
    for bundle in bundles:
        born = date.fromisoformat(the(bundle, "Patient")["birthDate"])
        for record in resources(bundle, "Immunization"):
            given = date.fromisoformat(record["occurrenceDateTime"][:10])
            assert born < given <= NOW.date()
            assert given < date.fromisoformat(record["expirationDate"])


def test_vaccines_are_given_at_their_age(bundles):
    ages = {vaccine.name: vaccine.ages for vaccine in VACCINES}
    for bundle in bundles:
        born = date.fromisoformat(the(bundle, "Patient")["birthDate"])
        for record in resources(bundle, "Immunization"):
            given = date.fromisoformat(record["occurrenceDateTime"][:10])
            youngest, oldest = ages[record["vaccineCode"]["text"]]
            assert youngest <= (given - born).days / 365 <= oldest + 1


def test_doses_of_a_series_are_counted_and_four_weeks_apart():
    series = defaultdict(list)
    for seed in range(3):
        for record in generate(seed, count=200):
            bundle = json.loads(record.body)
            papers = the(bundle, "Patient").get("identifier")
            for given in resources(bundle, "Immunization"):
                if papers:
                    series[seed, papers[0]["value"], record.disease].append(given)
    assert any(len(doses) > 1 for doses in series.values())
    for doses in series.values():
        numbers = [dose["protocolApplied"][0]["doseNumberPositiveInt"] for dose in doses]
        assert numbers == list(range(1, len(doses) + 1))
        days = [date.fromisoformat(dose["occurrenceDateTime"][:10]) for dose in doses]
        assert all((b - a).days >= 28 for a, b in pairwise(days))


def test_dose_quantities_keep_their_digits(records):
    assert any(b'"value":0.50,"unit":"mL"' in record.body for record in records)


def test_a_report_leads_to_its_result_and_specimen(bundles):
    reports = [bundle for bundle in bundles if resources(bundle, "DiagnosticReport")]
    assert reports
    for bundle in reports:
        by_url = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
        report = the(bundle, "DiagnosticReport")
        result = by_url[report["result"][0]["reference"]]
        assert result["code"] == report["code"]
        assert "valueCodeableConcept" in result
        assert by_url[report["specimen"][0]["reference"]]["resourceType"] == "Specimen"


def test_a_consent_names_the_registries_for_public_health(records, bundles):
    for record, bundle in zip(records, bundles, strict=True):
        consents = resources(bundle, "Consent")
        assert len(consents) == record.has_consent
        for consent in consents:
            provision = consent["provision"]
            named = [actor["reference"]["identifier"]["value"] for actor in provision["actor"]]
            assert named == list(REGISTRIES)
            assert [purpose["code"] for purpose in provision["purpose"]] == ["PUBHLTH"]
            assert datetime.fromisoformat(consent["dateTime"]) < NOW


def test_consent_is_as_the_caller_says():
    flags = [True, False] * 10
    assert [record.has_consent for record in generate(count=20, consent=flags)] == flags
    assert all(record.has_consent for record in generate(count=20))
    assert not any(record.has_consent for record in generate(count=20, consent=0.0))


def test_who_does_not_consent_has_not_consented_elsewhere(records, bundles):
    papers = {True: set(), False: set()}
    for record, bundle in zip(records, bundles, strict=True):
        for identifier in the(bundle, "Patient").get("identifier", []):
            papers[record.has_consent].add((identifier["system"], identifier["value"]))
    assert papers[False]
    assert not papers[True] & papers[False]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_records_can_be_asked_for(count):
    assert len(generate(count=count)) == count


def test_an_unknown_post_is_named_by_its_id():
    (record,) = sample_records(
        Random(1), posts=["poe:am:evn"], registries=REGISTRIES, count=1, now=NOW
    )
    assert the(json.loads(record.body), "Location")["address"]["country"] == "AM"


@pytest.mark.parametrize(
    "product", [*VACCINES, *TESTS], ids=lambda product: f"{product.disease} {product.name}"
)
def test_the_codes_of_a_product_are_those_of_its_disease(product):
    codings = getattr(product, "codings", None) or (product.coding,)
    for system, code, _ in codings:
        assert disease_of([(system, code)]) == product.disease
    target = getattr(product, "target", None)
    if target is not None:
        assert disease_of([target[:2]]) == product.disease


def test_a_sample_does_not_show_its_traveller(records):
    assert "body" not in repr(records[0])
