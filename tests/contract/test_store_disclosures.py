"""The `Store` port on disclosures and slips, over every database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.store.migrate import migrate
from adapters.store.store import SqlStore
from exchange.errors import IntegrityBroken
from exchange.model import Disclosed, MandateBasis, Recall, Slip
from schemas.policy import read_policy
from tests.contract.recorded_world import (
    NOW,
    REGISTRIES,
    SIGNER,
    VAULT,
    accept,
    accepted,
    acknowledge,
    consent,
    facts_for,
    let_out,
    message,
    recording_on,
)

KZ, TJ = REGISTRIES
POLICY = b"""{"jurisdiction": "KZ", "version": 1, "valid_from": "2026-01-01T00:00:00Z",
"authority": "Ministry"}"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def store(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("fresh_database")
    await migrate(url)
    opened = await SqlStore.open(url)
    yield opened
    await opened.close()


async def subject_of(store, document):
    tokens = VAULT.tokens_of([tuple(document.split("|"))])
    async with store.locked() as trail:
        (subject,) = (await trail.facts_about(tokens=tokens)).known_subjects(tokens)
    return subject.subject_id


async def recorded(store, change):
    """One committed batch of what `change` does to a recording."""
    async with store.locked() as trail:
        recording = recording_on(trail, None)
        change(recording)
        batch = recording.close(SIGNER)
        await trail.save(batch)
        await trail.commit()
    return batch


def slip(subject_id, digest=b"d" * 32, *, issued_at=NOW):
    return Slip(
        token_digest=digest,
        subject_id=subject_id,
        issued_at=issued_at,
        expires_at=issued_at + timedelta(days=1),
    )


async def test_nobody_knows_a_new_traveller(store):
    found = await store.disclosures("nobody")

    assert (found.deliveries, found.consents, found.policies) == ([], [], {})
    assert (found.grants, found.slips) == ([], [])


async def test_deliveries_of_one_traveller_in_the_order_of_the_trail(store):
    permit = consent()
    first = await accept(store, message("p|1", consents=[permit]))
    await accept(store, message("p|2", consents=[permit]))
    second = await accept(store, message("p|1", consents=[permit]))
    delivery = first.new_deliveries[0]
    signed = await acknowledge(store, delivery.pending.subscriber, [delivery.pending.delivery_id],
                               digest="A" * 43)  # fmt: skip

    found = await store.disclosures(await subject_of(store, "p|1"))

    expected = [*first.new_deliveries, *second.new_deliveries]
    assert [one.pending.delivery_id for one in found.deliveries] == [
        one.pending.delivery_id for one in expected
    ]
    assert [one.released.entry_index for one in found.deliveries] == [
        one.entry_index for one in expected
    ]
    assert [one.acknowledged_entry for one in found.deliveries] == [
        signed.first_index, None, None, None
    ]  # fmt: skip
    assert [one.statement.identity for one in found.consents] == ["|c-1", "|c-1"]


async def test_what_waits_was_not_let_out(store):
    permit = consent()
    windows = {KZ: 0, TJ: 1000}
    await accept(store, message("p|1", consents=[permit]), windows=windows)
    subject_id = await subject_of(store, "p|1")

    waiting = await store.disclosures(subject_id)
    await let_out(store, KZ, 10)
    released = await store.disclosures(subject_id)

    assert [one.pending.subscriber for one in waiting.deliveries] == [TJ]
    assert [one.pending.subscriber for one in released.deliveries] == [TJ, KZ]


async def test_a_notice_is_there_even_while_it_waits(store):
    permit = consent()
    await accept(store, message("p|1", consents=[permit]), registries=[KZ])
    subject_id = await subject_of(store, "p|1")
    async with store.locked() as trail:
        facts = await facts_for(trail, [], [KZ])
        ((row, _),) = (await trail.disclosed([subject_id]))[subject_id]
        recording = recording_on(trail, facts, windows={KZ: 0})
        recording.recall(
            Disclosed(pending=row.pending, entry_index=row.released.entry_index),
            Recall(delivery_id=row.pending.delivery_id, cause="entered-in-error", deadline=NOW),
        )
        recording.append("disclosures-read", reader="operator")
        await trail.save(recording.close(SIGNER))
        await trail.commit()

    delivery, notice = (await store.disclosures(subject_id)).deliveries

    assert notice.pending.recall.delivery_id == delivery.pending.delivery_id
    assert notice.released is None
    assert (notice.answer, notice.answered_entry) == (None, None)


async def test_merged_travellers_count_as_one_whichever_is_asked_for(store):
    permit = consent()
    await accept(store, message("p|1", consents=[permit]), registries=[KZ])
    await accept(store, message("p|2", consents=[permit]), registries=[KZ])
    old = {await subject_of(store, "p|1"), await subject_of(store, "p|2")}
    await recorded(store, lambda one: one.issue_slip(slip(sorted(old)[1]), "poe:kz:ala"))
    await accept(store, message("p|1", "p|2", consents=[permit]), registries=[KZ])

    found = [await store.disclosures(subject_id) for subject_id in old]

    assert found[0] == found[1]
    assert len(found[0].deliveries) == 3
    assert len(found[0].slips) == 1


async def test_the_policies_that_bases_name_come_along(store):
    policy = read_policy(POLICY)
    await recorded(store, lambda one: one.adopt(policy, POLICY))
    other = POLICY.replace(b'"version": 1', b'"version": 2')
    await recorded(store, lambda one: one.adopt(read_policy(other), other))
    opened = message("p|1")
    basis = MandateBasis(policy=policy.digest, version=1, mandate="ihr")
    decision = accepted(opened, [KZ])
    decision = replace(
        decision, entitlements=[replace(one, basis=basis) for one in decision.entitlements]
    )
    async with store.locked() as trail:
        recording = recording_on(trail, await facts_for(trail, [opened]))
        recording.accept(decision, VAULT)
        await trail.save(recording.close(SIGNER))
        await trail.commit()

    found = await store.disclosures(await subject_of(store, "p|1"))

    assert found.policies == {policy.digest: POLICY}
    assert found.deliveries[0].pending.basis == basis


async def test_a_slip_is_found_by_its_digest_only(store):
    await accept(store, message("p|1", consents=[consent()]))
    subject_id = await subject_of(store, "p|1")
    issued = slip(subject_id, bytes(range(32)))

    batch = await recorded(store, lambda one: one.issue_slip(issued, "poe:kz:ala"))
    later = slip(subject_id, b"\xff" * 32, issued_at=NOW + timedelta(seconds=1))
    await recorded(store, lambda one: one.issue_slip(later, "operator"))

    assert b'"type":"slip-issued"' in batch.entries[0]
    assert await store.slip(issued.token_digest) == issued
    assert await store.slip(b"\x00" * 32) is None
    assert (await store.disclosures(subject_id)).slips == [issued, later]


async def test_a_slip_is_kept_with_its_entry_or_not_at_all(store):
    async with store.locked() as trail:
        recording = recording_on(trail, None)
        recording.issue_slip(slip("s"), "operator")
        await trail.save(recording.close(SIGNER))

    assert await store.slip(b"d" * 32) is None

    await recorded(store, lambda one: one.issue_slip(slip("s"), "operator"))
    with pytest.raises(IntegrityBroken):
        await recorded(store, lambda one: one.issue_slip(slip("other"), "operator"))
    assert (await store.slip(b"d" * 32)).subject_id == "s"
