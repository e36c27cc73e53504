"""Does a rule of a consent match a request? Yes, no, or unsure (docs/consent.md section 3).

Each criterion answers True, False or None for unsure. They are joined: a rule that permits matches
when all are yes, one that denies unless one is no. So unsure never permits, and always denies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from exchange.consent.request import DisclosureRequest
from schemas.consent.purposes import COVERED_BY
from schemas.consent.rule import NOT_UNDERSTOOD, Criterion, Named, Rule, Span
from schemas.consent.sensitivity import HEIGHT

Answer = bool | None

_UNKNOWN: Final[Named] = (NOT_UNDERSTOOD, "")
_LABORATORY: Final = frozenset({"Observation", "DiagnosticReport"})
_PERMITTED_ACTIONS: Final = frozenset({"disclose"})
_DENIED_ACTIONS: Final = frozenset({"collect", "access", "use", "disclose"})


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request, prepared to be compared with many rules; never changed once it is made.

    One is made for each decision, and freezing it would cost a tenth of that.

    Attributes:
        at: the moment of the decision.
        recipient: the recipient as a rule would name it.
        country: its country as a rule would name it.
        purposes: the purpose and all that lie above it.
        classes: the record's class, and those that are the same.
        systems: of the record's codes.
        height: of the record's confidentiality.
        labels: sensitivity labels of the focus, those that policies add included.
        part_labels: those of other parts alone.
        record: the record as a rule would name it, or None when it has no identifier.
    """

    at: datetime
    recipient: Named
    country: Named
    purpose: str
    purposes: frozenset[str]
    classes: frozenset[str]
    codes: frozenset[Named]
    systems: frozenset[str]
    height: int
    labels: frozenset[str]
    part_labels: frozenset[str]
    date: tuple[datetime, datetime] | None
    record: Named | None
    author: Named
    is_minor: bool | None


def asked_of(request: DisclosureRequest, labels: frozenset[str], at: datetime) -> Asked:
    """The request as rules are asked about it.

    Args:
        request: what is asked for.
        labels: sensitivity labels that the record carries by law, besides its own.
        at: the moment of the decision.
    """
    traits = request.traits
    all_labels = labels.union(traits.labels)
    is_laboratory = traits.record_class in _LABORATORY
    return Asked(
        at=at,
        recipient=("participant", request.recipient),
        country=("country", request.recipient_jurisdiction),
        purpose=request.purpose,
        purposes=COVERED_BY.get(request.purpose, frozenset()),
        classes=_LABORATORY if is_laboratory else frozenset({traits.record_class}),
        codes=frozenset(traits.codes),
        systems=frozenset(system for system, _ in traits.codes),
        # A label that is not known counts as more confidential than all that are.
        height=HEIGHT.get(traits.confidentiality, len(HEIGHT)),
        labels=all_labels,
        part_labels=frozenset(traits.part_labels) - all_labels,
        date=traits.date,
        record=None if traits.record is None else ("instance", traits.record),
        author=("authoredby", traits.author),
        is_minor=traits.is_minor,
    )


def matches(rule: Rule, asked: Asked, *, denies: bool) -> bool:
    """Whether the rule matches, taken as one that permits or as one that denies."""
    for name in rule.criteria:
        answer = _CRITERIA[name](rule, asked, denies)
        if answer is False or (answer is None and not denies):
            return False
    return True


def redacted_by(rule: Rule, asked: Asked) -> frozenset[str]:
    """Labels of parts that a denial names, when it matches but for its labels."""
    others = (name for name in rule.criteria if name != "labels")
    if rule.sensitivity is None or any(
        _CRITERIA[name](rule, asked, True) is False for name in others
    ):
        return frozenset()
    return asked.part_labels.intersection(rule.sensitivity)


def names_recipient(rule: Rule, asked: Asked) -> bool:
    """Whether the rule names the recipient or its country as an actor."""
    return rule.actors is not None and (
        asked.recipient in rule.actors or asked.country in rule.actors
    )


def _period(rule: Rule, asked: Asked, _denies: bool) -> Answer:
    span = rule.period
    if span is None:
        return True
    if not span.is_readable:
        return None
    return (span.start is None or span.start <= asked.at) and (
        span.end is None or asked.at <= span.end
    )


def _actors(rule: Rule, asked: Asked, _denies: bool) -> Answer:
    actors = rule.actors
    if actors is None or asked.recipient in actors or asked.country in actors:
        return True
    return None if _UNKNOWN in actors else False


def _actions(rule: Rule, _asked: Asked, denies: bool) -> Answer:
    return _any_of(rule.actions, _DENIED_ACTIONS if denies else _PERMITTED_ACTIONS)


def _purposes(rule: Rule, asked: Asked, _denies: bool) -> Answer:
    return _any_of(rule.purposes, asked.purposes)


def _classes(rule: Rule, asked: Asked, _denies: bool) -> Answer:
    return _any_of(rule.classes, asked.classes)


def _any_of(named: tuple[str, ...] | None, wanted: frozenset[str]) -> Answer:
    if named is None or not wanted.isdisjoint(named):
        return True
    return None if NOT_UNDERSTOOD in named else False


def _codes(rule: Rule, asked: Asked, _denies: bool) -> Answer:
    if rule.codes is None:
        return True
    answers = [_concept(concept, asked) for concept in rule.codes]
    if True in answers:
        return True
    return None if None in answers else False


def _concept(concept: tuple[Named, ...], asked: Asked) -> Answer:
    """No, only when the record uses every system that the concept is coded in."""
    if not asked.codes.isdisjoint(concept):
        return True
    is_comparable = concept and all(system in asked.systems for system, _ in concept)
    return False if is_comparable else None


def _data_period(rule: Rule, asked: Asked, denies: bool) -> Answer:
    span = rule.data_period
    if span is None:
        return True
    if not span.is_readable or asked.date is None:
        return None
    first, last = asked.date
    return _overlaps(span, first, last) if denies else _contains(span, first, last)


def _contains(span: Span, first: datetime, last: datetime) -> bool:
    return (span.start is None or span.start <= first) and (span.end is None or last <= span.end)


def _overlaps(span: Span, first: datetime, last: datetime) -> bool:
    return (span.start is None or span.start <= last) and (span.end is None or first <= span.end)


def _data(rule: Rule, asked: Asked, _denies: bool) -> Answer:
    data = rule.data
    if data is None or asked.record in data or asked.author in data:
        return True
    is_unsure = _UNKNOWN in data or (
        asked.record is None and any(meaning == "instance" for meaning, _ in data)
    )
    return None if is_unsure else False


def _labels(rule: Rule, asked: Asked, denies: bool) -> Answer:
    if rule.confidentiality is None and rule.sensitivity is None:
        return None if rule.has_unknown_label else True
    return _denied_label(rule, asked) if denies else _permitted_labels(rule, asked)


def _denied_label(rule: Rule, asked: Asked) -> Answer:
    """All labels of a denial are alternatives."""
    if any(asked.height >= HEIGHT[code] for code in rule.confidentiality or ()):
        return True
    if not asked.labels.isdisjoint(rule.sensitivity or ()):
        return True
    return None if rule.has_unknown_label else False


def _permitted_labels(rule: Rule, asked: Asked) -> Answer:
    """Confidentiality, sensitivity and anything else are three criteria of a permit."""
    limits, named = rule.confidentiality, rule.sensitivity
    if limits is not None and not any(asked.height <= HEIGHT[code] for code in limits):
        return False
    if named is not None and asked.labels.isdisjoint(named):
        return False
    return None if rule.has_unknown_label else True


_CRITERIA: Final[dict[Criterion, Callable[[Rule, Asked, bool], Answer]]] = {
    "actors": _actors,
    "purposes": _purposes,
    "period": _period,
    "classes": _classes,
    "actions": _actions,
    "codes": _codes,
    "data_period": _data_period,
    "data": _data,
    "labels": _labels,
}
