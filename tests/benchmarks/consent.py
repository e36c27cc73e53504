"""What one decision on a basis costs: three consents of five provisions each, read already."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from exchange.consent.decision import BasisDecision, decide
from exchange.consent.inputs import inputs_digest_of
from exchange.consent.request import DisclosureRequest
from exchange.consent.resources import consents_from
from schemas.record_traits import RecordTraits
from tests.support.world import ALA, KG, KZ, NOON, consent


def deciding() -> Callable[[], BasisDecision]:
    """One decision, ready to be timed; fails when it is not decided as it must be."""
    consents = consents_from(
        consent(
            identifier=f"consent-{number}",
            given=f"2026-05-0{number}T10:00:00Z",
            provision=_exceptions(),
        )
        for number in (1, 2, 3)
    )
    request = DisclosureRequest(
        recipient=KZ,
        recipient_jurisdiction="KZ",
        purpose="PUBHLTH",
        traits=RecordTraits(
            author=ALA,
            collected_in="KZ",
            record_class="Immunization",
            codes=(("http://hl7.org/fhir/sid/cvx", "37"),),
        ),
    )
    if decide(consents, (), request, NOON).rule != "consent-permits":
        raise SystemExit("the consents of the benchmark do not permit")
    return lambda: decide(consents, (), request, NOON)


def digesting() -> tuple[Callable[[], str], Callable[[], str]]:
    """The digest of a decision on one consent: of inputs seen before, and of ones just read."""
    on_file = consents_from([consent(given="2026-05-01T10:00:00Z")])[0]
    request = DisclosureRequest(
        recipient=KZ,
        recipient_jurisdiction="KZ",
        purpose="PUBHLTH",
        traits=RecordTraits(
            author=ALA,
            collected_in="KZ",
            record_class="Immunization",
            record="urn:test|1",
            codes=(("http://hl7.org/fhir/sid/cvx", "37"), ("http://snomed.info/sct", "16541001")),
            diseases=("yellow-fever",),
            date=(NOON, NOON),
            origins=("UZ",),
            is_minor=False,
        ),
    )
    decision = decide([on_file], (), request, NOON)

    def first() -> str:
        # What is replaced has the same values, and none of the texts that were written.
        statement, traits = replace(on_file.statement), replace(request.traits)
        asked = replace(request, traits=traits)
        return inputs_digest_of([replace(on_file, statement=statement)], (), asked, NOON)

    if first() != decision.inputs_digest:
        raise SystemExit("the digest of the benchmark depends on what was asked before")
    return lambda: decision.inputs_digest, first


def _exceptions() -> list[dict[str, Any]]:
    """Four provisions, of which those that permit match and those that deny do not."""
    return [
        _one("permit", KZ, ("PUBHLTH",)),
        _one("deny", KG, ("PUBHLTH",)),
        _one("permit", KZ, ("PUBHLTH", "TREAT")),
        _one("deny", KZ, ("TREAT",)),
    ]


def _one(decision: str, recipient: str, purposes: tuple[str, ...]) -> dict[str, Any]:
    classes = [{"system": "http://hl7.org/fhir/resource-types", "code": "Immunization"}]
    whole = consent(
        decision=decision,
        recipients=(recipient,),
        purposes=purposes,
        period={"start": "2026-01-01", "end": "2026-12-31"},
        **{"class": classes},
    )
    return whole["provision"]
