"""Does an element say who may enter or stay, who is detained, what origin or faith someone has?

Such elements have no place in a health record that crosses a border: with them a vaccination post
becomes a checkpoint, and travellers stay away. The list is data, `migration_status.json`.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def names_migration_status(url: str) -> bool:
    """Whether this URL of an extension or identifier system is listed, or its name says so."""
    listed = _listed()
    if url in listed["extensions"] or url in listed["systems"]:
        return True
    return _words().search(_CAMEL_CASE.sub("-", url).lower()) is not None


def states_migration_status(system: str | None, code: str | None) -> bool:
    """Whether a coding is listed."""
    listed = _listed()
    if system in listed["systems"]:
        return True
    return code in listed["codes"].get(system, {}).get("codes", {})


@cache
def listed_systems() -> frozenset[str]:
    """Every listed code system."""
    return frozenset(_listed()["systems"])


@cache
def listed_texts() -> frozenset[str]:
    """Every listed code and code system: texts worth a second look wherever they stand."""
    listed = _listed()
    codes = (code for group in listed["codes"].values() for code in group["codes"])
    return frozenset((*listed["systems"], *codes))


@cache
def _listed() -> dict[str, Any]:
    text = files("schemas.profile").joinpath("migration_status.json").read_text(encoding="utf-8")
    listed: dict[str, Any] = json.loads(text)
    return listed


@cache
def _words() -> re.Pattern[str]:
    words = _listed()["words"]
    whole = "|".join(words["whole"])
    return re.compile(f"{'|'.join(words['stems'])}|(?<![a-z])(?:{whole})(?![a-z])")
