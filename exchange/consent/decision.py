"""Is there a basis for this disclosure, and on which conditions? See docs/consent.md section 6.

The argument, in the order of the code:

    1. A purpose outside the closed list: deny.
    2. The policies of the jurisdictions involved are gathered; they may add labels to the record.
    3. Each statement in force says permit, deny or nothing.
    4. What a policy involved forbids: deny, whatever permits.
    5. A statement denies: an objection. Else the latest one that permits is the basis, if it names
       a recipient in a country of origin, and every label of the record.
    6. Nothing permits: a mandate of the place of collection is the basis, if one fits.
    7. The view is the narrowest that any of them asks for.

It never fails, and what cannot be understood cannot permit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args

from exchange.consent.inputs import inputs_digest_of
from exchange.consent.mandates import (
    NamedMandate,
    fitting_mandate,
    is_forbidden,
    labels_by_law,
    narrowest,
    policies_involved,
    reaches_origin,
    widest_views,
)
from exchange.consent.outcome import Outcome, Path, outcome_of, parts_denied
from exchange.consent.request import DisclosureRequest
from exchange.consent.rules import Asked, asked_of, names_recipient
from exchange.consent.statements import in_force
from exchange.model import Basis, ConsentOnFile, MandateBasis
from schemas.consent.purposes import HEALTH_PURPOSES
from schemas.consent.statement import ConsentStatement
from schemas.policy import Policy
from schemas.sentences.catalogue import LANGUAGES, say
from schemas.views.allow_list import View

Verdict = Literal["permit", "deny", "no-consent"]

#: What decided; part of the public contract.
RuleWord = Literal[
    "consent-permits",
    "mandate-permits",
    "purpose-wall",
    "policy-forbids",
    "consent-denies",
    "origin-not-named",
    "label-not-permitted",
    "not-understood",
    "representative",
    "no-consent",
]
RULES: Final[tuple[RuleWord, ...]] = get_args(RuleWord)

_NONE: Final[frozenset[str]] = frozenset()

#: v3-ActCode: what every recipient owes, and what it owes with a narrower view.
_ALWAYS: Final = ("NOREUSE", "NORDSCLCD", "PERSISTLABEL")
_BY_VIEW: Final[dict[View, tuple[str, ...]]] = {
    "full": (),
    "minimum": ("MINEC",),
    "pseudonymous": ("PSEUD",),
    "verdict": ("DELAU",),
}


@dataclass(frozen=True, slots=True)
class _Inputs:
    consents: Sequence[ConsentOnFile]
    policies: Sequence[Policy]
    request: DisclosureRequest
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisDecision:
    """Whether a record may go to a recipient, and how.

    Attributes:
        basis: what permits it; None unless it is permitted.
        rule: the rule that decided.
        view: what the recipient may see; None unless it is permitted.
        redact: sensitivity labels whose parts of the record are not delivered, sorted.
        obligations: v3-ActCode codes that the recipient takes on.
        objection: whether a consent in force denies it, even where a law overrides that.
        because: key of the sentence that says why, in the catalogue under `basis.`
    """

    decision: Verdict
    basis: Basis | None = None
    rule: RuleWord
    view: View | None = None
    redact: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    objection: bool = False
    because: str
    words: tuple[str, ...] = ()
    _inputs: _Inputs = field(repr=False, compare=False)

    @property
    def reason(self) -> str:
        """One sentence that says why, in English."""
        return self.reason_in(LANGUAGES[0])

    def reason_in(self, language: str) -> str:
        """The sentence in this language (ISO 639-1)."""
        return say(f"basis.{self.because}", self.words, language)

    @property
    def inputs_digest(self) -> str:
        """SHA-256 of everything that was decided on, unpadded base64url; made when it is asked for.

        A record has little entropy: in the trail it stands only under the record's own salt.
        """
        inputs = self._inputs
        return inputs_digest_of(inputs.consents, inputs.policies, inputs.request, inputs.at)


def decide(
    consents: Sequence[ConsentOnFile],
    policies: Sequence[Policy],
    request: DisclosureRequest,
    at: datetime,
) -> BasisDecision:
    """Whether there is a basis; never raises.

    Args:
        consents: all on file about the traveller, in the order in which they arrived.
        policies: all that are deployed, each verified.
        request: what would be disclosed to whom.
        at: the moment of the decision, with a time zone.
    """
    return _Deciding(consents, policies, request, at).decision()


def _labels_named(path: Path) -> frozenset[str]:
    """The sensitivity labels that the permits of a path name."""
    return frozenset(
        label for rule in path if rule.type == "permit" for label in rule.sensitivity or ()
    )


@dataclass(frozen=True, slots=True)
class _Permit:
    """A consent that permits, and the labels of parts that it names."""

    on_file: ConsentOnFile
    names: frozenset[str]


class _Deciding:
    """One decision being made; its methods are the steps of the argument."""

    __slots__ = ("_asked", "_inputs", "_involved", "_redacted", "_request")

    def __init__(
        self,
        consents: Sequence[ConsentOnFile],
        policies: Sequence[Policy],
        request: DisclosureRequest,
        at: datetime,
    ) -> None:
        self._inputs = _Inputs(consents, policies, request, at)
        self._request = request
        self._involved = policies_involved(policies, request, at)  # 2
        self._asked: Asked = asked_of(request, labels_by_law(self._involved, request), at)
        self._redacted = _NONE

    def decision(self) -> BasisDecision:
        """The decision; the numbers are those of the argument above."""
        request, asked = self._request, self._asked
        if request.purpose not in HEALTH_PURPOSES:  # 1
            return self._no("deny", "purpose-wall")
        statements = in_force(self._inputs.consents, asked.at, is_minor=asked.is_minor)
        outcomes = [(one, outcome_of(one.statement, asked)) for one in statements]  # 3
        if asked.part_labels:
            self._redacted = frozenset(
                label for one in statements for label in parts_denied(one.statement, asked)
            )
        denying = [one.statement for one, outcome in outcomes if outcome.says == "deny"]
        objection = bool(denying)
        if is_forbidden(self._involved, request, asked):  # 4
            return self._no("deny", "policy-forbids", objection=objection)
        without = self._denied(denying) if denying else self._on_consents(outcomes)  # 5
        if without.decision == "permit":
            return without
        mandate = fitting_mandate(self._involved, request, asked, objection=objection)  # 6
        return without if mandate is None else self._by_mandate(mandate, objection=objection)

    def _on_consents(self, outcomes: Sequence[tuple[ConsentOnFile, Outcome]]) -> BasisDecision:
        """The decision when nobody denies: the latest that permits, or what the first one lacks."""
        failing: RuleWord | None = None
        for one, outcome in outcomes:
            if outcome.says == "permit":
                found = self._permit(one, outcome.paths)
                if isinstance(found, _Permit):
                    return self._by_consent(found)
                failing = failing or found
        if failing is not None:
            return self._no("no-consent", failing)
        powerless = next((one.statement for one, said in outcomes if said.would_permit), None)
        if powerless is not None:
            return self._powerless(powerless)
        return self._no("no-consent", "no-consent")

    def _permit(self, on_file: ConsentOnFile, paths: Iterable[Path]) -> _Permit | RuleWord:
        """The permit, when one of its paths alone names all that has to be named."""
        asked = self._asked
        needs_name = reaches_origin(self._request)
        names: frozenset[str] | None = None
        failing: RuleWord = "origin-not-named"
        for path in paths:
            if needs_name and not any(names_recipient(rule, asked) for rule in path):
                continue
            named = _labels_named(path) if asked.labels or asked.part_labels else _NONE
            if asked.labels <= named:
                names = named if names is None else names | named
            else:
                failing = "label-not-permitted"
        return failing if names is None else _Permit(on_file, names)

    def _by_consent(self, permit: _Permit) -> BasisDecision:
        return self._yes(
            "consent-permits",
            permit.on_file.basis,
            view="full",
            redact=(self._asked.part_labels - permit.names) | self._redacted,
        )

    def _by_mandate(self, found: NamedMandate, *, objection: bool) -> BasisDecision:
        mandate = found.mandate
        basis = MandateBasis(
            policy=found.policy.digest, version=found.policy.version, mandate=mandate.id
        )
        return self._yes(
            "mandate-permits",
            basis,
            view=mandate.view,
            redact=(self._asked.part_labels - set(mandate.labels)) | self._redacted,
            objection=objection,
            words=(mandate.id,),
        )

    def _yes(
        self,
        rule: RuleWord,
        basis: Basis,
        *,
        view: View,
        redact: frozenset[str],
        objection: bool = False,
        words: tuple[str, ...] = (),
    ) -> BasisDecision:
        if self._involved or redact:  # 7
            views = [view, *widest_views(self._involved, self._request.purpose)]
            view = narrowest([*views, "minimum"] if redact else views)
        return BasisDecision(
            decision="permit",
            basis=basis,
            rule=rule,
            view=view,
            redact=tuple(sorted(redact)) if redact else (),
            obligations=(*_ALWAYS, *_BY_VIEW[view], *(("REDACT",) if redact else ())),
            objection=objection,
            because=rule,
            words=words,
            _inputs=self._inputs,
        )

    def _denied(self, denying: Sequence[ConsentStatement]) -> BasisDecision:
        """The reason names what kept a consent from being looked at, when nothing else denies."""
        unevaluated = [one.unevaluated for one in denying]
        because = unevaluated[0] if all(unevaluated) and unevaluated[0] else "consent-denies"
        return self._no("deny", "consent-denies", because=because, objection=True)

    def _powerless(self, statement: ConsentStatement) -> BasisDecision:
        if statement.is_usable:
            return self._no("no-consent", "representative")
        return self._no("no-consent", "not-understood", words=(statement.unusable[0],))

    def _no(
        self,
        decision: Verdict,
        rule: RuleWord,
        *,
        because: str | None = None,
        objection: bool = False,
        words: tuple[str, ...] = (),
    ) -> BasisDecision:
        return BasisDecision(
            decision=decision,
            rule=rule,
            objection=objection,
            because=because or rule,
            words=words,
            _inputs=self._inputs,
        )
