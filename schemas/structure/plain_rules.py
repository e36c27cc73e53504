"""What the compiled path checks in Python: what a dictionary's schema cannot say.

Each function returns the value it was given or raises `NOT_PLAIN`, which only means that the
explaining path decides. They run for most objects of every message, so they are made once for each
type and look at nothing twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import InvalidOperation
from typing import Any, Final

import jiter
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from schemas.strict_json import WrittenDecimal
from schemas.structure.elements import TypeDefinition
from schemas.structure.invariants import INVARIANTS
from schemas.structure.narrative import narrative_fault
from schemas.structure.primitives import is_readable_decimal
from schemas.structure.references import (
    REFERENCE_PARTS,
    fits,
    has_circle,
    is_absolute,
    is_bundled,
    is_local,
    is_well_formed,
    unreferenced,
)

Node = dict[str, Any]
Link = tuple[str, frozenset[str]]

#: What the compiled path says to itself; nobody else sees it.
NOT_PLAIN: Final = PydanticCustomError("not_plain", "the explaining path decides")

#: No measurement is written longer.
_MOST_DIGITS: Final = 64

#: Consents nest three levels; what nests deeper is for the other path, so depth stays bounded.
_MOST_PROVISIONS: Final = 4

#: What an entry of a message may have: no search, request or response (bdl-2 to bdl-4).
_OF_A_MESSAGE: Final = frozenset({"fullUrl", "resource", "link", "extension", "modifierExtension"})

#: dom-4 and dom-5: what the meta of a contained resource does not hold.
_NOT_IN_CONTAINED: Final = frozenset({"versionId", "lastUpdated", "security"})


@dataclass(slots=True)
class Found:
    """References met while one message is validated: their text, and where they may lead.

    Attributes:
        outward: those that leave their resource.
        local: those that lead to contained resources, until their container accounts for them.
        is_inside: whether what is read now is contained in something else.
    """

    outward: list[Link] = field(default_factory=list)
    local: list[Link] = field(default_factory=list)
    is_inside: bool = False


def narrative(value: str) -> str:
    """A narrative that may be shown to people."""
    if narrative_fault(value) is not None:
        raise NOT_PLAIN
    return value


def sound(is_sound: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """The check of a primitive that its pattern cannot make."""

    def check(value: Any) -> Any:
        if not is_sound(value):
            raise NOT_PLAIN
        return value

    return check


def decimal(value: Any) -> int | WrittenDecimal:
    """A number as the strict reader would have read it, with the digits it was written with."""
    if isinstance(value, jiter.LosslessFloat):
        text = str(value)
        if len(text) > _MOST_DIGITS:
            raise NOT_PLAIN
        try:
            number: int | WrittenDecimal = WrittenDecimal(text)
        except InvalidOperation:
            raise NOT_PLAIN from None
        if "e" not in text and "E" not in text:
            return number
    elif type(value) is int:
        number = value
    else:
        raise NOT_PLAIN
    if not is_readable_decimal(number):
        raise NOT_PLAIN
    return number


def reference_to(targets: frozenset[str]) -> Callable[[Node, ValidationInfo[Found]], Node]:
    """Remember where a reference of this place leads; what is there, is seen when all was read."""

    def collect(value: Node, info: ValidationInfo[Found]) -> Node:
        if "type" in value and not fits(value["type"], targets):
            raise NOT_PLAIN
        reference = value.get("reference")
        if reference is None:
            if value.keys().isdisjoint(REFERENCE_PARTS):
                raise NOT_PLAIN
        elif is_bundled(reference):
            info.context.outward.append((reference, targets))
        elif is_local(reference):
            info.context.local.append((reference, targets))
        elif is_well_formed(reference):
            info.context.outward.append((reference, targets))
        else:
            raise NOT_PLAIN
        return value

    return collect


def check_of(definition: TypeDefinition) -> Callable[[Node], Node] | None:
    """One function for the choices and invariants of a type; None when it has none."""
    forms_of = {
        choice: (*names, *(f"_{name}" for name in names))
        for choice, (names, _) in definition.choices.items()
    }
    choice_of = {form: choice for choice, forms in forms_of.items() for form in forms}
    # The first form of each choice alone can clash with nothing: only others need counting.
    others = choice_of.keys() - {forms[0] for forms in forms_of.values()}
    required = [forms_of[choice] for choice, (_, needed) in definition.choices.items() if needed]
    rules = [*map(_has_one_of, required), *_rules_of(definition.name)]
    if not choice_of and not rules:
        return None

    def check(value: Node) -> Node:
        if not value.keys().isdisjoint(others):
            chosen = [choice_of[name] for name in value if name in choice_of]
            # A value beside its own twin is legal, and rare enough for the other path.
            if len(set(chosen)) < len(chosen):
                raise NOT_PLAIN
        for holds in rules:
            if not holds(value):
                raise NOT_PLAIN
        return value

    return check


def invariants_of(name: str) -> Callable[[Node], Node] | None:
    """One function for the invariants of a type that has no choices; None when it has none."""
    rules = [rule.holds for rule in INVARIANTS.get(name, ())]
    if not rules:
        return None

    def check(value: Node) -> Node:
        for holds in rules:
            if not holds(value):
                raise NOT_PLAIN
        return value

    return check


def _has_one_of(forms: tuple[str, ...]) -> Callable[[Mapping[str, Any]], bool]:
    wanted = frozenset(forms)
    return lambda value: not value.keys().isdisjoint(wanted)


def resource_check_of(definition: TypeDefinition) -> Callable[[Node, ValidationInfo[Found]], Node]:
    """As `check_of`, and local references lead somewhere."""
    check = check_of(definition)

    def check_resource(value: Node, info: ValidationInfo[Found]) -> Node:
        if check is not None:
            check(value)
        if "contained" in value or info.context.local:
            found = info.context
            if not found.is_inside:
                _settle(value, found)
        return value

    return check_resource


def inside(value: Any, read: Callable[[Any], Any], info: ValidationInfo[Found]) -> Any:
    """Read contained resources: their local references are for their container to settle."""
    if info.context.is_inside:
        raise NOT_PLAIN
    info.context.is_inside = True
    value = read(value)
    info.context.is_inside = False
    return value


def _rules_of(name: str) -> list[Callable[[Mapping[str, Any]], bool]]:
    if name == "Bundle":
        return [_is_plain_bundle]
    if name == "BundleEntry":
        # Made at the end of the Bundle, for all its entries at once.
        return []
    rules = [rule.holds for rule in INVARIANTS.get(name, ())]
    return [*rules, _nests_little] if name == "ConsentProvision" else rules


def _is_plain_bundle(bundle: Mapping[str, Any]) -> bool:
    """The invariants of a Bundle and its entries; those of a message in one pass over them."""
    if bundle["type"] != "message":
        return all(rule.holds(bundle) for rule in INVARIANTS["Bundle"]) and all(
            rule.holds(entry)
            for entry in bundle.get("entry", ())
            for rule in INVARIANTS["BundleEntry"]
        )
    entries = bundle.get("entry")
    if not entries or "total" in bundle:
        return False
    urls = {entry.get("fullUrl") for entry in entries}
    if len(urls) < len(entries) or not all(map(_is_plain_entry, entries)):
        return False
    return bool(entries[0]["resource"]["resourceType"] == "MessageHeader")


def _is_plain_entry(entry: Mapping[str, Any]) -> bool:
    url = entry.get("fullUrl")
    if url is None or "resource" not in entry:
        return False
    if not url.startswith("urn:uuid:") and ("/_history/" in url or not is_absolute(url)):
        return False
    return len(entry) == 2 or entry.keys() <= _OF_A_MESSAGE


def _settle(resource: Node, found: Found) -> None:
    """Contained resources are named, bare, reached, in no circle; local references fit them."""
    local = {"#": resource["resourceType"]}
    contained = resource.get("contained", ())
    for one in contained:
        if "id" not in one or not one.get("meta", {}).keys().isdisjoint(_NOT_IN_CONTAINED):
            raise NOT_PLAIN
        local[f"#{one['id']}"] = one["resourceType"]
    if len(local) <= len(contained):
        raise NOT_PLAIN
    for reference, targets in found.local:
        if reference not in local or not fits(local[reference], targets):
            raise NOT_PLAIN
    found.local.clear()
    if unreferenced(resource) or has_circle(resource):
        raise NOT_PLAIN


def _nests_little(provision: Mapping[str, Any]) -> bool:
    level, depth = [provision], 0
    while level and depth <= _MOST_PROVISIONS:
        level = [inner for one in level for inner in one.get("provision", ())]
        depth += 1
    return depth <= _MOST_PROVISIONS
