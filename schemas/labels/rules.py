"""The pinned rules that say which codes make a record sensitive; `rules.json` has their sources.

Codes of ICD stand for everything below them: in ICD-10 a category is the first three characters
(`B20.1`, or `B201` as some registers write it), in ICD-11 the stem before the point, and every stem
of a cluster counts.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

Hierarchy = Literal["none", "category", "stem"]

_RANGE: Final = re.compile(r"([A-Z])(\d\d)-([A-Z])(\d\d)")
_CLUSTER: Final = re.compile("[&/]")
#: Length of a category of ICD-10.
_CATEGORY: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRules:
    """The rules, indexed for lookup.

    Attributes:
        version: a date; decisions name it so that they can be replayed.
        by_code: `(URI of the system as sent, code)` → sensitivity labels (v3-ActCode).
        codes: every code that is pinned by itself; a text worth a second look.
        hierarchies: URIs of the systems whose codes stand for what is below them.
        sensitivity_systems: URIs under which v3-ActCode travels.
        confidentiality_systems: URIs under which v3-Confidentiality travels.
        known: sensitivity codes of v3-ActCode.
        handling: codes of v3-ActCode that say what to do, not what a record holds.
        labelling: URIs of either system of labels.
    """

    version: str
    by_code: Mapping[tuple[str, str], tuple[str, ...]]
    codes: frozenset[str]
    hierarchies: Mapping[str, Hierarchy]
    sensitivity_systems: frozenset[str]
    confidentiality_systems: frozenset[str]
    known: frozenset[str]
    handling: frozenset[str]
    labelling: frozenset[str]

    def labels_for(self, system: str, code: str) -> tuple[str, ...]:
        """The sensitivity labels of what a coding means."""
        hierarchy = self.hierarchies.get(system)
        if hierarchy is None:
            return self.by_code.get((system, code), ())
        found: dict[str, None] = {}
        for broader in _broader(code, hierarchy):
            found.update(dict.fromkeys(self.by_code.get((system, broader), ())))
        return tuple(found)


@cache
def label_rules() -> LabelRules:
    """The rules, read once."""
    text = files("schemas.labels").joinpath("rules.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    systems = document["systems"]
    by_code: dict[tuple[str, str], tuple[str, ...]] = {}
    for uri, code, labels in _flattened(document):
        earlier = by_code.get((uri, code), ())
        by_code[uri, code] = tuple(dict.fromkeys((*earlier, *labels)))
    hierarchies: dict[str, Hierarchy] = {
        uri: entry["hierarchy"]
        for entry in systems.values()
        if entry["hierarchy"] != "none"
        for uri in entry["uris"]
    }
    stated = document["labels"]
    sensitivity = frozenset(stated["systems"]["sensitivity"])
    confidentiality = frozenset(stated["systems"]["confidentiality"])
    return LabelRules(
        version=document["version"],
        by_code=by_code,
        codes=frozenset(code for uri, code in by_code if uri not in hierarchies),
        hierarchies=hierarchies,
        sensitivity_systems=sensitivity,
        confidentiality_systems=confidentiality,
        known=frozenset(stated["known"]["codes"]),
        handling=frozenset(stated["handling"]["codes"]),
        labelling=sensitivity | confidentiality,
    )


def _flattened(document: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    for rule in document["rules"]:
        for group in rule["codes"]:
            for written in group["codes"]:
                for code in _expanded(written):
                    for uri in document["systems"][group["system"]]["uris"]:
                        yield uri, code, rule["labels"]


def _expanded(written: str) -> Iterator[str]:
    """A code, or each category of a range such as `A50-A64`."""
    span = _RANGE.fullmatch(written)
    if span is None:
        yield written
        return
    for number in range(int(span[2]), int(span[4]) + 1):
        yield f"{span[1]}{number:02}"


def _broader(code: str, hierarchy: Hierarchy) -> Iterator[str]:
    if hierarchy == "category":
        yield code.lstrip()[:_CATEGORY].upper()
        return
    for stem in _CLUSTER.split(code):
        yield stem.strip().partition(".")[0].upper()
