"""The compiled and the explaining path of FHIR structure, and the library they come from, agree.

Real resources are damaged in thousands of ways. Whatever the compiled path accepts, the explaining
path accepts, with the same tree; whatever either accepts, fhir.resources accepts, but for the
forms that the library refuses wrongly, which are listed here with their reasons.
"""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from schemas.fhir_names import CARRIED_RESOURCES
from schemas.strict_json import read_json
from schemas.structure.compiled import read_plain
from schemas.structure.explained import structure_problems
from schemas.violation import SchemaViolation
from tests.support.mutations import mutated, places
from tests.support.thoroughness import differential_cases

pytestmark = [pytest.mark.needs_corpora, pytest.mark.slow]

CASES = differential_cases(24_000)
SHARDS = 4
#: Larger ones only take longer; their parts are among the smaller.
MOST_BYTES = 6_000

#: Valid FHIR R4 that fhir.resources 8.3.0 refuses. Each is found in the JSON itself.
WRONGLY_REFUSED = {
    "a choice given only by its extensions (R4 json.html#primitive)": lambda name, value: (
        name.startswith("_")
        and isinstance(value, dict)
        and re.match(r"_(occurrence|doseNumber|value|effective|event|medication)[A-Z]", name)
        is not None
    ),
    "Extension.valueMeta is R4 (datatypes.html#open), not R4B's": lambda name, _: (
        name == "valueMeta"
    ),
    "a leap second (R4 datatypes.html#dateTime allows :60)": lambda _, value: (
        isinstance(value, str) and ":60" in value
    ),
}


def real_resources(corpora: Path) -> list[Any]:
    """Every resource of the valid corpora, with those inside Bundles, small enough to be quick."""
    found: list[Any] = []
    for folder in ("fhir-r4-examples", "nhs-immunisation"):
        for file in sorted((corpora / folder).rglob("*.json")):
            tree = json.loads(file.read_text(encoding="utf-8-sig"))
            if tree.get("resourceType") in CARRIED_RESOURCES:
                found.append(tree)
            found += [
                entry["resource"]
                for entry in tree.get("entry", ())
                if entry.get("resource", {}).get("resourceType") in CARRIED_RESOURCES
            ]
    return [one for one in found if len(json.dumps(one)) <= MOST_BYTES]


def library_accepts(tree: Any) -> bool:
    """What fhir.resources says; it raises many things for what it does not like."""
    try:
        get_fhir_model_class(tree["resourceType"]).model_validate(tree)
    except Exception:  # noqa: BLE001 - KeyError, AssertionError and others are its refusals too
        return False
    return True


def is_wrongly_refused(tree: Any) -> str | None:
    """The listed reason why the library refuses a valid tree, if one applies to it."""
    for path in places(tree):
        value = tree
        for step in path:
            value = value[step]
        for reason, applies in WRONGLY_REFUSED.items():
            if applies(str(path[-1]), value):
                return reason
    return None


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_damage_makes_the_paths_disagree(shard: int, corpora: Path) -> None:
    bases = real_resources(corpora)
    random = Random(20_261_125 + shard)
    seen: Counter[str] = Counter()

    for number in range(CASES // SHARDS):
        text = mutated(random, random.choice(bases))
        data = text.encode("utf-8", "surrogatepass")
        plain = read_plain(data)
        try:
            tree = read_json(data)
        except SchemaViolation:
            assert plain is None, f"case {number}: the compiled path took what is not strict JSON"
            seen["not strict JSON"] += 1
            continue
        is_valid = not any(one.severity == "error" for one in structure_problems(tree))
        if plain is not None:
            assert is_valid, f"case {number}: only the compiled path accepts {text}"
            assert plain == tree, f"case {number}: the trees differ for {text}"
        if is_valid and not library_accepts(json.loads(text)):
            reason = is_wrongly_refused(tree)
            assert reason is not None, f"case {number}: only the library refuses {text}"
            seen[reason] += 1
        seen["plain" if plain is not None else "explained valid" if is_valid else "refused"] += 1

    print(f"\nshard {shard}: {sum(seen.values())} {dict(seen)}")
    # A run that finds nothing valid, or nothing to refuse, compares nothing.
    assert min(seen["plain"], seen["refused"]) > CASES // SHARDS // 20
