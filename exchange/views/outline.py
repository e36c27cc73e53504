"""What a view kept and what it left out, as a person wants to compare them.

Paths name elements without positions (`Patient.name.family`). Of what is left out there is only the
path: a preview must not show to somebody what it is there to keep from others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]

_AROUND = frozenset({"MessageHeader", "Provenance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The two halves.

    Attributes:
        kept: `(path, value)` of every leaf of the view's record, in its order.
        left_out: paths of the original that are nowhere in the view, each once, in its order.
    """

    kept: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]


def outline_of(original: Resource, shown: Resource) -> Outline:
    """The outline of two messages: without headers, labels and provenance around the record."""
    kept = tuple(
        leaf
        for one in _record_of(shown)
        for leaf in leaves_of({**one, "meta": None}, one["resourceType"])
    )
    paths = {path for path, _ in kept}
    kinds = {one["resourceType"] for one in _record_of(shown)}
    left = {
        path: None
        for one in _record_of(original)
        if one["resourceType"] in kinds
        for path, _ in leaves_of(one, one["resourceType"])
        if path not in paths
    }
    return Outline(kept=kept, left_out=(*left, *_missing_resources(original, shown)))


def leaves_of(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every leaf with its path; contained resources and extensions are named, not looked into."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"resourceType", "fullUrl"}:
                continue
            where = f"{path}.{name.removeprefix('_')}"
            if name.startswith("_") or name == "contained":
                yield where, ""
            else:
                yield from leaves_of(inner, where)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves_of(inner, path)
    elif value is not None:
        yield path, str(value)


def _record_of(message: Resource) -> Iterator[Resource]:
    for entry in message.get("entry", ()):
        if entry["resource"]["resourceType"] not in _AROUND:
            yield entry["resource"]


def _missing_resources(original: Resource, shown: Resource) -> Iterator[str]:
    """Types of which the view has fewer, and how many: a Consent, or a result that is redacted."""
    counts: dict[str, int] = {}
    for one in _record_of(original):
        counts[one["resourceType"]] = counts.get(one["resourceType"], 0) + 1
    for one in _record_of(shown):
        counts[one["resourceType"]] = counts.get(one["resourceType"], 0) - 1
    for kind, count in counts.items():
        if count > 0:
            yield f"{kind} ({count})"
