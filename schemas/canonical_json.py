"""The RFC 8785 form of values made here: members with ASCII names, and no fractions."""

import json
from typing import Any, Final

_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_text(value: Any) -> str:
    """The one text of a value, whoever writes it."""
    if value is None:
        return "null"
    return _ENCODER.encode(value)
