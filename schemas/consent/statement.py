"""A consent as rules can be asked: what it says, and why it may be of no use for permitting.

docs/consent.md is the contract. What could not be understood is kept as a mark in its place, so
that a rule that denies still denies by it, and a rule that permits never does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from schemas.canonical_json import canonical_text

ConsentStatus = Literal["active", "inactive", "rejected", "entered-in-error", "draft", "proposed"]
RuleType = Literal["permit", "deny"]

#: Why a statement cannot permit (docs/consent.md section 2).
Unusable = Literal[
    "unknown-element",
    "unknown-code",
    "other-scope",
    "grantor-not-verified",
    "unknown-policy",
    "ambiguous-root",
]

#: Why a statement is not evaluated at all, and denies everything.
Unevaluated = Literal["too-deep", "too-large", "not-readable"]

#: What a base policy is called here; `unknown` stands for each that is none of them.
BasePolicy = Literal[
    "OPTIN", "OPTOUT", "all-normal", "basic-normal", "break-glass-only", "deny", "unknown"
]

#: Bases that are a denial until an exception says otherwise.
DENYING_BASES: Final = frozenset({"OPTOUT", "break-glass-only", "deny", "unknown"})

#: Stands in a criterion for a value that was not understood.
NOT_UNDERSTOOD: Final = "?"

_FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatement:
    """What a traveller decided, as far as it is enforced here.

    Attributes:
        identity: what stays the same over versions: `system|value`, else `|` and the resource id.
        given_at: `Consent.dateTime`; orders the versions (UTC).
        root: the root provision; None when there is none.
        base: the policies that the consent names.
        replaces: identity of the consent that this one was made in the place of.
        unusable: why it cannot permit; empty when everything in it was understood.
        unevaluated: why nothing in it is looked at, so that it denies everything.
        of_representative: whether somebody else than the traveller gave it, verified.
    """

    identity: str
    status: ConsentStatus
    given_at: datetime
    root: Rule | None = None
    base: tuple[BasePolicy, ...] = ()
    replaces: str | None = None
    unusable: tuple[Unusable, ...] = ()
    unevaluated: Unevaluated | None = None
    of_representative: bool = False

    _text: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def canonical_text(self) -> str:
        """The statement in RFC 8785 form, for the digest of a decision; written once."""
        if self._text is None:
            text = canonical_text(self.to_json())
            object.__setattr__(self, "_text", text)
            return text
        return self._text

    @property
    def is_usable(self) -> bool:
        """Whether everything in it was understood, so that it may permit."""
        return not self.unusable and self.unevaluated is None

    @property
    def is_stop(self) -> bool:
        """Whether, of two versions of one moment, it is the one that discloses less."""
        if self.status != "active" or not self.is_usable:
            return True
        root_denies = self.root is not None and self.root.type == "deny"
        return root_denies or not DENYING_BASES.isdisjoint(self.base)

    @property
    def only_permits(self) -> bool:
        """Whether nothing in it can take from anybody what something else permits."""
        if self.status != "active" or self.unevaluated is not None:
            return False
        if not DENYING_BASES.isdisjoint(self.base):
            return False
        return self.root is None or (self.root.type == "permit" and not self.root.exceptions)

    def to_json(self) -> dict[str, Any]:
        """The statement as JSON values, for the store and for the digest of a decision."""
        return {
            "identity": self.identity,
            "status": self.status,
            "given_at": _written(self.given_at),
            "root": None if self.root is None else _rule_json(self.root),
            "base": list(self.base),
            "replaces": self.replaces,
            "unusable": list(self.unusable),
            "unevaluated": self.unevaluated,
            "of_representative": self.of_representative,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ConsentStatement":
        """The statement that `to_json` wrote, in this version or the one before it."""
        if "permits" in values:
            return _from_first_version(values)
        root = values["root"]
        return cls(
            identity=values["identity"],
            status=values["status"],
            given_at=_instant(values["given_at"]),
            root=None if root is None else _rule(root),
            base=tuple(values["base"]),
            replaces=values["replaces"],
            unusable=tuple(values["unusable"]),
            unevaluated=values["unevaluated"],
            of_representative=values["of_representative"],
        )


def _from_first_version(values: dict[str, Any]) -> ConsentStatement:
    """A statement stored before there were rules: one provision, four criteria."""
    classes = {"immunization": ("Immunization",), "labresult": ("Observation", "DiagnosticReport")}
    ends = (values["not_before"], values["not_after"])
    start, end = (None if one is None else _instant(one) for one in ends)
    return ConsentStatement(
        identity=values["identity"],
        status=values["status"],
        given_at=_instant(values["given_at"]),
        root=Rule(
            type="permit" if values["permits"] else "deny",
            period=None if ends == (None, None) else Span(start, end),
            actors=tuple(("participant", one) for one in values["recipients"]) or None,
            purposes=tuple(values["purposes"]) or None,
            classes=tuple(code for one in values["record_types"] for code in classes[one]) or None,
        ),
        unusable=() if values["usable_to_permit"] else ("unknown-element",),
    )


_SPANS: Final = ("period", "data_period")
_TEXTS: Final = ("actions", "purposes", "classes", "confidentiality", "sensitivity")
_PAIRS: Final = ("actors", "data")


def _rule_json(rule: Rule) -> dict[str, Any]:
    """Only what is there: an absent criterion is an absent member."""
    members: dict[str, Any] = {"type": rule.type} if rule.type is not None else {}
    for name in rule.criteria:
        if name == "labels":
            members |= _labels_json(rule)
        else:
            members[name] = _JSON_OF[name](getattr(rule, name))
    if rule.exceptions:
        members["exceptions"] = [_rule_json(one) for one in rule.exceptions]
    return members


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
    ends = [None if end is None else _written(end) for end in (span.start, span.end)]
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


def _rule(values: dict[str, Any]) -> Rule:
    given: dict[str, Any] = {"type": values.get("type")}
    for name in _SPANS:
        if name in values:
            start, end, is_readable = values[name]
            given[name] = Span(
                None if start is None else _instant(start),
                None if end is None else _instant(end),
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
    given["exceptions"] = tuple(_rule(one) for one in values.get("exceptions", ()))
    return Rule(**given)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def unreadable_consent(identity: str) -> ConsentStatement:
    """What stands for a consent that lacks status, time or identity: it denies everything."""
    return ConsentStatement(
        identity=identity,
        status="active",
        given_at=_FIRST_INSTANT,
        unevaluated="not-readable",
    )
