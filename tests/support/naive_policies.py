"""Sections 6.7 to 6.9 and 7 of docs/consent.md, naively: what law and policies say."""

from datetime import datetime
from typing import Any

from tests.support import naive_codes as codes
from tests.support import naive_criteria as criteria

Json = dict[str, Any]


def in_force(policies: list[Json], request: Json, time: datetime) -> list[Json]:
    """Section 7: of each jurisdiction involved the highest version whose period holds."""
    jurisdictions = {
        request["collected_in"],
        request["recipient_jurisdiction"],
        *request["origins"],
    }
    found = []
    for jurisdiction in sorted(jurisdictions):
        holding = [
            policy
            for policy in policies
            if policy["jurisdiction"] == jurisdiction and holds(policy, time)
        ]
        versions = [policy["version"] for policy in holding]
        found += [policy for policy in holding if policy["version"] == max(versions)]
    return found


def holds(policy: Json, time: datetime) -> bool:
    return is_between(policy.get("valid_from"), policy.get("valid_until"), time)


def is_between(start: str | None, end: str | None, time: datetime) -> bool:
    """Section 7: the end is no longer part of a period."""
    begun = start is None or datetime.fromisoformat(start) <= time
    return begun and (end is None or time < datetime.fromisoformat(end))


def sensitive(involved: list[Json], request: Json) -> list[str]:
    """Section 7, `sensitive`: every policy involved adds its labels to the record's."""
    added = [
        label
        for policy in involved
        for disease in request["diseases"]
        for label in policy.get("sensitive", {}).get(disease, [])
    ]
    return sorted({*request["labels"], *added})


def narrowest_view(involved: list[Json], request: Json, view: str) -> str:
    """Sections 6.8 and 7: what `views` says of a purpose holds for those below it."""
    views = [view] + [
        widest
        for policy in involved
        for purpose, widest in policy.get("views", {}).items()
        if criteria.is_or_below(request["purpose"], purpose)
    ]
    return max(views, key=codes.VIEW_ORDER.index)


def forbidden(involved: list[Json], request: Json) -> bool:
    """Sections 6.9 and 7: labels of parts count too, and no known disease may be any."""
    labels = [*request["labels"], *request["part_labels"]]
    return any(
        fits(forbid, request)
        and (not request["diseases"] or any_of(forbid, "diseases", request["diseases"]))
        and (
            not forbid.get("purposes")
            or any(criteria.is_or_below(request["purpose"], one) for one in forbid["purposes"])
        )
        and any_of(forbid, "countries", [request["recipient_jurisdiction"]])
        and any_of(forbid, "labels", labels)
        for policy in involved
        for forbid in policy.get("forbids", [])
    )


def fits(entry: Json, request: Json) -> bool:
    """Section 7: what mandates and forbids have in common; laboratory results are one class."""
    classes = entry.get("record_classes", [])
    of_class = any(criteria.same_class(one, request["record_class"]) for one in classes)
    return any_of(entry, "recipients", [request["recipient"]]) and (of_class or not classes)


def any_of(entry: Json, name: str, values: list[str]) -> bool:
    """Section 7: in a list, empty means any; one value in common is enough."""
    return not entry.get(name) or any(value in entry[name] for value in values)


def mandate(
    involved: list[Json], request: Json, *, time: datetime, objection: bool, is_origin: bool
) -> tuple[Json, Json] | None:
    """Section 6.7: the policy and mandate that permit; the narrowest view, then the first."""
    if is_origin:
        return None
    fitting = [
        (policy, one)
        for policy in involved
        if policy["jurisdiction"] == request["collected_in"]
        for one in policy.get("mandates", [])
        if is_between(one["period"]["start"], one["period"].get("end"), time)
        and fits(one, request)
        and any_of(one, "diseases", request["diseases"])
        and any_of(one, "purposes", [request["purpose"]])
        and set(request["labels"]) <= set(one.get("labels", []))
        and (one.get("overrides_objection", False) or not objection)
    ]
    for view in reversed(codes.VIEW_ORDER):
        for found in fitting:
            if found[1]["view"] == view:
                return found
    return None
