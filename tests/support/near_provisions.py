"""Provisions that come near to deciding one request, by one path or several."""

from random import Random
from typing import Any

from tests.support.provision_sets import actors, coding, label, provision

Json = dict[str, Any]

#: A root and what is nested in it; of two words the second is nested in the first.
WAYS = (
    ("permit",), ("permit", "permit"), ("permit", "permit", "permit"), ("permit", "deny"),
    ("permit", "deny permit"), ("permit", "permit", "deny"), ("permit", "permit deny"),
    ("deny", "permit"), ("deny", "permit", "permit"), ("deny", "permit deny"),
)  # fmt: skip


def willing_root(random: Random, request: Json) -> Json:
    """A root that matches more often than not, with a few exceptions that do too."""
    kind, *nested = random.choice(WAYS)
    found = near(random, request, kind)
    if nested:
        found["provision"] = [way(random, request, one) for one in nested]
    return found


def way(random: Random, request: Json, kinds: str) -> Json:
    """A rule of the first kind, with one of the next kind nested in it."""
    kind, _, further = kinds.partition(" ")
    found = near(random, request, kind)
    if further:
        found["provision"] = [way(random, request, further)]
    return found


def near(random: Random, request: Json, kind: str) -> Json:
    """A rule that matches more often than not, and names some of the record's labels."""
    found = {**provision(random, request, 0, 0.02), "type": kind}
    found.pop("securityLabel", None)
    named = request["labels"] + request["part_labels"]
    if named and random.random() < 0.6:
        some = random.sample(named, random.randint(1, len(named)))
        found["securityLabel"] = [label(code) for code in some]
    if random.random() < 0.4:
        found["actor"] = actors(random, request)
    if kind == "deny" and random.random() < 0.4:
        # Unsure, but for a record that has it.
        found |= random.choice(
            ({"code": [partly_comparable(request)]}, {"dataPeriod": {"start": "2026-05"}})
        )
    return found


def partly_comparable(request: Json) -> Json:
    """A concept of which only one coding is of a system that the record uses, if it has codes."""
    codings = [coding(system, "other") for system, _ in request["codes"][:1]]
    return {"coding": [*codings, coding("urn:x", "1")]}
