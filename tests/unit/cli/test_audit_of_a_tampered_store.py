"""An operator who changes the database is found out by `bhx audit verify --data`, however it is."""

import asyncio
import json
import shutil
import sqlite3

import pytest
from typer.testing import CliRunner

from adapters.bootstrap import open_exchange
from adapters.cli import app
from adapters.settings import read_settings
from tests.support.world import ALA, KG, KZ, SetClock, consent, usual_cast, vaccination

MESSAGES = 6
SPELLED_OUT = {
    "<latest>": "(SELECT max(size) FROM checkpoints)",
    "<some entry>": "(SELECT accepted_entry FROM deliveries WHERE number = 2)",
    "<one accepted>": "rowid = (SELECT min(rowid) FROM decisions WHERE outcome = 'accepted')",
    "<one refused>": "rowid = (SELECT min(rowid) FROM decisions WHERE outcome = 'refused')",
}


def audit(*arguments):
    result = CliRunner().invoke(app, ["audit", "verify", *map(str, arguments)])
    assert not isinstance(result.exception, Exception), result.exception
    return result


async def make_world(folder):
    """Accepted and refused messages, deliveries acknowledged, in flight and waiting."""
    cast = usual_cast(window=4)
    async with open_exchange(read_settings(data=folder), clock=SetClock()) as exchange:
        for participant in cast.participants.values():
            await exchange.admissions.admit(participant)
        deciding = asyncio.create_task(exchange.intake.run())
        for number in range(MESSAGES):
            permitted = [consent(recipients=[KZ, KG])] if number else []
            message_id, body = vaccination(*permitted, documents=(f"N {number}",))
            await exchange.intake.submit(cast.signed(ALA, body, message_id=message_id))
        rows = await exchange.store.delivery_rows(KZ, after=0, limit=2)
        deliveries = [row.pending.delivery_id for row in rows]
        await exchange.acknowledgements.accept(cast.acknowledgement(KZ, deliveries))
        exchange.intake.stop()
        await deciding


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "world"
    asyncio.run(make_world(folder))
    return folder


@pytest.fixture
def world(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "world")


def change(folder, *statements, parameters=()):
    with sqlite3.connect(folder / "exchange.sqlite") as database:
        for written in statements:
            statement = written
            for short, long in SPELLED_OUT.items():
                statement = statement.replace(short, long)
            assert database.execute(statement, parameters).rowcount > 0, statement
    database.close()


WAYS = {
    "a changed byte of an entry": [
        "UPDATE trail_entries SET entry = CAST(replace(CAST(entry AS TEXT), 'accepted', 'accepteb')"
        " AS BLOB) WHERE idx = <some entry>"
    ],
    "an entry in the place of another": [
        "UPDATE trail_entries SET entry = (SELECT entry FROM trail_entries WHERE idx = 1)"
        " WHERE idx = <some entry>"
    ],
    "two entries swapped": [
        "UPDATE trail_entries SET idx = -1 WHERE idx = 6",
        "UPDATE trail_entries SET idx = 6 WHERE idx = 7",
        "UPDATE trail_entries SET idx = 7 WHERE idx = -1",
    ],
    "an entry of another type of value": ["UPDATE trail_entries SET entry = 'x' WHERE idx = 7"],
    "an entry left out": ["DELETE FROM trail_entries WHERE idx = 7"],
    "entries cut off": ["DELETE FROM trail_entries WHERE idx > 7"],
    "an entry beyond the end": [
        "INSERT INTO trail_entries SELECT max(idx) + 1, entry FROM trail_entries"
    ],
    "an older checkpoint in the latest's place": [
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size < <latest>"
        " ORDER BY size DESC LIMIT 1) WHERE size = <latest>"
    ],
    "an older checkpoint in another's place": [
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints ORDER BY size LIMIT 1)"
        " WHERE size = (SELECT size FROM checkpoints ORDER BY size LIMIT 1 OFFSET 2)"
    ],
    "the latest checkpoint gone": ["DELETE FROM checkpoints WHERE size = <latest>"],
    "every checkpoint but the head gone": ["DELETE FROM checkpoints WHERE size < <latest>"],
    "a checkpoint beyond the head": [
        "INSERT INTO checkpoints SELECT size + 1, note, signed_at FROM checkpoints"
        " WHERE size = <latest>"
    ],
    "the trail set back to an older checkpoint": [
        "DELETE FROM checkpoints WHERE size = <latest>",
        "UPDATE tree_head SET size = <latest>,"
        " checkpoint = (SELECT note FROM checkpoints WHERE size = <latest>)",
        "DELETE FROM trail_entries WHERE idx >= (SELECT size FROM tree_head)",
    ],
    "the tree head gone": ["DELETE FROM tree_head"],
    "a tile gone": ["DELETE FROM tiles WHERE level = 0"],
    "a tile changed": ["UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0"],
    "an acceptance gone": ["DELETE FROM decisions WHERE <one accepted>"],
    "an acceptance turned to refusal": [
        "UPDATE decisions SET outcome = 'refused' WHERE <one accepted>"
    ],
    "the digest of what was accepted changed": [
        "UPDATE decisions SET digest = zeroblob(32) WHERE <one accepted>"
    ],
    "a refusal gone": ["DELETE FROM decisions WHERE <one refused>"],
    "the reason of a refusal changed": [
        "UPDATE decisions SET reason = 'invalid-record' WHERE <one refused>"
    ],
    "a decision made up": [
        "INSERT INTO decisions SELECT 'made-up', publisher, digest, outcome, reason, problems,"
        " decided_at, entry_index, tree_size, content_salt, record, standing"
        " FROM decisions WHERE <one accepted>",
    ],
    "a stored record gone": ["DELETE FROM sealed_bodies WHERE rowid = 1"],
    "a stored record changed": [
        "UPDATE sealed_bodies SET ciphertext = zeroblob(length(ciphertext)) WHERE rowid = 1"
    ],
    "a traveller's key gone": ["DELETE FROM subjects WHERE rowid = 1"],
    "a delivery gone": ["DELETE FROM deliveries WHERE number = 1"],
    "a waiting delivery gone": [
        "DELETE FROM deliveries WHERE state = 'pending' AND subscriber = 'registry:kg'"
    ],
    "a waiting delivery gone with its counter": [
        "DELETE FROM deliveries WHERE delivery_id = (SELECT delivery_id FROM deliveries"
        " WHERE state = 'pending' AND subscriber = 'registry:kg' ORDER BY number DESC LIMIT 1)",
        "UPDATE outboxes SET last_number = last_number - 1, waiting = waiting - 1"
        " WHERE subscriber = 'registry:kg'",
    ],
    "a delivery turned to another subscriber": [
        "UPDATE deliveries SET subscriber = 'registry:xx' WHERE number = 2"
        " AND subscriber = 'registry:kg'"
    ],
    "a delivery turned to withheld": ["UPDATE deliveries SET state = 'withheld' WHERE number = 2"],
    "the purpose of a delivery changed": ["UPDATE deliveries SET purpose = 'x' WHERE number = 2"],
    "a released delivery made up": [
        "UPDATE deliveries SET state = 'released', entry_index = 7 WHERE state = 'pending'"
        " AND subscriber = 'registry:kg'"
    ],
    "an acknowledgement gone": ["DELETE FROM acknowledgements"],
    "an acknowledgement with another signature": ["UPDATE acknowledgements SET signature = 'x'"],
    "a delivery acknowledged no longer": [
        "UPDATE deliveries SET acknowledged_entry = NULL WHERE number = 2"
    ],
    "a participant gone": ["DELETE FROM participants WHERE id = 'registry:kg'"],
    "a participant with another document": [
        "UPDATE participants SET document = replace(document, 'PUBHLTH', 'TREAT')"
        " WHERE id = 'registry:kg'"
    ],
    "a participant nobody admitted": [
        "INSERT INTO participants SELECT 'registry:xx', document FROM participants LIMIT 1"
    ],
    "a subscriber's numbers set back": ["UPDATE outboxes SET last_number = 1"],
}


def test_a_store_nobody_touched_holds(world):
    report = json.loads(audit("--data", world, "--json").stdout)

    assert (report["verified"], report["findings"]) == (True, [])
    assert report["entries_by_type"]["acknowledged"] == 1
    assert report["entries_by_type"]["refused"] == 1
    assert audit("--data", world).exit_code == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_change_of_the_database_is_found(world, way):
    change(world, *WAYS[way])

    shown, told = audit("--data", world), audit("--data", world, "--json")

    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert "Traceback" not in shown.output
    value = json.loads(told.stdout.splitlines()[-1])
    if "error" in value:
        assert value["text"] in shown.stderr
    else:
        assert value["verified"] is False
        assert value["findings"][0] in shown.stdout


def test_a_checkpoint_of_another_exchange_is_not_ours(world, tmp_path):
    other = tmp_path / "other"
    asyncio.run(make_world(other))
    with sqlite3.connect(other / "exchange.sqlite") as database:
        [(note,)] = database.execute("SELECT checkpoint FROM tree_head").fetchall()
    database.close()
    change(world, "UPDATE checkpoints SET note = ? WHERE size = <latest>", parameters=[note])

    assert audit("--data", world).exit_code == 1


def test_a_damaged_database_file_is_not_a_matter_of_patience(world):
    file = world / "exchange.sqlite"
    file.write_bytes(file.read_bytes()[:8192] + bytes([255]) * (file.stat().st_size - 8192))

    shown = audit("--data", world)

    assert shown.exit_code == 1
    assert "restore a backup" in shown.stderr


def test_a_trail_set_back_as_a_whole_is_found_by_who_remembers(sound, world, tmp_path):
    remembered = tmp_path / "remembered"
    assert audit("--data", world, "--remember", remembered).exit_code == 0
    before = remembered.read_text()

    grown = shutil.copytree(sound, tmp_path / "backup")
    change(grown, "DELETE FROM acknowledgements", "UPDATE deliveries SET acknowledged_entry = NULL")
    change(
        grown,
        "DELETE FROM checkpoints WHERE size = <latest>",
        "UPDATE tree_head SET size = <latest>,"
        " checkpoint = (SELECT note FROM checkpoints WHERE size = <latest>)",
        "DELETE FROM trail_entries WHERE idx >= (SELECT size FROM tree_head)",
    )
    assert audit("--data", grown).exit_code == 0, "nothing in it tells that more was there"
    found = audit("--data", grown, "--remember", remembered)
    assert found.exit_code == 1
    assert "covers entries that are not in the trail" in found.stdout
    assert remembered.read_text() == before


def test_a_rewritten_trail_is_found_by_who_remembers(world, tmp_path):
    """The same key signs another history, which holds together by itself."""
    remembered, rewritten = tmp_path / "remembered", tmp_path / "rewritten"
    assert audit("--data", world, "--remember", remembered).exit_code == 0
    (rewritten / "keys").mkdir(parents=True, mode=0o700)
    rewritten.chmod(0o700)
    for file in ("exchange-signing.json", "master.key"):
        shutil.copy(world / "keys" / file, rewritten / "keys" / file)
    asyncio.run(make_world(rewritten))

    assert audit("--data", rewritten).exit_code == 0
    found = audit("--data", rewritten, "--remember", remembered)
    assert found.exit_code == 1
    assert "another root" in found.stdout


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"a note\n\nof nobody\n"])
def test_a_file_that_remembers_something_else_is_a_setting(world, tmp_path, content):
    (tmp_path / "remembered").write_bytes(content)

    shown = audit("--data", world, "--remember", tmp_path / "remembered")

    assert shown.exit_code == 2
    assert "give another file" in shown.stderr
    assert (tmp_path / "remembered").read_bytes() == content
