"""Where references lead: inside a resource, inside a Bundle, or out into the world.

R4 4.0.1 references.html and bundle.html#references. What lies outside is not looked up; only what
the text itself says of it is checked.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.structure.pinned import pinned

Node = Mapping[str, Any]

_LITERAL: Final = re.compile(
    r"(?:https?://\S+/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
#: RFC 3986, 3.1: a scheme reads alike in either case.
_HAS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")

#: What a reference must have, to say anything.
REFERENCE_PARTS: Final = ("reference", "identifier", "display")


def is_local(reference: str) -> bool:
    """Whether it names a contained resource, or the resource itself."""
    return reference.startswith("#")


def is_bundled(reference: str) -> bool:
    """Whether it can only lead to an entry of the same Bundle."""
    return reference.startswith(("urn:uuid:", "urn:oid:"))


def is_absolute(address: str) -> bool:
    """Whether it means the same wherever it stands."""
    return _HAS_SCHEME.match(address) is not None


def type_named_in(reference: str) -> str | None:
    """The resource type that a relative or RESTful reference names, or None when it names none."""
    found = _LITERAL.fullmatch(reference)
    if found is None:
        return None
    return found.group(1) if found.group(1) in pinned().resource_types else None


def is_well_formed(reference: str) -> bool:
    """Whether it is absolute, local, or relative in the form `Type/id`."""
    return is_local(reference) or is_absolute(reference) or type_named_in(reference) is not None


def fits(resource_type: str | None, targets: frozenset[str]) -> bool:
    """Whether a reference with these target types may lead there; unknown types may be right."""
    return not targets or resource_type is None or resource_type in targets


def entry_types(bundle: Node) -> dict[str, str]:
    """The resource type behind each fullUrl of a Bundle."""
    return {
        entry["fullUrl"]: entry["resource"]["resourceType"]
        for entry in bundle.get("entry", ())
        if "fullUrl" in entry and "resource" in entry
    }


def contained_by_id(resource: Node) -> dict[str, Node]:
    """Contained resources by their id; those without one are left out."""
    return {one["id"]: one for one in resource.get("contained", ()) if "id" in one}


def local_names(value: Any) -> Iterator[str]:
    """The ids of contained resources that anything in here refers to; `#` alone is empty text."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            if current.startswith("#"):
                yield current[1:]
        elif isinstance(current, Mapping):
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)


def unreferenced(resource: Node) -> set[str]:
    """Contained resources that nothing in the resource leads to, nor they to it (dom-3)."""
    contained = contained_by_id(resource)
    outside = {name: value for name, value in resource.items() if name != "contained"}
    reached: set[str] = set()
    pending = [name for name in local_names(outside) if name in contained]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(inner for inner in local_names(contained[name]) if inner in contained)
    return {
        name
        for name, one in contained.items()
        if name not in reached and "" not in set(local_names(one))
    }


def has_circle(resource: Node) -> bool:
    """Whether contained resources refer to each other in a circle, without end for a reader."""
    contained = contained_by_id(resource)
    leads_to = {
        name: {inner for inner in local_names(one) if inner in contained}
        for name, one in contained.items()
    }
    arrivals = Counter(inner for names in leads_to.values() for inner in names)
    ends = [name for name in leads_to if not arrivals[name]]
    left = len(leads_to)
    while ends:
        left -= 1
        for inner in leads_to[ends.pop()]:
            arrivals[inner] -= 1
            if not arrivals[inner]:
                ends.append(inner)
    return left > 0
