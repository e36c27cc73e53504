"""How often drawn consent sets reach each row of docs/consent.md, as the naive reading sees it.

`python -m tests.support.consent_reach [cases] [first seed]` prints the counts.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tests.support import naive_codes as codes
from tests.support import naive_criteria as criteria
from tests.support.consent_sets import ConsentSet, consent_set
from tests.support.naive_consent import (
    Statement,
    decide,
    denied_in_parts,
    replaces,
    rules_of,
    statement,
)
from tests.support.naive_statements import (
    all_provisions,
    is_representative,
    pcf_policy,
    pcf_uris,
    policies_named,
)

Json = dict[str, Any]


def reach(cases: Iterable[ConsentSet]) -> Counter[str]:
    """Rows reached, by name; each case counts once for a row."""
    counts: Counter[str] = Counter()
    for case in cases:
        counts.update({*_of_answer(case), *_of_statements(case), *_of_rules(case)})
    return counts


def _of_answer(case: ConsentSet) -> Iterable[str]:
    answer = decide(*case)
    yield f"6 decision {answer['decision']}"
    yield f"6 rule {answer['rule']}"
    yield f"6 rule {answer['rule']}, decision {answer['decision']}"
    if answer["decision"] == "permit":
        yield f"6 view {answer['view']}"
        yield from (f"6 obligation {one}" for one in answer["obligations"])
        yield f"6 redacts {bool(answer['redact'])}"
        objection = decide(case.consents, [], case.request, case.time)["rule"] == "consent-denies"
        yield f"6.7 {answer['rule']}, objection {objection}"
        country, origins = case.request["recipient_jurisdiction"], case.request["origins"]
        home = country in (case.request["collected_in"], "*")
        why = "home or *" if home else "named" if not origins or country in origins else "elsewhere"
        yield f"6.4 {answer['rule']} to {why}"
        yield f"6.5 {answer['rule']} with labels {bool(case.request['labels'])}"


def _of_statements(case: ConsentSet) -> Iterable[str]:
    consents, _, request, time = case
    read = [statement(one, at, request, time) for at, one in enumerate(consents)]
    for one in read:
        yield f"5.3 status {one.consent['status']}, {one.result.word}"
        if one.consent["status"] == "active":
            yield from _of_base(one, request)
        if one.moment > time:
            skew = one.moment - time <= timedelta(minutes=5)
            yield f"5.2 {'within' if skew else 'beyond'} five minutes"
        for rule in rules_of(one.consent):
            if set(denied_in_parts(rule, request, time)) & set(request["part_labels"]):
                yield "6.5 a deny rule names a label of a part"
        yield from _of_versions(one, [other for other in read if other is not one])


def _of_base(one: Statement, request: Json) -> Iterable[str]:
    root = one.consent.get("provision")
    shape = "no provision" if root is None else f"root {root.get('type', 'untyped')}"
    word = one.result.word
    yield from (f"2 {reason}, {word}" for reason in one.reasons)
    yield f"4 {shape}, {'unusable' if one.reasons else 'usable'}, {word}"
    yield from (f"3 path of {len(path)} rules, {word}" for path in one.result.paths)
    yield f"6 {len(one.result.paths)} paths, {word}"
    for uri in pcf_uris(one.consent):
        says = pcf_policy(uri, request)
        yield f"4 {uri.removeprefix(codes.PCF)} {says}, {shape}, {word}"
    if root is None or "type" not in root:
        names = [name.removeprefix(codes.PCF) for name in policies_named(one.consent)]
        yield f"4 policies {'+'.join(names)}, {shape}, {word}"
    if is_representative(one.consent):
        yield f"2 representative, minor {request['is_minor']}, {word}"


def _of_versions(one: Statement, others: list[Statement]) -> Iterable[str]:
    for other in others:
        if other.identity == one.identity:
            when = "equal" if other.moment == one.moment else "other"
            yield f"5.1 two versions, {when} times, {one.result.word}, {other.result.word}"
        if replaces(other, one):
            yield f"5.4 {one.result.word} replaced by {other.result.word}"


def _of_rules(case: ConsentSet) -> Iterable[str]:
    for consent in case.consents:
        for rule in all_provisions(consent.get("provision", {}))[:40]:
            kind = rule.get("type", "untyped")
            for name in criteria.CRITERIA:
                values = rule.get(name, [])
                for value in values if isinstance(values, list) else [values]:
                    answer = criteria.CRITERIA[name](
                        value, kind == "permit", case.request, case.time
                    )
                    row = (
                        f"{name} {criteria.label_kind(value)}" if name == "securityLabel" else name
                    )
                    yield f"3 {row}, {kind}: {answer}"


def main() -> None:
    """Prints the rows, with how many cases reach each."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    counts = reach(consent_set(seed) for seed in range(first, first + number))
    for row, count in sorted(counts.items()):
        print(f"{count:7}  {100 * count / number:5.1f} %  {row}")


if __name__ == "__main__":
    main()
