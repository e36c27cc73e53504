"""Small damage to JSON, one or two at a time: the ways in which a record goes wrong."""

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Path = tuple[str | int, ...]
Mutation = Callable[[Random, Any], bool]

#: Values that stand at some edge of some FHIR type.
ODD_VALUES = (
    0, 1, -1, 2**31, -(2**31) - 1, 10**400, 1.5, True, False, "", " ", "x", "a  b", " a",
    "a\u00a0b",
    "\u0001", "\u007f", "\u202e", "A" * 65, "2024-02-29", "2023-02-29", "2024-13-01", "2024-00",
    "0000", "10000", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00", "2024-05-01T24:00:00Z",
    "2024-05-01T10:00:60Z", "2024-05-01T10:00:00+14:00", "2024-05-01T10:00:00+14:01", "10:00",
    "urn:uuid:C0FFEE00-0000-4000-8000-000000000000", "urn:oid:1.02", "#", "#none", "Patient/1",
    "Patient/", "Group/1", "http://example.org/fhir/Patient/1", "/_history/1", "QUI", "QUI=",
    "final", "completed", "banana", "male", "official", "Observation", {}, [], None, [None], [[]],
    {"id": "1"}, {"extension": []}, {"reference": "Patient/1"}, {"reference": "Medication/1"},
    {"coding": [{"code": "1"}]}, {"value": 1, "code": "1"}, {"start": "2024", "end": "2023"},
    {"extension": [{"url": "http://x", "valueCode": "unknown"}]},
    {"extension": [{"url": "x", "_valueCode": {"extension": [{"url": "y", "valueId": "z"}]}}]},
    {"extension": [{"url": "http://x"}]},
)  # fmt: skip

#: Members that exist somewhere in FHIR, put where they may not belong.
MEMBERS = (
    "id", "extension", "modifierExtension", "status", "code", "value", "valueString",
    "_valueString",
    "valueQuantity", "valueDateTime", "occurrenceString", "occurrenceDateTime",
    "_occurrenceDateTime", "effectiveInstant", "_effectiveDateTime", "deceasedBoolean",
    "deceasedDateTime", "multipleBirthInteger", "contained", "meta", "text", "language", "use",
    "period", "system", "start", "end", "dataAbsentReason", "resourceType", "fhir_comments",
    "display", "identifier", "reference", "type", "target", "note", "_status", "_id", "__id", "x",
)  # fmt: skip


def mutated(random: Random, value: Any) -> str:
    """JSON text of the value after one to three mutations of it."""
    tree = copy.deepcopy(value)
    duplicate = False
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        mutation = random.choice(_MUTATIONS)
        duplicate = mutation(random, tree) or duplicate
    text = json.dumps(tree, ensure_ascii=random.random() < 0.2)
    return _with_duplicate(random, text) if duplicate else text


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place inside a JSON value, but the value itself."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def _pick(random: Random, tree: Any) -> tuple[Any, Any] | None:
    """A random container and key in it."""
    found = list(places(tree))
    if not found:
        return None
    *way, key = random.choice(found)
    container = tree
    for step in way:
        container = container[step]
    return container, key


def _containers(tree: Any, kind: type) -> list[Any]:
    found = [tree] if isinstance(tree, kind) else []
    for path in places(tree):
        inner = tree
        for step in path:
            inner = inner[step]
        if isinstance(inner, kind):
            found.append(inner)
    return found


def _on_picked(change: Callable[[Random, Any, Any], None]) -> Mutation:
    def mutation(random: Random, tree: Any) -> bool:
        picked = _pick(random, tree)
        if picked is not None:
            change(random, *picked)
        return False

    return mutation


def _drop(_: Random, container: Any, key: Any) -> None:
    del container[key]


def _retype(random: Random, container: Any, key: Any) -> None:
    container[key] = copy.deepcopy(random.choice(ODD_VALUES))


def _nest(random: Random, container: Any, key: Any) -> None:
    container[key] = random.choice(([container[key]], {"value": container[key]}))


def _edit_text(random: Random, container: Any, key: Any) -> None:
    text = container[key]
    if isinstance(text, str) and text:
        at = random.randrange(len(text))
        container[key] = (
            text[:at] + random.choice(("", " ", "\n", "é", "Z", "-", "0")) + text[at + 1 :]
        )


def _repeat(_: Random, container: Any, key: Any) -> None:
    value = container[key]
    if isinstance(value, list):
        value.extend(copy.deepcopy(value[:1]))
    else:
        container[key] = [value, copy.deepcopy(value)]


def _move(random: Random, tree: Any) -> bool:
    """A value from elsewhere in the same tree: right in itself, wrong where it is."""
    source, target = _pick(random, tree), _pick(random, tree)
    if source is not None and target is not None:
        target[0][target[1]] = copy.deepcopy(source[0][source[1]])
    return False


def _rename(random: Random, tree: Any) -> bool:
    objects = [one for one in _containers(tree, dict) if one]
    if objects:
        chosen = random.choice(objects)
        name = random.choice(list(chosen))
        new = random.choice(
            (f"_{name}", name.upper(), f"{name}s", name[:-1], random.choice(MEMBERS))
        )
        chosen[new] = chosen.pop(name)
    return False


def _add(random: Random, tree: Any) -> bool:
    objects = _containers(tree, dict)
    if objects:
        value = copy.deepcopy(random.choice(ODD_VALUES))
        random.choice(objects)[random.choice(MEMBERS)] = value
    return False


def _reorder(random: Random, tree: Any) -> bool:
    lists = [one for one in _containers(tree, list) if len(one) > 1]
    if lists:
        random.shuffle(random.choice(lists))
    objects = [one for one in _containers(tree, dict) if len(one) > 1]
    if objects:
        chosen = random.choice(objects)
        items = list(chosen.items())
        random.shuffle(items)
        chosen.clear()
        chosen.update(items)
    return False


def _duplicate(_: Random, __: Any) -> bool:
    """Say that a member is to stand twice: only text can show it."""
    return True


_MUTATIONS: tuple[Mutation, ...] = (
    _on_picked(_drop),
    _on_picked(_retype),
    _on_picked(_retype),
    _on_picked(_nest),
    _on_picked(_edit_text),
    _on_picked(_repeat),
    _move,
    _rename,
    _add,
    _reorder,
    _duplicate,
)


def _with_duplicate(random: Random, text: str) -> str:
    starts = [index for index, character in enumerate(text) if character == "{"]
    at = random.choice(starts) if starts else 0
    return f'{text[: at + 1]}"resourceType": "Patient", {text[at + 1 :]}'
