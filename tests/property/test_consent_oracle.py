"""The engine and a naive second reading of docs/consent.md decide every drawn case alike.

The two share no code: the second works on the JSON of consents and policies itself. All of a case
follows from its seed, and a failure names it.
"""

import base64
import hashlib
import json
import os
from collections import Counter
from typing import Any

import pytest

from exchange.consent.decision import RULES, BasisDecision
from exchange.consent.resources import consents_from, decide_on
from exchange.consent.self_test import request_from
from exchange.model import ConsentBasis, MandateBasis
from schemas.policy import read_policy
from tests.support.consent_sets import ConsentSet, consent_set
from tests.support.naive_consent import decide

pytestmark = pytest.mark.slow

ALL_CASES = 10_000
CASES = int(
    os.environ.get("BHX_DIFFERENTIAL_CASES", ALL_CASES if os.environ.get("CI") == "true" else 1_600)
)
SHARDS = 4


def engine_says(case: ConsentSet) -> tuple[dict[str, Any], BasisDecision]:
    """The engine's decision, in the words of the naive reading."""
    policies = [read_policy(json.dumps(one).encode()) for one in case.policies]
    found = decide_on(case.consents, policies, request_from(case.request), case.time)
    basis: Any = None
    if isinstance(found.basis, ConsentBasis):
        basis = found.basis.entry
    elif isinstance(found.basis, MandateBasis):
        basis = [found.basis.version, found.basis.mandate]
        # The digest tells two policies of one version apart; the naive reading has the document.
        assert found.basis.policy in {one.digest for one in policies}
    return {
        "decision": found.decision,
        "rule": found.rule,
        "basis": basis,
        "view": found.view,
        "redact": list(found.redact),
        "obligations": sorted(found.obligations),
        "objection": found.objection,
    }, found


def digest_of(case: ConsentSet) -> str:
    """Section 8 by the standard library alone, for values without fractions and ASCII names."""
    statements = [one.statement for one in consents_from(case.consents)]
    statements.sort(key=lambda one: (one.identity, one.given_at))
    request = {
        name: sorted(value) if isinstance(value, list) and name != "date" else value
        for name, value in case.request.items()
    }
    if request["date"]:
        request["date"] = [one.replace("Z", "+00:00") for one in request["date"]]
    inputs = {
        "consents": [one.to_json() for one in statements],
        "policies": sorted(
            base64url(hashlib.sha256(json.dumps(one).encode()).digest()) for one in case.policies
        ),
        "request": request,
        "time": case.time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{case.time.microsecond // 1000:03}Z",
    }
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return base64url(hashlib.sha256(text.encode()).digest())


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def told(case: ConsentSet) -> str:
    return json.dumps(case._replace(time=case.time.isoformat())._asdict(), indent=1)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_engine_and_naive_reading_decide_alike(shard: int) -> None:
    seen: Counter[str] = Counter()
    number = CASES // SHARDS

    for seed in range(shard * number, (shard + 1) * number):
        # Of every five cases one has forms of which the page says little.
        case = consent_set(seed, doubtful=seed % 5 == 0)
        found, decision = engine_says(case)
        expected = decide(*case)
        assert expected == found, f"seed {seed}: {told(case)}"
        assert digest_of(case) == decision.inputs_digest, f"seed {seed}: {told(case)}"
        seen[decision.rule] += 1

    print(
        f"\nshard {shard}: "
        + ", ".join(f"{rule} {100 * seen[rule] / number:.1f} %" for rule in RULES)
    )
    # A run in which something is hardly ever decided compares nothing there.
    assert min(seen[rule] for rule in RULES) >= number // 500
