"""Does a name or an identifier look like what it is?

Characters that turn the direction of writing are valid FHIR text, but with them a reader of a
passport name or a document number sees something else than what is stored (Unicode Technical
Report 36, section 3.1 on bidirectional text). Arabic and Hebrew need none of them.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from schemas.structure.elements import Element, type_definition
from schemas.violation import Problem, problem

#: Embeddings, overrides and isolates, and what ends them.
_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

#: The same in the bytes of JSON, as UTF-8 or as an escape.
_MAY_TURN: Final = re.compile(rb"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\\u20[26]")

#: Types whose every text is shown as who or which somebody is.
_SHOWN_TYPES: Final = frozenset({"HumanName", "Identifier"})

#: `Type.element` that is shown as the name of a place or body, of whom a reference leads to, or as
#: the number that a recalled batch is found by.
_SHOWN_ELEMENTS: Final = frozenset(
    {
        "Organization.name",
        "Organization.alias",
        "Location.name",
        "Location.alias",
        "Immunization.lotNumber",
        "Reference.display",
    }
)


def may_turn_writing(data: bytes) -> bool:
    """Whether JSON text could hold such a character anywhere."""
    # One byte is looked for a hundred times faster than the alternatives behind it.
    if b"\xe2" not in data and b"\\" not in data:
        return False
    return _MAY_TURN.search(data) is not None


def bidi_problems(resource: dict[str, Any], expression: str) -> list[Problem]:
    """Names and identifiers in a resource that hold a character which turns the writing.

    Args:
        resource: valid FHIR R4, as the structure level leaves it; a Bundle is looked through.
        expression: FHIRPath of the resource.
    """
    return [
        problem("display-safety.bidi", "invalid", where)
        for where in _turned(resource, resource["resourceType"], expression)
    ]


def _turned(node: dict[str, Any], type_name: str, expression: str) -> Iterator[str]:
    definition = type_definition(type_name)
    for name, member in node.items():
        # What is not an element here is resourceType or a twin: neither is shown as a name.
        element = definition.elements.get(name)
        if element is None:
            continue
        several = isinstance(member, list)
        for index, value in enumerate(member if several else [member]):
            where = f"{expression}.{name}[{index}]" if several else f"{expression}.{name}"
            yield from _turned_in(value, type_name, element, where)


def _turned_in(value: Any, type_name: str, element: Element, where: str) -> Iterator[str]:
    if isinstance(value, str):
        is_shown = type_name in _SHOWN_TYPES or f"{type_name}.{element.name}" in _SHOWN_ELEMENTS
        if is_shown and _TURNS.search(value):
            yield where
    elif isinstance(value, dict):
        inner = value["resourceType"] if element.type == "Resource" else element.type
        yield from _turned(value, inner, where)
