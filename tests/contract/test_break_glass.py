"""Who may break the glass, what it shows, until when, and what is left behind: both databases."""

import os
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from adapters.bootstrap import open_exchange
from adapters.settings import read_settings
from adapters.store.database import Database
from exchange.commitment import commitment_to
from exchange.errors import (
    BreakGlassRefused,
    ConfigurationError,
    ConflictingMessage,
    MalformedMessage,
    UntrustedSender,
)
from exchange.subscriber_statements import statement_digest
from schemas.break_glass import (
    BreakGlassApproval,
    BreakGlassOpening,
    BreakGlassRequest,
    TravelDocument,
    documents_bytes,
)
from schemas.envelope import BREAK_GLASS_APPROVAL, BREAK_GLASS_REQUEST
from tests.contract.test_recalls import DATABASES, Scene
from tests.support.consents import a_policy
from tests.support.running import running_world
from tests.support.world import ALA, AUDITOR, KG, KZ, NOON, OSS, SetClock, consent, vaccination
from tests.support.world import usual_cast as cast_of

HOSPITAL, MINISTRY = "hospital:kz:ala", "ministry:kz"
SYSTEM = "urn:bhx:test:passport"


def policy(**members):
    rule = {"participants": [HOSPITAL, KZ], "max_hours": 8, "second_approver": False, **members}
    return a_policy(break_glass=rule)


class Ward(Scene):
    """A hospital that nobody's consent names, and those around it."""

    def request(self, name=HOSPITAL, *, documents=("N 1234567",), salt=None, **changed):
        salt = salt or os.urandom(32)
        papers = tuple(TravelDocument(system=SYSTEM, value=one) for one in documents)
        request = BreakGlassRequest(
            **{
                "grant": os.urandom(16).hex(),
                "participant": name,
                "subject": commitment_to(documents_bytes(papers), salt),
                "reason": "unconscious-traveller",
                "hours": 4,
                "at": self.clock.at,
                **changed,
            }
        )
        signed = self.cast.signed(
            name,
            request.to_bytes(),
            message_id=request.grant,
            at=self.clock.at,
            content_type=BREAK_GLASS_REQUEST,
        )
        return BreakGlassOpening(
            request=signed.body,
            request_signature=signed.signature,
            documents=papers,
            salt=salt,
        )

    def approved(self, opening, by=MINISTRY, **changed):
        request = BreakGlassRequest.from_bytes(opening.request)
        approval = BreakGlassApproval(
            **{
                "grant": request.grant,
                "approver": by,
                "request": statement_digest(opening.request, opening.request_signature),
                "at": self.clock.at,
                **changed,
            }
        )
        signed = self.cast.signed(
            by,
            approval.to_bytes(),
            message_id=request.grant,
            at=self.clock.at,
            content_type=BREAK_GLASS_APPROVAL,
        )
        return opening.model_copy(
            update={"approval": signed.body, "approval_signature": signed.signature}
        )

    async def open(self, opening=None, by=HOSPITAL, **asked):
        opening = opening or self.request(by, **asked)
        return await self.exchange.break_glass.open(opening, authenticated_as=by)

    async def refused(self, sentence, opening=None, **asked):
        with pytest.raises(BreakGlassRefused) as refusal:
            await self.open(opening, **asked)
        assert [one.sentence for one in refusal.value.problems] == [sentence]

    async def change(self, sql):
        database = Database(self.exchange.settings.database_url, pool_size=1)
        async with database.changing() as statements:
            await statements.change(text(sql))
        await database.close()

    async def received(self, name=HOSPITAL):
        rows = await self.rows(name)
        return await self.exchange.proofs.deliveries_of(rows)


def the_cast(**members):
    cast = cast_of(**members)
    for name in (HOSPITAL, MINISTRY):
        cast.add(name, "subscriber", jurisdiction="KZ", purposes=("TREAT", "BTG"), **members)
    cast.add("operator:kz", "operator", jurisdiction="KZ")
    return cast


@asynccontextmanager
async def a_ward(folder, policies, where=None, **members):
    """A ward whose trail and database are checked at the end."""
    cast, clock = the_cast(**members), SetClock()
    async with running_world(folder, cast, clock=clock, **(where or {})):
        pass
    settings = read_settings(data=folder, **(where or {}))
    async with open_exchange(settings, clock=clock, policies=policies) as exchange:
        made = Ward(exchange, cast, clock)
        yield made
        assert await made.findings() == []


@pytest.fixture(params=DATABASES)
async def ward(request, tmp_path):
    where = {}
    if request.param == "postgresql":
        where["database"] = request.getfixturevalue("fresh_database")
    async with a_ward(tmp_path, (policy(),), where) as made:
        yield made


@pytest.fixture
async def strict_ward(tmp_path):
    """Where a second approver must agree."""
    async with a_ward(tmp_path, (policy(second_approver=True),)) as made:
        yield made


async def test_the_records_are_released_in_full_under_the_grant(ward):
    _, first = message = vaccination(consent(recipients=[KZ]))
    await ward.submit(message)
    await ward.submit(vaccination(consent(recipients=[KZ]), documents=["SOMEBODY ELSE"]))

    opened = await ward.open()

    assert (opened.released, opened.waiting) == (1, 0)
    assert opened.grant.until == NOON + timedelta(hours=4)
    [delivery] = await ward.received()
    assert delivery.body == first
    [entry] = [one for one in await ward.entries("released") if one.subscriber == HOSPITAL]
    assert (entry.purpose, entry.view) == ("BTG", "full")
    assert (entry.basis.kind, entry.basis.grant) == ("break-glass", opened.grant.grant_id)
    [said] = await ward.entries("break-glass-opened")
    assert (said.participant, said.reason) == (HOSPITAL, "unconscious-traveller")
    assert (said.until, said.approver) == ("2026-06-01T16:00:00.000Z", None)
    assert await ward.exchange.store.unsent(released_before=NOON.replace(year=2100), limit=9)


async def test_what_was_signed_is_kept_and_holds_nothing_of_the_traveller(ward):
    await ward.submit(vaccination(consent(recipients=[KZ])))
    opening = ward.request()
    await ward.open(opening)

    [said] = await ward.entries("break-glass-opened")
    body, signature = await ward.exchange.store.statement(said.statement)
    assert (body, signature) == (opening.request, opening.request_signature)
    size, _ = await ward.exchange.store.checkpoint()
    for raw in [body, *await ward.exchange.store.entries(0, size)]:
        assert b"1234567" not in raw


async def test_only_the_newest_version_that_stands_is_shown(ward):
    early, late = NOON - timedelta(hours=2), NOON - timedelta(hours=1)
    given = consent(recipients=[KZ])
    await ward.submit(vaccination(given, record="imm-1", made_at=early))
    newer = vaccination(record="imm-1", made_at=late, event="immunization-corrected", cvx="183")
    await ward.submit(newer)
    await ward.submit(vaccination(record="imm-2", made_at=early))
    error = vaccination(record="imm-2", made_at=late, event="immunization-withdrawn")
    await ward.submit(error)

    await ward.open()

    assert [one.body for one in await ward.received()] == [newer[1]]


async def test_documents_that_are_one_traveller_lead_to_all_records(ward):
    await ward.submit(vaccination(consent(recipients=[KZ]), documents=["N 1"]))
    await ward.submit(vaccination(consent(recipients=[KZ]), documents=["N 2"]))
    await ward.submit(vaccination(consent(recipients=[KZ]), documents=["N 1", "N 2"]))

    opened = await ward.open(documents=["N 2"])

    assert opened.released == 3


async def test_only_places_whose_policy_names_the_participant_are_open(ward):
    """The post in Kyrgyzstan has no policy here, and no origin stands in this one's way."""
    of_no_country = ward.cast.participants[HOSPITAL].model_copy(update={"jurisdiction": "*"})
    await ward.exchange.admissions.admit(of_no_country)
    await ward.submit(vaccination(consent(recipients=[KZ])))
    await ward.submit(vaccination(source=OSS), by=OSS)

    opened = await ward.open()

    assert opened.released == 1
    assert {one.publisher for one in await ward.received()} == {ALA}


async def test_the_same_request_again_gives_the_same_grant_and_nothing_more(ward):
    await ward.submit(vaccination(consent(recipients=[KZ])))
    opening = ward.request()
    first, again = [await ward.open(opening) for _ in range(2)]

    assert again.grant == first.grant
    assert (again.released, len(await ward.received())) == (0, 1)
    assert len(await ward.entries("break-glass-opened")) == 1
    ward.clock.advance(minutes=1)
    other = ward.request(grant=first.grant.grant_id, reason="outbreak-exposure")
    with pytest.raises(ConflictingMessage):
        await ward.open(other)


async def test_what_does_not_fit_the_window_goes_only_while_the_glass_is_open(tmp_path):
    async with a_ward(tmp_path, (policy(),), window=1) as ward:
        for number in range(3):
            await ward.submit(vaccination(consent(recipients=[OSS]), destinations=[KZ]))
            await ward.submit(
                vaccination(consent(recipients=[KZ]), record=f"r-{number}", made_at=NOON)
            )
        opened = await ward.open()
        assert (opened.released, opened.waiting) == (1, 2)
        assert await ward.kinds(HOSPITAL) == [(1, "released")]

        ward.clock.advance(hours=4)
        await ward.acknowledge(HOSPITAL)
        await ward.exchange.relay.release_waiting()
        assert await ward.kinds(HOSPITAL) == [(1, "released"), (2, "released")]

        ward.clock.advance(milliseconds=1)
        await ward.acknowledge(HOSPITAL)
        await ward.exchange.relay.release_waiting()
        assert (await ward.kinds(HOSPITAL))[-1] == (3, "withheld")


async def test_a_record_in_error_is_recalled_from_who_broke_the_glass(ward):
    early, late = NOON - timedelta(hours=2), NOON - timedelta(hours=1)
    await ward.submit(vaccination(consent(recipients=[KZ]), record="r", made_at=early))
    await ward.open()
    await ward.submit(vaccination(record="r", made_at=late, event="immunization-withdrawn"))

    assert await ward.told(HOSPITAL) == ["entered-in-error"]


@pytest.mark.parametrize(
    ("sentence", "asked"),
    [
        ("break-glass.not-named", {"by": KG}),
        ("break-glass.too-long", {"hours": 9}),
        ("break-glass.purpose", {"by": KZ}),
        ("break-glass.nothing", {"documents": ["N 0"]}),
    ],
)
async def test_who_may_not_is_told_why_and_the_attempt_is_recorded(ward, sentence, asked):
    await ward.submit(vaccination(consent(recipients=[KZ])))
    if asked.get("by") == KG:
        # Admitted for it, and yet no policy names it.
        kg = ward.cast.participants[KG].model_copy(update={"purposes": ("PUBHLTH", "BTG")})
        await ward.exchange.admissions.admit(kg)
    by = asked.get("by", HOSPITAL)
    opening = ward.request(by, **{name: asked[name] for name in asked if name != "by"})

    for _ in range(2):
        await ward.refused(sentence, opening, by=by)

    [entry] = await ward.entries("refused")
    assert (entry.publisher, entry.reason) == (by, "break-glass-refused")
    assert entry.message == BreakGlassRequest.from_bytes(opening.request).grant
    assert await ward.entries("break-glass-opened") == []
    assert [one for one in await ward.rows(by) if one.pending.purpose == "BTG"] == []


async def test_what_is_nobodys_word_is_not_recorded(ward):
    await ward.submit(vaccination(consent(recipients=[KZ])))
    good = ward.request()
    unsigned = good.model_copy(update={"request": good.request + b" "})
    for_another = ward.request(HOSPITAL, participant=MINISTRY)
    for wrong, by in ((unsigned, HOSPITAL), (for_another, HOSPITAL), (good, MINISTRY)):
        with pytest.raises(UntrustedSender):
            await ward.open(wrong, by=by)
    other = (TravelDocument(system=SYSTEM, value="N 7"),)
    with pytest.raises(MalformedMessage):
        await ward.open(good.model_copy(update={"documents": other}))
    ward.clock.advance(minutes=61)
    with pytest.raises(UntrustedSender):
        await ward.open(good)
    assert await ward.entries("refused", "break-glass-opened") == []


async def test_without_a_policy_nobody_may(tmp_path):
    async with a_ward(tmp_path, ()) as ward:
        await ward.submit(vaccination(consent(recipients=[KZ])))
        await ward.refused("break-glass.not-named")


async def test_a_policy_that_is_over_opens_nothing(tmp_path):
    over = a_policy(
        valid_until=(NOON - timedelta(days=1)).isoformat(),
        break_glass={"participants": [HOSPITAL], "max_hours": 8, "second_approver": False},
    )
    async with a_ward(tmp_path, (over,)) as ward:
        await ward.submit(vaccination(consent(recipients=[KZ])))
        await ward.refused("break-glass.not-named")


async def test_what_a_policy_forbids_stays_hidden(tmp_path):
    forbids = a_policy(
        break_glass={"participants": [HOSPITAL], "max_hours": 8, "second_approver": False},
        forbids=[{"recipients": [HOSPITAL], "diseases": ["yellow-fever"]}],
    )
    async with a_ward(tmp_path, (forbids,)) as ward:
        await ward.submit(vaccination(consent(recipients=[KZ])))
        await ward.refused("break-glass.nothing")


async def test_a_country_that_the_traveller_may_have_left_sees_nothing(tmp_path):
    abroad = policy(participants=[HOSPITAL])
    async with a_ward(tmp_path, (abroad,)) as ward:
        moved = ward.cast.participants[HOSPITAL].model_copy(update={"jurisdiction": "UZ"})
        await ward.exchange.admissions.admit(moved)
        await ward.submit(vaccination(consent(recipients=[KZ])))
        await ward.refused("break-glass.nothing")


async def test_a_second_approver_signs_this_very_request(strict_ward):
    ward = strict_ward
    await ward.submit(vaccination(consent(recipients=[KZ])))
    asked = ward.request()
    await ward.refused("break-glass.second-approver", asked)
    # The same request, now approved.
    opened = await ward.open(ward.approved(asked))

    assert (opened.grant.approver, opened.released) == (MINISTRY, 1)
    [said] = await ward.entries("break-glass-opened")
    assert said.approver == MINISTRY
    body, _ = await ward.exchange.store.statement(said.approval)
    assert MINISTRY.encode() in body


async def test_an_approval_that_does_not_count(strict_ward):
    ward = strict_ward
    await ward.submit(vaccination(consent(recipients=[KZ])))
    own = ward.request()
    await ward.refused("break-glass.same-person", ward.approved(own, by=HOSPITAL))
    other = ward.approved(ward.request())
    mixed = ward.request().model_copy(
        update={"approval": other.approval, "approval_signature": other.approval_signature}
    )
    await ward.refused("break-glass.other-request", mixed)
    named = ward.request()
    await ward.refused("break-glass.other-request", ward.approved(named, approver=KZ))
    by_auditor = ward.request()
    await ward.refused("sender.role", ward.approved(by_auditor, by=AUDITOR))

    grant = os.urandom(16).hex()
    early = ward.approved(ward.request(grant=grant, salt=bytes(32)))
    ward.clock.advance(minutes=61)
    late = ward.request(grant=grant, salt=bytes(32))
    stale = late.model_copy(
        update={"approval": early.approval, "approval_signature": early.approval_signature}
    )
    await ward.refused("acknowledgement.too-far", stale)
    assert await ward.entries("break-glass-opened") == []
    assert len(await ward.entries("refused")) == 5


async def test_somebody_else_reviews_once(ward):
    await ward.submit(vaccination(consent(recipients=[KZ])))
    grant = (await ward.open(ward.approved(ward.request()))).grant.grant_id
    store, review = ward.exchange.store, ward.exchange.break_glass.review
    assert [one.grant_id for one in await store.grants(only_unreviewed=True)] == [grant]

    for reviewer in (HOSPITAL, MINISTRY, ALA, "auditor:nobody"):
        with pytest.raises(ConfigurationError):
            await review(grant, reviewer, "justified")
    with pytest.raises(ConfigurationError, match="no such grant"):
        await review("0" * 32, AUDITOR, "justified")
    assert await ward.entries("break-glass-reviewed") == []

    assert (await review(grant, AUDITOR, "unjustified")).outcome == "unjustified"
    with pytest.raises(ConfigurationError, match="reviewed before"):
        await review(grant, "operator:kz", "justified")
    [said] = await ward.entries("break-glass-reviewed")
    assert (said.grant, said.reviewer, said.outcome) == (grant, AUDITOR, "unjustified")
    assert await store.grants(only_unreviewed=True) == []
    assert [one.outcome for one in await store.grants()] == ["unjustified"]


async def test_who_opened_or_approved_cannot_review_in_another_role(tmp_path):
    async with a_ward(tmp_path, (policy(),)) as ward:
        for name in (HOSPITAL, MINISTRY):
            both = ward.cast.participants[name].model_copy(
                update={"roles": ("subscriber", "auditor")}
            )
            await ward.exchange.admissions.admit(both)
        await ward.submit(vaccination(consent(recipients=[KZ])))
        grant = (await ward.open(ward.approved(ward.request()))).grant.grant_id
        for name in (HOSPITAL, MINISTRY):
            with pytest.raises(ConfigurationError, match="somebody else"):
                await ward.exchange.break_glass.review(grant, name, "justified")


@pytest.mark.parametrize(
    ("change", "undo", "told"),
    [
        (
            "UPDATE grants SET participant = 'registry:kg'",
            "UPDATE grants SET participant = 'hospital:kz:ala'",
            "broken glass of entry",
        ),
        (
            "UPDATE grants SET until = until + 3600000000",
            "UPDATE grants SET until = until - 3600000000",
            "broken glass of entry",
        ),
        (
            "UPDATE grants SET outcome = 'justified'",
            "UPDATE grants SET outcome = 'unjustified'",
            "broken glass of entry",
        ),
        (
            "UPDATE acknowledgements SET signature = signature || 'A'",
            "UPDATE acknowledgements SET signature = substr(signature, 1, length(signature) - 1)",
            "What was signed for entry",
        ),
    ],
)
async def test_what_is_changed_of_a_grant_is_told(tmp_path, change, undo, told):
    async with a_ward(tmp_path, (policy(),)) as ward:
        await ward.submit(vaccination(consent(recipients=[KZ])))
        grant = (await ward.open(ward.approved(ward.request()))).grant.grant_id
        await ward.exchange.break_glass.review(grant, AUDITOR, "unjustified")
        assert await ward.findings() == []
        await ward.change(change)
        assert any(told in one for one in await ward.findings())
        await ward.change(undo)


@pytest.mark.parametrize(
    "policies",
    [(), (a_policy(version=2),), (policy(), a_policy(jurisdiction="UZ"))],
    ids=["no policy", "one that names nobody", "one that still does"],
)
async def test_what_waits_for_room_is_asked_of_the_policies_again(tmp_path, policies):
    cast, clock = the_cast(window=1), SetClock()
    async with running_world(tmp_path, cast, clock=clock, policies=(policy(),)) as exchange:
        for _ in range(2):
            message_id, body = vaccination(consent())
            await exchange.processor.process([cast.signed(ALA, body, message_id=message_id)])
        opened = await Ward(exchange, cast, clock).open()
        assert (opened.released, opened.waiting) == (1, 1)
    async with running_world(tmp_path, cast, clock=clock, policies=policies) as exchange:
        ward = Ward(exchange, cast, clock)
        first, *_ = await ward.rows(HOSPITAL)
        await exchange.acknowledgements.accept(
            cast.acknowledgement(HOSPITAL, [first.pending.delivery_id], at=clock.now())
        )
        await exchange.relay.release_waiting()
        states = [one.released.state for one in await ward.rows(HOSPITAL)]

    assert states == ["released", "released" if policies[:1] == (policy(),) else "withheld"]
