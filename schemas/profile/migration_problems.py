"""Where a resource says migration status, and whether that stops it.

What programs read stops it: the name of an extension, a system, a profile; a code and the name that
stands with it. In words that people write, such as a note or the name of a camp, the same letters
may mean no traveller at all, so there it is a remark.
"""

from collections.abc import Iterator
from typing import Any, Final

from schemas.profile.context import Resource
from schemas.profile.migration_status import (
    names_migration_status,
    states_migration_status,
    tells_migration_status,
)
from schemas.structure.elements import type_definition
from schemas.violation import Problem, problem

_ADDRESSES: Final = frozenset({"uri", "url", "canonical"})
_WORDS: Final = frozenset({"string", "markdown", "xhtml"})
#: Types of what a program reads; of strings the name of a concept is one.
_NAMING: Final = _ADDRESSES | {"code", "string"}
#: Who and where people are is written in these, whatever their names mean.
_OF_PEOPLE: Final = frozenset({"HumanName", "Address", "ContactPoint"})
_NEVER_WORDS: Final = frozenset({"Identifier.value", "Reference.reference", "Coding.version"})


def migration_problems(
    node: Resource, path: str, type_name: str | None = None
) -> Iterator[Problem]:
    """Every element that says permission to enter or stay, detention, origin or faith.

    Args:
        node: of valid FHIR R4, as the structure level leaves it.
        path: its FHIRPath.
        type_name: its type, when it is no resource that says it.
    """
    yield from _in_node(node, type_name or node["resourceType"], path)


def _in_node(node: Resource, type_name: str, path: str) -> Iterator[Problem]:
    if type_name == "Coding" and _states(node):
        yield problem("profile.migration-code", "business-rule", path)
        return
    if type_name == "Extension" and names_migration_status(node.get("url", "")):
        yield problem("profile.migration-extension", "business-rule", path)
        return
    elements = type_definition(type_name).elements
    for name, value, where in _members(node, path):
        element = elements.get(name)
        if isinstance(value, dict):
            # What is no element is the twin of one, with its extensions.
            inner = "Element" if element is None else element.type
            yield from _in_node(
                value, value["resourceType"] if inner == "Resource" else inner, where
            )
        elif isinstance(value, str) and element is not None and type_name not in _OF_PEOPLE:
            yield from _in_text(value, f"{type_name}.{name}", element.type, where)


def _members(node: Resource, path: str) -> Iterator[tuple[str, Any, str]]:
    """Each value by the name of its member and with its path; those of an array one by one."""
    for name, member in node.items():
        where = f"{path}.{name.removeprefix('_')}"
        if isinstance(member, list):
            for index, value in enumerate(member):
                yield name, value, f"{where}[{index}]"
        else:
            yield name, member, where


def _in_text(value: str, element: str, kind: str, path: str) -> Iterator[Problem]:
    if element in _NEVER_WORDS:
        return
    if kind in _WORDS and element != "CodeableConcept.text":
        if tells_migration_status(value):
            yield problem("profile.migration-text", "business-rule", path, severity="warning")
    elif element == "Identifier.system":
        if states_migration_status(value, None) or names_migration_status(value):
            yield problem("profile.migration-identifier", "business-rule", path)
    elif kind in _NAMING and names_migration_status(value):
        sentence = "profile.migration-address" if kind in _ADDRESSES else "profile.migration-code"
        yield problem(sentence, "business-rule", path)


def _states(coding: dict[str, Any]) -> bool:
    system, code = coding.get("system"), coding.get("code")
    if states_migration_status(system, code):
        return True
    said = (system, code, coding.get("display"))
    return any(names_migration_status(one) for one in said if one is not None)
