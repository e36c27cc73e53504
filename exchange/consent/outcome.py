"""What one statement says about one request: permit, deny or nothing (docs/consent.md section 4).

In a statement that has no power to permit, a permit does not lift the denial around it either: what
limits that permit may be the very thing that was not understood.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from exchange.consent.rules import Asked, matches, redacted_by
from exchange.consent.statements import may_permit
from schemas.consent.purposes import BREAK_GLASS, HEALTH_PURPOSES
from schemas.consent.rule import Rule
from schemas.consent.sensitivity import HEIGHT
from schemas.consent.statement import BasePolicy, ConsentStatement

Says = Literal["permit", "deny", "nothing"]

#: From the root down, the rules by which something is permitted.
Path = tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement says.

    Attributes:
        says: its decision.
        paths: each way in which it permits.
        would_permit: it permits, but has no power to.
    """

    says: Says
    paths: tuple[Path, ...] = ()
    would_permit: bool = False


_DENIES: Final = Outcome("deny")
_NOTHING: Final = Outcome("nothing")
_POWERLESS: Final = Outcome("nothing", would_permit=True)


def outcome_of(statement: ConsentStatement, asked: Asked) -> Outcome:
    """What a statement in force says."""
    if statement.unevaluated is not None:
        return _DENIES
    root = statement.root
    if statement.status == "rejected":
        return _DENIES if root is None or matches(root, asked, denies=True) else _NOTHING
    has_power = may_permit(statement, asked.is_minor)
    if root is not None and root.type is not None:
        return _by_typed_root(statement, root, asked, has_power)
    return _by_policies(statement, asked, has_power)


def parts_denied(statement: ConsentStatement, asked: Asked) -> frozenset[str]:
    """Labels of parts that a statement in force denies, though not the whole record."""
    root = statement.root
    if root is None or not asked.part_labels:
        return frozenset()
    if statement.status == "rejected":
        return redacted_by(root, asked)
    return frozenset(label for rule in _denials(root, asked) for label in redacted_by(rule, asked))


def _denials(rule: Rule, asked: Asked) -> Iterator[Rule]:
    """The rules that deny, where the rules around them match."""
    # A root with criteria and no type may be meant as a denial.
    if rule.type != "permit" and (rule.type is not None or rule.criteria):
        yield rule
    if rule.type is None or matches(rule, asked, denies=rule.type == "deny"):
        for exception in rule.exceptions:
            yield from _denials(exception, asked)


def _by_typed_root(
    statement: ConsentStatement, root: Rule, asked: Asked, has_power: bool
) -> Outcome:
    """IHE PCF: the root decides, and the policies it agrees to must allow."""
    if not matches(root, asked, denies=root.type == "deny"):
        return _NOTHING
    paths = _permitting(root, (), asked, has_power)
    base = _joined(statement.base, asked)
    # An exception that the policies do not carry leaves the denial around it as it is.
    if paths is None or (root.type == "deny" and base != "permit"):
        return _DENIES
    return _with(base, paths, has_power)


def _by_policies(statement: ConsentStatement, asked: Asked, has_power: bool) -> Outcome:
    """Core R4: the policies decide, and what is nested in the root are exceptions."""
    base = _joined(statement.base, asked)
    root = statement.root
    if root is None:
        return _with(base, ((),), has_power)
    # Criteria of an untyped root: by one of its two readings it denies what they match.
    if root.criteria and matches(root, asked, denies=True):
        return _DENIES
    paths: tuple[Path, ...] = ()
    for exception in _matching(root.exceptions, asked):
        below = _permitting(exception, (), asked, has_power)
        if below is None:
            return _DENIES
        paths += below
    if not paths:
        return _with(base, ((),), has_power)
    if has_power:
        return Outcome("permit", paths)
    return _DENIES if base == "deny" else _POWERLESS


def _with(base: Says, paths: tuple[Path, ...], has_power: bool) -> Outcome:
    if base == "deny":
        return _DENIES
    if base == "nothing":
        return _NOTHING
    return Outcome("permit", paths) if has_power else _POWERLESS


def _permitting(rule: Rule, above: Path, asked: Asked, has_power: bool) -> tuple[Path, ...] | None:
    """The ways in which a rule that matches permits; None when it denies.

    The rules nested in it that match decide; one of them that denies is enough.
    """
    if rule.type == "deny" and not has_power:
        return None
    path = (*above, rule)
    nested = _matching(rule.exceptions, asked) if rule.exceptions else ()
    if not nested:
        return (path,) if rule.type == "permit" else None
    found: tuple[Path, ...] = ()
    for exception in nested:
        below = _permitting(exception, path, asked, has_power)
        if below is None:
            return None
        found += below
    return found


def _matching(rules: Iterable[Rule], asked: Asked) -> list[Rule]:
    return [rule for rule in rules if matches(rule, asked, denies=rule.type == "deny")]


def _joined(base: tuple[BasePolicy, ...], asked: Asked) -> Says:
    """What all policies say together: one that denies is enough, and all must permit."""
    answers = {_policy_says(policy, asked) for policy in base}
    if "deny" in answers:
        return "deny"
    return "nothing" if "nothing" in answers else "permit"


def _policy_says(policy: BasePolicy, asked: Asked) -> Says:
    is_normal = asked.height <= HEIGHT["N"]
    match policy:
        case "OPTIN":
            return "permit"
        case "all-normal":
            return "permit" if is_normal and asked.purpose in HEALTH_PURPOSES else "nothing"
        case "basic-normal":
            return "permit" if is_normal and "TREAT" in asked.purposes else "nothing"
        case "break-glass-only":
            return "permit" if asked.purpose == BREAK_GLASS else "deny"
        case _:
            return "deny"
