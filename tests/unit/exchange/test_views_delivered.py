"""Deliveries in a view: what law lets through, what an auditor can decide again, what is hidden."""

import hashlib
import hmac
import json
import re
from datetime import datetime

import pytest
from sqlalchemy import text

from adapters.clients.local_transport import LocalTransport
from adapters.clients.publisher_keys import DirectoryKeys
from adapters.clients.subscriber_memory import SqliteMemory
from adapters.clients.verified_delivery import DeliveryVerifier
from adapters.store.agreement import disagreements
from adapters.store.database import Database
from exchange.consent.asking import entitlements_of
from exchange.consent.decision import decide
from exchange.consent.request import DisclosureRequest
from exchange.consent.resources import consents_from
from exchange.errors import ConsentRefused
from exchange.model import Recipient
from exchange.subjects import SubjectVault
from exchange.trail.proof import verify_proof
from schemas.participant import Subscription
from schemas.record_in_message import traits_in
from schemas.record_traits import RecordTraits
from schemas.trail_entry import read_entry
from schemas.wire_json import encode_bytes
from tests.support.consents import a_mandate, a_policy
from tests.support.running import running_world
from tests.support.world import (
    ALA,
    KG,
    KZ,
    NOON,
    Cast,
    SetClock,
    consent,
    consent_message,
    vaccination,
)
from tests.unit.exchange.test_processor import submit, trail_findings

PSEUDONYMOUS = a_policy(mandates=[a_mandate(view="pseudonymous")])
MINIMUM = a_policy(mandates=[a_mandate(view="minimum")])


@pytest.fixture
def clock():
    return SetClock()


def two_registries_of_one_country(window=1_000):
    """Both in the country of collection: law reaches no country of origin."""
    cast = Cast()
    cast.add(ALA, "publisher")
    wanted = (Subscription(id="all", purpose="PUBHLTH"),)
    cast.add(KZ, "subscriber", subscriptions=wanted, window=window)
    cast.add("lab:kz", "subscriber", jurisdiction="KZ", subscriptions=wanted, window=window)
    return cast


async def proven(exchange, delivery, memory):
    """The delivery as the subscriber's client verifies it, by the pinned key."""
    transport = LocalTransport(exchange, delivery.subscriber)
    verifier = DeliveryVerifier(
        delivery.subscriber,
        log_verifier=exchange.keys.note_signer.verifier,
        trail=transport,
        publisher_keys=DirectoryKeys(transport),
        memory=memory,
    )
    return await verifier.verify(delivery)


async def test_by_a_mandate_goes_a_minimised_view_signed_by_the_exchange(tmp_path, clock):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock, policies=(MINIMUM,)) as exchange:
        outcome = await submit(exchange, cast, vaccination())

        assert outcome.decision.outcome == "accepted"
        for delivery in outcome.deliveries:
            with SqliteMemory.open(tmp_path / delivery.subscriber.replace(":", "-")) as memory:
                found = await proven(exchange, delivery, memory)
            assert (found.entry.view, found.entry.basis.kind) == ("minimum", "mandate")
            assert found.entry.basis.mandate == "ihr"
            assert found.entry.publisher == exchange.settings.exchange
            kinds = {one["resource"]["resourceType"] for one in json.loads(found.body)["entry"]}
            assert "Consent" not in kinds
            assert {"Immunization", "Provenance"} <= kinds
        report = await trail_findings(exchange)
        assert report.findings == ()
        assert report.entries_by_type["policy-adopted"] == 1


async def test_without_the_policy_nothing_goes(tmp_path, clock):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        outcome = await submit(exchange, cast, vaccination())

    assert (outcome.decision.outcome, outcome.decision.reason) == ("refused", "consent-refused")


async def test_two_recipients_of_pseudonyms_find_nothing_in_common(tmp_path, clock):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock, policies=(PSEUDONYMOUS,)) as exchange:
        outcome = await submit(exchange, cast, vaccination())
        ours, theirs = outcome.deliveries
        for delivery in (ours, theirs):
            with SqliteMemory.open(tmp_path / delivery.subscriber.replace(":", "-")) as memory:
                assert (await proven(exchange, delivery, memory)).entry.view == "pseudonymous"

        shared = telling(ours) & telling(theirs)
        exchange_id = exchange.settings.exchange
        assert shared <= {exchange_id, f"urn:bhx:participant:{exchange_id}"}
        assert outcome.deliveries[0].message != outcome.deliveries[1].message


def telling(delivery):
    """Everything long enough to be somebody's or something's name, in whatever a recipient holds.

    The time of the exchange's clock and the size of its tree, which thousands share, aside.
    """
    entry = json.loads(delivery.entry)
    del entry["time"]
    texts = [json.dumps(entry), delivery.body.decode(), delivery.message, delivery.publisher]
    words = {word for text in texts for word in re.findall(r'"((?:[^"\\]|\\.){8,})"', text)}
    # What every message of the kind says: codes, systems, names of elements, the day, the country.
    return {word for word in words if not is_of_the_kind(word)}


def is_of_the_kind(word):
    plain = r"[A-Za-z]+(-[a-z]+)*|\d{4}(-\d{2}){2}(T[0:.]+(Z|\+00:00))?|[A-Z]{2,}"
    named = r"(https?://|urn:(oid|uuid|iso):?|urn:bhx:[a-z-]+(:record|:traveller)?$)"
    return bool(re.match(named, word) or re.fullmatch(plain, word))


async def test_a_verdict_says_whether_the_entry_condition_is_met_and_holds_no_record(
    tmp_path, clock
):
    rule = {
        "id": "kz:entry:yf", "version": "1", "disease": "yellow-fever", "kind": "immunization",
        "minimum_age_days": 10,
    }  # fmt: skip
    policy = a_policy(mandates=[a_mandate(view="verdict")], requirements=[rule])
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock, policies=(policy,)) as exchange:
        outcome = await submit(exchange, cast, vaccination())
        with SqliteMemory.open(tmp_path / "verdict") as memory:
            found = await proven(exchange, outcome.deliveries[0], memory)

    kinds = [one["resource"]["resourceType"] for one in json.loads(found.body)["entry"]]
    assert found.entry.view == "verdict"
    assert not {"Immunization", "Patient", "Organization"} & set(kinds)
    # Given on 20 May, dose not said, decided on 1 June.
    assert b"kz:entry:yf" in found.body
    assert any(word in found.body for word in (b"dose-not-stated", b'"met"'))


async def test_what_was_hidden_is_committed_to_and_can_be_shown_to_an_auditor(tmp_path, clock):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock, policies=(PSEUDONYMOUS,)) as exchange:
        message = vaccination()
        outcome = await submit(exchange, cast, message)
        delivery = outcome.deliveries[0]
        entry = read_entry(delivery.entry)
        stored = await exchange.store.sealed_views([delivery.delivery])

    origin = {
        "accepted": outcome.decision.entry_index,
        "basis": {
            "kind": "mandate",
            "mandate": "ihr",
            "policy": PSEUDONYMOUS.digest,
            "version": 1,
        },
        "message": message[0],
        "publisher": ALA,
    }
    salt = stored[delivery.delivery][1].origin_salt
    text = json.dumps(origin, sort_keys=True, separators=(",", ":")).encode()
    assert entry.origin == encode_bytes(hmac.new(salt, text, hashlib.sha256).digest())
    assert (entry.accepted, entry.basis.kind, entry.basis.of) == (None, "sealed", "mandate")


async def test_an_auditor_decides_again_and_gets_the_digest_that_the_entry_commits_to(
    tmp_path, clock
):
    cast = two_registries_of_one_country()
    given = consent(recipients=[KZ, "lab:kz"])
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        _, body = message = vaccination(given)
        outcome = await submit(exchange, cast, message)

    for delivery in outcome.deliveries:
        verify_proof(delivery.proof, delivery.entry, exchange.keys.note_signer.verifier)
        entry = read_entry(delivery.entry)
        bundle = json.loads(body)
        at = datetime.fromisoformat(entry.time)
        again = decide(
            consents_from([bundle["entry"][-1]["resource"]]),
            (),
            DisclosureRequest(
                recipient=delivery.subscriber,
                recipient_jurisdiction="KZ",
                purpose=entry.purpose,
                traits=traits_in(bundle, collected_in="KZ", at=at),
            ),
            at,
        )
        assert again.decision == "permit"
        committed = hmac.new(delivery.content_salt, again.inputs_digest.encode(), hashlib.sha256)
        assert entry.inputs == encode_bytes(committed.digest())


async def test_a_view_that_waited_is_made_when_there_is_room(tmp_path, clock):
    cast = two_registries_of_one_country(window=1)
    async with running_world(tmp_path, cast, clock=clock, policies=(MINIMUM,)) as exchange:
        first = await submit(exchange, cast, vaccination())
        second = await submit(exchange, cast, vaccination())
        assert (len(first.deliveries), len(second.deliveries)) == (2, 0)

        await exchange.acknowledgements.accept(
            cast.acknowledgement(KZ, [first.deliveries[1].delivery], at=clock.now())
        )
        assert await exchange.relay.release_waiting() == 1
        rows = await exchange.store.delivery_rows(KZ, after=1, limit=9)
        (delivery,) = await exchange.proofs.deliveries_of(rows)

        with SqliteMemory.open(tmp_path / "kz") as memory:
            found = await proven(exchange, delivery, memory)
        assert (found.entry.view, found.number) == ("minimum", 2)
        assert (await trail_findings(exchange)).findings == ()


async def test_a_withdrawal_recalls_from_exactly_those_who_lost_their_basis(tmp_path, clock):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        await submit(exchange, cast, vaccination(consent(recipients=[KZ, "lab:kz"])))
        clock.advance(hours=1)
        narrower = consent(recipients=[KZ], given="2026-05-02T10:00:00Z")
        outcome = await submit(exchange, cast, consent_message(narrower))

        (notice,) = outcome.deliveries
        with SqliteMemory.open(tmp_path / "lab") as memory:
            found = await proven(exchange, notice, memory)
        assert (notice.subscriber, notice.state, notice.body) == ("lab:kz", "recalled", None)
        assert found.entry.cause == "consent-withdrawn"
        (before,) = await exchange.store.delivery_rows("lab:kz", after=0, limit=1)
        assert found.entry.recalls == before.pending.delivery_id
        assert (await trail_findings(exchange)).findings == ()

        again = await submit(
            exchange,
            cast,
            consent_message(consent(recipients=[KZ], given="2026-05-03T10:00:00Z")),
        )
        assert again.deliveries == ()


async def test_entered_in_error_recalls_every_version_from_everybody(tmp_path, clock):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        permit = consent(recipients=[KZ, "lab:kz"])
        at = clock.now()
        await submit(exchange, cast, vaccination(permit, record="r", made_at=at))
        await submit(exchange, cast, vaccination(record="other", made_at=at))
        clock.advance(hours=1)
        withdrawn = vaccination(record="r", made_at=clock.now(), event="immunization-withdrawn")
        outcome = await submit(exchange, cast, withdrawn)

        causes = sorted(
            (one.subscriber, read_entry(one.entry).cause)
            for one in outcome.deliveries
            if one.state == "recalled"
        )
        assert causes == [("lab:kz", "entered-in-error"), (KZ, "entered-in-error")]
        assert (await trail_findings(exchange)).findings == ()


def test_nobody_is_entitled_to_what_only_another_country_s_law_lets_move():
    """So that these tests do not rest on a mandate that permits whatever it is asked."""
    foreign = a_policy(jurisdiction="KG", mandates=[a_mandate()])
    traits = RecordTraits(author=ALA, collected_in="KZ", record_class="Immunization")
    with pytest.raises(ConsentRefused):
        entitlements_of([Recipient(KG, ("PUBHLTH",), "KG")], traits, [], NOON, [foreign])


@pytest.mark.parametrize(
    ("before", "now"), [((), ()), (("N 1",), ("N 2",))], ids=["no document", "wrong document"]
)
@pytest.mark.parametrize("permits", [True, False])
async def test_entered_in_error_recalls_whomever_the_record_was_about(
    tmp_path, clock, before, now, permits
):
    """A traveller without documents is new in each message; a wrong document may be the error."""
    cast = two_registries_of_one_country()
    permit = consent(recipients=[KZ, "lab:kz"])
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        first = vaccination(permit, record="r", made_at=clock.now(), documents=before)
        assert len((await submit(exchange, cast, first)).deliveries) == 2
        clock.advance(hours=1)
        withdrawn = vaccination(
            *([permit] if permits else []),
            record="r",
            made_at=clock.now(),
            documents=now,
            event="immunization-withdrawn",
        )
        outcome = await submit(exchange, cast, withdrawn, at=clock.now())

        told = [one.subscriber for one in outcome.deliveries if one.state == "recalled"]
        assert sorted(told) == ["lab:kz", KZ]
        assert (await trail_findings(exchange)).findings == ()


async def test_a_record_in_error_that_waited_is_withheld(tmp_path, clock):
    """Nobody would be told to stop using what goes out after the withdrawal."""
    cast = two_registries_of_one_country(window=1)
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        await submit(exchange, cast, vaccination(consent(recipients=[KZ])))
        waited = vaccination(record="r", made_at=clock.now())
        await submit(exchange, cast, waited)
        clock.advance(hours=1)
        withdrawn = vaccination(record="r", made_at=clock.now(), event="immunization-withdrawn")
        await submit(exchange, cast, withdrawn, at=clock.now())
        for number in (1, 2, 3):
            (row,) = await exchange.store.delivery_rows(KZ, after=number - 1, limit=1)
            await exchange.acknowledgements.accept(
                cast.acknowledgement(KZ, [row.pending.delivery_id], at=clock.now())
            )
            await exchange.relay.release_waiting()

        rows = await exchange.store.delivery_rows(KZ, after=0, limit=9)
        fetched = await exchange.proofs.deliveries_of(rows)
        states = [(one.number, one.state) for one in fetched]
        assert states == [(1, "released"), (2, "withheld"), (3, "released")]
        assert read_entry(fetched[1].entry).reason == "entered-in-error"
        assert (fetched[2].message, fetched[1].body) == (withdrawn[0], None)
        assert (await trail_findings(exchange)).findings == ()


@pytest.mark.parametrize("day", ["2026-06-01", "2026-06"])
async def test_a_withdrawal_of_a_day_stops_the_permit_of_that_morning(tmp_path, clock, day):
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        morning = consent(recipients=[KZ], given="2026-06-01T08:00:00Z")
        await submit(exchange, cast, vaccination(morning))
        withdrawal = consent(recipients=[KZ], status="inactive", given=day)
        told = await submit(exchange, cast, consent_message(withdrawal))
        later = await submit(exchange, cast, vaccination())

        assert [one.state for one in told.deliveries] == ["recalled"]
        assert later.decision.reason == "consent-refused"


async def test_a_withdrawal_reaches_who_received_before_a_policy_forbade_it(tmp_path, clock):
    cast = two_registries_of_one_country()
    both = [KZ, "lab:kz"]
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        await submit(exchange, cast, vaccination(consent(recipients=both)))
    forbids = a_policy(forbids=[{"recipients": [KZ]}])
    async with running_world(tmp_path, cast, clock=clock, policies=(forbids,)) as exchange:
        narrower = consent(recipients=[KZ], given="2026-05-02T10:00:00Z")
        first = await submit(exchange, cast, consent_message(narrower))
        withdrawn = consent(recipients=[], status="inactive", given="2026-05-03T10:00:00Z")
        second = await submit(exchange, cast, consent_message(withdrawn))

        assert [one.subscriber for one in first.deliveries] == ["lab:kz"]
        assert [(one.subscriber, one.state) for one in second.deliveries] == [(KZ, "recalled")]


@pytest.mark.parametrize("view", ["minimum", "pseudonymous"])
@pytest.mark.parametrize(
    "change",
    [
        "basis_name = 'another'",
        "basis_kind = 'consent', basis_name = NULL",
        "basis_kind = 'whim'",
        "basis_entry = basis_entry + 1",
    ],
)
async def test_a_database_that_tells_another_basis_than_the_trail_is_found_out(
    tmp_path, clock, view, change
):
    policy = a_policy(mandates=[a_mandate(view=view)])
    cast = two_registries_of_one_country()
    async with running_world(tmp_path, cast, clock=clock, policies=(policy,)) as exchange:
        await submit(exchange, cast, vaccination())
        database = Database(exchange.settings.database_url, pool_size=1)
        vault = SubjectVault(exchange.keys.master)
        before = await disagreements(database, vault)
        async with database.changing() as statements:
            sql = f"UPDATE deliveries SET {change} WHERE subscriber = '{KZ}'"  # noqa: S608 - ours
            await statements.change(text(sql))
        after = await disagreements(database, vault)
        await database.close()

        assert (len(before), len(after)) == (0, 1)
