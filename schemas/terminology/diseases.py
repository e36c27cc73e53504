"""Which disease a coded record is about; the codes are pinned in `diseases.json`.

A code that is not in the data is no disease we know: nothing is guessed from its neighbours, except
in the three systems whose codes spell their own hierarchy (see `_ancestors`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

#: What kind of code decides first. Real registries send records whose product code contradicts the
#: disease they state; what was stated wins over what the product implies.
_KINDS = ("disease", "vaccine", "test")


def disease_of(codings: Iterable[tuple[str | None, str | None]]) -> str | None:
    """The key of the disease that `(system, code)` pairs are about, or None when none is known.

    Disease codes decide before product codes, and these before test codes; among equals the first
    decides, so a measles, mumps and rubella record is about measles.
    """
    known = _known()
    found: dict[str, str] = {}
    for system, code in codings:
        if system in known.hierarchies and code:
            for kind, disease in known.lookup(system, code):
                found.setdefault(kind, disease)
    return next((found[kind] for kind in _KINDS if kind in found), None)


def disease_keys() -> tuple[str, ...]:
    """Every disease a subscription may name."""
    return tuple(_known().names)


def disease_names(key: str) -> Mapping[str, str]:
    """The names of a disease for people, by ISO 639-1 language (`en`, `ru`).

    Raises:
        KeyError: no such disease.
    """
    return _known().names[key]


def terminology_version() -> str:
    """The version of the pinned data, a date; decisions name it so that they can be replayed."""
    return _known().version


class _Diseases:
    """The pinned data, indexed for lookup."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version: str = document["version"]
        self.names = {
            key: MappingProxyType(dict(disease["names"]))
            for key, disease in document["diseases"].items()
        }
        #: System URI → how its codes spell their ancestors.
        self.hierarchies: dict[str, str] = {
            uri: system["ancestors"]
            for system in document["systems"].values()
            for uri in system["uris"]
        }
        self._by_code = dict(_flattened(document))

    def lookup(self, system: str, code: str) -> Iterator[tuple[str, str]]:
        """The kind and disease of a code, or of its nearest ancestor that is pinned."""
        for candidate in (code, *_ancestors(code, self.hierarchies[system])):
            if (system, candidate) in self._by_code:
                yield self._by_code[system, candidate]
                return


def _flattened(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    for disease, entry in document["diseases"].items():
        for system, kinds in entry["codes"].items():
            for uri in document["systems"][system]["uris"]:
                for kind, codes in kinds.items():
                    for code in codes:
                        yield (uri, code), (kind, disease)


def _ancestors(code: str, hierarchy: str) -> Iterator[str]:
    """Broader codes, nearest first, where the code itself spells them.

    - `dot`: ICD-11 MMS; `1C1C.0` is under `1C1C`, and a cluster (`RA01.0&XN109`) under its stem.
    - `slash`: EU marketing authorisations; `EU/1/20/1528/001` is a package of `EU/1/20/1528`.
    - `atc`: ATC; the fourth level is the first five characters (`J07BB02` is under `J07BB`).
    """
    if hierarchy == "atc":
        yield code[:5]
    elif hierarchy == "slash":
        yield code.rpartition("/")[0]
    elif hierarchy == "dot":
        stem = code.partition("&")[0].partition("/")[0]
        yield stem
        yield stem.partition(".")[0]


@cache
def _known() -> _Diseases:
    text = files("schemas.terminology").joinpath("diseases.json").read_text(encoding="utf-8")
    return _Diseases(json.loads(text))
