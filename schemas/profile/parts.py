"""What is where in a message: entries, header, event, focus, traveller, destinations.

Everything that is found is kept and everything that is wrong is told, so that one reply names all.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.fhir_names import CARRIED_RESOURCES, EVENT_SYSTEM, participant_of
from schemas.profile.context import Resource
from schemas.profile.events import EVENTS
from schemas.profile.places import PLACES, Placed
from schemas.violation import Problem, problem

_FULL_URL: Final = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_IN_A_MESSAGE: Final = frozenset({"request", "response", "search"})
_CARRIED: Final = CARRIED_RESOURCES - {"Bundle"}


@dataclass(slots=True)
class Parts:
    """What was found in a message; complete when no problem is an error.

    Attributes:
        by_url: resources by fullUrl.
        placed: every resource with its FHIRPath and its fullUrl (None when contained).
        places: those that may name an organisation or a country.
        headers: every MessageHeader with its path.
        patients: every Patient that is an entry, with its path and fullUrl.
        header: the first entry if it is a MessageHeader, else `{}`.
        event: code of the event, None when it is none of ours.
        focus: the record, None when none was found.
        focus_path: its FHIRPath.
        destinations: participants named, in order, each once.
        record: `system|value` of the focus's business identifier, where it was looked for already.
    """

    by_url: dict[str, Resource] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    places: list[Placed] = field(default_factory=list)
    headers: list[Placed] = field(default_factory=list)
    patients: list[Placed] = field(default_factory=list)
    header: Resource = field(default_factory=dict)
    event: str | None = None
    focus: Resource | None = None
    focus_path: str = ""
    destinations: tuple[str, ...] = ()
    record: str | None = None

    @property
    def patient(self) -> Resource | None:
        """The traveller, None when there is not exactly one."""
        return self.patients[0][2] if len(self.patients) == 1 else None

    @property
    def patient_url(self) -> str | None:
        """The traveller's fullUrl."""
        return self.patients[0][1] if len(self.patients) == 1 else None


def find_parts(bundle: Resource, found: list[Problem]) -> Parts:
    """Everything in a Bundle of type message, adding what is missing or in the wrong place."""
    parts = Parts()
    for index, entry in enumerate(bundle.get("entry", ())):
        _place_entry(entry, f"Bundle.entry[{index}]", parts, found)
    _find_header(parts, found)
    _find_destinations(parts, found)
    if len(parts.patients) != 1:
        found.append(problem("profile.patient-one", "required", "Bundle.entry"))
    return parts


def _place_entry(entry: Any, where: str, parts: Parts, found: list[Problem]) -> None:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict):
        found.append(problem("profile.entry-resource-missing", "required", f"{where}.resource"))
        return
    path = f"{where}.resource"
    if not _NOT_IN_A_MESSAGE.isdisjoint(entry):
        found.extend(
            problem("profile.entry-not-message", "invariant", f"{where}.{name}")
            for name in sorted(_NOT_IN_A_MESSAGE & entry.keys())
        )
    url = entry.get("fullUrl")
    if not isinstance(url, str) or _FULL_URL.fullmatch(url) is None:
        found.append(problem("profile.full-url-form", "value", f"{where}.fullUrl"))
    elif url in parts.by_url:
        found.append(problem("profile.full-url-twice", "invariant", f"{where}.fullUrl"))
    _place(resource, path, url if isinstance(url, str) else "", parts, found)
    if "contained" in resource:
        for index, inner in enumerate(resource["contained"]):
            _place(inner, f"{path}.contained[{index}]", None, parts, found)


def _place(
    resource: Resource, path: str, url: str | None, parts: Parts, found: list[Problem]
) -> None:
    kind = resource.get("resourceType")
    if kind not in _CARRIED:
        carried = ", ".join(sorted(_CARRIED - {"OperationOutcome"}))
        found.append(problem("profile.resource-not-carried", "not-supported", path, carried))
        return
    placed = (path, url, resource)
    parts.placed.append(placed)
    if kind in PLACES:
        parts.places.append(placed)
    if url is None:
        return
    parts.by_url[url] = resource
    if kind == "Patient":
        parts.patients.append(placed)
    elif kind == "MessageHeader":
        parts.headers.append(placed)


def _find_header(parts: Parts, found: list[Problem]) -> None:
    first = parts.placed[0][2] if parts.placed else {}
    if first.get("resourceType") != "MessageHeader":
        found.append(problem("profile.header-first", "invariant", "Bundle.entry[0]"))
        return
    if len(parts.headers) > 1:
        found.append(problem("profile.header-once", "invariant", parts.headers[1][0]))
    path = parts.headers[0][0]
    parts.header = first
    if not isinstance(first.get("id"), str):
        found.append(problem("profile.header-id-missing", "required", f"{path}.id"))
    if "response" in first:
        found.append(problem("profile.header-response", "not-supported", f"{path}.response"))
    _find_event(first, path, parts, found)


def _find_event(header: Resource, path: str, parts: Parts, found: list[Problem]) -> None:
    coding = header.get("eventCoding", {})
    code = coding.get("code")
    if coding.get("system") != EVENT_SYSTEM or code not in EVENTS:
        found.append(
            problem(
                "profile.event-unknown",
                "not-supported",
                f"{path}.event",
                EVENT_SYSTEM,
                ", ".join(EVENTS),
            )
        )
    else:
        parts.event = code
    _find_focus(header, path, parts, found)


def _find_focus(header: Resource, path: str, parts: Parts, found: list[Problem]) -> None:
    references = header.get("focus", ())
    if len(references) != 1:
        found.append(problem("profile.focus-one", "required", f"{path}.focus"))
        return
    focus = parts.by_url.get(references[0].get("reference"))
    if focus is None:
        found.append(problem("profile.focus-not-found", "not-found", f"{path}.focus[0].reference"))
        return
    allowed = None if parts.event is None else EVENTS[parts.event][1]
    if allowed is not None and focus["resourceType"] not in allowed:
        words = ", ".join(sorted(allowed))
        found.append(problem("profile.focus-type", "business-rule", f"{path}.focus[0]", words))
        return
    parts.focus = focus
    parts.focus_path = next(where for where, _, one in parts.placed if one is focus)


def _find_destinations(parts: Parts, found: list[Problem]) -> None:
    named: dict[str, None] = {}
    for index, destination in enumerate(parts.header.get("destination", ())):
        participant = participant_of(destination.get("endpoint", ""))
        if participant is None:
            where = f"{parts.headers[0][0]}.destination[{index}].endpoint"
            found.append(problem("profile.destination-form", "value", where))
        else:
            named[participant] = None
    parts.destinations = tuple(named)
