"""Which names of JSON members are FHIR's own, so that an answer may say them.

Whatever else stands where a name should, such as somebody's family name, is never repeated.
"""

import difflib
from functools import cache
from typing import Final

from schemas.fhir_names import CARRIED_RESOURCES
from schemas.structure.elements import TypeDefinition, type_definition

#: No element of R4 has a longer name; what is longer is not compared.
_LONGEST: Final = 40


def is_element_name(name: str) -> bool:
    """Whether some type that messages are made of has an element of exactly this name."""
    return name.removeprefix("_") in _names()


def element_meant(name: str, definition: TypeDefinition) -> str | None:
    """The element of the type that is written almost like this, or None."""
    if len(name) > _LONGEST:
        return None
    known = definition.elements.keys()
    lowered = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.75)
    return lowered[close[0]] if close else None


@cache
def _names() -> frozenset[str]:
    found: set[str] = {"resourceType"}
    seen: set[str] = {"Resource"}
    pending = sorted(CARRIED_RESOURCES)
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for element in type_definition(name).elements.values():
            found.add(element.name)
            if not element.is_primitive:
                pending.append(element.type)
    return frozenset(found)
