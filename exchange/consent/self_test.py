"""Do the rules decide what they must? A built-in pack, and what follows from deployed policies.

The exchange does not start when a case fails: rules that were damaged, or a policy that would let a
record go where none may, are found before the first message.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from exchange.consent.decision import BasisDecision
from exchange.consent.request import DisclosureRequest
from exchange.consent.resources import decide_on
from schemas.fhir_names import ACT_CODE, PARTICIPANT_IDENTIFIERS
from schemas.policy import Forbidden, Mandate, Policy, read_policy
from schemas.record_traits import RecordTraits

#: Before any policy was in force.
_LONG_AGO: Final = "2000-01-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCase:
    """A case that was decided otherwise than it must be.

    Attributes:
        name: what the case shows.
        expected: what must be decided, as words.
        found: what was.
    """

    name: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCase:
    """One case of the pack.

    Attributes:
        case: the row of our table of cases it belongs to.
        consents: Consent resources as JSON values.
    """

    name: str
    case: str
    consents: tuple[Any, ...]
    policies: tuple[Policy, ...]
    request: DisclosureRequest
    at: datetime
    expected: dict[str, Any]

    def decided(self) -> BasisDecision:
        """What the rules decide on it."""
        return decide_on(self.consents, self.policies, self.request, self.at)


def self_test(policies: Sequence[Policy] = ()) -> list[FailedCase]:
    """The cases that fail: those of the pack, and those that follow from these policies."""
    return [*_failed_of_pack(), *(one for policy in policies for one in _failed_of(policy))]


@cache
def packed_cases() -> tuple[PackedCase, ...]:
    """The built-in pack (`self_test.json`)."""
    pack = _pack()
    at = datetime.fromisoformat(pack["at"])
    return tuple(
        PackedCase(
            name=case["name"],
            case=case["case"],
            consents=tuple(_changed(pack["consent"], one) for one in case["consents"]),
            policies=tuple(
                read_policy(json.dumps(_changed(pack["policy"], one)).encode())
                for one in case.get("policies", ())
            ),
            request=request_from({**pack["request"], **case.get("request", {})}),
            at=at,
            expected=case["expected"],
        )
        for case in pack["cases"]
    )


def request_from(values: dict[str, Any]) -> DisclosureRequest:
    """The request of the members that docs/consent.md section 1 names, but the time."""
    return DisclosureRequest(
        recipient=values["recipient"],
        recipient_jurisdiction=values["recipient_jurisdiction"],
        purpose=values["purpose"],
        traits=RecordTraits.from_json(values),
    )


def _changed(shared: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**shared, **change}.items() if value is not None}


def _failed_of_pack() -> Iterator[FailedCase]:
    for case in packed_cases():
        decision = case.decided()
        found = {
            "decision": decision.decision,
            "rule": decision.rule,
            "view": decision.view,
            "redact": list(decision.redact),
        }
        if any(found[name] != value for name, value in case.expected.items()):
            yield FailedCase(
                name=case.name,
                expected=_words(case.expected),
                found=_words({name: found[name] for name in case.expected}),
            )


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _failed_of(policy: Policy) -> Iterator[FailedCase]:
    """What must follow from a policy, whatever is in it."""
    for number, forbidden in enumerate(policy.forbids):
        request = _of_forbidden(policy, forbidden)
        yield from _must_not(
            f"{policy.jurisdiction} forbids[{number}]: a consent does not lift it",
            policy,
            request,
            consents=[_permit_for(request)],
            rule="policy-forbids",
        )
    for mandate in policy.mandates:
        name = f"{policy.jurisdiction} {mandate.id}"
        request = _of_mandate(policy, mandate)
        abroad = "XX" if policy.jurisdiction != "XX" else "XY"
        yield from _must_not(
            f"{name}: it does not reach a country of origin",
            policy,
            replace(request, recipient_jurisdiction=abroad),
        )
        if not mandate.overrides_objection and not _others_override(policy):
            yield from _must_not(
                f"{name}: a dissent stops it", policy, request, consents=[_dissent()]
            )


def _others_override(policy: Policy) -> bool:
    return any(mandate.overrides_objection for mandate in policy.mandates)


def _must_not(
    name: str,
    policy: Policy,
    request: DisclosureRequest,
    *,
    consents: Sequence[Any] = (),
    rule: str | None = None,
) -> Iterator[FailedCase]:
    decision = decide_on(consents, [policy], request, policy.valid_from)
    if decision.decision == "permit" or rule not in {None, decision.rule}:
        yield FailedCase(
            name=name,
            expected=f"no permit{'' if rule is None else f', rule {rule}'}",
            found=f"{decision.decision}, rule {decision.rule}",
        )


def _of_forbidden(policy: Policy, forbidden: Forbidden) -> DisclosureRequest:
    return DisclosureRequest(
        recipient=next(iter(forbidden.recipients), "registry:self-test"),
        recipient_jurisdiction=next(iter(forbidden.countries), policy.jurisdiction),
        purpose=next(iter(forbidden.purposes), "PUBHLTH"),
        traits=_traits(policy, forbidden, labels=forbidden.labels[:1]),
    )


def _of_mandate(policy: Policy, mandate: Mandate) -> DisclosureRequest:
    return DisclosureRequest(
        recipient=next(iter(mandate.recipients), "registry:self-test"),
        recipient_jurisdiction=policy.jurisdiction,
        purpose=next(iter(mandate.purposes), "PUBHLTH"),
        traits=_traits(policy, mandate, labels=mandate.labels),
    )


def _traits(policy: Policy, about: Forbidden | Mandate, *, labels: tuple[str, ...]) -> RecordTraits:
    return RecordTraits(
        author="poe:self-test",
        collected_in=policy.jurisdiction,
        record_class=next(iter(about.record_classes), "Immunization"),
        diseases=about.diseases[:1],
        labels=labels,
    )


def _permit_for(request: DisclosureRequest) -> dict[str, Any]:
    """A consent that permits it, but for what the policy says."""
    consent = _pack()["consent"]
    actor = {
        **consent["provision"]["actor"][0],
        "reference": {
            "identifier": {"system": PARTICIPANT_IDENTIFIERS, "value": request.recipient}
        },
    }
    labels = [{"system": ACT_CODE, "code": code} for code in request.traits.labels]
    provision = {"type": "permit", "actor": [actor], "securityLabel": labels}
    return {**consent, "dateTime": _LONG_AGO, "provision": provision}


def _dissent() -> dict[str, Any]:
    consent = {**_pack()["consent"], "status": "rejected", "dateTime": _LONG_AGO}
    del consent["provision"]
    return consent


@cache
def _pack() -> dict[str, Any]:
    text = files("exchange.consent").joinpath("self_test.json").read_text(encoding="utf-8")
    pack: dict[str, Any] = json.loads(text)
    return pack
