"""What a code means in another system, and which way a result points; by pinned maps alone.

A map knows concepts. A code is the *same* as its concept or lies *within* it; a concept may have a
broader one. So two codes are equivalent only where both were pinned as the same, and a product of
one country is never taken for the product of another because their names look alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from schemas.terminology.code_systems import canonical_system, read_pinned, system_uris, variants_of

Relation = Literal["equivalent", "narrower", "broader"]
Meaning = Literal["detected", "not-detected", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A code of the target system; `relation` is what it is beside the code asked about.

    `broader`: it covers more than that code; `narrower`: it covers less.
    """

    code: str
    relation: Relation


def equivalents_of(system: str, code: str, target_system: str) -> tuple[Mapped, ...]:
    """The codes of the target system that mean the same, more, or less; equivalent ones first.

    Empty when the maps hold nothing: then nothing may be concluded, least of all from the texts.
    """
    source, target = canonical_system(system), canonical_system(target_system)
    if source is None or target is None:
        return ()
    return _maps().get((source, code), {}).get(target, ())


def is_positive(codings: Iterable[tuple[str | None, str | None]]) -> Meaning | None:
    """Which way a coded result points, or None when no code says so or two contradict each other.

    ICD-11 codes are never a result: DDCC's value set writes QA02 for "not detected" where its
    concept map writes RA01.1, which is a diagnosis.
    """
    meanings = _meanings()
    found: Meaning | None = None
    for system, code in codings:
        meaning = meanings.get((system, code))
        if meaning is None or meaning == found:
            continue
        if found is not None:
            return None
        found = meaning
    return found


@cache
def _meanings() -> dict[tuple[str | None, str | None], Meaning]:
    return {
        (uri, code): meaning
        for meaning, by_system in read_pinned("results")["meanings"].items()
        for key, codes in by_system.items()
        for uri in variants_of(system_uris()[key])
        for code in codes
    }


_Concepts = dict[str, dict[str, Any]]
#: A code where it was pinned: canonical system, code, whether it is the same as its concept.
_Placed = tuple[str, str, bool]


@cache
def _maps() -> dict[tuple[str, str], dict[str, tuple[Mapped, ...]]]:
    concepts: _Concepts = read_pinned("concept_maps")["concepts"]
    maps: dict[tuple[str, str], dict[str, dict[str, Relation]]] = {}
    for key in concepts:
        for system, code, same in _placed(concepts[key]):
            targets = maps.setdefault((system, code), {})
            for target, mapped, relation in _related(concepts, key, same=same):
                if target != system:
                    targets.setdefault(target, {}).setdefault(mapped, relation)
    return {
        source: {
            target: tuple(Mapped(code, relation) for code, relation in codes.items())
            for target, codes in targets.items()
        }
        for source, targets in maps.items()
    }


def _related(concepts: _Concepts, key: str, *, same: bool) -> Iterator[tuple[str, str, Relation]]:
    """Codes beside, above and below a code of this concept; a code within has none below it."""
    beside = list(_placed(concepts[key]))
    if same:
        yield from ((system, code, "equivalent") for system, code, is_same in beside if is_same)
        yield from ((system, code, "narrower") for system, code, is_same in beside if not is_same)
    else:
        yield from ((system, code, "broader") for system, code, is_same in beside if is_same)
    for ancestor in _above(concepts, key):
        above = _placed(concepts[ancestor])
        yield from ((system, code, "broader") for system, code, is_same in above if is_same)
    if same:
        for below in (other for other in concepts if key in _above(concepts, other)):
            yield from ((system, code, "narrower") for system, code, _ in _placed(concepts[below]))


def _above(concepts: _Concepts, key: str) -> Iterator[str]:
    broader = concepts[key].get("broader")
    while broader is not None:
        yield broader
        broader = concepts[broader].get("broader")


def _placed(concept: dict[str, Any]) -> Iterator[_Placed]:
    for where in ("same", "within"):
        for key, codes in concept.get(where, {}).items():
            for code in codes:
                yield system_uris()[key], code, where == "same"
