"""Decide on Consents as they lie in files: FHIR R4 JSON, valid or not."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from exchange.consent.decision import BasisDecision, decide
from exchange.consent.request import DisclosureRequest
from exchange.model import ConsentBasis, ConsentOnFile
from schemas.consent.reading import read_consent
from schemas.consent.statement import ConsentStatement, unreadable_consent
from schemas.policy import Policy
from schemas.violation import SchemaViolation


def decide_on(
    resources: Iterable[Any],
    policies: Sequence[Policy],
    request: DisclosureRequest,
    at: datetime,
) -> BasisDecision:
    """The decision on these Consents, as JSON values, in the order in which they arrived.

    A Consent that no message could bring, because it lacks status, time or identity, denies
    everything. The basis names the position of its consent, from 0, as `entry`.
    """
    return decide(consents_from(resources), policies, request, at)


def consents_from(resources: Iterable[Any]) -> list[ConsentOnFile]:
    """The statements of these Consents, each with its position as its entry."""
    return [
        ConsentOnFile(
            statement=_statement(resource, position),
            basis=ConsentBasis(consent="", entry=position),
        )
        for position, resource in enumerate(resources)
    ]


def consents_in(value: Any) -> Iterator[Any]:
    """The Consents that a JSON value is or, being a Bundle, holds; anything else stands for one.

    What is no Consent was given in the place of one: it is handed on, and then denies everything.
    """
    if isinstance(value, dict) and value.get("resourceType") == "Bundle":
        entries = value.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and resource.get("resourceType") == "Consent":
                yield resource
    else:
        yield value


def _statement(resource: Any, position: int) -> ConsentStatement:
    try:
        if isinstance(resource, dict) and resource.get("resourceType") == "Consent":
            return read_consent(resource, "Consent")
    except SchemaViolation:
        pass
    # No identity is without a `|`, so this one replaces none and is replaced by none.
    return unreadable_consent(f"#{position}")
