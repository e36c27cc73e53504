"""The invariants of FHIR R4 4.0.1 for the data types and resources that messages are made of.

Each rule is the FHIRPath expression of the StructureDefinition, written in Python over JSON that
already has the right types. Left out, with reason: `dom-6` is advice; `ppc-2` to `ppc-5` compare
with the system `something` and can never fail; `dom-2` to `dom-5` and `ref-1` are in
`references.py`, `txt-1` and `txt-2` in `narrative.py`, `ele-1` in the two paths themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.structure.references import is_absolute
from schemas.violation import SchemaViolation

Node = Mapping[str, Any]

UCUM: Final = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule of a type.

    Attributes:
        key: as in the StructureDefinition, such as `obs-6`.
        element: the element to name in an answer, relative to the type; empty for the type itself.
        holds: whether an object of the type keeps the rule.
    """

    key: str
    element: str
    holds: Callable[[Node], bool]


def exists(node: Node, name: str) -> bool:
    """Whether the element is there, by its value or only by its extensions."""
    return name in node or f"_{name}" in node


def has_choice(node: Node, name: str) -> bool:
    """Whether some `name[x]` is there."""
    length = len(name)
    return any(
        plain.startswith(name) and plain[length : length + 1].isupper()
        for plain in (member.removeprefix("_") for member in node)
    )


# These run for almost every object of a message: their names are spelled out once, here.


def _with_twins(*names: str) -> frozenset[str]:
    return frozenset(names) | {f"_{name}" for name in names}


def _implies(name: str, needed: str) -> Callable[[Node], bool]:
    """If `name` is there, the other is too."""
    twin, needed_twin = f"_{name}", f"_{needed}"
    return lambda node: (
        (name not in node and twin not in node) or needed in node or needed_twin in node
    )


def _one_of(*names: str) -> Callable[[Node], bool]:
    wanted = _with_twins(*names)
    return lambda node: not node.keys().isdisjoint(wanted)


def _only_one_of(first: str, second: str) -> Callable[[Node], bool]:
    return lambda node: exists(node, first) != exists(node, second)


def _not_both(first: str, second: str) -> Callable[[Node], bool]:
    return lambda node: not (exists(node, first) and exists(node, second))


def _is_ordered(low: str, high: str) -> bool:
    """Whether a start can lie before an end; a partial date means its whole span."""
    if "T" not in low and "T" not in high:
        # Dates of one calendar: where both are precise, no time zone puts them in another order.
        shared = min(len(low), len(high))
        return low[:shared] <= high[:shared]
    try:
        return instant_at_start(low) <= instant_at_end(high)
    except SchemaViolation:
        # A leap second, or a year at the edge of the calendar: nothing says that it is wrong.
        return True


def _per_1(node: Node) -> bool:
    return "start" not in node or "end" not in node or _is_ordered(node["start"], node["end"])


def _rng_2(node: Node) -> bool:
    low, high = node.get("low", {}), node.get("high", {})
    if "value" not in low or "value" not in high:
        return True
    # Quantities in different units are not comparable here.
    same_unit = all(low.get(part) == high.get(part) for part in ("system", "code", "unit"))
    return not same_unit or Decimal(low["value"]) <= Decimal(high["value"])


def _rat_1(node: Node) -> bool:
    if exists(node, "numerator") != exists(node, "denominator"):
        return False
    return exists(node, "numerator") or exists(node, "extension")


def _ucum_only(node: Node) -> bool:
    return "system" not in node or node["system"] == UCUM


def _coded_in_ucum(node: Node) -> bool:
    return (exists(node, "code") or not exists(node, "value")) and _ucum_only(node)


def _age_1(node: Node) -> bool:
    return _coded_in_ucum(node) and ("value" not in node or node["value"] > 0)


def _cnt_3(node: Node) -> bool:
    if not _coded_in_ucum(node) or node.get("code", "1") != "1":
        return False
    return "value" not in node or "." not in str(node["value"])


def _drt_1(node: Node) -> bool:
    return not exists(node, "code") or (node.get("system") == UCUM and exists(node, "value"))


def _obs_6(node: Node) -> bool:
    return "dataAbsentReason" not in node or not has_choice(node, "value")


def _obs_7(node: Node) -> bool:
    if "component" not in node or not has_choice(node, "value"):
        return True
    own = node["code"].get("coding", ())
    return not any(
        coding in own
        for component in node["component"]
        for coding in component["code"].get("coding", ())
    )


def _no_home(name: str) -> Callable[[Node], bool]:
    return lambda node: name not in node or all(one.get("use") != "home" for one in node[name])


def _tim_9(node: Node) -> bool:
    if not exists(node, "offset"):
        return True
    return exists(node, "when") and not {"C", "CM", "CD", "CV"} & set(node.get("when", ()))


def _trd_3(node: Node) -> bool:
    kind = node.get("type", "")
    if kind == "named-event":
        return exists(node, "name")
    if kind == "periodic":
        return has_choice(node, "timing")
    return not kind.startswith("data-") or exists(node, "data")


def _not_negative(name: str) -> Callable[[Node], bool]:
    return lambda node: name not in node or node[name] >= 0


def _ext_1(node: Node) -> bool:
    return exists(node, "extension") != has_choice(node, "value")


def _inv_1(node: Node) -> bool:
    value, resource = has_choice(node, "value"), exists(node, "resource")
    if exists(node, "part"):
        return not value and not resource
    return value != resource


_WHOLE = ""

INVARIANTS: Final[dict[str, tuple[Invariant, ...]]] = {
    "Extension": (Invariant("ext-1", _WHOLE, _ext_1),),
    "Attachment": (Invariant("att-1", "contentType", _implies("data", "contentType")),),
    "ContactPoint": (Invariant("cpt-2", "system", _implies("value", "system")),),
    "Period": (Invariant("per-1", _WHOLE, _per_1),),
    "Quantity": (Invariant("qty-3", "system", _implies("code", "system")),),
    "Age": (
        Invariant("qty-3", "system", _implies("code", "system")),
        Invariant("age-1", _WHOLE, _age_1),
    ),
    "Count": (
        Invariant("qty-3", "system", _implies("code", "system")),
        Invariant("cnt-3", _WHOLE, _cnt_3),
    ),
    "Distance": (
        Invariant("qty-3", "system", _implies("code", "system")),
        Invariant("dis-1", _WHOLE, _coded_in_ucum),
    ),
    "Duration": (
        Invariant("qty-3", "system", _implies("code", "system")),
        Invariant("drt-1", _WHOLE, _drt_1),
    ),
    "Range": (Invariant("rng-2", _WHOLE, _rng_2),),
    "Ratio": (Invariant("rat-1", _WHOLE, _rat_1),),
    "Expression": (Invariant("exp-1", _WHOLE, _one_of("expression", "reference")),),
    "DataRequirementCodeFilter": (Invariant("drq-1", _WHOLE, _only_one_of("path", "searchParam")),),
    "DataRequirementDateFilter": (Invariant("drq-2", _WHOLE, _only_one_of("path", "searchParam")),),
    "TriggerDefinition": (
        Invariant(
            "trd-1", _WHOLE, lambda node: "data" not in node or not has_choice(node, "timing")
        ),
        Invariant("trd-2", "condition", _implies("condition", "data")),
        Invariant("trd-3", _WHOLE, _trd_3),
    ),
    "TimingRepeat": (
        Invariant("tim-1", "durationUnit", _implies("duration", "durationUnit")),
        Invariant("tim-2", "periodUnit", _implies("period", "periodUnit")),
        Invariant("tim-4", "duration", _not_negative("duration")),
        Invariant("tim-5", "period", _not_negative("period")),
        Invariant("tim-6", "period", _implies("periodMax", "period")),
        Invariant("tim-7", "duration", _implies("durationMax", "duration")),
        Invariant("tim-8", "count", _implies("countMax", "count")),
        Invariant("tim-9", "offset", _tim_9),
        Invariant("tim-10", "timeOfDay", _not_both("timeOfDay", "when")),
    ),
    "ImmunizationEducation": (Invariant("imm-1", _WHOLE, _one_of("documentType", "reference")),),
    "Observation": (
        Invariant("obs-6", "dataAbsentReason", _obs_6),
        Invariant("obs-7", "component", _obs_7),
    ),
    "ObservationReferenceRange": (Invariant("obs-3", _WHOLE, _one_of("low", "high", "text")),),
    "Organization": (
        Invariant("org-1", _WHOLE, _one_of("identifier", "name")),
        Invariant("org-2", "address", _no_home("address")),
        Invariant("org-3", "telecom", _no_home("telecom")),
    ),
    "PatientContact": (
        Invariant("pat-1", _WHOLE, _one_of("name", "telecom", "address", "organization")),
    ),
    "ServiceRequest": (Invariant("prr-1", "orderDetail", _implies("orderDetail", "code")),),
    "Consent": (Invariant("ppc-1", _WHOLE, _one_of("policy", "policyRule")),),
    "AuditEventEntity": (Invariant("sev-1", "query", _not_both("name", "query")),),
    "CompositionSection": (
        Invariant("cmp-1", _WHOLE, _one_of("text", "entry", "section")),
        Invariant("cmp-2", "emptyReason", _not_both("emptyReason", "entry")),
    ),
    "ParametersParameter": (Invariant("inv-1", _WHOLE, _inv_1),),
    "Group": (
        Invariant(
            "grp-1", "member", lambda node: "member" not in node or node.get("actual") is True
        ),
    ),
    "BundleEntry": (
        Invariant("bdl-5", "resource", _one_of("resource", "request", "response")),
        Invariant("bdl-8", "fullUrl", lambda node: "/_history/" not in node.get("fullUrl", "")),
        # R4 4.0.1 bundle-definitions.html#Bundle.entry.fullUrl: it is an absolute URL.
        Invariant(
            "full-url",
            "fullUrl",
            lambda node: "fullUrl" not in node or is_absolute(node["fullUrl"]),
        ),
    ),
}


_NO_ENTRIES: Final[tuple[Node, ...]] = ()


def _entries_have(name: str, types: frozenset[str]) -> Callable[[Node], bool]:
    def holds(bundle: Node) -> bool:
        wanted = bundle.get("type") in types
        return all((name in entry) == wanted for entry in bundle.get("entry", _NO_ENTRIES))

    return holds


def _bdl_1(bundle: Node) -> bool:
    return not exists(bundle, "total") or bundle.get("type") in {"searchset", "history"}


def _bdl_2(bundle: Node) -> bool:
    return bundle.get("type") == "searchset" or all(
        "search" not in entry for entry in bundle.get("entry", _NO_ENTRIES)
    )


def _bdl_7(bundle: Node) -> bool:
    if bundle.get("type") == "history":
        return True
    urls = [entry["fullUrl"] for entry in bundle.get("entry", _NO_ENTRIES) if "fullUrl" in entry]
    if len(set(urls)) == len(urls):
        return True
    names = [
        (entry["fullUrl"], entry.get("resource", {}).get("meta", {}).get("versionId"))
        for entry in bundle["entry"]
        if "fullUrl" in entry
    ]
    return len(set(names)) == len(names)


def _search_id(bundle: Node) -> bool:
    """R4 4.0.1 http.html#search: what a search returns are resources that can be read again."""
    return bundle.get("type") != "searchset" or all(
        "id" in entry["resource"]
        for entry in bundle.get("entry", _NO_ENTRIES)
        if "resource" in entry and entry.get("search", {}).get("mode") != "outcome"
    )


def _search_outcome(bundle: Node) -> bool:
    """R4 4.0.1 valueset-search-entry-mode.html: an outcome is an OperationOutcome."""
    return bundle.get("type") != "searchset" or all(
        entry["resource"].get("resourceType") == "OperationOutcome"
        for entry in bundle.get("entry", _NO_ENTRIES)
        if "resource" in entry and entry.get("search", {}).get("mode") == "outcome"
    )


def _first_is(bundle_type: str, resource_type: str) -> Callable[[Node], bool]:
    def holds(bundle: Node) -> bool:
        if bundle.get("type") != bundle_type:
            return True
        entries = bundle.get("entry")
        first = entries[0] if entries else {}
        return bool(first.get("resource", {}).get("resourceType") == resource_type)

    return holds


def _bdl_9(bundle: Node) -> bool:
    identifier = bundle.get("identifier", {})
    return bundle.get("type") != "document" or (
        exists(identifier, "system") and exists(identifier, "value")
    )


_BUNDLE_INVARIANTS: Final = (
    Invariant("bdl-1", "total", _bdl_1),
    Invariant("bdl-2", "entry", _bdl_2),
    Invariant(
        "bdl-3", "entry", _entries_have("request", frozenset({"batch", "transaction", "history"}))
    ),
    Invariant(
        "bdl-4",
        "entry",
        _entries_have("response", frozenset({"batch-response", "transaction-response", "history"})),
    ),
    Invariant("bdl-7", "entry", _bdl_7),
    Invariant("bdl-9", "identifier", _bdl_9),
    Invariant(
        "bdl-10", "timestamp", lambda node: node.get("type") != "document" or "timestamp" in node
    ),
    Invariant("bdl-11", "entry", _first_is("document", "Composition")),
    Invariant("bdl-12", "entry", _first_is("message", "MessageHeader")),
    Invariant("search-id", "entry", _search_id),
    Invariant("search-outcome", "entry", _search_outcome),
)

INVARIANTS["Bundle"] = _BUNDLE_INVARIANTS
