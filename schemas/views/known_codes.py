"""Is this a code that describes a product or a finding, and never a person?

A `code` is an open text: a sender could write a name or a number of a document there. So a coding
goes to a recipient who must not know the traveller only when its system is known here and its code
is pinned or at least formed as that system forms codes.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import get_args

from schemas.terminology.code_systems import canonical_system
from schemas.terminology.judging import Role, pinned_codes


def known_coding(system: str | None, code: str | None) -> tuple[str, str] | None:
    """The canonical system and the code, or None when it is not known to be one."""
    if system is None or code is None:
        return None
    canonical = canonical_system(system) or system
    if (canonical, code) in _pinned():
        return canonical, code
    shape = _shapes().get(canonical)
    return None if shape is None or shape.fullmatch(code) is None else (canonical, code)


@cache
def _pinned() -> frozenset[tuple[str, str]]:
    return frozenset(
        (system, code) for role in get_args(Role) for system, code in pinned_codes(role)
    )


@cache
def _shapes() -> dict[str, re.Pattern[str]]:
    text = files("schemas.views").joinpath("code_shapes.json").read_text(encoding="utf-8")
    return {uri: re.compile(shape) for uri, shape in json.loads(text)["shapes"].items()}
