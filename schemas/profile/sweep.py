"""What must hold everywhere in a message: references resolve, and nothing says migration status.

The first pass only asks whether there is anything to tell and keeps no paths; it is what every
message costs. Only when it finds something is the tree walked again to say where.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from schemas.profile.context import Resource
from schemas.profile.migration_problems import migration_problems
from schemas.profile.migration_status import may_be_listed, tells_migration_status
from schemas.violation import Problem, problem

#: Members that name a thing of which there are not many: looked up, not searched.
_NAMES: Final = frozenset({"code", "display", "name", "system", "url"})
#: Members that hold no word about a traveller's status, whatever their letters.
_NEVER: Final = frozenset(
    {
        "birthDate", "city", "collectedDateTime", "contentType", "country", "data",
        "effectiveDateTime", "end", "endpoint", "expirationDate", "family", "fullUrl",
        "gender", "given", "id", "issued", "lastUpdated", "line", "lotNumber",
        "occurrenceDateTime", "recorded", "resourceType", "start", "status", "type", "unit",
        "use", "value", "versionId",
    }
)  # fmt: skip


def is_clean(  # noqa: C901, PLR0912 - one loop is what makes it cheap
    resources: Iterable[Resource], urls: Container[str] | None
) -> bool:
    """Whether `sweep_problems` would find nothing in these resources; may be wrongly False."""
    nodes: list[Any] = list(resources)
    for node in nodes:  # grows while it is walked
        for key, value in node.items():
            kind = value.__class__
            if kind is str:
                if key in _NAMES:
                    if may_be_listed(value):
                        return False
                elif key == "reference":
                    if _is_astray(value, urls):
                        return False
                elif key not in _NEVER and tells_migration_status(value):
                    return False
            elif kind is dict:
                nodes.append(value)
            elif kind is list:
                for member in value:
                    if member.__class__ is dict:
                        nodes.append(member)
                    elif member.__class__ is str and key not in _NEVER and may_be_listed(member):
                        return False
    return True


def sweep_problems(resource: Resource, path: str, urls: Container[str] | None) -> Iterator[Problem]:
    """Every reference that leads nowhere and every element that says migration status.

    Args:
        resource: a resource of a message; a focus is judged elsewhere.
        path: its FHIRPath.
        urls: fullUrls of the Bundle; None leaves references out.
    """
    yield from _astray(resource, path, urls)
    yield from migration_problems(resource, path)


def _astray(node: Resource, path: str, urls: Container[str] | None) -> Iterator[Problem]:
    reference = node.get("reference")
    if isinstance(reference, str) and _is_astray(reference, urls):
        yield problem("profile.reference-not-in-message", "not-found", f"{path}.reference")
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _astray(value, f"{path}.{_named(key)}", urls)
        elif isinstance(value, list):
            for index, member in enumerate(value):
                if isinstance(member, dict):
                    yield from _astray(member, f"{path}.{_named(key)}[{index}]", urls)


def _is_astray(reference: str, urls: Container[str] | None) -> bool:
    """Whether a literal reference leads out of the Bundle; `#` leads into its own resource."""
    if urls is None or reference in urls:
        return False
    return not reference.startswith("#")


def _named(key: str) -> str:
    """A member's name as FHIRPath has it: a primitive's twin has the name of the primitive."""
    return key.removeprefix("_")
