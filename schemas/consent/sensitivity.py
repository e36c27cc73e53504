"""Which labels say that a record is sensitive, and how confidential a label says it is."""

import json
from importlib.resources import files
from typing import Final

from schemas.record_traits import CONFIDENTIALITY

CONFIDENTIALITY_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

#: Confidentiality code → its height, the lowest first.
HEIGHT: Final = {code: height for height, code in enumerate(CONFIDENTIALITY)}


def _codes() -> frozenset[str]:
    text = files("schemas.consent").joinpath("sensitivity.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text)["codes"])


#: The sensitivity codes of v3-ActCode that are known (`sensitivity.json`).
SENSITIVITY: Final = _codes()
