"""What records may be used for: the purposes of use of HL7 v3-ActReason, one below another.

The hierarchy is pinned in `purposes_of_use.json`. Its abstract top, `PurposeOfUse`, is left out: a
consent that names it names nothing in particular, and is not understood.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final, get_args

from schemas.participant import Purpose


def is_known(purpose: str) -> bool:
    """Whether it is a purpose of use at all, for health or not."""
    return purpose in COVERED_BY


def is_within(purpose: str, named: str) -> bool:
    """Whether `purpose` is `named` or lies below it; of what is unknown, never."""
    return named in COVERED_BY.get(purpose, ())


def _covered_by() -> Mapping[str, frozenset[str]]:
    text = files("schemas.consent").joinpath("purposes_of_use.json").read_text(encoding="utf-8")
    narrower: dict[str, list[str]] = json.loads(text)["narrower"]
    found: dict[str, set[str]] = {}

    def walk(code: str, above: frozenset[str]) -> None:
        found.setdefault(code, set()).update(above, (code,))
        for below in narrower.get(code, ()):
            walk(below, above | {code})

    for top in narrower.keys() - {code for codes in narrower.values() for code in codes}:
        walk(top, frozenset())
    return MappingProxyType({code: frozenset(above) for code, above in found.items()})


#: Purpose → itself and all that lie above it.
COVERED_BY: Final = _covered_by()

#: The closed list: the purpose wall. There is no other purpose here.
HEALTH_PURPOSES: Final = frozenset(get_args(Purpose))

#: Breaking the glass: asked for in an emergency, one record at a time, and never a standing wish.
BREAK_GLASS: Final = "BTG"
