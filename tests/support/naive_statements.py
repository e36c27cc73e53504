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
    """Section 4: what one statement says of one request, and the rules that decided it."""

    word: str  # permit, deny or silent
    path: list[Json] = []  # noqa: RUF012 - never changed


def result(consent: Json, reasons: list[str], request: Json, time: datetime) -> Result:
    """Sections 2, 4 and 5.3: what a statement in force says; silent when it is not."""
    if consent.get("status") not in ("active", "rejected"):
        return Result("silent")
    if "too-deep" in reasons or "too-large" in reasons:
        return Result("deny")
    root = consent.get("provision", {})
    if consent.get("status") == "rejected":
        dissent = {**root, "type": "deny"}
        return Result("deny" if criteria.matches(dissent, request, time) else "silent")
    decided = (
        typed_root(consent, root, usable=not reasons, request=request, time=time)
        if "type" in root
        else untyped_root(consent, root, usable=not reasons, request=request, time=time)
    )
    if decided.word == "permit" and (
        reasons or (is_representative(consent) and request["is_minor"] is not True)
    ):
        return Result("silent")
    return decided


# --- section 4: the base -----------------------------------------------------------------------


def typed_root(consent: Json, root: Json, *, usable: bool, request: Json, time: datetime) -> Result:
    """Section 4, PCF. Choice: under a permit root the policies limit nested permits too."""
    decided = decided_by(root, usable, request, time)
    if decided is None:
        return Result("silent")
    if decided.word == "permit" and root["type"] == "permit":
        says = [pcf_policy(uri, request) for uri in pcf_uris(consent)]
        for word in ("deny", "silent"):
            if word in says:
                return Result(word)
    return decided


def untyped_root(
    consent: Json, root: Json, *, usable: bool, request: Json, time: datetime
) -> Result:
    """Section 4, core R4: the policies joined, deny wins; nested provisions are exceptions.

    Choice: an ambiguous root's own criteria are not asked; its base and nested rules can deny.
    """
    says = [pcf_policy(uri, request) for uri in pcf_uris(consent)]
    opted = {"OPTIN": "permit", "OPTOUT": "deny"}
    says += [opted[code] for code in rule_codes(consent) if code in opted]
    base = Result(next((word for word in ("deny", "permit") if word in says), "silent"))
    nested = siblings(root.get("provision", []), usable, request, time)
    if nested is None or (base.word == "deny" and nested.word == "permit" and not usable):
        return base
    return nested


def pcf_uris(consent: Json) -> list[str]:
    given = [policy.get("uri") for policy in consent.get("policy", [])]
    return [uri for uri in given if uri in codes.PCF_POLICIES]


def rule_codes(consent: Json) -> list[str]:
    pairs = map(criteria.pair, criteria.codings(consent.get("policyRule")))
    return [code if system == codes.ACT_CODE else "" for system, code in pairs]


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


def decided_by(rule: Json, usable: bool, request: Json, time: datetime) -> Result | None:
    """Section 3: a rule that matches decides, unless nested ones do. None: it does not match.

    Choice: in a consent that is not usable to permit, a nested permit does not lift a deny.
    """
    if not criteria.matches(rule, request, time):
        return None
    nested = siblings(rule.get("provision", []), usable, request, time)
    if nested is None or (rule["type"] == "deny" and nested.word == "permit" and not usable):
        return Result(rule["type"], [rule])
    return Result(nested.word, [rule, *nested.path])


def siblings(rules: list[Json], usable: bool, request: Json, time: datetime) -> Result | None:
    """Section 3: among siblings deny beats permit."""
    found = [one for rule in rules if (one := decided_by(rule, usable, request, time))]
    for word in ("deny", "permit"):
        paths = [one.path for one in found if one.word == word]
        if paths:
            return Result(word, [rule for path in paths for rule in path])
    return None


# --- section 2: usable to permit ---------------------------------------------------------------


def not_usable(consent: Json, request: Json, time: datetime) -> list[str]:
    """Section 2: every reason for which a statement is not usable to permit."""
    root = consent.get("provision", {})
    if is_deeper_than(root, 2):
        return ["too-deep"]
    provisions = all_provisions(root)
    if len(provisions) > 200:  # Choice: the root is one of them.
        return ["too-large"]
    found = {
        "unknown-element": has_unknown_element(consent, provisions),
        "unknown-code": not all(
            criteria.values_understood(one, request, time) for one in provisions
        )
        or not all(one.get("type") in ("permit", "deny") for one in provisions[1:]),
        "other-scope": list(map(criteria.pair, criteria.codings(consent.get("scope"))))
        != [(codes.SCOPE, "patient-privacy")],
        "grantor-not-verified": is_representative(consent)
        and not any(one.get("verified") is True for one in consent.get("verification", [])),
        "unknown-policy": "type" not in root and not policies_known(consent),
        "ambiguous-root": "type" not in root and any(name in root for name in criteria.CRITERIA),
    }
    return [reason for reason, holds in found.items() if holds]


def is_deeper_than(provision: Json, levels: int) -> bool:
    nested = provision.get("provision", [])
    return bool(nested) and (levels == 0 or any(is_deeper_than(one, levels - 1) for one in nested))


def all_provisions(root: Json) -> list[Json]:
    return [root, *(one for nested in root.get("provision", []) for one in all_provisions(nested))]


def has_unknown_element(consent: Json, provisions: list[Json]) -> bool:
    """Choice: `_` members are unnamed elements; extensions inside a provision's parts count."""
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
    given = [policy["uri"] for policy in consent.get("policy", []) if "uri" in policy]
    named = rule_codes(consent) or ([""] if "policyRule" in consent else [])
    known = [uri in codes.PCF_POLICIES for uri in given]
    known += [code in ("OPTIN", "OPTOUT") for code in named]
    return bool(known) and all(known)
