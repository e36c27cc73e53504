"""Our invariants and HL7's own FHIRPath, evaluated by somebody else's engine, agree."""

from collections import Counter
from functools import partial
from typing import Any

import pytest
from fhirpathpy import compile as compile_path
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.engine.util import get_data
from fhirpathpy.models import models
from hypothesis import find, given, settings

from schemas.structure.elements import type_definition
from schemas.structure.invariants import INVARIANTS
from tests.support.invariant_objects import OBJECTS
from tests.support.official_invariants import (
    DIFFERENCES,
    OF_EACH,
    OFFICIAL,
    READ_AS,
    Official,
)
from tests.support.thoroughness import examples

#: Rules of R4's prose, which no StructureDefinition writes as FHIRPath.
IN_PROSE = {
    ("Bundle", "search-id"),
    ("Bundle", "search-outcome"),
    ("BundleEntry", "full-url"),
}


def has_value(collection: list[Any]) -> bool:
    """FHIR's own function (R4 fhirpath.html#functions), which fhirpathpy leaves to its caller."""
    found = [get_data(one) for one in collection]
    return len(found) == 1 and not isinstance(found[0], dict | list)


OPTIONS = {"userInvocationTable": {"hasValue": {"fn": has_value, "arity": {0: []}}}}


def official_verdict(row: Official, evaluate: Any, node: Any) -> bool:
    """Whether FHIRPath says that it is kept; a constraint that comes out empty is not."""
    name = OF_EACH.get(row.key)
    parts = [node] if name is None else node.get(name, [])
    return all(
        evaluate(
            part if "resourceType" in part else ResourceNode.create_node(part, row.path),
            {"resource": node},
        )
        == [True]
        for part in parts
    )


def test_every_invariant_has_its_official_expression():
    ours = {(name, rule.key) for name, rules in INVARIANTS.items() for rule in rules}

    assert {(row.type, row.key) for row in OFFICIAL} == ours - IN_PROSE


@pytest.mark.parametrize("row", OFFICIAL, ids=lambda row: f"{row.type}-{row.key}")
def test_our_rule_is_the_official_one(row: Official):
    (rule,) = (one for one in INVARIANTS[row.type] if one.key == row.key)
    expression = row.expression.replace(*READ_AS.get(row.key, ("", "")))
    evaluate = compile_path(expression, models["r4"], OPTIONS)
    is_resource = type_definition(row.type).kind == "resource"
    differs = DIFFERENCES.get(row.key, lambda node: None)
    seen: Counter[Any] = Counter()

    def compare(node: Any) -> None:
        named = {"resourceType": row.type, **node} if is_resource else node
        reason = differs(node)
        if reason is not None:
            seen[reason] += 1
            return
        ours = rule.holds(node)
        assert ours == official_verdict(row, evaluate, named), node
        seen[ours] += 1

    def comes_out(node: Any, *, kept: bool) -> bool:
        return differs(node) is None and rule.holds(node) is kept

    settings(max_examples=examples(100), deadline=None)(given(OBJECTS[row.type])(compare))()
    # Where no example happened to be kept, or broken, one is looked for: else nothing is compared.
    for kept in {True, False} - seen.keys():
        compare(find(OBJECTS[row.type], partial(comes_out, kept=kept)))
    assert {True, False} <= seen.keys()
