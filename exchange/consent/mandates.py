"""What the law of the jurisdictions involved says (docs/consent.md section 7)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.consent.request import DisclosureRequest
from exchange.consent.rules import Asked, asked_of
from schemas.consent.purposes import COVERED_BY
from schemas.policy import Forbidden, Mandate, Policy
from schemas.record_traits import RecordTraits
from schemas.requirement import Requirement
from schemas.views.allow_list import VIEWS, View


@dataclass(frozen=True, slots=True)
class NamedMandate:
    """A mandate and the policy it stands in."""

    policy: Policy
    mandate: Mandate


def policies_involved(
    policies: Sequence[Policy], request: DisclosureRequest, at: datetime
) -> list[Policy]:
    """The policy in force of each jurisdiction that the request touches.

    Those are the place of collection, the recipient's, and the countries of origin. Of the
    versions whose period holds the highest counts; of two of one number both do.
    """
    if not policies:
        return []
    touched = {
        request.traits.collected_in,
        request.recipient_jurisdiction,
        *request.traits.origins,
    }
    holding = [one for one in policies if one.jurisdiction in touched and _holds(one, at)]
    highest: dict[str, int] = {}
    for one in holding:
        highest[one.jurisdiction] = max(one.version, highest.get(one.jurisdiction, 0))
    return [one for one in holding if one.version == highest[one.jurisdiction]]


def policy_in_force(policies: Sequence[Policy], jurisdiction: str, at: datetime) -> Policy | None:
    """The policy of one jurisdiction: of the versions whose period holds, the highest."""
    holding = [one for one in policies if one.jurisdiction == jurisdiction and _holds(one, at)]
    return max(holding, key=lambda one: one.version, default=None)


def requirement_for(
    policies: Sequence[Policy], country: str, traits: RecordTraits | None, at: datetime
) -> Requirement | None:
    """What a country asks of who enters that this record may show; the first in its policy."""
    policy = policy_in_force(policies, country, at)
    if policy is None or traits is None:
        return None
    kind = "immunization" if traits.record_class == "Immunization" else "labresult"
    return next(
        (one for one in policy.requirements if one.kind == kind and one.disease in traits.diseases),
        None,
    )


def ages_of_majority(policies: Iterable[Policy]) -> dict[str, int]:
    """By country, in years; of several versions the lowest, so that fewer may speak for others."""
    ages: dict[str, int] = {}
    for one in policies:
        ages[one.jurisdiction] = min(one.age_of_majority, ages.get(one.jurisdiction, 1_000))
    return ages


def labels_by_law(policies: Iterable[Policy], request: DisclosureRequest) -> frozenset[str]:
    """The sensitivity labels that these jurisdictions add for the record's diseases."""
    return frozenset(
        label
        for policy in policies
        for disease in request.traits.diseases
        for label in policy.sensitive.get(disease, ())
    )


def is_forbidden(policies: Iterable[Policy], request: DisclosureRequest, asked: Asked) -> bool:
    """Whether one of the policies forbids this, whoever permits it."""
    return any(_forbids(one, request, asked) for policy in policies for one in policy.forbids)


def lets_break_glass(policies: Sequence[Policy], request: DisclosureRequest, at: datetime) -> bool:
    """Whether the place of collection still names the recipient for it, and nobody forbids it."""
    policy = policy_in_force(policies, request.traits.collected_in, at)
    if policy is None or policy.break_glass is None:
        return False
    involved = policies_involved(policies, request, at)
    asked = asked_of(request, labels_by_law(involved, request), at)
    return request.recipient in policy.break_glass.participants and not is_forbidden(
        involved, request, asked
    )


def fitting_mandate(
    policies: Iterable[Policy], request: DisclosureRequest, asked: Asked, *, objection: bool
) -> NamedMandate | None:
    """The mandate that lets this move; of several the one that shows least, then the first.

    Only law of the place of collection counts, and none of it reaches a country of origin.

    Args:
        policies: those involved.
        request: what is asked for.
        asked: the same, with the labels that policies add.
        objection: whether the traveller's consents deny it.
    """
    if reaches_origin(request):
        return None
    fitting = [
        NamedMandate(policy, mandate)
        for policy in policies
        if policy.jurisdiction == request.traits.collected_in
        for mandate in policy.mandates
        if _fits(mandate, request, asked) and (mandate.overrides_objection or not objection)
    ]
    return max(fitting, key=lambda one: VIEWS.index(one.mandate.view), default=None)


def reaches_origin(request: DisclosureRequest) -> bool:
    """Whether the recipient's country may be one that the traveller left."""
    country, traits = request.recipient_jurisdiction, request.traits
    if country in {traits.collected_in, "*"}:
        return False
    return not traits.origins or country in traits.origins


def widest_views(policies: Iterable[Policy], purpose: str) -> Iterator[View]:
    """What each policy lets be seen at most for this purpose."""
    above = COVERED_BY.get(purpose, frozenset())
    for policy in policies:
        for named, view in policy.views.items():
            if named in above:
                yield view


def narrowest(views: Iterable[View]) -> View:
    """The view that shows least."""
    return max(views, key=VIEWS.index)


def _holds(policy: Policy, at: datetime) -> bool:
    return policy.valid_from <= at and (policy.valid_until is None or at < policy.valid_until)


def _fits(mandate: Mandate, request: DisclosureRequest, asked: Asked) -> bool:
    """A purpose below the one that a mandate names is another purpose: law is read narrowly."""
    period = mandate.period
    return (
        period.start <= asked.at
        and (period.end is None or asked.at < period.end)
        and _is_among(request.recipient, mandate.recipients)
        and _is_among(request.purpose, mandate.purposes)
        and (not mandate.record_classes or not asked.classes.isdisjoint(mandate.record_classes))
        and (not mandate.diseases or not set(mandate.diseases).isdisjoint(request.traits.diseases))
        and asked.labels <= set(mandate.labels)
    )


def _forbids(one: Forbidden, request: DisclosureRequest, asked: Asked) -> bool:
    """Everything that it names is so; a record of no known disease may be of any."""
    diseases = request.traits.diseases
    return (
        _is_among(request.recipient, one.recipients)
        and _is_among(request.recipient_jurisdiction, one.countries)
        and (not one.purposes or not asked.purposes.isdisjoint(one.purposes))
        and (not one.record_classes or not asked.classes.isdisjoint(one.record_classes))
        and (not one.diseases or not diseases or not set(diseases).isdisjoint(one.diseases))
        and (not one.labels or not (asked.labels | asked.part_labels).isdisjoint(one.labels))
    )


def _is_among(name: str, named: tuple[str, ...]) -> bool:
    return not named or name in named
