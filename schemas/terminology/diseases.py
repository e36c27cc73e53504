"""Which disease a coded record is about; the codes are pinned in `diseases.json`.

A code that is not in the data is no disease we know: nothing is guessed from its neighbours, except
in the systems whose codes spell their own hierarchy (see `code_systems.ancestors_of`).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from schemas.terminology.code_systems import (
    ancestors_of,
    canonical_system,
    read_pinned,
    system_uris,
    variants_of,
)
from schemas.terminology.code_systems import terminology_version as terminology_version

#: What kind of code decides first. Real registries send records whose product code contradicts the
#: disease they state; what was stated wins over what the product implies.
_KINDS = ("disease", "vaccine", "test")

_Codes = dict[tuple[str, str], tuple[str, tuple[str, ...]]]


def disease_of(codings: Iterable[tuple[str | None, str | None]]) -> str | None:
    """The key of the disease that `(system, code)` pairs are about, or None when none is known.

    Disease codes decide before product codes, and these before test codes; among equals the first
    decides, so a measles, mumps and rubella record is about measles. Only a disease that a
    subscription may name is an answer.
    """
    known = _known()
    found: dict[str, str] = {}
    for system, code in codings:
        kind, diseases = known.find(system, code)
        if diseases and diseases[0] in known.names:
            found.setdefault(kind, diseases[0])
    for kind in _KINDS if found else ():
        if kind in found:
            return found[kind]
    return None


def diseases_of(codings: Iterable[tuple[str | None, str | None]]) -> tuple[str, ...]:
    """Every disease the codes are about, in their order; of one code, `disease_keys` come first.

    These may be diseases that no subscription can name, such as mumps in a combined vaccine.
    """
    known = _known()
    found: dict[str, None] = {}
    for system, code in codings:
        for disease in known.find(system, code)[1]:
            found[disease] = None
    return tuple(found)


def routed_disease(diseases: Iterable[str]) -> str | None:
    """The first disease that a subscription may name."""
    names = _known().names
    for disease in diseases:
        if disease in names:
            return disease
    return None


def disease_keys() -> tuple[str, ...]:
    """Every disease a subscription may name."""
    return tuple(_known().names)


def further_disease_keys() -> tuple[str, ...]:
    """Diseases that records are also about but no subscription may name."""
    return tuple(_known().further_names)


def disease_names(key: str) -> Mapping[str, str]:
    """The names of a disease for people, by ISO 639-1 language (`en`, `ru`).

    Raises:
        KeyError: no such disease.
    """
    known = _known()
    return known.names[key] if key in known.names else known.further_names[key]


class _Diseases:
    """The pinned data, indexed for lookup."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.names = _names(document["diseases"])
        self.further_names = _names(document["further_diseases"])
        routed = _codes(document["diseases"])
        further = _codes(document["further_diseases"])
        self._sections = (routed, further)
        merged = {pair: self._merged(*pair) for pair in (*routed, *further)}
        #: By every URI a system travels under, so that a pinned code costs one look-up.
        self._by_code: dict[tuple[str | None, str | None], tuple[str, tuple[str, ...]]] = {
            (uri, code): found
            for (system, code), found in merged.items()
            for uri in variants_of(system)
        }

    def find(self, system: str | None, code: str | None) -> tuple[str, tuple[str, ...]]:
        """The kind of a code and its diseases, by itself or by its nearest pinned ancestor."""
        pinned = self._by_code.get((system, code))
        if pinned is not None:
            return pinned
        canonical = canonical_system(system) if system and code else None
        return ("", ()) if canonical is None or code is None else self._merged(canonical, code)

    def _merged(self, system: str, code: str) -> tuple[str, tuple[str, ...]]:
        """Each section by its own nearest ancestor: J07BD52 is mumps itself, measles by J07BD."""
        found: list[tuple[str, tuple[str, ...]]] = []
        candidates = (code, *ancestors_of(system, code))
        for section in self._sections:
            nearest = next((c for c in candidates if (system, c) in section), None)
            if nearest is not None:
                found.append(section[system, nearest])
        if not found:
            return "", ()
        return found[0][0], tuple(dict.fromkeys(d for _, diseases in found for d in diseases))


def _names(section: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    return {key: MappingProxyType(dict(disease["names"])) for key, disease in section.items()}


def _codes(section: Mapping[str, Any]) -> _Codes:
    codes: _Codes = {}
    for pair, kind, disease in _flattened(section):
        first_kind, diseases = codes.get(pair, (kind, ()))
        codes[pair] = first_kind, (*diseases, disease)
    return codes


def _flattened(section: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str, str]]:
    for disease, entry in section.items():
        for key, kinds in entry["codes"].items():
            for kind, codes in kinds.items():
                for code in codes:
                    yield (system_uris()[key], code), kind, disease


@cache
def _known() -> _Diseases:
    return _Diseases(read_pinned("diseases"))
