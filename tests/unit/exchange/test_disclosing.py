"""The disclosure report: everything about one traveller and nobody else, logged and provable."""

import json
from datetime import timedelta

import pytest

from exchange.facts import Facts
from exchange.model import Grant, MessageIdentity, ReceivedMessage
from exchange.recording import Recording
from exchange.slips import digest_of, new_token
from schemas.policy import read_policy
from schemas.trail_entry import read_entry
from tests.support.offline import require_true
from tests.support.running import running_world
from tests.support.world import (
    ALA,
    KG,
    KZ,
    OSS,
    SetClock,
    consent,
    consent_message,
    usual_cast,
    vaccination,
)

SYSTEM = "urn:bhx:test:passport"
LAW = "Кодекс «О здоровье народа»"
POLICY = {
    "jurisdiction": "KZ",
    "version": 1,
    "valid_from": "2026-01-01T00:00:00Z",
    "authority": "Ministry of Health",
    "mandates": [
        {
            "id": "ihr-45",
            "law": LAW,
            "citation": "Article 104",
            "period": {"start": "2026-01-01T00:00:00Z"},
            "purposes": ["PUBHLTH"],
        }
    ],
}


@pytest.fixture
def cast():
    return usual_cast()


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
async def exchange(tmp_path, cast, clock):
    async with running_world(tmp_path, cast, clock=clock) as running:
        yield running


async def submit(exchange, cast, message, by=ALA):
    message_id, body = message
    (outcome,) = await exchange.processor.process(
        [cast.signed(by, body, message_id=message_id, at=exchange.clock.now())]
    )
    assert outcome.receipt.outcome == "accepted", outcome.receipt.issues
    return outcome


async def report_on(exchange, value="N 1234567", **options):
    report = await exchange.disclosures.about_document(SYSTEM, value, reader="operator", **options)
    require_true(json.loads(report.to_bytes()))
    return report


async def entries(exchange):
    size, _ = await exchange.store.checkpoint()
    return [read_entry(raw) for raw in await exchange.store.entries(0, size)]


async def answer(exchange, notice, subscriber):
    """What the desk for answers does."""
    async with exchange.store.locked() as trail:
        recording = Recording(
            head=trail.head,
            facts=Facts(),
            windows={},
            origin=exchange.settings.origin,
            now=exchange.clock.now(),
        )
        signed = ReceivedMessage(body=b"{}", signature="e30..c2ln")
        recording.answer_recalls(subscriber, [notice], "deleted", signed, "A" * 43)
        await trail.save(recording.close(exchange.keys.note_signer))
        await trail.commit()


async def test_who_received_what_when_for_what_and_on_which_basis(exchange, cast):
    message_id, _ = message = vaccination(consent(recipients=[KZ]))
    outcome = await submit(exchange, cast, message)
    (delivery,) = outcome.deliveries
    await exchange.acknowledgements.accept(cast.acknowledgement(KZ, [delivery.delivery]))

    report = await report_on(exchange)

    (line,) = report.disclosures
    assert (line.delivery, line.number) == (delivery.delivery, 1)
    assert line.at == "2026-06-01T12:00:00.000Z"
    assert (line.recipient.id, line.recipient.name, line.recipient.jurisdiction) == (KZ, KZ, "KZ")
    assert (line.sender.id, line.record.type.code) == (ALA, "immunization")
    assert line.record.event == "immunization-published"
    assert (line.view.code, line.purpose.code) == ("full", "PUBHLTH")
    assert line.purpose.text == "Public health"
    assert (line.state.code, line.recall, line.reason) == ("released", None, None)
    assert line.acknowledged.at == line.at
    (given,) = line.basis.consents
    assert (line.basis.kind, line.basis.sealed) == ("consent", False)
    assert given.identity == "urn:bhx:test|consent-1"
    assert given.given_at == "2026-05-01T10:00:00.000Z"
    assert read_entry(line.proof.entry).message == message_id


async def test_other_travellers_are_not_in_it(exchange, cast):
    await submit(exchange, cast, vaccination(consent(), documents=["N 1"]))
    await submit(exchange, cast, vaccination(consent(), documents=["N 2"]))
    await submit(exchange, cast, vaccination(consent()))

    first, second = await report_on(exchange, "N 1"), await report_on(exchange, "N 2")

    ids = [{one.delivery for one in report.disclosures} for report in (first, second)]
    assert [len(one) for one in ids] == [2, 2]
    assert ids[0].isdisjoint(ids[1])


async def test_documents_that_turned_out_to_be_one_travellers(exchange, cast):
    await submit(exchange, cast, vaccination(consent(recipients=[KZ]), documents=["N 1"]))
    await submit(exchange, cast, vaccination(consent(recipients=[KG]), documents=["N 2"]))
    assert len((await report_on(exchange, "N 2")).disclosures) == 1
    before = await exchange.slips.issue(await identity_of_first(exchange), issuer=ALA)

    await submit(exchange, cast, vaccination(consent(recipients=[KZ]), documents=["N 1", "N 2"]))

    one, other = await report_on(exchange, "N 1"), await report_on(exchange, "n-2")
    assert [line.delivery for line in one.disclosures] == [
        line.delivery for line in other.disclosures
    ]
    recipients = [line.recipient.id for line in one.disclosures]
    assert recipients.count(KG) >= 1
    assert len(recipients) >= 3
    by_slip = await exchange.disclosures.by_slip(before.token)
    assert [line.delivery for line in by_slip.disclosures] == [
        line.delivery for line in one.disclosures
    ]


async def identity_of_first(exchange):
    entry = next(one for one in await entries(exchange) if one.type == "accepted")
    return MessageIdentity(entry.publisher, entry.message)


async def test_a_withdrawal_shows_as_recalled_with_its_deadline_and_answer(exchange, cast, clock):
    await submit(exchange, cast, vaccination(consent(recipients=[KZ])))
    clock.advance(hours=1)
    withdrawn = consent(recipients=[KZ], decision="deny", given="2026-06-01T12:30:00Z")
    await submit(exchange, cast, consent_message(withdrawn))

    (line,) = (await report_on(exchange)).disclosures
    assert (line.state.code, line.recall.cause.code) == ("recalled", "consent-withdrawn")
    assert (line.recall.at, line.recall.deadline) == (
        "2026-06-01T13:00:00.000Z",
        "2026-06-04T13:00:00.000Z",
    )
    assert (line.recall.answer, line.recall.is_overdue) == (None, False)

    clock.advance(days=4)
    assert (await report_on(exchange)).disclosures[0].recall.is_overdue
    await answer(exchange, line.recall.notice, KZ)

    recall = (await report_on(exchange)).disclosures[0].recall
    assert (recall.answer.code, recall.is_overdue) == ("deleted", False)
    assert recall.answered.at == "2026-06-05T13:00:00.000Z"


@pytest.mark.parametrize("view", ["minimum", "pseudonymous"])
async def test_a_law_is_named_with_its_citation(tmp_path, cast, clock, view):
    (mandate,) = POLICY["mandates"]
    document = {**POLICY, "mandates": [{**mandate, "view": view}]}
    policy = read_policy(json.dumps(document).encode())
    async with running_world(tmp_path, cast, clock=clock, policies=(policy,)) as exchange:
        await submit(exchange, cast, vaccination())

        (line,) = (await report_on(exchange)).disclosures

    assert line.recipient.id == KZ
    assert (line.basis.kind, line.basis.mandate) == ("mandate", "ihr-45")
    assert (line.basis.jurisdiction, line.basis.law, line.basis.citation) == (
        "KZ",
        LAW,
        "Article 104",
    )
    assert line.basis.policy == policy.digest
    assert (line.view.code, line.basis.sealed) == (view, view == "pseudonymous")
    assert (b"ihr-45" in line.proof.entry) == (view == "minimum")


async def test_a_disease_is_told_only_where_it_was_asked_for(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent()))
    issued = await exchange.slips.issue(identity(outcome), issuer=ALA)

    plain = await report_on(exchange)
    asked = await report_on(exchange, with_diseases=True)
    by_slip = await exchange.disclosures.by_slip(issued.token)

    assert asked.disclosures[0].record.diseases == ("yellow-fever",)
    assert asked.disclosures[0].record.record_class == "Immunization"
    for report in (plain, by_slip):
        assert b"yellow" not in report.to_bytes()


async def test_no_person_stands_in_it(exchange, cast):
    await submit(exchange, cast, vaccination(consent()))

    text = (await report_on(exchange, with_diseases=True)).to_bytes().decode()

    for planted in ("Иванова", "Анна", "1990", "1234567"):
        assert planted not in text


async def test_every_reading_is_entered_and_covered_by_the_proofs(exchange, cast):
    await submit(exchange, cast, vaccination(consent()))
    before = len(await entries(exchange))

    report = await report_on(exchange)
    unknown = await report_on(exchange, "N 999")

    assert [one.type for one in (await entries(exchange))[before:]] == ["disclosures-read"] * 2
    assert (report.reading.index, report.trail.size) == (before, before + 1)
    assert unknown.disclosures == unknown.slips == ()


async def test_texts_come_in_russian(exchange, cast):
    await submit(exchange, cast, vaccination(consent()))

    report = await report_on(exchange, language="ru")

    assert report.disclosures[0].purpose.text == "Охрана общественного здоровья"


async def test_broken_glass_is_told_even_if_nothing_went_out(exchange, cast, clock):
    outcome = await submit(exchange, cast, vaccination(consent()))
    stored = await exchange.store.sealed_bodies([identity(outcome)])
    ((subject, _),) = stored.values()
    grant = Grant(
        grant_id="a" * 32,
        participant=KG,
        subject_id=subject.subject_id,
        reason="emergency-treatment",
        approver=KZ,
        opened_at=clock.now(),
        until=clock.now() + timedelta(hours=4),
    )
    async with exchange.store.locked() as trail:
        facts = await trail.facts_about(subscribers=[KG])
        recording = Recording(
            head=trail.head,
            facts=facts,
            windows={KG: 10},
            origin=exchange.settings.origin,
            now=clock.now(),
        )
        recording.break_glass(grant, [], [("A" * 43, ReceivedMessage(body=b"{}", signature="s"))])
        await trail.save(recording.close(exchange.keys.note_signer))
        await trail.commit()

    issued = await exchange.slips.issue(identity(outcome), issuer=ALA)
    report = await exchange.disclosures.by_slip(issued.token)

    require_true(json.loads(report.to_bytes()))
    (glass,) = report.broken_glass
    assert (glass.participant.id, glass.approver.id, glass.outcome) == (KG, KZ, None)
    assert glass.reason.text == "emergency treatment"
    assert (glass.opened_at, glass.until) == (
        "2026-06-01T12:00:00.000Z",
        "2026-06-01T16:00:00.000Z",
    )


async def test_an_erased_traveller_has_no_slip_and_no_report(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent()))
    issued = await exchange.slips.issue(identity(outcome), issuer=ALA)
    await exchange.erasures.erase([(SYSTEM, "N 1234567")])

    assert await exchange.disclosures.by_slip(issued.token) is None
    report = await report_on(exchange)
    assert report.disclosures == report.slips == ()
    assert await exchange.slips.issue(identity(outcome), issuer=ALA) is None
    assert await exchange.slips.issue_as_operator(outcome.receipt.message) is None


# --- slips ---------------------------------------------------------------------------------------


def identity(outcome):
    return MessageIdentity(outcome.receipt.publisher, outcome.receipt.message)


async def test_a_traveller_without_documents_gets_a_slip(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent(), documents=[]))
    await submit(exchange, cast, vaccination(consent(), documents=[]))

    issued = await exchange.slips.issue(identity(outcome), issuer=ALA)
    report = await exchange.disclosures.by_slip(issued.token)

    require_true(json.loads(report.to_bytes()))
    assert {one.delivery for one in report.disclosures} == {
        one.delivery for one in outcome.deliveries
    }
    assert report.reader == "slip"
    assert issued.url == f"{exchange.settings.base_url}/slip/{issued.token}"
    (slip,) = report.slips
    assert (slip.issued_at, slip.expires_at) == (
        "2026-06-01T12:00:00.000Z",
        "2027-06-01T12:00:00.000Z",
    )
    slip_issued, read = (await entries(exchange))[-2:]
    assert (slip_issued.type, slip_issued.issuer) == ("slip-issued", ALA)
    assert (read.type, read.reader) == ("disclosures-read", "slip")


async def test_the_store_has_the_tokens_digest_and_not_the_token(exchange, cast, tmp_path):
    outcome = await submit(exchange, cast, vaccination(consent()))
    issued = await exchange.slips.issue(identity(outcome), issuer=ALA)

    assert len(issued.token) == 32
    assert issued.token not in repr(issued)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("exchange.sqlite*"))
    assert digest_of(issued.token) in kept
    assert issued.token.encode() not in kept
    assert issued.token.upper().encode() not in kept


async def test_only_ones_own_accepted_messages_lead_to_a_slip(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent()))
    message_id, body = vaccination(consent(decision="deny"), documents=["N 2"])
    await exchange.processor.process([cast.signed(ALA, body, message_id=message_id)])
    before = len(await entries(exchange))

    for publisher, message in (
        (OSS, outcome.receipt.message),
        (ALA, message_id),
        (ALA, "nothing"),
    ):
        assert await exchange.slips.issue(MessageIdentity(publisher, message), issuer=ALA) is None

    assert len(await entries(exchange)) == before


async def test_who_guesses_leaves_no_entry(exchange, cast, clock):
    outcome = await submit(exchange, cast, vaccination(consent()))
    issued = await exchange.slips.issue(identity(outcome), issuer=ALA)
    before = len(await entries(exchange))

    for token in (new_token(), "", "x", "é" * 32, issued.token[:-1], "\ud800" * 32):
        assert await exchange.disclosures.by_slip(token) is None
    clock.advance(days=365)
    assert await exchange.disclosures.by_slip(issued.token) is None

    assert len(await entries(exchange)) == before
    clock.at -= timedelta(milliseconds=1)
    assert await exchange.disclosures.by_slip(issued.token.upper()) is not None


async def test_the_operator_makes_one_by_the_message_alone(exchange, cast):
    outcome = await submit(exchange, cast, vaccination(consent()))

    issued = await exchange.slips.issue_as_operator(outcome.receipt.message)

    assert await exchange.disclosures.by_slip(issued.token) is not None
    assert await exchange.slips.issue_as_operator("nothing") is None
    assert await exchange.slips.issue_as_operator(outcome.receipt.message, publisher=OSS) is None
    assert "operator" in {getattr(one, "issuer", None) for one in await entries(exchange)}
