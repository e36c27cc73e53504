"""A second, naive reading of docs/consent.md: what a property test holds the engine against.

It shares no code with what it checks and uses the standard library alone. Every function names the
section it implements. Nothing is cached or fast. Where the page leaves a choice, the one taken
here is marked "Choice".
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.support import naive_codes as codes
from tests.support import naive_criteria as criteria
from tests.support.naive_policies import forbidden, in_force, mandate, narrowest_view, sensitive
from tests.support.naive_statements import (
    Result,
    has_criteria,
    has_denying_base,
    has_power,
    identity_in,
    identity_of,
    not_usable,
    result,
)

Json = dict[str, Any]

OBLIGATIONS = ["NOREUSE", "NORDSCLCD", "PERSISTLABEL"]
OBLIGATION_OF_VIEW = {"verdict": "DELAU", "pseudonymous": "PSEUD", "minimum": "MINEC"}


class Statement(NamedTuple):
    """Section 2: one version of a consent, as read for one request."""

    consent: Json
    position: int  # in the order of arrival
    identity: str
    moment: datetime
    reasons: list[str]  # why it is not usable to permit
    power: bool  # whether it may permit this request
    result: Result


def decide(consents: list[Json], policies: list[Json], request: Json, time: datetime) -> Json:
    """Section 6: the decision. It never fails."""
    if request["purpose"] not in codes.CLOSED_PURPOSES:
        return refused("deny", "purpose-wall")
    involved = in_force(policies, request, time)
    labels = sensitive(involved, request)
    parts = [one for one in request["part_labels"] if one not in labels]
    request = {**request, "labels": labels, "part_labels": parts}
    statements = statements_in_force(consents, request, time)
    objection = any(one.result.word == "deny" for one in statements)

    if forbidden(involved, request):
        return refused("deny", "policy-forbids", objection)
    basis = None if objection else latest_basis(statements, request, time)
    law = mandate(involved, request, time=time, objection=objection, is_origin=is_origin(request))
    if basis is not None:
        named = [label for path in good_paths(basis, request, time) for label in labels_of(path)]
        answer = permitted("consent-permits", basis.position, "full")
    elif law is not None:
        policy, one = law
        named = one.get("labels", [])
        answer = permitted("mandate-permits", [policy["version"], one["id"]], one["view"])
    elif objection:
        return refused("deny", "consent-denies", objection)
    else:
        return refused("no-consent", lacking(statements, request, time))

    answer["redact"] = redacted(named, statements, request, time)
    if answer["redact"] and answer["view"] == "full":
        answer["view"] = "minimum"
    answer["view"] = narrowest_view(involved, request, answer["view"])
    answer["obligations"] = obligations(answer)
    answer["objection"] = objection
    return answer


def refused(decision: str, rule: str, objection: bool = False) -> Json:
    return {
        "objection": objection,
        "decision": decision,
        "rule": rule,
        "basis": None,
        "view": None,
        "redact": [],
        "obligations": [],
    }


def permitted(rule: str, basis: Any, view: str) -> Json:
    """The basis: a consent's position of arrival, or a policy's version and its mandate's id."""
    return {"decision": "permit", "rule": rule, "basis": basis, "view": view}


def latest_basis(statements: list[Statement], request: Json, time: datetime) -> Statement | None:
    """Section 6.3: the latest permit that is not passed over."""
    counting = [one for one in statements if good_paths(one, request, time)]
    return counting[-1] if counting else None


def lacking(statements: list[Statement], request: Json, time: datetime) -> str:
    """Sections 6.3 and 6.6: the rule when nothing permits and nothing denies."""
    permitting = [one for one in statements if one.result.word == "permit"]
    if permitting:
        obstacles = [obstacle(path, request, time) for path in permitting[-1].result.paths]
        further = "label-not-permitted"
        return further if further in obstacles else "origin-not-named"
    powerless = [one for one in statements if one.result.powerless]
    if powerless:
        return "not-understood" if powerless[-1].reasons else "representative"
    return "no-consent"


def obligations(answer: Json) -> list[str]:
    """Section 6, last paragraph."""
    of_view = [OBLIGATION_OF_VIEW[answer["view"]]] if answer["view"] != "full" else []
    return sorted(OBLIGATIONS + of_view + (["REDACT"] if answer["redact"] else []))


# --- section 6.4 and 6.5: origin and labels ----------------------------------------------------


def good_paths(one: Statement, request: Json, time: datetime) -> list[list[Json]]:
    """Section 6.3: the ways to permit of which each alone names all that has to be named."""
    if one.result.word != "permit":
        return []
    return [path for path in one.result.paths if obstacle(path, request, time) is None]


def labels_of(path: list[Json]) -> list[str]:
    """Section 6.5: the labels that permit rules of a path name."""
    permits = [rule for rule in path if rule["type"] == "permit"]
    return [label for rule in permits for label in criteria.sensitivity_labels(rule)]


def obstacle(path: list[Json], request: Json, time: datetime) -> str | None:
    """Sections 6.4 and 6.5: why a path does not count, or None."""
    actors = [actor for rule in path for actor in rule.get("actor", [])]
    if is_origin(request) and "yes" not in [
        criteria.actor(actor, True, request, time) for actor in actors
    ]:
        return "origin-not-named"
    if not set(request["labels"]) <= set(labels_of(path)):
        return "label-not-permitted"
    return None


def is_origin(request: Json) -> bool:
    """Section 6.4: the recipient's country may be one the traveller comes from."""
    country = request["recipient_jurisdiction"]
    if country in (request["collected_in"], "*"):
        return False
    return not request["origins"] or country in request["origins"]


def redacted(
    named: list[str], statements: list[Statement], request: Json, time: datetime
) -> list[str]:
    """Section 6.5. One that is refused to evaluate has no rules."""
    denied = [
        label
        for one in statements
        if not {"too-deep", "too-large", "not-readable"} & set(one.reasons)
        for rule in rules_of(one.consent)
        for label in denied_in_parts(rule, request, time)
    ]
    return sorted(
        label for label in set(request["part_labels"]) if label not in named or label in denied
    )


def rules_of(consent: Json) -> list[Json]:
    """The outermost rules of a statement; of a dissent (section 5.3) a single deny."""
    root = consent.get("provision", {})
    if consent.get("status") == "rejected":
        return [{**root, "type": "deny", "provision": []}]
    if "type" in root:
        return [root]
    # Section 4: criteria of a root without a type are read as a deny, beside what is nested in it.
    alone = [{**root, "type": "deny", "provision": []}] if has_criteria(root) else []
    return alone + root.get("provision", [])


def denied_in_parts(rule: Json, request: Json, time: datetime) -> list[str]:
    """Section 6.5: labels of parts that a deny rule names, its other criteria matching."""
    found = []
    others = {name: value for name, value in rule.items() if name != "securityLabel"}
    if rule.get("type") != "permit" and criteria.matches(others, request, time):
        found += criteria.sensitivity_labels(rule)
    if criteria.matches(rule, request, time):
        for nested in rule.get("provision", []):
            found += denied_in_parts(nested, request, time)
    return found


# --- section 5: which statements are in force --------------------------------------------------


def statements_in_force(consents: list[Json], request: Json, time: datetime) -> list[Statement]:
    """Section 5, earliest first; of equal times in order of arrival."""
    read = [
        statement(consent, position, request, time) for position, consent in enumerate(consents)
    ]
    arrived = [one for one in read if one.moment <= time + timedelta(minutes=5)]
    latest = [
        latest_version([one for one in arrived if one.identity == identity])
        for identity in dict.fromkeys(one.identity for one in arrived)
    ]
    speaking = [
        one
        for one in latest
        if "not-readable" in one.reasons or one.consent["status"] in ("active", "rejected")
    ]
    standing = [one for one in speaking if not any(replaces(other, one) for other in speaking)]
    return sorted(standing, key=lambda one: (one.moment, one.position))


def latest_version(versions: list[Statement]) -> Statement:
    """Section 5.1: of equal times what stops, then the last to arrive."""
    moment = max(counts_from(one) for one in versions)
    tied = [one for one in versions if counts_from(one) == moment]
    stopping = [one for one in tied if stops(one)]
    return (stopping or tied)[-1]


def stops(one: Statement) -> bool:
    return bool(one.reasons or one.consent["status"] != "active" or has_denying_base(one.consent))


def counts_from(one: Statement) -> datetime:
    """Section 5.1: of a partial time what stops has the last instant, what permits the first."""
    if not stops(one):
        return one.moment
    return criteria.instant(one.consent.get("dateTime"), last=True) or one.moment


def replaces(later: Statement, earlier: Statement) -> bool:
    """Section 5.4."""
    return (
        later.power
        and later.consent["status"] == "active"
        and identity_in(later.consent.get("sourceReference", {})) == earlier.identity
        and later.moment > earlier.moment
    )


def statement(consent: Json, position: int, request: Json, time: datetime) -> Statement:
    """Sections 2 to 5: one consent, read. One that cannot be is the first there ever was."""
    reasons = not_usable(consent, request, time)
    readable = "not-readable" not in reasons
    moment = criteria.instant(consent.get("dateTime"), last=False)
    return Statement(
        consent=consent,
        position=position,
        identity=(identity_of(consent) if readable else None) or f"?{position}",
        moment=moment if moment is not None and readable else criteria.FIRST,
        reasons=reasons,
        power=has_power(consent, reasons, request),
        result=result(consent, reasons, request, time),
    )
