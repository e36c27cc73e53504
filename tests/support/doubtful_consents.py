"""Valid FHIR of which docs/consent.md does not say enough: drawn only where a test asks for it.

A property that needs no second reading (the decision never fails, a withdrawal never permits)
should hold of these too.
"""

import copy
from collections.abc import Callable
from random import Random
from typing import Any

Json = dict[str, Any]

_EXTENSION = [{"url": "https://example.org/note", "valueString": "x"}]


def make_doubtful(random: Random, consent: Json) -> None:
    """Sometimes changes a consent in one of the ways of this page; the result is valid FHIR."""
    if random.random() < 0.4:
        random.choice(_WAYS)(consent)


def _rules(consent: Json) -> list[Json]:
    found, waiting = [], [consent["provision"]] if "provision" in consent else []
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.get("provision", [])
    return found


def _in_every_rule(name: str, change: Callable[[Any], Any]) -> Callable[[Json], None]:
    def way(consent: Json) -> None:
        for rule in _rules(consent):
            if name in rule:
                rule[name] = change(copy.deepcopy(rule[name]))

    return way


def _set(name: str, value: Any) -> Callable[[Json], None]:
    return lambda consent: consent.update({name: copy.deepcopy(value)})


def _without_type_below(consent: Json) -> None:
    for rule in _rules(consent)[1:]:
        rule.pop("type", None)
        rule.setdefault("id", "r1")


def _without_policies(consent: Json) -> None:
    """Structurally valid, though R4 asks for one of the two (ppc-1)."""
    for name in ("policy", "policyRule"):
        consent.pop(name, None)


def _with_id(consent: Json) -> None:
    for rule in _rules(consent):
        rule["id"] = "r1"


def _each(**members: Any) -> Callable[[Any], Any]:
    return lambda values: [{**value, **copy.deepcopy(members)} for value in values]


def _typed_by_extension(actors: list[Any]) -> list[Any]:
    """An extension where none of the elements that are enforced stands."""
    for one in actors:
        if "identifier" in one["reference"]:
            one["reference"]["identifier"]["type"] = {"extension": _EXTENSION}
    return actors


_WAYS: tuple[Callable[[Json], None], ...] = (
    lambda consent: consent.pop("dateTime", None),
    _set("dateTime", "2026"),
    _set("dateTime", "2026-11-25"),
    _set("dateTime", "2026-06-01T09:00:60Z"),
    _set("performer", [{"display": "The traveller"}]),
    _set("performer", [{"identifier": {"system": "urn:example:people", "value": "1"}}]),
    _set("_dateTime", {"extension": _EXTENSION}),
    _set("policyRule", {"text": "as the law says"}),
    _without_policies,
    _set("identifier", [{"value": "B"}]),
    _set("identifier", [{"use": "old", "system": "urn:x", "value": "1"},
                        {"system": "urn:example:consents", "value": "A"}]),
    _without_type_below,
    _with_id,
    _in_every_rule("actor", _each(extension=_EXTENSION)),
    _in_every_rule("actor", _typed_by_extension),
    _set("contained", [{"resourceType": "Patient", "id": "p", "modifierExtension": _EXTENSION}]),
    _in_every_rule("actor", _each(reference={
        "identifier": {"system": "urn:iso:std:iso:3166", "value": "kz"}
    })),
    _in_every_rule("actor", _each(reference={
        "identifier": {"system": "urn:iso:std:iso:3166", "value": "KAZ"}
    })),
    _in_every_rule("purpose", _each(code="PurposeOfUse")),
    _in_every_rule("purpose", _each(display="for my care", userSelected=True)),
    _in_every_rule("purpose", lambda values: [{"display": "for my care"} for _ in values]),
    _in_every_rule("securityLabel", _each(code="NOREUSE")),
    _in_every_rule("action", lambda values: [
        {"coding": [coding for one in values for coding in one.get("coding", [])] or
         [{"code": "disclose"}]}
    ]),
    _in_every_rule("code", lambda values: [
        {"coding": [{"system": "urn:x", "code": "1"}, *values[0].get("coding", [])]}
    ]),
    _in_every_rule("period", lambda _: {"start": "0999", "end": "2025"}),
    _in_every_rule("period", lambda _: {"extension": _EXTENSION}),
    _in_every_rule("dataPeriod", lambda _: {"end": "9999-12-31"}),
    _in_every_rule("data", _each(reference={"identifier": {"value": "1"}})),
    _in_every_rule("data", _each(meaning="instance", reference={
        "identifier": {"system": "urn:example:records|1", "value": "2"}
    })),
)  # fmt: skip
