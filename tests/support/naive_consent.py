"""A second, naive reading of docs/consent.md: what a property test holds the engine against.

It shares no code with what it checks and uses the standard library alone. Every function names the
section it implements. Nothing is cached or fast. Where the page leaves a choice, the one taken
here is marked "Choice". Words of rules that the page does not name start with `?`.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.support import naive_codes as codes
from tests.support import naive_criteria as criteria
from tests.support.naive_policies import forbidden, in_force, mandate, narrowest_view, sensitive
from tests.support.naive_statements import Result, not_usable, result

Json = dict[str, Any]

OBLIGATIONS = ["NOREUSE", "NORDSCLCD", "PERSISTLABEL"]
OBLIGATION_OF_VIEW = {"verdict": "DELAU", "pseudonymous": "PSEUD", "minimum": "MINEC"}


class Statement(NamedTuple):
    """Section 2: one version of a consent, as read for one request."""

    consent: Json
    identity: str
    moment: datetime
    reasons: list[str]  # why it is not usable to permit
    result: Result


def decide(consents: list[Json], policies: list[Json], request: Json, time: datetime) -> Json:
    """Section 6: the decision. It never fails."""
    if request["purpose"] not in codes.CLOSED_PURPOSES:
        return refused("deny", "purpose-wall")
    involved = in_force(policies, request, time)
    request = {**request, "labels": sensitive(involved, request)}
    statements = statements_in_force(consents, request, time)
    denying = [one for one in statements if one.result.word == "deny"]
    permitting = [one for one in statements if one.result.word == "permit"]
    obstacles = [obstacle(named_by(one.result.path), request, time) for one in permitting]
    counting = [one for one, found in zip(permitting, obstacles, strict=True) if found is None]
    by_law, law_obstacle = mandate(
        involved, request, time=time, objection=bool(denying), is_origin=is_origin(request)
    )

    # Choice: with nothing that permits, the word is that of the latest permit passed over, else
    # that of a mandate that would fit but for its origin or labels.
    if by_law is None and not denying and not counting:
        passed_over = [found for found in (law_obstacle, *obstacles) if found is not None]
        answer = refused("no-consent", passed_over[-1] if passed_over else "?no-basis")
        redact: list[str] = []
    elif denying and by_law is None:
        answer = refused("deny", "consent-denies", denying[-1].identity)
        redact = []
    elif not denying and counting:
        redact = redacted(named_by(counting[-1].result.path)[1], statements, request, time)
        answer = permitted("?consent-permits", counting[-1].identity, "full", redact)
    else:
        redact = redacted(by_law.get("labels", []), statements, request, time)
        answer = permitted("?mandate-permits", by_law["id"], by_law.get("view", "minimum"), redact)

    # Choice: a policy that forbids is told whatever else was decided, except the purpose wall.
    if forbidden(involved, request, redact if answer["decision"] == "permit" else None):
        return refused("deny", "policy-forbids")
    if answer["decision"] == "permit":
        answer["view"] = narrowest_view(involved, request, answer["view"])
        answer["obligations"] = obligations(answer)
    return answer


def refused(decision: str, rule: str, basis: str | None = None) -> Json:
    return {
        "decision": decision,
        "rule": rule,
        "basis": basis,
        "view": None,
        "redact": [],
        "obligations": [],
    }


def permitted(rule: str, basis: str, view: str, redact: list[str]) -> Json:
    """Section 6.8: `minimum` at most when anything is redacted."""
    if redact and view == "full":
        view = "minimum"
    return {"decision": "permit", "rule": rule, "basis": basis, "view": view, "redact": redact}


def obligations(answer: Json) -> list[str]:
    """Section 6, last paragraph."""
    of_view = [OBLIGATION_OF_VIEW[answer["view"]]] if answer["view"] != "full" else []
    return sorted(OBLIGATIONS + of_view + (["REDACT"] if answer["redact"] else []))


# --- section 6.4 and 6.5: origin and labels ----------------------------------------------------


def named_by(path: list[Json]) -> tuple[list[Json], list[str]]:
    """Actors that rules of a path name, and labels that its permit rules name.

    Choice: sibling permits that match together are all on the path.
    """
    actors = [actor for rule in path for actor in rule.get("actor", [])]
    permits = [rule for rule in path if rule["type"] == "permit"]
    return actors, [label for rule in permits for label in criteria.sensitivity_labels(rule)]


def obstacle(named: tuple[list[Json], list[str]], request: Json, time: datetime) -> str | None:
    """Sections 6.4 and 6.5: why a permit does not count, or None."""
    actors, labels = named
    if is_origin(request) and "yes" not in [
        criteria.actor(actor, True, request, time) for actor in actors
    ]:
        return "origin-not-named"
    if not set(request["labels"]) <= set(labels):
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
    """Section 6.5. Choice: deny rules of every statement in force count, not only the basis's.

    One that is refused to evaluate has no rules.
    """
    denied = [
        label
        for one in statements
        if not {"too-deep", "too-large"} & set(one.reasons)
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
    return [root] if "type" in root else root.get("provision", [])


def denied_in_parts(rule: Json, request: Json, time: datetime) -> list[str]:
    """Section 6.5: labels of parts that a deny rule names, its other criteria matching.

    Choice: permits nested in that rule do not take this back.
    """
    found = []
    others = {name: value for name, value in rule.items() if name != "securityLabel"}
    if rule.get("type") == "deny" and criteria.matches(others, request, time):
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
    standing = [one for one in latest if not any(replaces(other, one) for other in latest)]
    order = [id(one) for one in arrived]
    return sorted(standing, key=lambda one: (one.moment, order.index(id(one))))


def latest_version(versions: list[Statement]) -> Statement:
    """Section 5.1. Choice: what stops is any status but active, or a denial of this request."""
    moment = max(one.moment for one in versions)
    tied = [one for one in versions if one.moment == moment]
    stopping = [
        one for one in tied if one.consent.get("status") != "active" or one.result.word == "deny"
    ]
    return (stopping or tied)[-1]


def replaces(later: Statement, earlier: Statement) -> bool:
    """Section 5.4. Choice: it denies when it denies this request; a replaced one replaces too."""
    return (
        later.consent.get("status") == "active"
        and identity_in(later.consent.get("sourceReference", {})) == earlier.identity
        and later.moment > earlier.moment
        and (not later.reasons or later.result.word == "deny")
    )


def identity_in(reference: Json) -> str | None:
    system, value = criteria.identifier(reference)
    return f"{system}|{value}" if system and value else None


def statement(consent: Json, position: int, request: Json, time: datetime) -> Statement:
    """Sections 2 to 5: one consent, read. Choice: without a dateTime it is the earliest."""
    identity = next(
        (
            found
            for one in consent.get("identifier", [])
            if (found := identity_in({"identifier": one}))
        ),
        consent.get("id") or f"?{position}",
    )
    moment = criteria.instant(consent.get("dateTime"), last=False) or criteria.FIRST
    reasons = not_usable(consent, request, time)
    return Statement(consent, identity, moment, reasons, result(consent, reasons, request, time))
