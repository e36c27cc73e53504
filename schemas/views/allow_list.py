"""The allow-lists of the views: which elements stay, and what becomes of each.

Each `*.json` file beside this module is one list: resource type → element, as JSON spells it → a
rule. A rule is a word (`ALLOWED_RULES`), an object with the elements inside, or `#Name` for one of
the file's `types`. `full` has no list: it is the received bytes. What is not listed is left out,
also what FHIR may add one day, so a new element cannot leak.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, cast

from schemas.structure.elements import type_definition

View = Literal["full", "minimum", "pseudonymous", "verdict"]
ListedView = Literal["minimum", "pseudonymous", "verdict"]

#: Every view, the widest first (docs/consent.md, section 6).
VIEWS: Final[tuple[View, ...]] = ("full", "minimum", "pseudonymous", "verdict")

#: What may become of an element's value; `exchange.views.allowed_copy` does it.
ALLOWED_RULES: Final = frozenset(
    {
        "keep",
        "day",
        "year",
        "masked",
        "digits-or-masked",
        "known-coding",
        "reference",
        "country",
        "traveller-pseudonym",
        "record-pseudonym",
    }
)

#: Element → rule; `str` is one of `ALLOWED_RULES`.
Rules = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """One list, with its types put in place.

    Attributes:
        version: a date.
        resources: type → the rules of its elements.
    """

    version: str
    resources: Mapping[str, Rules]

    def paths(self) -> frozenset[str]:
        """Every element that may appear, as `Immunization.vaccineCode.coding.code`."""
        return frozenset(
            path for kind, rules in self.resources.items() for path in _paths(kind, rules)
        )


@cache
def allow_list(view: ListedView) -> AllowList:
    """The list of a view.

    Raises:
        ValueError: the data names an element that FHIR R4 does not have, or a rule that nobody
            knows; found out by the first reader, which is a test.
    """
    return _read(view)


@cache
def written_by_the_exchange() -> AllowList:
    """What the exchange itself writes into a view: the message around it, labels, provenance."""
    return _read("written_by_the_exchange")


def _read(name: str) -> AllowList:
    text = files("schemas.views").joinpath(f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    resources = {
        kind: cast("Rules", _expanded(rules, document["types"]))
        for kind, rules in document["resources"].items()
    }
    for kind, rules in resources.items():
        _require_known(kind, rules, kind)
    return AllowList(version=document["version"], resources=resources)


def _expanded(rule: Any, types: Mapping[str, Any]) -> Any:
    if isinstance(rule, dict):
        return {name: _expanded(inner, types) for name, inner in rule.items()}
    if isinstance(rule, str) and rule.startswith("#"):
        return _expanded(types[rule[1:]], types)
    return rule


def _require_known(type_name: str, rules: Rules, path: str) -> None:
    elements = type_definition(type_name).elements
    for name, rule in rules.items():
        element = elements.get(name)
        if element is None:
            msg = f"{path}.{name} is no element of FHIR R4"
            raise ValueError(msg)
        if isinstance(rule, dict):
            _require_known(element.type, rule, f"{path}.{name}")
        elif rule not in ALLOWED_RULES:
            msg = f"{path}.{name} has a rule that does not exist"
            raise ValueError(msg)
        elif rule == "keep" and not element.is_primitive:
            msg = f"{path}.{name} has elements of its own: list them"
            raise ValueError(msg)


def _paths(path: str, rules: Rules) -> Iterator[str]:
    for name, rule in rules.items():
        yield f"{path}.{name}"
        if isinstance(rule, dict):
            yield from _paths(f"{path}.{name}", rule)
        elif rule == "known-coding":
            yield from (f"{path}.{name}.{inner}" for inner in ("system", "code"))
        elif rule == "reference":
            yield f"{path}.{name}.reference"
