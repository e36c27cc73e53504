"""Whatever is sent, the answer is clear, soon and small, and holds nothing of what was sent.

The bodies are judged in a process of its own with a limit on its memory and on its time.
"""

import json
import os
import resource
import string
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import InvalidRecord, MalformedMessage
from exchange.validation import judge, read_record
from schemas.strict_json import read_json
from schemas.structure.compiled import prepare, read_plain
from schemas.structure.explained import structure_problems
from tests.support.hostile_bodies import ACCEPTED, DEPTHS, MEGABYTE, REFUSED
from tests.support.thoroughness import examples
from tests.support.world import consent, vaccination

#: The whole address space of the judging process, its libraries included.
MOST_MEMORY = 1_200 * 1_048_576
#: For all bodies together, and for each (seconds); measured: below 1 for the worst.
MOST_TIME = 60
EACH = 5.0
#: Bytes.
LARGE = 300_000

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
MESSAGE = json.loads(vaccination(consent())[1])


def bodies() -> dict[str, Any]:
    deep = {
        f"{name} {depth} deep": lambda make=make, depth=depth: make(depth)
        for name, make in DEPTHS.items()
        for depth in (10, *range(27, 34), 62, 63, 64, 65, 66)
    }
    return {**REFUSED, **ACCEPTED, **deep}


def answer(data: bytes) -> dict[str, Any]:
    """What both entrances say, as numbers; anything they may not raise ends the process."""
    started = time.perf_counter()
    judgement = judge(data, level="structure", at=AT, max_bytes=MEGABYTE)
    taken = time.perf_counter() - started
    reading = "refused"
    # Both entrances read alike; a large body that one refused slowly is not read by the other.
    if judgement.is_valid or len(data) < LARGE:
        try:
            read_record(data, at=AT, max_bytes=MEGABYTE)
            reading = "read"
        except (MalformedMessage, InvalidRecord) as refusal:
            reading = "refused" if refusal.problems else "refused without a reason"
    said = [len(one.text) + len(one.expression) for one in judgement.problems]
    return {
        "valid": judgement.is_valid,
        "clear": all(one.text and one.expression for one in judgement.problems),
        "reading": reading,
        "problems": len(judgement.problems),
        "longest": max(said, default=0),
        "seconds": taken,
    }


@cache
def answers() -> dict[str, Any]:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))

    done = subprocess.run(
        [sys.executable, "-m", "tests.property.test_hostile_bodies"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        preexec_fn=limited,
        timeout=MOST_TIME,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name):
    got = answers()[name]

    assert not got["valid"]
    assert got["clear"]
    assert got["problems"] > 0
    assert got["reading"] == "refused"


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_is_valid(name):
    assert answers()[name]["valid"]


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_ends_in_an_answer(name):
    by_depth = {key: got for key, got in answers().items() if key.startswith(f"{name} ")}

    assert by_depth[f"{name} 10 deep"]["valid"]
    assert not by_depth[f"{name} 66 deep"]["valid"]


def test_every_answer_is_soon_and_small():
    slowest = max(answers().items(), key=lambda item: item[1]["seconds"])
    print(f"\nslowest: {slowest[0]}, {slowest[1]['seconds']:.2f} s")

    assert slowest[1]["seconds"] < EACH
    # 500 errors, 500 warnings, and the one that says that there are more.
    assert max(got["problems"] for got in answers().values()) <= 1_001
    assert max(got["longest"] for got in answers().values()) < 2_000


MARKS = st.text(string.ascii_letters, min_size=9, max_size=12).map(lambda text: f"Q{text}zQ")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


@settings(max_examples=examples(200), deadline=None)
@given(
    st.sampled_from(places(MESSAGE)),
    MARKS,
    st.integers(10**11, 10**12),
    st.sampled_from(["value", "key", "rename", "number", "object"]),
)
def test_nothing_that_was_sent_is_said(path, mark, digits, kind):
    tree = json.loads(json.dumps(MESSAGE))
    holder = tree
    for step in path[:-1]:
        holder = holder[step]
    if kind == "key" and isinstance(holder[path[-1]], dict):
        holder[path[-1]][mark] = mark
    elif kind == "rename" and isinstance(holder, dict):
        holder[mark] = holder.pop(path[-1])
    elif kind == "number":
        holder[path[-1]] = digits
    else:
        holder[path[-1]] = {mark: mark} if kind == "object" else mark
    data = json.dumps(tree).encode()

    said = str(judge(data, level="profile", at=AT, max_bytes=MEGABYTE).problems)
    try:
        read_record(data, at=AT, max_bytes=MEGABYTE)
    except (MalformedMessage, InvalidRecord) as refusal:
        said += str(refusal.problems) + str(refusal)
    assert mark not in said
    assert str(digits) not in said


def test_a_message_is_explained_in_five_milliseconds():
    broken = json.loads(json.dumps(MESSAGE))
    for entry in broken["entry"]:
        entry["resource"]["unknown"] = 1
        entry["resource"].pop("status", None)
    data = json.dumps(broken).encode()
    structure_problems(read_json(data))

    def once() -> float:
        started = time.perf_counter()
        assert structure_problems(read_json(data))
        return time.perf_counter() - started

    # The least of many: what the machine does besides is not ours.
    assert min(once() for _ in range(50)) < 0.005


def test_threads_that_read_at_once_read_the_same():
    refused = json.loads(json.dumps(MESSAGE))
    refused["entry"][0]["resource"]["unknown"] = 1
    local = {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}],
        "managingOrganization": {"reference": "#o"},
    }
    lost = {**local, "managingOrganization": {"reference": "#none"}}
    texts = [json.dumps(one).encode() for one in (MESSAGE, refused, local, lost)]
    alone = [read_plain(one) for one in texts]
    assert [one is None for one in alone] == [False, True, False, True]
    start = Barrier(8)
    wrong: list[int] = []

    def read(first: int) -> None:
        start.wait()
        for turn in range(400):
            at = (first + turn) % len(texts)
            if read_plain(texts[at]) != alone[at]:
                wrong.append(at)

    threads = [Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


if __name__ == "__main__":
    prepare()
    print(json.dumps({name: answer(make()) for name, make in bodies().items()}))
