"""The shortest path of a message and the longer ones say the same of the same bytes.

Messages of every kind that posts send are damaged in thousands of ways, some at random, some with
values that the profile has a rule about. What the shortest path takes, the longer path takes
without a word against it, with the same tree and the same meaning.
"""

import copy
import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.bench.messages import signed_messages
from adapters.demo.records import sample_records
from exchange.signing import SigningKey
from schemas.fhir_message import read_everyday_message, read_message
from schemas.profile import migration_status
from schemas.profile.migration_status import (
    names_migration_status,
    states_migration_status,
    tells_migration_status,
)
from schemas.strict_json import read_json
from schemas.structure.everyday import read_everyday
from schemas.structure.explained import structure_problems
from schemas.terminology.code_systems import variants_of
from schemas.terminology.judging import pinned_codes
from schemas.violation import SchemaViolation
from tests.benchmarks.bundles import four_entry_message
from tests.support.mutations import mutated, places
from tests.support.world import consent

AT = datetime(2026, 6, 1, tzinfo=UTC)
CASES = int(os.environ.get("BHX_DIFFERENTIAL_CASES", "24000")) // 4

#: What the rules of the profile are about: dates, statuses, events, codes, countries, systems.
TELLING = (
    "2026-07-01", "2026-06-02", "2026-05-31T23:59:00Z", "2030-01-01T00:00:00Z", "1989-12-31",
    "1850-01-01", "1990", "1990-04", "2026", "completed", "not-done", "entered-in-error", "final",
    "registered", "cancelled", "preliminary", "KZ", "XX", "KAZ", "kz", "immunization-published",
    "immunization-withdrawn", "labresult-published", "consent-changed", "urn:bhx:participant:a:b",
    "http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/cvx", "LP6464-4",
    "EU/1/20/1528", "urn:kz:residence-permit", "urn:kz:passport", "260373001", "183", "208",
    "mL", "http://unitsofmeasure.org", 1, 9, " leading", "\u202eabc", "urn:uuid:x", "#", "",
    "446654005", "93027-1", "Z65.1", "VS", "PRC", "urn:oid:2.16.840.1.113883.6.238",
    "http://terminology.hl7.org/CodeSystem/v3-Race",
    "http://terminology.hl7.org/CodeSystem/v2-0203",
    "Asylum seeker", "Detention centre", "WORK_PERMIT", "entryVisa", "ｖｉｓａ",
    "вид на жительство",
    "urn:kz:StructureDefinition/refugee", "Race", "Тарасова", "v%69sa",
)  # fmt: skip


def everyday_messages() -> list[bytes]:
    """Vaccinations and laboratory records, with and without consents."""
    samples = sample_records(
        Random(7), posts=("poe:kz:ala", "poe:kg:oss"), registries=("registry:kz",), count=60, now=AT
    )
    bench = next(iter(signed_messages(SigningKey.generate("Ed25519"), 1))).body
    return [four_entry_message(), bench, *(one.body for one in samples)]


def told(random: Random, message: Any) -> str:
    """The message with one or two of its leaves replaced by something the profile asks about."""
    tree = copy.deepcopy(message)
    for _ in range(random.choice((1, 1, 2))):
        leaves = [path for path in places(tree) if not isinstance(_at(tree, path), dict | list)]
        *way, key = random.choice(leaves)
        _at(tree, tuple(way))[key] = random.choice(TELLING)
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def test_every_kind_of_message_takes_the_shortest_path() -> None:
    messages = everyday_messages()

    taken = sum(read_everyday_message(one, AT) is not None for one in messages)

    print(f"\n{taken} of {len(messages)} messages take the shortest path")
    assert taken > len(messages) * 0.8


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(4))
def test_no_damage_makes_the_paths_disagree(shard: int) -> None:
    bases = [json.loads(one) for one in everyday_messages()]
    random = Random(40_261_125 + shard)
    seen: Counter[str] = Counter()

    for number in range(CASES // 4):
        base = random.choice(bases)
        text = mutated(random, base) if random.random() < 0.3 else told(random, base)
        data = text.encode("utf-8", "surrogatepass")
        read = read_everyday(data)
        message = read_everyday_message(data, AT)
        seen["structure" if read else "longer"] += 1
        if read is None:
            assert message is None
            continue
        tree = read_json(data)
        assert read[0] == tree, f"case {number}: the trees differ for {text}"
        assert structure_problems(tree) == [], f"case {number}: not valid: {text}"
        try:
            expected = read_message(tree, AT)
        except SchemaViolation:
            expected = None
        if message is not None:
            seen["message"] += 1
            assert message == expected, f"case {number}: taken for something else: {text}"
            assert not message.warnings
        elif expected is not None and not expected.warnings:
            seen["right but longer"] += 1

    print(f"\nshard {shard}: {dict(seen)}")
    assert min(seen["message"], seen["longer"], seen["structure"] - seen["message"]) > CASES // 200


def test_no_pinned_code_says_who_may_stay() -> None:
    """So that a code the shortest path found pinned need not be looked for among those."""
    for role in ("vaccine", "target-disease", "test", "result", "specimen", "route", "site"):
        for system, code in pinned_codes(role):
            for uri in variants_of(system):
                assert not states_migration_status(uri, code)


@given(
    st.lists(
        st.sampled_from(
            ("visa", "Status", "entry", "-", "_", " ", "1", "work", "Permit", "permit", "asylum",
             "RACE", "tr", "ace", "раса", "Та", "сова", "виз", "ы", "%69", "ﬁ", "é", "nationalit",
             "вид", "жительство", "на", "border", "crossing", ".", "ѕ", "İ", "ſ")
        ),
        max_size=7,
    ).map("".join)
)  # fmt: skip
@example("nationalite\u0301")
def test_the_quick_search_misses_no_word(text: str) -> None:
    with patch.object(migration_status, "may_tell_migration_status", lambda _: True):
        searched = tells_migration_status(text)

    assert tells_migration_status(text) == searched


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=400)])
def test_the_hour_decides_alike(ahead: timedelta) -> None:
    """The same bytes, received before they were made."""
    for data in everyday_messages()[:20]:
        tree = read_json(data)
        made_at = datetime.fromisoformat(tree["timestamp"])
        assert read_everyday_message(data, made_at - ahead) is None


def test_a_name_of_a_register_is_judged_however_long() -> None:
    long = "urn:" + "x" * 300 + ":visa"
    assert names_migration_status(long)
    data = four_entry_message().replace(b"urn:bhx:bench:passport", long.encode())
    assert read_everyday_message(data, AT) is None


def _immunization(message: Any) -> Any:
    return message["entry"][1]["resource"]


def _reference(message: Any, entry: int) -> dict[str, str]:
    return {"reference": message["entry"][entry]["fullUrl"]}


def keeping(message: Any, *keepers: str) -> Any:
    """A consent of the message's traveller, kept by these organisations."""
    made = {**consent(), "patient": _reference(message, 2)}
    return {**made, "organization": [{"reference": one} for one in keepers]} if keepers else made


#: One fault each, of which the profile has something to say and the structure has not.
FAULTS = {
    "given before birth": lambda m: _immunization(m).update(occurrenceDateTime="1990-04-01"),
    "given in the future": lambda m: _immunization(m).update(occurrenceDateTime="2026-07-01"),
    "recorded before it was given": lambda m: _immunization(m).update(recorded="2026-05-01"),
    "recorded in the future": lambda m: _immunization(m).update(recorded="2026-07-01"),
    "an expired vaccine": lambda m: _immunization(m).update(expirationDate="2026-05-01"),
    "a dose beyond the series": lambda m: (
        _immunization(m)["protocolApplied"][0].update(seriesDosesPositiveInt=1)
        or _immunization(m)["protocolApplied"][0].update(doseNumberPositiveInt=2)
    ),
    "about nobody in the message": lambda m: _immunization(m).update(patient={"display": "x"}),
    "a status of another event": lambda m: _immunization(m).update(status="entered-in-error"),
    "no identifier": lambda m: _immunization(m).pop("identifier"),
    "a version of tomorrow": lambda m: _immunization(m).update(
        meta={"lastUpdated": "2026-07-01T00:00:00Z"}
    ),
    "the maker is the only organisation": lambda m: _immunization(m).update(
        manufacturer=_reference(m, 3)
    ),
    "no organisation": lambda m: m["entry"].append(m["entry"].pop(3))
    or m["entry"][3].update(
        resource={"resourceType": "Location", "name": "x", "address": {"country": "KZ"}}
    )
    or _immunization(m).pop("performer"),
    "no country": lambda m: m["entry"][3]["resource"].pop("address"),
    "no such country": lambda m: m["entry"][3]["resource"].update(address=[{"country": "XX"}]),
    "born too long ago": lambda m: m["entry"][2]["resource"].update(birthDate="1850-01-01"),
    "born tomorrow": lambda m: m["entry"][2]["resource"].update(birthDate="2026-07-01"),
    "nobody": lambda m: (
        m["entry"][2]["resource"].pop("identifier") and m["entry"][2]["resource"].pop("name")
    ),
    "an identifier of who may stay": lambda m: m["entry"][2]["resource"]["identifier"].append(
        {"system": "urn:kz:residence-permit", "value": "1"}
    ),
    "two travellers": lambda m: m["entry"].append(
        {**m["entry"][2], "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000"}
    ),
    "an event of others": lambda m: m["entry"][0]["resource"]["eventCoding"].update(code="x"),
    "another event's focus": lambda m: m["entry"][0]["resource"]["eventCoding"].update(
        code="labresult-published"
    ),
    "the focus is the traveller": lambda m: m["entry"][0]["resource"].update(
        focus=[_reference(m, 2)]
    ),
    "a destination of others": lambda m: m["entry"][0]["resource"].update(
        destination=[{"endpoint": "https://example.org"}]
    ),
    "a country of the consent's keeper alone": lambda m: (
        m["entry"].append(
            {
                "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000",
                "resource": keeping(m, m["entry"][3]["fullUrl"]),
            }
        )
        or _immunization(m).pop("performer")
    ),
    "two countries, and the record leads to neither": lambda m: (
        m["entry"].append(
            {
                "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000",
                "resource": {
                    "resourceType": "Organization", "name": "x", "address": [{"country": "KG"}],
                },
            }
        )
        or _immunization(m).pop("performer")
    ),
    "a consent of tomorrow": lambda m: m["entry"].append(
        {
            "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000",
            "resource": {**keeping(m), "dateTime": "2026-07-01"},
        }
    ),
    "a place for those who may not stay": lambda m: m["entry"][3]["resource"].update(
        name="Detention centre"
    ),
    "a profile of those who fled": lambda m: _immunization(m).update(
        meta={"lastUpdated": "2026-05-21T00:00:00Z", "profile": ["urn:kz:refugee-record"]}
    ),
    "a disease in words about who may stay": lambda m: (
        _immunization(m)["vaccineCode"].update(text="For asylum seekers")
    ),
    "made tomorrow": lambda m: m.update(timestamp="2026-07-01T00:00:00Z"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_left_to_the_longer_path(fault: str) -> None:
    message = json.loads(four_entry_message())
    FAULTS[fault](message)
    data = json.dumps(message, ensure_ascii=False).encode()

    assert read_everyday(data) is not None, "the structure is in order, so the profile decides"
    assert read_everyday_message(data, AT) is None
    assert is_told_about(data)


def is_told_about(data: bytes) -> bool:
    """Whether the longer path warns or refuses."""
    try:
        return bool(read_message(read_json(data), AT).warnings)
    except SchemaViolation:
        return True
