"""Whether a coding says what its element asks for: the system, and the code within it.

Nothing is judged by display text. What a caller makes of a verdict is its own affair; meant is:
`known` passes, `unknown-code` is worth a warning, everything else is a mistake of the sender.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

from schemas.terminology.code_systems import (
    ancestors_of,
    canonical_system,
    code_systems,
    read_pinned,
    system_uris,
    variants_of,
)

Role = Literal[
    "vaccine",
    "target-disease",
    "test",
    "result",
    "specimen",
    "country",
    "manufacturer",
    "route",
    "site",
    "interpretation",
]
Verdict = Literal[
    "known", "unknown-code", "unknown-system", "wrong-system", "part-code", "no-system"
]

#: A marketing authorisation of the EU, which certificates put under any system or none.
_EU_PRODUCT = re.compile(r"EU/1/\d\d/\d{3,4}(/\d{3})?", re.ASCII)
#: Kind of code in `diseases.json` → the role in which a record carries it.
_ROLE_OF_KIND = {"disease": "target-disease", "vaccine": "vaccine", "test": "test"}
_FILES = ("vaccines", "tests", "results", "specimens", "administration", "manufacturers")


def judge_coding(role: Role, system: str | None, code: str | None) -> Verdict:
    """What a coding in this role is worth.

    - `known`: a pinned code of a system that belongs here (or below a pinned code, see
      `ancestors_of`).
    - `unknown-code`: the system belongs here, the code is missing or not pinned.
    - `unknown-system`, `wrong-system`: we do not know the system; we do, and it has no place here.
    - `part-code`: the code names a part of what is meant, or the product of another system: LOINC
      parts and answers (`LP…`, `LA…`) as a test, an EU authorisation outside its own system.
    - `no-system`: a code without a system says nothing.
    """
    if not system:
        return "no-system"
    if (role, system, code) in _pinned():
        return "known"
    return _judge_unpinned(role, canonical_system(system), code or "")


def pinned_codes(role: Role) -> tuple[tuple[str, str], ...]:
    """Every pinned `(canonical system, code)` of a role."""
    return tuple(sorted({(system, code) for of, system, code in _pinned_triples() if of == role}))


def _judge_unpinned(role: Role, canonical: str | None, code: str) -> Verdict:
    if canonical != system_uris()["eu-medicinal-product"] and _EU_PRODUCT.fullmatch(code):
        return "part-code"
    if canonical is None:
        return "unknown-system"
    if role not in code_systems()[canonical].roles:
        return "wrong-system"
    if canonical == system_uris()["loinc"] and code.startswith(_loinc_parts()):
        return "part-code"
    if any((role, canonical, broader) in _pinned() for broader in ancestors_of(canonical, code)):
        return "known"
    return "unknown-code"


@cache
def _pinned() -> frozenset[tuple[str, str | None, str | None]]:
    """Every `(role, URI, code)` the data holds, by each URI a system travels under."""
    return frozenset(
        (role, uri, code) for role, system, code in _pinned_triples() for uri in _variants()[system]
    )


@cache
def _variants() -> dict[str, tuple[str, ...]]:
    return {system: variants_of(system) for system in code_systems()}


def _pinned_triples() -> Iterator[tuple[str, str, str]]:
    for name in _FILES:
        for role, by_system in read_pinned(name)["codes"].items():
            yield from _triples(role, by_system)
    for codes in read_pinned("results")["meanings"].values():
        yield from _triples("result", codes)
    for section in ("diseases", "further_diseases"):
        for disease in read_pinned("diseases")[section].values():
            yield from _disease_triples(disease["codes"])
    for country in read_pinned("countries")["countries"]:
        yield from _triples("country", {"iso-3166-1": country})


def _disease_triples(by_system: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, kinds in by_system.items():
        roles = code_systems()[system_uris()[key]].roles
        for kind, codes in kinds.items():
            # CVX holds skin tests too; those stand in vaccineCode and are pinned there.
            if _ROLE_OF_KIND[kind] in roles:
                yield from _triples(_ROLE_OF_KIND[kind], {key: codes})


def _triples(role: str, by_system: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, codes in by_system.items():
        for code in codes:
            yield role, system_uris()[key], code


@cache
def _loinc_parts() -> tuple[str, ...]:
    return tuple(read_pinned("tests")["parts"]["loinc"]["prefixes"])
