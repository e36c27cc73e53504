"""While consents change underneath, nothing leaves whose basis does not hold at that moment.

A random workload of records and consents over one exchange: withdrawals, narrower and wider
consents, dissents, new documents of one traveller, full windows, late relays. Afterwards every
delivery in the subscribers' inboxes is asked for its basis again, by code that shares nothing with
the exchange: the naive reading of consents, over what the trail says was accepted before it.
"""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from schemas.participant import Subscription
from tests.support import naive_consent
from tests.support.running import running_world
from tests.support.world import ALA, KG, KZ, Cast, SetClock, consent, consent_message, vaccination

MESSAGES = int(os.environ.get("BHX_LEAK_MESSAGES", "2000" if os.environ.get("CI") else "400"))
LAB = "lab:kz"
REGISTRIES = (KZ, KG, LAB)
COUNTRY = {KZ: "KZ", KG: "KG", LAB: "KZ"}
CVX = "http://hl7.org/fhir/sid/cvx"
PURPOSES = ("PUBHLTH", "TREAT", "THREAT", "COC")


def cast_of_three():
    cast = Cast()
    cast.add(ALA, "publisher")
    wanted = (
        Subscription(id="health", purpose="PUBHLTH"),
        Subscription(id="care", purpose="TREAT"),
    )
    for name in REGISTRIES:
        cast.add(
            name,
            "subscriber",
            jurisdiction=COUNTRY[name],
            purposes=("PUBHLTH", "TREAT"),
            subscriptions=wanted,
            window=4,
        )
    return cast


class Workload:
    """Sends, remembers what it sent, and never asks the exchange what it thinks."""

    def __init__(self, exchange, cast, clock, random):
        self.exchange, self.cast, self.clock, self.random = exchange, cast, clock, random
        #: message id → (traveller, the consents that it brought, whether it is a record).
        self.sent = {}
        self.inboxes = {name: {} for name in REGISTRIES}

    async def step(self):
        roll = self.random.random()
        self.clock.advance(seconds=self.random.choice((0.05, 1, 60, 3_600)))
        traveller = self.random.randrange(12)
        if roll < 0.55:
            consents = [self.consent(traveller) for _ in range(self.random.choice((0, 0, 1, 2)))]
            message = vaccination(*consents, documents=self.documents(traveller))
            await self.send(traveller, message, consents)
        elif roll < 0.85:
            given = self.consent(traveller)
            message = consent_message(given, documents=self.documents(traveller))
            await self.send(traveller, message, [given])
        elif roll < 0.95:
            await self.acknowledge()
        else:
            await self.exchange.relay.release_waiting()

    def documents(self, traveller):
        return (f"P{traveller}",)

    def consent(self, traveller):
        random = self.random
        at = self.clock.now() - timedelta(seconds=random.choice((0, 30, 90_000)))
        period = random.choice((None, None, {"end": "2026-06-20"}, {"start": "2026-06-03"}))
        return consent(
            recipients=random.sample(REGISTRIES, random.randrange(4)),
            decision=random.choice(("permit", "permit", "permit", "deny")),
            status=random.choice(("active",) * 6 + ("inactive", "rejected", "entered-in-error")),
            given=at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            identifier=f"{traveller}-{random.randrange(3)}",
            period=period,
            purposes=random.sample(PURPOSES, random.randrange(3)),
        )

    async def send(self, traveller, message, consents):
        message_id, body = message
        received = self.cast.signed(ALA, body, message_id=message_id, at=self.clock.now())
        self.sent[message_id] = (traveller, consents, len(json.loads(body)["entry"]))
        await self.exchange.processor.process([received])

    async def finish(self):
        """Until nothing waits any more, notices of recall included."""
        moved = 1
        while moved:
            for name in REGISTRIES:
                await self.acknowledge(name)
            self.clock.advance(seconds=5)
            moved = await self.exchange.relay.release_waiting()

    async def acknowledge(self, name=None):
        name = name or self.random.choice(REGISTRIES)
        await self.fetch(name)
        open_ones = [one for one, (_, done) in self.inboxes[name].items() if not done]
        if open_ones:
            statement = self.cast.acknowledgement(name, open_ones, at=self.clock.now())
            await self.exchange.acknowledgements.accept(statement)
            for one in open_ones:
                self.inboxes[name][one] = (self.inboxes[name][one][0], True)

    async def fetch(self, name):
        rows = await self.exchange.store.delivery_rows(
            name, after=len(self.inboxes[name]), limit=100_000
        )
        for delivery in await self.exchange.proofs.deliveries_of(rows):
            self.inboxes[name][delivery.delivery] = (delivery, False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_no_delivery_exists_whose_basis_did_not_hold(tmp_path, seed):
    random, clock, cast = Random(seed), SetClock(), cast_of_three()
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        work = Workload(exchange, cast, clock, random)
        for _ in range(MESSAGES // 2):
            await work.step()
        await work.finish()
        size, _ = await exchange.store.checkpoint()
        entries = [json.loads(one) for one in await exchange.store.entries(0, size)]

    seen = Counter()
    for name, inbox in work.inboxes.items():
        for delivery, _ in inbox.values():
            seen[delivery.state] += 1
            if delivery.state == "released":
                assert_basis_held(work, entries, delivery, name)
    print(f"\nseed {seed}: {dict(seen)}, {Counter(one['type'] for one in entries)}")
    assert min(seen["released"], seen["withheld"], seen["recalled"]) > MESSAGES // 200
    assert_recalled_exactly(work, entries)


def assert_basis_held(work, entries, delivery, name):
    """Ask the naive reading, with what the trail says was accepted before this entry."""
    index = next(
        n
        for n, one in enumerate(entries)
        if one["type"] == "released" and one["delivery"] == delivery.delivery
    )
    assert json.loads(delivery.entry) == entries[index]
    decision = decided_at(work, entries, index, name, entries[index])
    assert decision["decision"] == "permit", f"{entries[index]} left without a basis: {decision}"


def decided_at(work, entries, index, name, released, *, time=None):
    traveller, _, _ = work.sent[released["message"]]
    consents = [
        given
        for one in entries[:index]
        if one["type"] == "accepted" and work.sent[one["message"]][0] == traveller
        for given in work.sent[one["message"]][1]
    ]
    start = datetime(2026, 5, 20, tzinfo=UTC) - timedelta(hours=14)
    end = datetime(2026, 5, 21, 12, tzinfo=UTC) - timedelta(microseconds=1)
    request = {
        "recipient": name,
        "recipient_jurisdiction": COUNTRY[name],
        "purpose": released["purpose"],
        "collected_in": "KZ",
        "author": ALA,
        "record_class": "Immunization",
        "record": f"urn:bhx:test|imm-{released['message']}",
        "codes": [[CVX, "37"]],
        "diseases": ["yellow-fever"],
        "date": [start.isoformat(), end.isoformat()],
        "confidentiality": "N",
        "labels": [],
        "part_labels": [],
        "origins": [],
        "is_minor": False,
    }
    at = datetime.fromisoformat(time or released["time"])
    return naive_consent.decide(consents, [], request, at)


def assert_recalled_exactly(work, entries):
    """A notice went to those, and only those, whose basis a message took away after release."""
    recalled = {one["recalls"]: n for n, one in enumerate(entries) if one["type"] == "recalled"}
    for index, one in enumerate(entries):
        if one["type"] != "released":
            continue
        notice = recalled.get(one["delivery"])
        fell = first_fall(work, entries, index, one)
        if notice is None:
            assert fell is None, f"{one} lost its basis at entry {fell} and was not recalled"
        else:
            assert fell is not None
            assert fell == entries[notice].get("because"), "recalled for another message's sake"


def first_fall(work, entries, index, released):
    """The first consent about this traveller, accepted later, that takes the basis away.

    One that was over by then, as a period ends, is taken away by nobody.
    """
    traveller, _, _ = work.sent[released["message"]]
    name = released["subscriber"]
    for later in range(index + 1, len(entries)):
        one = entries[later]
        if one["type"] != "accepted" or work.sent[one["message"]][0] != traveller:
            continue
        if not work.sent[one["message"]][1]:
            continue
        before, after = (
            decided_at(work, entries, end, name, released, time=one["time"])["decision"]
            for end in (later, later + 1)
        )
        if (before == "permit") and after != "permit":
            return later
    return None
