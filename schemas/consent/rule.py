"""One provision of a Consent as rules can be asked, and as JSON for the store and the digest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

RuleType = Literal["permit", "deny"]

#: Stands in a criterion for a value that was not understood.
NOT_UNDERSTOOD: Final = "?"

#: What a rule may be limited by; `labels` are those of confidentiality and of sensitivity.
Criterion = Literal[
    "actors",
    "purposes",
    "period",
    "classes",
    "actions",
    "codes",
    "data_period",
    "data",
    "labels",
]

#: Those that are one member each, the ones that most often say no first.
_CRITERIA: Final[tuple[Criterion, ...]] = get_args(Criterion)[:-1]

#: `(kind, value)`: what a value is, and the value. A value not understood is `("?", "")`.
Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """A period, with both ends; an end that is None is open.

    Attributes:
        is_readable: False when an end stands there that is no FHIR dateTime.
    """

    start: datetime | None
    end: datetime | None
    is_readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One provision. A criterion that is None matches anything.

    Attributes:
        type: what it decides; None only at the root, where the base decides.
        period: when it holds.
        actors: `participant` and id, or `country` and alpha-2 code.
        actions: codes of consentaction.
        purposes: codes of v3-ActReason.
        classes: FHIR resource types.
        codes: for each concept its `(system, code)` pairs; a concept without any is empty.
        confidentiality: codes of v3-Confidentiality.
        sensitivity: codes of v3-ActCode.
        has_unknown_label: whether a security label is neither of the two.
        data_period: when what the record tells happened.
        data: `instance` and `system|value`, or `authoredby` and a participant's id.
        exceptions: the rules nested in it.
    """

    type: RuleType | None
    period: Span | None = None
    actors: tuple[Named, ...] | None = None
    actions: tuple[str, ...] | None = None
    purposes: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    codes: tuple[tuple[Named, ...], ...] | None = None
    confidentiality: tuple[str, ...] | None = None
    sensitivity: tuple[str, ...] | None = None
    has_unknown_label: bool = False
    data_period: Span | None = None
    data: tuple[Named, ...] | None = None
    exceptions: tuple["Rule", ...] = ()

    #: What limits it, by name: rules are matched far more often than they are read.
    criteria: tuple[Criterion, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note once which criteria there are."""
        present: list[Criterion] = [one for one in _CRITERIA if getattr(self, one) is not None]
        labels = (self.confidentiality, self.sensitivity)
        if self.has_unknown_label or labels != (None, None):
            present.append("labels")
        object.__setattr__(self, "criteria", tuple(present))

    def to_json(self) -> dict[str, Any]:
        """Only what is there: an absent criterion is an absent member."""
        members: dict[str, Any] = {"type": self.type} if self.type is not None else {}
        for name in self.criteria:
            if name == "labels":
                members |= _labels_json(self)
            else:
                members[name] = _JSON_OF[name](getattr(self, name))
        if self.exceptions:
            members["exceptions"] = [one.to_json() for one in self.exceptions]
        return members

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Rule":
        """The rule that `to_json` wrote."""
        given: dict[str, Any] = {"type": values.get("type")}
        for name in _SPANS:
            if name in values:
                start, end, is_readable = values[name]
                given[name] = Span(
                    None if start is None else instant(start),
                    None if end is None else instant(end),
                    is_readable,
                )
        for name in _TEXTS:
            if name in values:
                given[name] = tuple(values[name])
        for name in _PAIRS:
            if name in values:
                given[name] = tuple((kind, value) for kind, value in values[name])
        if "codes" in values:
            given["codes"] = tuple(
                tuple((system, code) for system, code in concept) for concept in values["codes"]
            )
        given["has_unknown_label"] = values.get("has_unknown_label", False)
        given["exceptions"] = tuple(cls.from_json(one) for one in values.get("exceptions", ()))
        return cls(**given)


_SPANS: Final = ("period", "data_period")
_TEXTS: Final = ("actions", "purposes", "classes", "confidentiality", "sensitivity")
_PAIRS: Final = ("actors", "data")


def _labels_json(rule: Rule) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    if rule.confidentiality is not None:
        labels["confidentiality"] = list(rule.confidentiality)
    if rule.sensitivity is not None:
        labels["sensitivity"] = list(rule.sensitivity)
    if rule.has_unknown_label:
        labels["has_unknown_label"] = True
    return labels


def _span_json(span: Span) -> list[Any]:
    ends = [None if end is None else written(end) for end in (span.start, span.end)]
    return [*ends, span.is_readable]


def _pairs_json(pairs: tuple[Named, ...]) -> list[list[str]]:
    return [list(pair) for pair in pairs]


def _codes_json(concepts: tuple[tuple[Named, ...], ...]) -> list[list[list[str]]]:
    return [_pairs_json(concept) for concept in concepts]


_JSON_OF: Final[dict[Criterion, Callable[[Any], list[Any]]]] = {
    "actors": _pairs_json,
    "purposes": list,
    "period": _span_json,
    "classes": list,
    "actions": list,
    "codes": _codes_json,
    "data_period": _span_json,
    "data": _pairs_json,
}


def written(at: datetime) -> str:
    """An instant as statements write it: UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def instant(text: str) -> datetime:
    """The instant that `written` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)
