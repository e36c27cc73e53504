"""A consent as rules can be asked: what it says, and why it may be of no use for permitting.

docs/consent.md is the contract. What could not be understood is kept as a mark in its place, so
that a rule that denies still denies by it, and a rule that permits never does.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from schemas.canonical_json import canonical_text
from schemas.consent.rule import Rule, Span, instant, written

ConsentStatus = Literal["active", "inactive", "rejected", "entered-in-error", "draft", "proposed"]

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

_FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)


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
        given_until: the last instant that a partial `Consent.dateTime` can mean, else None.
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
    given_until: datetime | None = None

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
    def counts_from(self) -> datetime:
        """When it was given, among versions of one consent: what stops, at the latest it can be.

        A withdrawal of a day must not lose to the permit of that morning.
        """
        return self.given_until if self.given_until and self.is_stop else self.given_at

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
            "given_at": written(self.given_at),
            "root": None if self.root is None else self.root.to_json(),
            "base": list(self.base),
            "replaces": self.replaces,
            "unusable": list(self.unusable),
            "unevaluated": self.unevaluated,
            "of_representative": self.of_representative,
            **({"given_until": written(self.given_until)} if self.given_until else {}),
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
            given_at=instant(values["given_at"]),
            root=None if root is None else Rule.from_json(root),
            base=tuple(values["base"]),
            replaces=values["replaces"],
            unusable=tuple(values["unusable"]),
            unevaluated=values["unevaluated"],
            of_representative=values["of_representative"],
            given_until=instant(values["given_until"]) if "given_until" in values else None,
        )


def _from_first_version(values: dict[str, Any]) -> ConsentStatement:
    """A statement stored before there were rules: one provision, four criteria."""
    classes = {"immunization": ("Immunization",), "labresult": ("Observation", "DiagnosticReport")}
    ends = (values["not_before"], values["not_after"])
    start, end = (None if one is None else instant(one) for one in ends)
    return ConsentStatement(
        identity=values["identity"],
        status=values["status"],
        given_at=instant(values["given_at"]),
        root=Rule(
            type="permit" if values["permits"] else "deny",
            period=None if ends == (None, None) else Span(start, end),
            actors=tuple(("participant", one) for one in values["recipients"]) or None,
            purposes=tuple(values["purposes"]) or None,
            classes=tuple(code for one in values["record_types"] for code in classes[one]) or None,
        ),
        unusable=() if values["usable_to_permit"] else ("unknown-element",),
    )


def unreadable_consent(identity: str) -> ConsentStatement:
    """What stands for a consent that lacks status, time or identity: it denies everything."""
    return ConsentStatement(
        identity=identity,
        status="active",
        given_at=_FIRST_INSTANT,
        unevaluated="not-readable",
    )
