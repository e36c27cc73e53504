"""What must hold after any crash, asked of receipts, deliveries, the trail and the bare tables."""

import sqlite3
from collections import Counter
from urllib.parse import urlsplit

import asyncpg

from adapters.bootstrap import open_exchange
from adapters.clients.auditor import Auditor
from adapters.clients.stored_trail import StoredTrail
from adapters.clients.verified_receipt import verify_receipt
from adapters.settings import read_settings
from exchange.trail.proof import verify_proof
from schemas.trail_entry import AcceptedEntry, RefusedEntry, ReleasedEntry, read_entry
from tests.crash.load import SUBSCRIBERS
from tests.services.databases import plain_url
from tests.support.world import ALA


async def require_nothing_lost_or_doubled(settings, load, deliveries, *, repeats_allowed=True):
    """Every message decided once, proven, and delivered once to everybody entitled.

    The exchange must have stopped. Without `repeats_allowed` nothing may have arrived twice, not
    even under the same delivery id.
    """
    # Only what the store is: nothing runs, so nothing is repaired while we look.
    stored = {name: settings[name] for name in ("data", "database") if name in settings}
    async with open_exchange(read_settings(**stored)) as exchange:
        verifier = exchange.keys.note_signer.verifier
        _require_receipts(load, verifier)
        if not repeats_allowed:
            assert all(len(raw) == 1 for raw in load.receipts.values())
        entries = await _entries(exchange.store)
        released = _require_decided_once(load, entries)
        for name in SUBSCRIBERS:
            arrived = deliveries[name]
            if not repeats_allowed:
                assert len({one.delivery for one in arrived}) == len(arrived)
            _require_delivered_once(name, load, released, arrived, verifier)
        report = await Auditor(
            StoredTrail(exchange.store, exchange.proofs), verifier
        ).verify_trail()
        assert report.findings == ()
        assert report.size == len(entries)
        database = exchange.settings.database_url
    accepted = sum(bool(one.entitled) for one in load.sent.values())
    assert await table_counts(database) == {
        "decisions": len(load.sent),
        "sealed_bodies": accepted,
        "deliveries": sum(len(one.entitled) for one in load.sent.values()),
        "unsent": 0,
    }


def _require_receipts(load, verifier):
    """One for each message, the same bytes however often it was asked for, and proven."""
    assert load.receipts.keys() == load.sent.keys()
    for message_id, raw in load.receipts.items():
        sent = load.sent[message_id]
        assert len(set(raw)) == 1
        receipt = verify_receipt(raw[0], sent.message, publisher=ALA, verifier=verifier)
        assert receipt.outcome == ("accepted" if sent.entitled else "refused")
        assert receipt.reason == (None if sent.entitled else "consent-refused")


def _require_decided_once(load, entries):
    """No entry is missing and none is there twice; returns the releases."""
    accepted = Counter(one.message for one in entries if isinstance(one, AcceptedEntry))
    refused = Counter(one.message for one in entries if isinstance(one, RefusedEntry))
    assert accepted == Counter(name for name, sent in load.sent.items() if sent.entitled)
    assert refused == Counter(name for name, sent in load.sent.items() if not sent.entitled)
    released = [one for one in entries if isinstance(one, ReleasedEntry)]
    assert Counter((one.message, one.subscriber) for one in released) == Counter(
        (name, subscriber) for name, sent in load.sent.items() for subscriber in sent.entitled
    )
    return released


def _require_delivered_once(name, load, released, arrived, verifier):
    """After dropping repeats by delivery id: exactly what was released, unchanged and proven."""
    once = {one.delivery: one for one in arrived}
    assert once.keys() == {one.delivery for one in released if one.subscriber == name}
    assert sorted(one.number for one in once.values()) == list(range(1, len(once) + 1))
    assert Counter(one.message for one in once.values()) == Counter(
        message_id for message_id, sent in load.sent.items() if name in sent.entitled
    )
    for one in arrived:
        assert one == once[one.delivery]
        sent = load.sent[one.message].message
        assert (one.body, one.signature) == (sent.body, sent.signature)
    for one in once.values():
        verify_proof(one.proof, one.entry, verifier)


async def _entries(store):
    found = []
    while more := await store.entries(len(found), 1_000):
        found += [read_entry(one) for one in more]
    return found


async def table_counts(database):
    """Rows in the tables that one transaction writes together, asked for without our store."""
    tables = ("decisions", "sealed_bodies", "deliveries", "unsent")
    questions = {table: f"SELECT count(*) FROM {table}" for table in tables}  # noqa: S608 - ours
    if urlsplit(database).scheme.startswith("sqlite"):
        connection = sqlite3.connect(urlsplit(database).path.removeprefix("/"))
        try:
            return {
                table: connection.execute(question).fetchone()[0]
                for table, question in questions.items()
            }
        finally:
            connection.close()
    connection = await asyncpg.connect(plain_url(database))
    try:
        return {table: await connection.fetchval(text) for table, text in questions.items()}
    finally:
        await connection.close()
