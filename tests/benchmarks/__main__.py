"""Figures of reading, judging and deciding, beside the library they come from, in one run.

    python -m tests.benchmarks [--json]

Every figure is CPU time of one thread. What is compared is measured in turns, so that a machine
that slows down slows all of them; the medians are what is printed.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jiter
from fhir.resources.R4B.bundle import Bundle

from exchange.validation import judge, read_record
from schemas.fhir_message import read_everyday_message
from schemas.structure import compiled
from schemas.structure.plain_rules import Found
from schemas.structure.reading import read_resource
from tests.benchmarks import consent
from tests.benchmarks.bundles import broken_message, collection_of, four_entry_message

ROUNDS = 15
AT = datetime(2026, 6, 1, tzinfo=UTC)
MOST_BYTES = 4_194_304


def medians(actions: dict[str, tuple[Callable[[], Any], int]]) -> dict[str, float]:
    """Microseconds a call, by name; each action comes with how often a round calls it."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, (action, calls) in actions.items():
            began = time.process_time()
            for _ in range(calls):
                action()
            times[name].append((time.process_time() - began) / calls * 1e6)
    return {name: round(statistics.median(values), 1) for name, values in times.items()}


def figures() -> dict[str, Any]:
    """All figures; fails when a message is not judged as it must be."""
    message, hundred, ten = four_entry_message(), collection_of(100), collection_of(10)
    broken = broken_message()
    began = time.process_time()
    compiled.prepare()
    compile_ms = (time.process_time() - began) * 1e3
    for plain in (message, hundred, ten):
        if compiled.read_plain(plain) is None:
            raise SystemExit("a bundle of the benchmark does not take the compiled path")
    if read_everyday_message(message, AT) is None:
        raise SystemExit("the message of the benchmark does not take the shortest path")
    refused = judge(broken, level="profile", at=AT, max_bytes=MOST_BYTES)
    if refused.is_valid:
        raise SystemExit("the broken message of the benchmark is accepted")
    tree = jiter.from_json(message, float_mode="lossless-float")
    checked = compiled._validator()
    micros = medians(
        {
            "library": (lambda: Bundle.model_validate_json(message), 20),
            "structure": (lambda: read_resource(message), 100),
            "profile": (lambda: read_record(message, at=AT, max_bytes=MOST_BYTES), 100),
            "compiled schema alone": (lambda: checked.validate_python(tree, context=Found()), 100),
            "ten entries": (lambda: read_resource(ten), 50),
            "hundred entries": (lambda: read_resource(hundred, max_bytes=MOST_BYTES), 10),
            "refusal": (lambda: judge(broken, level="profile", at=AT, max_bytes=MOST_BYTES), 10),
        }
    )
    return {
        "python": platform.python_version(),
        "message_bytes": len(message),
        "compile_ms": round(compile_ms),
        "microseconds": micros,
        "structure_times_faster": round(micros["library"] / micros["structure"], 1),
        "profile_times_faster": round(micros["library"] / micros["profile"], 1),
        "hundred_to_ten_entries": round(micros["hundred entries"] / micros["ten entries"], 1),
        "refusal_problems": len(refused.problems),
        "refusal_ms": round(micros["refusal"] / 1e3, 2),
    }


def consent_figures() -> dict[str, float]:
    """What a decision on a basis costs."""
    again, first = consent.digesting()
    return medians(
        {
            "consent_decide_us": (consent.deciding(), 500),
            "consent_digest_us": (again, 500),
            "consent_digest_first_us": (first, 500),
        }
    )


def main() -> None:
    """Print the figures, as a table or as JSON."""
    found = figures()
    if "--json" in sys.argv[1:]:
        print(json.dumps({"validation": found, "consent": consent_figures()}))
        return
    print(f"Validation of one message of {found['message_bytes']} bytes, CPU time, medians:")
    for name, micros in found["microseconds"].items():
        print(f"  {name:24} {micros:9.1f} µs")
    for name in (
        "structure_times_faster",
        "profile_times_faster",
        "hundred_to_ten_entries",
        "refusal_problems",
        "refusal_ms",
        "compile_ms",
    ):
        print(f"  {name:24} {found[name]:9}")
    print("A decision on three consents of five provisions each, and the digest of one on one:")
    for name, value in consent_figures().items():
        print(f"  {name:24} {value:9}")


if __name__ == "__main__":
    main()
