"""Read a FHIR R4 Consent conservatively: what is understood is kept, and what is not is marked.

Reading fails only for what every enforceable consent must have. Anything else that is not
understood, whatever its type, makes a statement that can still deny and never permit
(docs/consent.md sections 2 to 4).
"""

from typing import Any, Final, get_args

from schemas.consent.provisions import Doubts, read_rule
from schemas.consent.rule import Rule
from schemas.consent.statement import BasePolicy, ConsentStatement, ConsentStatus, Unevaluated
from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.fhir_names import ACT_CODE, CONSENT_SCOPE
from schemas.violation import SchemaViolation, problem

MOST_LEVELS: Final = 2
MOST_PROVISIONS: Final = 200

PCF_POLICIES: Final = "https://profiles.ihe.net/ITI/PCF/"
_PCF: Final[dict[str, BasePolicy]] = {
    f"{PCF_POLICIES}Policy-all-normal": "all-normal",
    f"{PCF_POLICIES}Policy-basic-normal": "basic-normal",
    f"{PCF_POLICIES}Policy-break-glass-only": "break-glass-only",
    f"{PCF_POLICIES}Policy-deny": "deny",
}
_RULES: Final[dict[tuple[str, str], BasePolicy]] = {
    (ACT_CODE, "OPTIN"): "OPTIN",
    (ACT_CODE, "OPTOUT"): "OPTOUT",
}

_STATUSES: Final = frozenset(get_args(ConsentStatus))

#: Elements of a Consent that are enforced, or that say nothing about the decision.
_UNDERSTOOD: Final = frozenset(
    {
        "resourceType", "id", "meta", "language", "text", "contained", "extension", "identifier",
        "status", "scope", "category", "patient", "dateTime", "performer", "organization",
        "sourceAttachment", "sourceReference", "policy", "policyRule", "verification", "provision",
    }
)  # fmt: skip


def read_consent(resource: dict[str, Any], expression: str) -> ConsentStatement:
    """What a Consent says; any JSON object with a status, a time and an identity says something.

    Raises:
        SchemaViolation: it lacks what every enforceable consent must have.
    """
    status = resource.get("status")
    if not isinstance(status, str) or status not in _STATUSES:
        raise SchemaViolation(problem("consent.status", "code-invalid", f"{expression}.status"))
    given_at = resource.get("dateTime")
    if not isinstance(given_at, str):
        raise SchemaViolation(problem("consent.date-time", "required", f"{expression}.dateTime"))
    identity = _identity(resource)
    if identity is None:
        raise SchemaViolation(problem("consent.identifier", "required", f"{expression}.identifier"))
    unevaluated = _unevaluated(resource)
    doubts = Doubts()
    root = None
    if unevaluated is None:
        if (
            not set(resource) <= _UNDERSTOOD
            or _has_anywhere("modifierExtension", resource)
            or _has_anywhere("extension", resource.get("provision"))
        ):
            doubts.add("unknown-element")
        root = _root(resource, doubts)
    return ConsentStatement(
        identity=identity,
        status=status,  # type: ignore[arg-type] # one of them: asked above
        given_at=instant_at_start(given_at),
        given_until=None if "T" in given_at else instant_at_end(given_at),
        root=root,
        base=_base(resource, root, doubts),
        replaces=_replaced(resource),
        of_representative=_is_of_representative(resource, doubts),
        unusable=doubts.reasons,
        unevaluated=unevaluated,
    )


def _identity(resource: dict[str, Any]) -> str | None:
    for identifier in _listed(resource.get("identifier")):
        named = _system_and_value(identifier)
        if named is not None:
            return named
    name = resource.get("id")
    return f"|{name}" if isinstance(name, str) else None


def _system_and_value(identifier: Any) -> str | None:
    if not isinstance(identifier, dict) or not isinstance(identifier.get("value"), str):
        return None
    system = identifier.get("system", "")
    return f"{system}|{identifier['value']}" if isinstance(system, str) else None


def _replaced(resource: dict[str, Any]) -> str | None:
    source = resource.get("sourceReference")
    return _system_and_value(source.get("identifier")) if isinstance(source, dict) else None


def _unevaluated(resource: dict[str, Any]) -> Unevaluated | None:
    """Whether its provisions nest too deep or are too many; their depth is not walked down."""
    level = [resource.get("provision")]
    count = 0
    for _ in range(MOST_LEVELS + 1):
        count += len(level)
        level = [
            inner
            for one in level
            if isinstance(one, dict)
            for inner in _listed(one.get("provision"))
        ]
    if level:
        return "too-deep"
    return "too-large" if count > MOST_PROVISIONS else None


def _has_anywhere(element: str, value: Any) -> bool:
    """Whether any object in it has such an element, however deep; it may be deeper than a call."""
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if element in one:
                return True
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return False


def _root(resource: dict[str, Any], doubts: Doubts) -> Rule | None:
    _check_scope(resource, doubts)
    if "provision" not in resource:
        return None
    root = read_rule(resource["provision"], doubts, is_root=True)
    if root.type is None and root.criteria:
        doubts.add("ambiguous-root")
    return root


def _check_scope(resource: dict[str, Any], doubts: Doubts) -> None:
    scope = resource.get("scope")
    codings = scope.get("coding") if isinstance(scope, dict) else None
    if not (
        isinstance(codings, list)
        and len(codings) == 1
        and _coded(codings[0]) == (CONSENT_SCOPE, "patient-privacy")
    ):
        doubts.add("other-scope")


def _base(resource: dict[str, Any], root: Rule | None, doubts: Doubts) -> tuple[BasePolicy, ...]:
    """The policies that the consent names.

    With a typed root (IHE PCF) only those that we know: the others are text for people. Without
    one (core R4) they are the decision, so one that is not known is no less than a denial.
    """
    policies = _present(resource.get("policy"))
    uris = [one.get("uri") if isinstance(one, dict) else None for one in policies]
    named = [_PCF.get(uri, "unknown") if isinstance(uri, str) else "unknown" for uri in uris]
    if root is not None and root.type is not None:
        return tuple(dict.fromkeys(one for one in named if one != "unknown"))
    rule = resource.get("policyRule")
    if rule is not None:
        codings = _listed(rule.get("coding")) if isinstance(rule, dict) else []
        named += [_RULES.get(_coded(one), "unknown") for one in codings] or ["unknown"]
    base: tuple[BasePolicy, ...] = tuple(dict.fromkeys(named)) or ("unknown",)
    if "unknown" in base:
        doubts.add("unknown-policy")
    return base


def _is_of_representative(resource: dict[str, Any], doubts: Doubts) -> bool:
    """Whether somebody else than the traveller agreed; nobody verified is a doubt."""
    patient = resource.get("patient")
    traveller = patient.get("reference") if isinstance(patient, dict) else None
    performers = _present(resource.get("performer"))
    named = [one.get("reference") if isinstance(one, dict) else None for one in performers]
    if all(isinstance(one, str) and one == traveller for one in named):
        return False
    verifications = _listed(resource.get("verification"))
    if not any(isinstance(one, dict) and one.get("verified") is True for one in verifications):
        doubts.add("grantor-not-verified")
    return True


def _coded(coding: Any) -> tuple[str, str]:
    if not isinstance(coding, dict):
        return ("", "")
    system, code = coding.get("system"), coding.get("code")
    return (system, code) if isinstance(system, str) and isinstance(code, str) else ("", "")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _present(value: Any) -> list[Any]:
    """The members of a list; what is no list but there is one member not understood."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
