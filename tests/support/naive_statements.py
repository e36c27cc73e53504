"""Sections 2 and 4 of docs/consent.md, naively: what one consent says of one request."""

from datetime import datetime
from typing import Any, NamedTuple

from tests.support import naive_codes as codes
from tests.support import naive_criteria as criteria

Json = dict[str, Any]

CONSENT_ELEMENTS = set(
    codes.words(
        "id meta language text contained extension identifier category patient dateTime performer "
        "organization sourceAttachment sourceReference policy policyRule verification status scope "
        "resourceType provision"
    )
)
PROVISION_ELEMENTS = {"type", "provision", *criteria.CRITERIA}


class Result(NamedTuple):
    """Section 4: what one statement says of one request, and each way in which it permits."""

    word: str  # permit, deny or silent
    paths: list[list[Json]] = []  # noqa: RUF012 - never changed
    powerless: bool = False  # section 6.6: it would permit


def result(consent: Json, reasons: list[str], request: Json, time: datetime) -> Result:
    """Sections 2, 4 and 5.3: what a statement in force says; silent when it is not."""
    if "not-readable" in reasons:
        return Result("deny")
    if consent["status"] not in ("active", "rejected"):
        return Result("silent")
    if "too-deep" in reasons or "too-large" in reasons:
        return Result("deny")
    root = consent.get("provision", {})
    if consent["status"] == "rejected":
        dissent = {**root, "type": "deny"}
        return Result("deny" if criteria.matches(dissent, request, time) else "silent")
    power = has_power(consent, reasons, request)
    says = typed_root if "type" in root else untyped_root
    decided = says(consent, root, power, request, time)
    if decided.word == "permit" and not power:
        return Result("silent", powerless=True)
    return decided


def has_power(consent: Json, reasons: list[str], request: Json) -> bool:
    """Section 2: understood, and given by the traveller or for somebody known to be a minor."""
    return not reasons and (not is_representative(consent) or request["is_minor"] is True)


# --- section 4: the base -----------------------------------------------------------------------


def typed_root(consent: Json, root: Json, power: bool, request: Json, time: datetime) -> Result:
    """Section 4, PCF: the policies must allow what the root, or an exception of it, permits."""
    decided = decided_by(root, power, request, time)
    if decided is None:
        return Result("silent")
    says = joined([pcf_policy(uri, request) for uri in pcf_uris(consent)])
    if decided.word == "deny" or says == "permit":
        return decided
    return Result("deny" if root["type"] != "permit" else says)


def untyped_root(consent: Json, root: Json, power: bool, request: Json, time: datetime) -> Result:
    """Section 4, core R4: the policies joined; nested provisions are exceptions."""
    if has_criteria(root) and criteria.matches(root, request, time):
        return Result("deny")
    base = joined([policy_says(name, request) for name in policies_named(consent)] or ["deny"])
    nested = siblings(root.get("provision", []), power, request, time)
    if nested is None:
        return Result(base, [[]])
    if nested.word == "permit" and base == "deny" and not power:
        return Result("deny")
    return nested


def joined(says: list[str]) -> str:
    """Section 4: deny if one denies, else silent if one says nothing, else permit."""
    return next((word for word in ("deny", "silent") if word in says), "permit")


def has_criteria(root: Json) -> bool:
    return any(name in root for name in criteria.CRITERIA)


def pcf_uris(consent: Json) -> list[str]:
    given = [policy.get("uri") for policy in consent.get("policy", [])]
    return [uri for uri in given if uri in codes.PCF_POLICIES]


def policies_named(consent: Json) -> list[str]:
    """Sections 2 and 4: what an untyped root leaves the decision to; `?` is one not known."""
    uris = [policy.get("uri", "?") for policy in consent.get("policy", [])]
    if "policyRule" not in consent:
        return uris
    pairs = map(criteria.pair, criteria.codings(consent["policyRule"]))
    return uris + ([code if system == codes.ACT_CODE else "?" for system, code in pairs] or ["?"])


def policy_says(name: str, request: Json) -> str:
    """Section 4: one that is not known denies."""
    if name in codes.PCF_POLICIES:
        return pcf_policy(name, request)
    return "permit" if name == "OPTIN" else "deny"


def pcf_policy(uri: str, request: Json) -> str:
    """Section 4, second table."""
    normal = request["confidentiality"] in ("U", "L", "M", "N")
    if uri == codes.PCF + "Policy-all-normal":
        return "permit" if normal else "silent"
    if uri == codes.PCF + "Policy-basic-normal":
        treat = criteria.is_or_below(request["purpose"], "TREAT")
        return "permit" if treat and normal else "silent"
    if uri == codes.PCF + "Policy-break-glass-only" and request["purpose"] == "BTG":
        return "permit"
    return "deny"


def has_denying_base(consent: Json) -> bool:
    """Section 5.1: the root denies, or one of its policies permits nothing or little."""
    root = consent.get("provision", {})
    little = (codes.PCF + "Policy-break-glass-only", codes.PCF + "Policy-deny")
    if "type" in root:
        return root["type"] != "permit" or any(uri in little for uri in pcf_uris(consent))
    named = policies_named(consent)
    return not named or not all(
        one == "OPTIN" or (one in codes.PCF_POLICIES and one not in little) for one in named
    )


def decided_by(rule: Json, power: bool, request: Json, time: datetime) -> Result | None:
    """Section 3: a rule that matches decides, unless nested ones do. None: it does not match.

    Section 2: without power to permit, no nested permit lifts the denial around it.
    """
    if not criteria.matches(rule, request, time):
        return None
    kind = "permit" if rule.get("type") == "permit" else "deny"
    nested = siblings(rule.get("provision", []), power, request, time)
    if nested is None or (kind == "deny" and nested.word == "permit" and not power):
        return Result(kind, [[rule]])
    return Result(nested.word, [[rule, *path] for path in nested.paths])


def siblings(rules: list[Json], power: bool, request: Json, time: datetime) -> Result | None:
    """Section 3: among siblings deny beats permit; each that permits is a path (section 6)."""
    found = [one for rule in rules if (one := decided_by(rule, power, request, time))]
    for word in ("deny", "permit"):
        paths = [path for one in found if one.word == word for path in one.paths]
        if paths:
            return Result(word, paths)
    return None


# --- section 2: usable to permit ---------------------------------------------------------------


def not_usable(consent: Json, request: Json, time: datetime) -> list[str]:
    """Section 2: every reason for which a statement is not usable to permit."""
    if (
        consent.get("status") not in codes.STATUSES
        or criteria.instant(consent.get("dateTime"), last=False) is None
        or identity_of(consent) is None
    ):
        return ["not-readable"]
    root = consent.get("provision", {})
    if is_deeper_than(root, 2):
        return ["too-deep"]
    provisions = all_provisions(root)
    if len(provisions) > 200:
        return ["too-large"]
    found = {
        "unknown-element": has_unknown_element(consent, provisions),
        "unknown-code": not all(
            criteria.values_understood(one, request, time) for one in provisions
        )
        or not all(one.get("type") in ("permit", "deny") for one in provisions[1:])
        or root.get("type", "permit") not in ("permit", "deny"),
        "other-scope": list(map(criteria.pair, criteria.codings(consent.get("scope"))))
        != [(codes.SCOPE, "patient-privacy")],
        "grantor-not-verified": is_representative(consent)
        and not any(one.get("verified") is True for one in consent.get("verification", [])),
        "unknown-policy": "type" not in root and not policies_known(consent),
        "ambiguous-root": "type" not in root and has_criteria(root),
    }
    return [reason for reason, holds in found.items() if holds]


def is_deeper_than(provision: Json, levels: int) -> bool:
    nested = provision.get("provision", [])
    return bool(nested) and (levels == 0 or any(is_deeper_than(one, levels - 1) for one in nested))


def all_provisions(root: Json) -> list[Json]:
    return [root, *(one for nested in root.get("provision", []) for one in all_provisions(nested))]


def has_unknown_element(consent: Json, provisions: list[Json]) -> bool:
    """Choice: `_` members are unnamed elements."""
    root = consent.get("provision", {})
    return (
        not set(consent) <= CONSENT_ELEMENTS
        or not all(set(one) <= PROVISION_ELEMENTS for one in provisions)
        or "modifierExtension" in names_inside(consent)
        or any(name == "extension" or name.startswith("_") for name in names_inside(root))
    )


def names_inside(value: Any) -> set[str]:
    """Names of all members, at any depth."""
    names, waiting = set(), [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            names |= set(one)
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []
    return names


def is_representative(consent: Json) -> bool:
    """Choice: a performer without the patient's own literal reference is somebody else."""
    patient = consent.get("patient", {}).get("reference")
    return any(
        patient is None or one.get("reference") != patient for one in consent.get("performer", [])
    )


def policies_known(consent: Json) -> bool:
    named = policies_named(consent)
    known = (*codes.PCF_POLICIES, "OPTIN", "OPTOUT")
    return bool(named) and all(one in known for one in named)


def identity_of(consent: Json) -> str | None:
    """Section 5.1."""
    for one in consent.get("identifier", []):
        if found := identity_in({"identifier": one}):
            return found
    return f"|{consent['id']}" if consent.get("id") else None


def identity_in(reference: Json) -> str | None:
    system, value = criteria.identifier(reference)
    return f"{system}|{value}" if value else None
