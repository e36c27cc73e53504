"""What must hold between the entries of a trail, a broken rule a test."""

from datetime import UTC, datetime

import pytest

from exchange.trail.delivery_rules import DeliveryRules
from schemas.trail_entry import entry, read_entry

DIGEST, OTHER, POLICY = ("A" * 43, "B" * 42 + "A", "C" * 42 + "A")
AT = datetime(2026, 6, 1, tzinfo=UTC)
LATER = "2026-06-01T01:00:00.000Z"


def accepted(content=DIGEST, **members):
    return "accepted", {
        "publisher": "poe:kz:ala", "message": "m", "event": "e", "content": content, "key": "k",
        **members,
    }  # fmt: skip


def released(number=1, delivery="d1", **members):
    usual = {
        "delivery": delivery, "subscriber": "registry:kz", "number": number, "purpose": "PUBHLTH",
        "view": "full", "basis": {"kind": "consent", "consent": DIGEST, "entry": 0},
        "content": DIGEST, "publisher": "poe:kz:ala", "message": "m", "accepted": 0,
    }  # fmt: skip
    return "released", {
        name: value for name, value in (usual | members).items() if value is not None
    }


def recalled(recalls="d1", number=2, delivery="n1", **members):
    return "recalled", {
        "delivery": delivery, "subscriber": "registry:kz", "number": number, "recalls": recalls,
        "cause": "consent-withdrawn", "deadline": LATER, **members,
    }  # fmt: skip


def answered(*notices, subscriber="registry:kz"):
    return "recall-answered", {
        "subscriber": subscriber, "notices": list(notices), "answer": "deleted",
        "statement": DIGEST,
    }  # fmt: skip


def adopted(document=POLICY):
    return "policy-adopted", {"jurisdiction": "KZ", "version": 1, "document": document}


def opened(grant="g1", participant="registry:kz", until=LATER):
    return "break-glass-opened", {
        "grant": grant, "participant": participant, "reason": "emergency", "until": until,
    }  # fmt: skip


BY_LAW = {"kind": "mandate", "policy": POLICY, "version": 1, "mandate": "ihr"}
BY_GLASS = {"kind": "break-glass", "grant": "g1"}
SEALED = {"kind": "sealed", "of": "consent"}


def findings(*entries):
    found = []
    rules = DeliveryRules(lambda index, sentence: found.append((index, sentence)))
    for index, (kind, members) in enumerate(entries):
        raw = entry(kind, time=AT, salt=bytes(16), **members)
        rules.add(index, read_entry(raw))
    return [sentence for _, sentence in found] + rules.gaps()


@pytest.mark.parametrize(
    "entries",
    [
        (accepted(), released()),
        (accepted(), released(), recalled(), answered("n1")),
        (accepted(), adopted(), released(basis=BY_LAW, view="minimum", content=OTHER)),
        (accepted(), opened(), released(basis=BY_GLASS)),
        (accepted(), released(accepted=None, origin=OTHER, basis=SEALED, view="pseudonymous")),
    ],
)
def test_what_holds_is_not_found_fault_with(entries):
    assert findings(*entries) == []


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ((accepted(), released(accepted=5)), "names no earlier accepted entry"),
        ((accepted(), released(message="x")), "the accepted entry of another message"),
        ((accepted(), released(content=OTHER)), "delivers other content"),
        ((accepted(), released(purpose="HPAYMT")), "no health purpose"),
        ((accepted(), released(basis=BY_LAW, view="minimum")), "a policy that no earlier entry"),
        ((accepted(), adopted(), released(basis=BY_LAW)), "a full record by a mandate"),
        ((accepted(), released(basis=BY_GLASS)), "a broken glass that was not open"),
        ((accepted(), opened(participant="x:y"), released(basis=BY_GLASS)), "was not open for it"),
        (
            (accepted(), opened(until="2026-05-31T00:00:00.000Z"), released(basis=BY_GLASS)),
            "was not open for it",
        ),
        (
            (accepted(), released(basis={"kind": "consent", "consent": OTHER, "entry": 0})),
            "another consent than its entry brought",
        ),
        (
            (accepted(), released(basis={"kind": "consent", "consent": DIGEST, "entry": 9})),
            "a consent that no earlier accepted entry brought",
        ),
        ((accepted(), released(), recalled("d9")), "what was not released to its subscriber"),
        (
            (accepted(), released(subscriber="registry:kg"), recalled(number=1)),
            "what was not released to its subscriber",
        ),
        (
            (accepted(), released(), recalled(), recalled(number=3, delivery="n2")),
            "recalls what was recalled before",
        ),
        ((accepted(), released(), recalled(because=7)), "no earlier accepted entry as its cause"),
        ((accepted(), released(), recalled(), answered("d1")), "a recall that did not go to"),
        (
            (accepted(), released(), recalled(), answered("n1", subscriber="registry:kg")),
            "a recall that did not go to its subscriber",
        ),
        (
            (accepted(), released(), recalled(), answered("n1"), answered("n1")),
            "was answered before",
        ),
        ((accepted(), released(), recalled(number=3)), "follows a gap"),
        ((accepted(), released(), recalled(number=1)), "repeats a number"),
    ],
)
def test_a_broken_rule_is_told(entries, told):
    assert any(told in sentence for sentence in findings(*entries)), findings(*entries)
