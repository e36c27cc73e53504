"""Everything that is wrong with a message, and what it says when nothing is."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from schemas.consent.reading import read_consent
from schemas.consent.statement import ConsentStatement
from schemas.profile.consent import check_given
from schemas.profile.context import Resource, context_of
from schemas.profile.dates import Received, check_past, received_at
from schemas.profile.migration_problems import migration_problems
from schemas.profile.parts import Parts, find_parts
from schemas.profile.record import check_about_patient, check_record
from schemas.profile.resource import check_resource
from schemas.profile.sweep import is_clean, sweep_problems
from schemas.violation import Problem, SchemaViolation, problem

#: What an entry usually has; its resource is walked by itself.
_USUAL: Final = frozenset({"fullUrl", "resource"})


def judge_message(
    bundle: Resource, at: datetime | None
) -> tuple[Parts, list[ConsentStatement], list[Problem]]:
    """What a Bundle of type message holds, its consents, and all problems in their order.

    Args:
        bundle: structurally valid.
        at: when it was received; None leaves out what depends on it.
    """
    found: list[Problem] = []
    received = received_at(at)
    _check_timestamp(bundle, received, found)
    parts = find_parts(bundle, found)
    context = context_of(parts.patient, received, parts.by_url)
    consents: list[ConsentStatement] = []
    for path, url, resource in parts.placed:
        if resource["resourceType"] == "Consent":
            _read_consent(resource, path, parts, consents, found)
            check_given(resource, path, received, found)
        elif url is not None or resource["resourceType"] != "Patient":
            check_resource(resource, path, context, found)
            check_about_patient(resource, path, parts, found)
    check_record(parts, found)
    _check_version(parts, received, found)
    _sweep(bundle, parts, found)
    return parts, consents, found


def _check_timestamp(bundle: Resource, received: Received | None, found: list[Problem]) -> None:
    timestamp = bundle.get("timestamp")
    if timestamp is None:
        found.append(
            problem(
                "profile.timestamp-missing", "incomplete", "Bundle.timestamp", severity="warning"
            )
        )
    else:
        check_past(timestamp, "Bundle.timestamp", received, found)


def _check_version(parts: Parts, received: Received | None, found: list[Problem]) -> None:
    """A version of tomorrow would make every correction until then look stale."""
    updated = {} if parts.focus is None else parts.focus.get("meta", {})
    if "lastUpdated" in updated:
        path = f"{parts.focus_path}.meta.lastUpdated"
        check_past(updated["lastUpdated"], path, received, found)


def _read_consent(
    resource: Resource,
    path: str,
    parts: Parts,
    consents: list[ConsentStatement],
    found: list[Problem],
) -> None:
    if resource.get("patient", {}).get("reference") != parts.patient_url:
        found.append(
            problem("profile.consent-about-patient", "business-rule", f"{path}.patient.reference")
        )
    try:
        consents.append(read_consent(resource, path))
    except SchemaViolation as violation:
        found.extend(violation.problems)


def _sweep(bundle: Resource, parts: Parts, found: list[Problem]) -> None:
    """The walk over everything; contained resources lie inside their holders."""
    entries = [placed for placed in parts.placed if placed[1] is not None]
    around = list(_around(bundle))
    nodes = [*(node for _, _, node in around), *(resource for _, _, resource in entries)]
    if is_clean(nodes, parts.by_url):
        return
    for path, type_name, node in around:
        found.extend(migration_problems(node, path, type_name))
    for path, _, resource in entries:
        problems = sweep_problems(resource, path, parts.by_url)
        # A focus that leads nowhere was told already.
        told = f"{path}.focus" if resource is parts.header else None
        found.extend(one for one in problems if told is None or told not in one.expression)


def _around(bundle: Resource) -> Iterator[tuple[str, str, Resource]]:
    """What stands in the Bundle around its resources: path, type and members."""
    yield "Bundle", "Bundle", {name: bundle[name] for name in bundle if name != "entry"}
    for index, entry in enumerate(bundle.get("entry", ())):
        if isinstance(entry, dict) and not entry.keys() <= _USUAL:
            rest = {name: entry[name] for name in entry if name not in _USUAL}
            yield f"Bundle.entry[{index}]", "BundleEntry", rest
