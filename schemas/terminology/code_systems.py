"""Which code system a URI names, where its codes may stand, and how they spell their ancestors.

The same system travels under several URIs: ICD-11 has two of its own, an address is written with
`http` or `https`, HL7 v2 gateways send the object identifier. Inside, one URI stands for each.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """One code system whose codes we pin, or at least know to exist.

    Attributes:
        key: how the data files name it.
        uri: the URI that stands for it; its variants are canonicalised to this one.
        roles: the places its codes may stand in (see `judging.Role`).
        ancestors: how its codes spell their hierarchy: `none`, `dot`, `slash` or `atc`.
    """

    key: str
    uri: str
    roles: frozenset[str]
    ancestors: str


def canonical_system(uri: str) -> str | None:
    """The URI that stands for a code system, or None when we know no such system."""
    return _uris().get(uri)


def variants_of(system: str) -> tuple[str, ...]:
    """Every URI that stands for the code system whose canonical URI this is."""
    return tuple(uri for uri, canonical in _uris().items() if canonical == system)


def ancestors_of(system: str, code: str) -> tuple[str, ...]:
    """Broader codes, nearest first, where the code itself spells them; `system` is canonical.

    - `dot`: ICD; `1C1C.0` is under `1C1C`, and an ICD-11 cluster (`RA01.0&XN109`) under its stem.
    - `slash`: EU marketing authorisations; `EU/1/20/1528/001` is a package of `EU/1/20/1528`.
    - `atc`: ATC; the fourth level is the first five characters (`J07BB02` is under `J07BB`).
    """
    known = code_systems().get(system)
    if known is None or known.ancestors == "none":
        return ()
    return tuple(dict.fromkeys(c for c in _broader(code, known.ancestors) if c and c != code))


def code_systems() -> Mapping[str, CodeSystem]:
    """Every known code system by its canonical URI."""
    return _systems()


def system_uris() -> Mapping[str, str]:
    """Key of the data files → canonical URI."""
    return _uris_by_key()


def terminology_version() -> str:
    """The version of the pinned data, a date; decisions name it so that they can be replayed."""
    version: str = read_pinned("code_systems")["version"]
    return version


@cache
def read_pinned(name: str) -> dict[str, Any]:
    """One file of the pinned data, as it was released; never changed after it was read."""
    text = files("schemas.terminology").joinpath(f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _broader(code: str, hierarchy: str) -> Iterator[str]:
    if hierarchy == "atc":
        yield code[:5]
    elif hierarchy == "slash":
        yield code.rpartition("/")[0]
    else:
        stem = code.partition("&")[0].partition("/")[0]
        yield stem
        yield stem.partition(".")[0]


@cache
def _systems() -> Mapping[str, CodeSystem]:
    return MappingProxyType(
        {
            entry["uri"]: CodeSystem(
                key, entry["uri"], frozenset(entry["roles"]), entry["ancestors"]
            )
            for key, entry in read_pinned("code_systems")["systems"].items()
        }
    )


@cache
def _uris_by_key() -> Mapping[str, str]:
    return MappingProxyType({system.key: uri for uri, system in _systems().items()})


@cache
def _uris() -> Mapping[str, str]:
    return {
        variant: entry["uri"]
        for entry in read_pinned("code_systems")["systems"].values()
        for uri in (entry["uri"], *entry["aliases"])
        for variant in _schemes_of(uri)
    }


def _schemes_of(uri: str) -> Iterator[str]:
    yield uri
    if uri.startswith("http://"):
        yield "https://" + uri.removeprefix("http://")
    elif uri.startswith("https://"):
        yield "http://" + uri.removeprefix("https://")
