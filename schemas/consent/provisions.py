"""Read one provision of a Consent, with those nested in it, as a rule (docs/consent.md section 3).

A value that is not understood is kept as a mark: in a rule that denies it may match anything.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from schemas.consent.purposes import is_known
from schemas.consent.rule import NOT_UNDERSTOOD, Named, Rule, RuleType, Span
from schemas.consent.sensitivity import CONFIDENTIALITY_SYSTEM, HEIGHT, SENSITIVITY
from schemas.consent.statement import Unusable
from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.fhir_names import ACT_CODE, ACT_REASON, PARTICIPANT_IDENTIFIERS, PARTICIPATION_TYPE
from schemas.structure.pinned import pinned
from schemas.terminology.countries import country_of
from schemas.violation import SchemaViolation

CONSENT_ACTION: Final = "http://terminology.hl7.org/CodeSystem/consentaction"
RESOURCE_TYPES: Final = "http://hl7.org/fhir/resource-types"
COUNTRY_IDENTIFIERS: Final = "urn:iso:std:iso:3166"

ACTIONS: Final = frozenset({"collect", "access", "use", "disclose", "correct"})
_ROLES: Final = frozenset({(PARTICIPATION_TYPE, "IRCP"), (PARTICIPATION_TYPE, "PRCP")})

#: Types that only group others: in a denial they may mean any of theirs.
_ABSTRACT_TYPES: Final = frozenset({"Resource", "DomainResource"})

_PROVISION: Final = frozenset(
    {
        "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code",
        "dataPeriod", "data", "provision",
    }
)  # fmt: skip
_CONCEPT: Final = frozenset({"id", "coding", "text"})
_CODING: Final = frozenset({"id", "system", "version", "code", "display", "userSelected"})
_PERIOD: Final = frozenset({"id", "start", "end"})
_REFERENCE: Final = frozenset({"id", "reference", "type", "identifier", "display"})
_IDENTIFIER: Final = frozenset({"id", "use", "type", "system", "value", "period", "assigner"})
_ACTOR: Final = frozenset({"id", "role", "reference"})
_DATA: Final = frozenset({"id", "meaning", "reference"})

_UNKNOWN: Final[Named] = (NOT_UNDERSTOOD, "")

_T = TypeVar("_T")


class Doubts:
    """Why a statement cannot permit: gathered while it is read."""

    def __init__(self) -> None:
        self._found: dict[Unusable, None] = {}

    @property
    def reasons(self) -> tuple[Unusable, ...]:
        """Each reason once, in the order they were found."""
        return tuple(self._found)

    def add(self, reason: Unusable) -> None:
        """Note one more reason."""
        self._found[reason] = None

    def fields(self, value: Any, known: frozenset[str]) -> dict[str, Any]:
        """The elements of an object, noting a doubt when there are others or it is none."""
        if not isinstance(value, dict):
            self.add("unknown-element")
            return {}
        if not value.keys() <= known:
            self.add("unknown-element")
        return value

    def items(self, value: Any) -> list[Any] | None:
        """The members of a repeating element; None when it is absent or empty."""
        if value is None or value == []:
            return None
        if isinstance(value, list):
            return value
        self.add("unknown-element")
        return [None]


def read_rule(provision: Any, doubts: Doubts, *, is_root: bool) -> Rule:
    """The rule that a provision is; one that is no provision at all denies everything.

    Args:
        provision: not nested deeper than its Consent may be.
        doubts: grows by what is not understood.
        is_root: only the root may leave its type to the base policy.
    """
    said = doubts.fields(provision, _PROVISION)
    if not isinstance(provision, dict):
        return Rule(type="deny")
    confidentiality, sensitivity, has_unknown_label = _labels(said.get("securityLabel"), doubts)
    nested = doubts.items(said.get("provision")) or ()
    return Rule(
        type=_type(said, doubts, is_root=is_root),
        period=_span(said.get("period"), doubts),
        actors=_each(said.get("actor"), _actor, doubts),
        actions=_all(said.get("action"), _actions, doubts),
        purposes=_each(said.get("purpose"), _purpose, doubts),
        classes=_each(said.get("class"), _class, doubts),
        codes=_each(said.get("code"), _concept, doubts),
        confidentiality=confidentiality,
        sensitivity=sensitivity,
        has_unknown_label=has_unknown_label,
        data_period=_span(said.get("dataPeriod"), doubts),
        data=_each(said.get("data"), _data, doubts),
        exceptions=tuple(read_rule(one, doubts, is_root=False) for one in nested),
    )


def _type(said: dict[str, Any], doubts: Doubts, *, is_root: bool) -> RuleType | None:
    """What it decides; a type that is not understood, or is missing below the root, denies."""
    if is_root and "type" not in said:
        return None
    if said.get("type") == "permit":
        return "permit"
    if said.get("type") != "deny":
        doubts.add("unknown-code")
    return "deny"


def _each(value: Any, read: Callable[[Any, Doubts], _T], doubts: Doubts) -> tuple[_T, ...] | None:
    items = doubts.items(value)
    return None if items is None else tuple(read(one, doubts) for one in items)


def _all(
    value: Any, read: Callable[[Any, Doubts], Iterator[str]], doubts: Doubts
) -> tuple[str, ...] | None:
    items = doubts.items(value)
    return None if items is None else tuple(one for item in items for one in read(item, doubts))


def _span(value: Any, doubts: Doubts) -> Span | None:
    if value is None or value == {}:
        return None
    said = doubts.fields(value, _PERIOD)
    # Something else than an end may be what limits it.
    if "start" not in said and "end" not in said:
        doubts.add("unknown-code")
        return Span(None, None, is_readable=False)
    try:
        start, end = said.get("start"), said.get("end")
        return Span(
            None if "start" not in said else instant_at_start(_text(start)),
            None if "end" not in said else instant_at_end(_text(end)),
        )
    except (SchemaViolation, ValueError, OverflowError):
        doubts.add("unknown-code")
        return Span(None, None, is_readable=False)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = "no text"
        raise ValueError(msg)  # noqa: TRY004 - caught where it is called
    return value


def _actor(value: Any, doubts: Doubts) -> Named:
    said = doubts.fields(value, _ACTOR)
    roles = list(_codings(said.get("role"), doubts))
    system, name = _identifier(said.get("reference"), doubts)
    if len(roles) == 1 and roles[0] in _ROLES:
        if system == PARTICIPANT_IDENTIFIERS:
            return ("participant", name)
        if system == COUNTRY_IDENTIFIERS and country_of(name) == name:
            return ("country", name)
    doubts.add("unknown-code")
    return _UNKNOWN


def _data(value: Any, doubts: Doubts) -> Named:
    said = doubts.fields(value, _DATA)
    system, name = _identifier(said.get("reference"), doubts)
    meaning = said.get("meaning")
    # A system is a URI, in which `|` cannot stand; with one, two records could share a name.
    if meaning == "instance" and system and "|" not in system:
        return ("instance", f"{system}|{name}")
    if meaning == "authoredby" and system == PARTICIPANT_IDENTIFIERS:
        return ("authoredby", name)
    doubts.add("unknown-code")
    return _UNKNOWN


def _identifier(reference: Any, doubts: Doubts) -> Named:
    """System and value of a logical reference; two empty texts when it is none."""
    said = doubts.fields(reference, _REFERENCE)
    if "identifier" not in said:
        return ("", "")
    identifier = doubts.fields(said["identifier"], _IDENTIFIER)
    return _pair(identifier.get("system"), identifier.get("value"))


def _actions(value: Any, doubts: Doubts) -> Iterator[str]:
    """The actions of a concept, whose codings are alternatives too."""
    pairs = list(_codings(value, doubts))
    if not pairs:
        doubts.add("unknown-code")
        yield NOT_UNDERSTOOD
    for system, code in pairs:
        yield _known(code, doubts, is_known=system == CONSENT_ACTION and code in ACTIONS)


def _purpose(value: Any, doubts: Doubts) -> str:
    system, code = _coding(value, doubts)
    return _known(code, doubts, is_known=system == ACT_REASON and is_known(code))


def _class(value: Any, doubts: Doubts) -> str:
    system, code = _coding(value, doubts)
    is_type = code in pinned().resource_types and code not in _ABSTRACT_TYPES
    return _known(code, doubts, is_known=system == RESOURCE_TYPES and is_type)


def _known(code: str, doubts: Doubts, *, is_known: bool) -> str:
    if is_known:
        return code
    doubts.add("unknown-code")
    return NOT_UNDERSTOOD


def _concept(value: Any, doubts: Doubts) -> tuple[Named, ...]:
    """The codings of a concept; a record may be compared with them only by system and code."""
    pairs = tuple(_UNKNOWN if one == ("", "") else one for one in _codings(value, doubts))
    if not pairs or _UNKNOWN in pairs:
        doubts.add("unknown-code")
    return pairs


def _labels(
    value: Any, doubts: Doubts
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, bool]:
    """Labels of confidentiality, of sensitivity, and whether there is any other."""
    confidentiality: list[str] = []
    sensitivity: list[str] = []
    has_unknown = False
    for label in doubts.items(value) or ():
        system, code = _coding(label, doubts)
        if system == CONFIDENTIALITY_SYSTEM and code in HEIGHT:
            confidentiality.append(code)
        elif system == ACT_CODE and code in SENSITIVITY:
            sensitivity.append(code)
        else:
            doubts.add("unknown-code")
            has_unknown = True
    return tuple(confidentiality) or None, tuple(sensitivity) or None, has_unknown


def _codings(concept: Any, doubts: Doubts) -> Iterator[Named]:
    said = doubts.fields(concept, _CONCEPT)
    for coding in doubts.items(said.get("coding")) or ():
        yield _coding(coding, doubts)


def _coding(value: Any, doubts: Doubts) -> Named:
    said = doubts.fields(value, _CODING)
    return _pair(said.get("system"), said.get("code"))


def _pair(first: Any, second: Any) -> Named:
    if isinstance(first, str) and isinstance(second, str) and first and second:
        return (first, second)
    return ("", "")
