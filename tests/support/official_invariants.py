"""The invariants as HL7 wrote them, and where ours may say something else.

The expressions are `tests/vectors/official_invariants.json`, with their source.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.invariant_objects import Node

VECTORS = Path(__file__).parents[1] / "vectors" / "official_invariants.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """One invariant.

    Attributes:
        type: the type whose objects our rule takes.
        key: as in the StructureDefinition.
        path: where the StructureDefinition has it.
        expression: as HL7 wrote it.
    """

    type: str
    key: str
    path: str
    expression: str


OFFICIAL = tuple(
    Official(**row) for row in json.loads(VECTORS.read_text(encoding="utf-8"))["invariants"]
)

#: What fhirpathpy 2.2.4 evaluates in place of an expression that it cannot evaluate as written: it
#: compares dates as text and cannot compare a Quantity.
READ_AS: Mapping[str, tuple[str, str]] = {
    "per-1": ("(start <= end)", "(start.toDateTime() <= end.toDateTime())"),
    "rng-2": ("(low <= high)", "(low.value <= high.value)"),
}

#: The element each of which is judged for itself, where our rule takes the object that has them.
OF_EACH: Mapping[str, str] = {"org-2": "address", "org-3": "telecom"}


def _dates(node: Node) -> str | None:
    """FHIRPath compares to the shared precision and says nothing beyond; we compare whole spans."""
    start, end = node.get("start", ""), node.get("end", "")
    if ("T" in start) != ("T" in end):
        return "a day and a moment: FHIRPath does not know their order"
    shared = min(len(start), len(end))
    if "T" not in start and len(start) != len(end) and start[:shared] == end[:shared]:
        return "dates of unlike precision: FHIRPath does not know their order"
    return None


def _quantities(node: Node) -> str | None:
    low, high = node.get("low"), node.get("high")
    if not low or not high:
        return None
    if "value" not in low or "value" not in high:
        return "a bound without a value: FHIRPath has nothing to compare"
    if low["unit"] != high["unit"]:
        return "quantities in unlike units: FHIRPath has nothing to compare"
    return None


def _full_urls(node: Node) -> str | None:
    entries = node.get("entry", ())
    if any("_fullUrl" in entry for entry in entries):
        return "a fullUrl that is only extensions has no text to join"
    if not any("fullUrl" in entry for entry in entries):
        return "fhirpathpy: isDistinct() of nothing is empty, where FHIRPath says true"
    return None


def _only_extensions(*names: str) -> Callable[[Node], str | None]:
    """FHIRPath has no value to compare and says nothing; fhirpathpy says no, or raises."""
    return lambda node: (
        "a compared element is only extensions"
        if any(f"_{name}" in node for name in names)
        else None
    )


#: Why our rule may say something else about an object than fhirpathpy; None where it may not.
DIFFERENCES: Mapping[str, Callable[[Node], str | None]] = {
    "per-1": _dates,
    "rng-2": _quantities,
    "bdl-7": _full_urls,
    "bdl-8": _only_extensions("fullUrl"),
    "age-1": _only_extensions("system", "value"),
    "cnt-3": _only_extensions("system", "code"),
    "dis-1": _only_extensions("system"),
    "tim-4": _only_extensions("duration"),
    "tim-5": _only_extensions("period"),
}
