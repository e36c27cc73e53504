"""`bhx demo` as a newcomer runs it, and what an auditor says of its world when it was touched."""

import json
import sqlite3

import pytest

from tests.end_to_end.test_real_records import bhx


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "world"
    return folder, json.loads(bhx("demo", "--json", "--data", folder))


def test_everything_held_and_adds_up(world):
    _, summary = world

    assert summary["submitted"] == 200
    assert summary["accepted"] + summary["repeated"] + sum(summary["refused"].values()) == 200
    assert set(summary["refused"]) == {
        "consent-refused",
        "invalid-record",
        "message-reused",
        "untrusted-sender",
    }
    assert summary["deliveries"] == summary["verified"] == summary["acknowledged"] > 0
    assert summary["trail"]["verified"]
    assert summary["trail"]["size"] > 400


def test_the_world_it_keeps_verifies_again(world):
    folder, summary = world
    report = json.loads(bhx("audit", "verify", "--data", folder, "--json"))

    assert report["size"] >= summary["trail"]["size"]


@pytest.mark.slow
def test_one_changed_byte_in_the_trail_is_found(world):
    folder, _ = world
    with sqlite3.connect(folder / "exchange.sqlite") as database:
        (entry,) = database.execute("SELECT entry FROM trail_entries WHERE idx = 99").fetchone()
        changed = entry.replace(b'"v":1', b'"v":2')
        assert changed != entry
        database.execute("UPDATE trail_entries SET entry = ? WHERE idx = 99", (changed,))
    database.close()

    bhx("audit", "verify", "--data", folder, "--json", expect=1)
