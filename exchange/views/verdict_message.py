"""A verdict as FHIR: Parameters, which no registry files as a finding about somebody.

An Observation would be a record, and a verdict is none: it names no product, date or result.
"""

from datetime import datetime
from typing import Any

from exchange.views.allowed_copy import TRAVELLER_PSEUDONYMS
from exchange.views.view_message import instant
from schemas.requirement import Requirement
from schemas.sentences.catalogue import LANGUAGES
from schemas.verdict import Verdict


def verdict_parameters(
    verdict: Verdict, requirement: Requirement | None, traveller: str, at: datetime
) -> dict[str, Any]:
    """The Parameters of a verdict.

    Args:
        verdict: what was decided.
        requirement: what was asked; None when no rule exists.
        traveller: the recipient's pseudonym of the traveller.
        at: the moment it holds for.
    """
    parameters: list[dict[str, Any]] = [
        {"name": "verdict", "valueCode": verdict.value},
        {"name": "at", "valueInstant": instant(at)},
        {
            "name": "traveller",
            "valueIdentifier": {"system": TRAVELLER_PSEUDONYMS, "value": traveller},
        },
    ]
    if requirement is not None:
        stated = (("id", requirement.id), ("version", requirement.version))
        asked = [{"name": name, "valueString": text} for name, text in stated]
        asked += [
            {"name": name, "valueCode": code}
            for name, code in (("disease", requirement.disease), ("kind", requirement.kind))
        ]
        parameters.append({"name": "requirement", "part": asked})
    texts = {language: verdict.texts(language) for language in LANGUAGES}
    for position, reason in enumerate(verdict.reasons):
        said = [
            {"name": language, "valueString": texts[language][position]} for language in LANGUAGES
        ]
        parameters.append(
            {"name": "reason", "part": [{"name": "code", "valueCode": reason}, *said]}
        )
    return {"resourceType": "Parameters", "parameter": parameters}
