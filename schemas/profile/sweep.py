"""What must hold everywhere in a message: references resolve, and nothing says migration status.

The first pass only asks whether there is anything to tell and keeps no paths; it is what every
message costs. Only when it finds something is the tree walked again to say where.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from schemas.profile.context import Resource
from schemas.profile.migration_status import (
    listed_texts,
    names_migration_status,
    states_migration_status,
)
from schemas.violation import Problem, problem

_EXTENSIONS: Final = frozenset({"extension", "modifierExtension"})
#: Members whose text may be a listed code, a listed system or a reference.
_WATCHED: Final = frozenset({"code", "system", "reference"})
_LISTED: Final = listed_texts()


def is_clean(  # noqa: C901 - one loop is what makes it cheap
    resources: Iterable[Resource], urls: Container[str] | None
) -> bool:
    """Whether `sweep_problems` would find nothing in these resources; may be wrongly False."""
    nodes: list[Any] = list(resources)
    for node in nodes:  # grows while it is walked
        for key, value in node.items():
            kind = value.__class__
            if kind is str:
                if key in _WATCHED and (
                    value in _LISTED or (key == "reference" and _is_astray(value, urls))
                ):
                    return False
            elif kind is dict:
                nodes.append(value)
            elif kind is list:
                if key in _EXTENSIONS and _names_status(value):
                    return False
                for member in value:
                    if member.__class__ is dict:
                        nodes.append(member)  # noqa: PERF401 - a generator costs more
    return True


def sweep_problems(resource: Resource, path: str, urls: Container[str] | None) -> Iterator[Problem]:
    """Every reference that leads nowhere and every element that says migration status.

    Args:
        resource: any part of a message; a focus is judged elsewhere.
        path: its FHIRPath.
        urls: fullUrls of the Bundle; None leaves references out.
    """
    reference = resource.get("reference")
    if isinstance(reference, str) and _is_astray(reference, urls):
        yield problem("profile.reference-not-in-message", "not-found", f"{path}.reference")
    yield from _status_problems(resource, path)
    for key, value in resource.items():
        if isinstance(value, dict):
            yield from sweep_problems(value, f"{path}.{_named(key)}", urls)
        elif isinstance(value, list):
            for index, member in enumerate(value):
                if isinstance(member, dict):
                    yield from sweep_problems(member, f"{path}.{_named(key)}[{index}]", urls)


def _is_astray(reference: str, urls: Container[str] | None) -> bool:
    """Whether a literal reference leads out of the Bundle; `#` leads into its own resource."""
    if urls is None or reference in urls:
        return False
    return not reference.startswith("#")


def _names_status(extensions: list[Any]) -> bool:
    return any(
        isinstance(one, dict)
        and isinstance(one.get("url"), str)
        and names_migration_status(one["url"])
        for one in extensions
    )


def _status_problems(node: Resource, path: str) -> Iterator[Problem]:
    for key in _EXTENSIONS & node.keys():
        for index, extension in enumerate(node[key]):
            if _names_status([extension]):
                yield problem(
                    "profile.migration-extension", "business-rule", f"{path}.{key}[{index}]"
                )
    system, code = node.get("system"), node.get("code")
    if isinstance(code, str) and isinstance(system, str) and states_migration_status(system, code):
        yield problem("profile.migration-code", "business-rule", path)
    elif isinstance(system, str) and "value" in node and states_migration_status(system, None):
        yield problem("profile.migration-identifier", "business-rule", f"{path}.system")


def _named(key: str) -> str:
    """A member's name as FHIRPath has it: a primitive's twin has the name of the primitive."""
    return key.removeprefix("_")
