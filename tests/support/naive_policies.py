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
        if holding:
            found.append(max(holding, key=lambda policy: policy["version"]))
    return found


def holds(dated: Json, time: datetime) -> bool:
    """Choice: both ends included, partial dates as in section 3."""
    ends = {"start": dated.get("valid_from"), "end": dated.get("valid_until")}
    stated = {name: value for name, value in ends.items() if value is not None}
    return criteria.period(stated, True, {}, time) == "yes"


def sensitive(involved: list[Json], request: Json) -> list[str]:
    """Section 7, `sensitive`. Choice: every policy involved adds its labels to the record's."""
    added = [
        label
        for policy in involved
        for disease in request["diseases"]
        for label in policy.get("sensitive", {}).get(disease, [])
    ]
    return sorted({*request["labels"], *added})


def narrowest_view(involved: list[Json], request: Json, view: str) -> str:
    """Section 6.8. Choice: a purpose that `views` does not name is not limited; one above it is."""
    views = [view] + [
        widest
        for policy in involved
        for purpose, widest in policy.get("views", {}).items()
        if criteria.is_or_below(request["purpose"], purpose)
    ]
    return max(views, key=codes.VIEW_ORDER.index)


def forbidden(involved: list[Json], request: Json, redact: list[str] | None) -> bool:
    """Sections 6.9 and 7. Choice: labels of parts that are delivered count as the record's."""
    parts = [] if redact is None else [one for one in request["part_labels"] if one not in redact]
    labels = [*request["labels"], *parts]
    return any(
        fits(forbid, request)
        and any_of(forbid, "countries", [request["recipient_jurisdiction"]])
        and any_of(forbid, "labels", labels)
        for policy in involved
        for forbid in policy.get("forbids", [])
    )


def fits(entry: Json, request: Json) -> bool:
    """Section 7: what mandates and forbids have in common."""
    purposes = entry.get("purposes", [])
    classes = entry.get("record_classes", [])
    return (
        any_of(entry, "recipients", [request["recipient"]])
        and any_of(entry, "diseases", request["diseases"])
        # Choice: a purpose covers those below it, and laboratory results are one class.
        and (not purposes or any(criteria.is_or_below(request["purpose"], one) for one in purposes))
        and (
            not classes or any(criteria.same_class(one, request["record_class"]) for one in classes)
        )
    )


def any_of(entry: Json, name: str, values: list[str]) -> bool:
    """Section 7: in a list, empty means any. Choice: one value in common is enough."""
    return not entry.get(name) or any(value in entry[name] for value in values)


def mandate(
    involved: list[Json], request: Json, *, time: datetime, objection: bool, is_origin: bool
) -> tuple[Json | None, str | None]:
    """Section 6.7: the first mandate that permits, or else the word that stopped one that fits.

    Choice: the first in the document's order; an empty `labels` names none.
    """
    stopped = None
    for policy in involved:
        for one in policy.get("mandates", []):
            if (
                policy["jurisdiction"] != request["collected_in"]
                or not holds(one, time)
                or not fits(one, request)
                or (objection and not one.get("overrides_objection", False))
            ):
                continue
            if is_origin:
                stopped = stopped or "origin-not-named"
            elif not set(request["labels"]) <= set(one.get("labels", [])):
                stopped = stopped or "label-not-permitted"
            else:
                return one, None
    return None, stopped
