"""Who is told to stop, and what answers them: the same on both databases."""

from datetime import timedelta

import pytest

from adapters.store.agreement import disagreements
from adapters.store.database import Database
from exchange.errors import InvalidRecord, MalformedMessage, UntrustedSender
from exchange.recall_list import all_recalls
from exchange.recalls import USUAL_DEADLINE
from exchange.subjects import SubjectVault
from exchange.trail.verify import TrailVerification
from schemas.trail_entry import read_entry
from tests.support.running import running_world
from tests.support.world import (
    ALA,
    AUDITOR,
    KG,
    KZ,
    NOON,
    OSS,
    SetClock,
    consent,
    consent_message,
    usual_cast,
    vaccination,
)

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)]
LATER = "2026-05-02T10:00:00Z"


class Scene:
    """An exchange whose trail and database are checked when a test is done."""

    def __init__(self, exchange, cast, clock):
        self.exchange, self.cast, self.clock = exchange, cast, clock

    async def submit(self, *messages, by=ALA):
        received = [
            self.cast.signed(by, body, message_id=message_id, at=self.clock.at)
            for message_id, body in messages
        ]
        return await self.exchange.processor.process(received)

    async def rows(self, name):
        return await self.exchange.store.delivery_rows(name, after=0, limit=1_000)

    async def kinds(self, name):
        """`(number, state)` of all that was let out to them."""
        return [(row.pending.number, row.released.state) for row in await self.rows(name)]

    async def notices(self, name):
        return [row.pending for row in await self.rows(name) if row.pending.recall]

    async def acknowledge(self, name, *delivery_ids):
        ids = delivery_ids or [
            row.pending.delivery_id for row in await self.rows(name) if not row.acknowledged
        ]
        signed = self.cast.acknowledgement(name, ids, at=self.clock.at)
        await self.exchange.acknowledgements.accept(signed)

    async def answer(self, name, answer, *notices, **options):
        signed = self.cast.cessation(name, notices, answer, at=self.clock.at, **options)
        return await self.exchange.recalls.accept(signed)

    async def listed(self, **options):
        listing = all_recalls(self.exchange.store, self.clock.at, **options)
        return {one.notice: one async for one in listing}

    async def told(self, name):
        """Causes of all their notices, waiting ones included."""
        return [one.cause for one in (await self.listed()).values() if one.subscriber == name]

    async def entries(self, *kinds):
        size, _ = await self.exchange.store.checkpoint()
        found = [read_entry(raw) for raw in await self.exchange.store.entries(0, size)]
        return [one for one in found if one.type in kinds]

    async def findings(self):
        store = self.exchange.store
        verification = TrailVerification(self.exchange.keys.note_signer.verifier)
        after = 0
        for size in await store.checkpoint_sizes(0, 10_000):
            verification.add_checkpoint((await store.checkpoint(size))[1])
            for entry in await store.entries(after, size - after):
                verification.add_entry(entry)
            after = size
        database = Database(self.exchange.settings.database_url, pool_size=1)
        try:
            said = await disagreements(database, SubjectVault(self.exchange.keys.master))
        finally:
            await database.close()
        return [*verification.result().findings, *said]


@pytest.fixture(params=DATABASES)
async def scene(request, tmp_path):
    where = {}
    if request.param == "postgresql":
        where["database"] = request.getfixturevalue("fresh_database")
    cast, clock = usual_cast(window=3), SetClock()
    async with running_world(tmp_path, cast, clock=clock, **where) as exchange:
        made = Scene(exchange, cast, clock)
        yield made
        assert await made.findings() == []


def withdrawn(**members):
    return consent_message(
        consent(status=members.pop("status", "inactive"), given=LATER, **members)
    )


async def test_a_withdrawal_recalls_exactly_what_was_received(scene):
    await scene.submit(vaccination(consent(recipients=[KZ])))
    await scene.submit(vaccination(consent(recipients=[KG], identifier="other"), documents=["N 2"]))
    await scene.submit(withdrawn())

    [delivered, notice] = await scene.rows(KZ)
    assert notice.released.state == "recalled"
    assert notice.pending.recall.delivery_id == delivered.pending.delivery_id
    assert notice.pending.recall.cause == "consent-withdrawn"
    assert notice.pending.recall.deadline == NOON + USUAL_DEADLINE
    assert await scene.notices(KG) == []
    [entry] = await scene.entries("recalled")
    [*_, withdrawal] = await scene.entries("accepted")
    assert entry.because == notice.pending.recall.because
    assert withdrawal.event == "consent-changed"


async def test_a_narrower_consent_recalls_from_those_it_no_longer_names(scene):
    await scene.submit(vaccination(consent()))
    await scene.submit(consent_message(consent(recipients=[KG], given=LATER)))

    assert await scene.kinds(KZ) == [(1, "released"), (2, "recalled")]
    assert await scene.kinds(KG) == [(1, "released")]


async def test_a_withdrawal_sent_twice_gives_one_notice(scene):
    await scene.submit(vaccination(consent()))
    again = withdrawn()
    for message in (again, again, withdrawn(), withdrawn(status="rejected")):
        await scene.submit(message)

    assert await scene.kinds(KZ) == [(1, "released"), (2, "recalled")]


async def test_what_waits_when_consent_is_withdrawn_is_withheld_and_numbers_have_no_gap(scene):
    await scene.submit(*(vaccination(consent()) for _ in range(4)))
    await scene.submit(withdrawn())
    assert await scene.kinds(KZ) == [(1, "released"), (2, "released"), (3, "released")]
    assert len([one for one in (await scene.listed()).values() if one.state == "waiting"]) == 6

    for _ in range(3):
        await scene.acknowledge(KZ)
        await scene.exchange.relay.release_waiting()

    assert await scene.kinds(KZ) == [
        *((number, "released") for number in (1, 2, 3)),
        (4, "withheld"),
        *((number, "recalled") for number in (5, 6, 7)),
    ]


async def test_entered_in_error_reaches_everybody_who_received_any_version(scene):
    version = {"record": "imm-1"}
    both, one = consent(identifier="both"), consent(identifier="both", recipients=[KG], given=LATER)
    await scene.submit(vaccination(both, made_at=NOON - timedelta(hours=3), **version))
    await scene.submit(vaccination(one, made_at=NOON - timedelta(hours=2), **version))
    await scene.submit(vaccination(made_at=NOON - timedelta(hours=2)))  # another record
    # KZ lost its basis before; it was told then, and is not told twice.
    await scene.submit(
        vaccination(made_at=NOON - timedelta(hours=1), event="immunization-withdrawn", **version)
    )

    assert await scene.told(KZ) == ["consent-withdrawn"]
    assert await scene.told(KG) == ["entered-in-error", "entered-in-error"]


async def test_a_record_in_error_is_recalled_though_nothing_permits_it_any_more(scene):
    ends = {"period": {"end": (NOON + timedelta(hours=1)).isoformat()}}
    record = {"record": "imm-1"}
    await scene.submit(vaccination(consent(**ends), made_at=NOON, **record))
    scene.clock.advance(hours=2)
    error = {"event": "immunization-withdrawn", "made_at": scene.clock.at, **record}
    [outcome] = await scene.submit(vaccination(**error))

    assert (outcome.decision.outcome, len(outcome.deliveries)) == ("accepted", 2)
    assert await scene.kinds(KZ) == [(1, "released"), (2, "recalled")]

    error["record"] = "imm-nobody-has"
    [outcome] = await scene.submit(vaccination(**error))
    assert outcome.decision.reason == "consent-refused"


async def test_a_withdrawal_under_another_document_of_the_same_traveller(scene):
    await scene.submit(vaccination(consent(), documents=["N 1"]))
    await scene.submit(vaccination(documents=["N 1", "N 2"]))
    await scene.submit(consent_message(consent(status="inactive", given=LATER), documents=["N 2"]))

    assert await scene.kinds(KZ) == [
        (1, "released"),
        (2, "released"),
        (3, "recalled"),
    ]
    assert len(await scene.listed()) == 4


async def test_documents_that_turn_out_to_be_one_traveller_count_together(scene):
    """What was denied under the one holds for what was let out under the other."""
    await scene.submit(vaccination(consent(), documents=["N 1"]))
    denied = consent(decision="deny", recipients=[KZ], given=LATER, identifier="objection")
    await scene.submit(consent_message(denied, documents=["N 2"]))
    assert await scene.notices(KZ) == []

    join = consent(identifier="third", recipients=[KG])
    await scene.submit(consent_message(join, documents=["N 1", "N 2"]))

    assert len(await scene.notices(KZ)) == 1
    assert await scene.notices(KG) == []


async def test_joining_travellers_recalls_nothing_that_is_still_permitted(scene):
    await scene.submit(vaccination(consent(identifier="a"), documents=["N 1"]))
    await scene.submit(vaccination(consent(identifier="b"), documents=["N 2"]))
    join = consent(identifier="c", status="inactive")
    await scene.submit(consent_message(join, documents=["N 1", "N 2"]))

    assert await scene.listed() == {}


async def test_a_withdrawal_in_the_batch_of_the_delivery(scene):
    message = vaccination(consent())
    await scene.submit(message, withdrawn())

    assert await scene.kinds(KZ) == [(1, "released"), (2, "recalled")]


async def test_a_withdrawal_beside_the_repetition_of_what_it_recalls(scene):
    message = vaccination(consent())
    await scene.submit(message)
    repeated, withdrawal = await scene.submit(message, withdrawn())

    assert repeated.repeated
    assert {one.state for one in withdrawal.deliveries} == {"recalled"}


async def test_a_withdrawal_by_a_document_that_its_own_batch_joins(scene):
    await scene.submit(vaccination(consent(), documents=["N 1"]))
    joins = vaccination(documents=["N 1", "N 2"])
    ends = consent_message(consent(status="inactive", given=LATER), documents=["N 2"])
    await scene.submit(joins, ends)

    assert await scene.told(KZ) == ["consent-withdrawn"] * 2


async def test_a_suspended_subscriber_is_told_when_it_may_receive_again(scene):
    await scene.submit(vaccination(consent()))
    await scene.exchange.admissions.suspend(KZ)
    await scene.submit(withdrawn())
    await scene.exchange.relay.release_waiting()
    [waiting] = [one for one in (await scene.listed()).values() if one.subscriber == KZ]
    assert (waiting.state, waiting.issued_at, waiting.is_overdue) == ("waiting", None, False)

    scene.clock.advance(hours=73)
    [waiting] = [one for one in (await scene.listed()).values() if one.subscriber == KZ]
    assert waiting.is_overdue

    await scene.exchange.admissions.admit(scene.cast.participants[KZ])
    await scene.exchange.relay.release_waiting()
    assert await scene.kinds(KZ) == [(1, "released"), (2, "recalled")]


async def test_an_answer_is_recorded_once_and_deleted_may_follow_ceased(scene):
    await scene.submit(vaccination(consent()))
    await scene.submit(withdrawn())
    [notice] = await scene.notices(KZ)

    answers = ["ceased", "ceased", "deleted", "deleted", "ceased"]
    counted = [await scene.answer(KZ, one, notice.delivery_id) for one in answers]

    assert counted == [1, 0, 1, 0, 0]
    said = [(one.answer, one.notices) for one in await scene.entries("recall-answered")]
    assert said == [("ceased", (notice.delivery_id,)), ("deleted", (notice.delivery_id,))]
    listed = (await scene.listed())[notice.delivery_id]
    assert (listed.state, listed.is_overdue) == ("deleted", False)
    [*_, last] = await scene.entries("recall-answered")
    body, _ = await scene.exchange.store.statement(last.statement)
    assert b'"deleted"' in body


async def test_one_statement_answers_many_and_counts_what_is_new(scene):
    await scene.submit(vaccination(consent()))
    await scene.submit(withdrawn())
    await scene.submit(vaccination(consent(identifier="new"), documents=["N 2"]))
    ended = consent(identifier="new", status="inactive", given=LATER)
    await scene.submit(consent_message(ended, documents=["N 2"]))
    await scene.acknowledge(KZ)
    await scene.exchange.relay.release_waiting()
    first, second = [one.delivery_id for one in await scene.notices(KZ)]

    assert await scene.answer(KZ, "deleted", first) == 1
    assert await scene.answer(KZ, "deleted", first, second, second) == 1
    assert await scene.answer(KZ, "ceased", first, second) == 0


async def test_only_ones_own_notices_can_be_answered(scene):
    await scene.submit(vaccination(consent()))
    await scene.submit(withdrawn())
    [delivery, notice] = [row.pending.delivery_id for row in await scene.rows(KZ)]

    for name, asked in ((KG, notice), (KZ, delivery), (KZ, "0" * 32)):
        with pytest.raises(InvalidRecord):
            await scene.answer(name, "deleted", asked)
    with pytest.raises(InvalidRecord):
        await scene.answer(KZ, "deleted", notice, "0" * 32)
    assert await scene.entries("recall-answered") == []


async def test_what_still_waits_cannot_be_answered(scene):
    await scene.submit(*(vaccination(consent()) for _ in range(3)))
    await scene.submit(withdrawn())
    waiting = [one.notice for one in (await scene.listed()).values() if one.subscriber == KZ]

    with pytest.raises(InvalidRecord):
        await scene.answer(KZ, "ceased", waiting[0])


async def test_an_answer_is_signed_as_what_it_is_by_whom_it_is_of(scene):
    await scene.submit(vaccination(consent()))
    await scene.submit(withdrawn())
    [notice] = [one.delivery_id for one in await scene.notices(KZ)]
    good = scene.cast.cessation(KZ, [notice], "deleted")
    accept = scene.exchange.recalls.accept

    as_acknowledgement = scene.cast.signed(
        KZ, good.body, message_id="m", content_type="application/vnd.bhx.acknowledgement+json"
    )
    for_another = scene.cast.signed(
        KG, good.body, message_id="m", content_type="application/vnd.bhx.cessation+json"
    )
    stale = scene.cast.cessation(KZ, [notice], "deleted", at=NOON - timedelta(days=31))
    by_auditor = scene.cast.cessation(AUDITOR, [notice], "deleted")
    for wrong in (as_acknowledgement, for_another, stale, by_auditor):
        with pytest.raises(UntrustedSender):
            await accept(wrong)
    other_word = scene.cast.signed(
        KZ,
        good.body.replace(b"deleted", b"ignored"),
        message_id="m",
        content_type="application/vnd.bhx.cessation+json",
    )
    with pytest.raises(MalformedMessage):
        await accept(other_word)
    assert await scene.entries("recall-answered") == []


async def test_the_list_and_the_overdue_ones(scene):
    await scene.submit(vaccination(consent()))
    await scene.submit(withdrawn())
    store, deadline = scene.exchange.store, NOON + USUAL_DEADLINE
    [of_kz], [of_kg] = await scene.notices(KZ), await scene.notices(KG)
    await scene.acknowledge(KG)

    listed = await scene.listed()
    assert listed.keys() == {of_kz.delivery_id, of_kg.delivery_id}
    assert (listed[of_kg.delivery_id].state, listed[of_kz.delivery_id].state) == (
        "acknowledged",
        "issued",
    )
    assert listed[of_kz.delivery_id].issued_at == NOON
    assert await store.overdue_recalls(deadline) == 0
    assert await scene.listed(only_overdue=True) == {}

    await scene.answer(KG, "ceased", of_kg.delivery_id)
    scene.clock.at = deadline + timedelta(milliseconds=1)
    assert await store.overdue_recalls(scene.clock.at) == 1
    [late] = (await scene.listed(only_overdue=True)).values()
    assert (late.subscriber, late.is_overdue) == (KZ, True)
    assert [one.is_overdue for one in (await scene.listed()).values() if one.subscriber == KG] == [
        False
    ]


async def test_notices_come_in_pages(scene):
    await scene.submit(*(vaccination(consent()) for _ in range(3)))
    await scene.submit(withdrawn())
    store, found = scene.exchange.store, []
    while page := await store.notices(after=found[-1] if found else "", limit=2):
        found += [one.row.pending.delivery_id for one in page]

    assert found == sorted(await scene.listed())
    assert len(found) == 6


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE deliveries SET answer = NULL, answered_entry = NULL", "is not marked so"),
        ("UPDATE deliveries SET answer = 'ceased' WHERE answer = 'deleted'", "is not marked so"),
        (
            "UPDATE deliveries SET answer = 'deleted', answered_entry = 0 WHERE recalls IS NOT NULL"
            " AND answer IS NULL",
            "no entry answers",
        ),
        ("UPDATE deliveries SET deadline = deadline + 3600000000", "recorded otherwise"),
        ("DELETE FROM acknowledgements", "signed answer of entry"),
    ],
)
async def test_what_is_changed_of_a_recall_is_told(tmp_path, change, told):
    from sqlalchemy import text

    cast, clock = usual_cast(), SetClock()
    async with running_world(tmp_path, cast, clock=clock) as exchange:
        scene = Scene(exchange, cast, clock)
        await scene.submit(vaccination(consent()))
        await scene.submit(withdrawn())
        [notice] = await scene.notices(KZ)
        await scene.answer(KZ, "deleted", notice.delivery_id)
        assert await scene.findings() == []
        database = Database(exchange.settings.database_url, pool_size=1)
        async with database.changing() as statements:
            await statements.change(text(change))
        await database.close()

        assert any(told in one for one in await scene.findings())


async def test_a_withdrawal_by_another_post_counts_too(scene):
    await scene.submit(vaccination(consent()))
    message_id, body = consent_message(consent(status="inactive", given=LATER), source=OSS)
    await scene.submit((message_id, body), by=OSS)

    assert len(await scene.listed()) == 2
