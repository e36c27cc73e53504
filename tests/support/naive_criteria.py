"""Section 3 of docs/consent.md, naively: when a rule matches.

A value answers `yes`, `no`, `unsure` (for this request) or `unknown` (unsure for every request,
so the consent that holds it was not understood).
"""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support import naive_codes as codes

Json = dict[str, Any]

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def matches(rule: Json, request: Json, time: datetime) -> bool:
    """Section 3: a permit matches on yes; a deny, and what is no permit, on yes or unsure."""
    answer = joined([answer_of(name, rule, request, time) for name in CRITERIA if name in rule])
    if rule.get("type") == "permit":
        return answer == "yes"
    return answer != "no"


def answer_of(name: str, rule: Json, request: Json, time: datetime) -> str:
    """Section 3: one criterion of a rule."""
    values = rule[name] if isinstance(rule[name], list) else [rule[name]]
    permit = rule.get("type") == "permit"
    if name == "securityLabel" and permit:
        return permitted_labels(values, request, time)
    return alternatives([CRITERIA[name](value, permit, request, time) for value in values])


def permitted_labels(values: list[Json], request: Json, time: datetime) -> str:
    """Section 3: in a permit confidentiality, sensitivity and anything else are three criteria."""
    kinds: dict[str, list[str]] = {}
    for value in values:
        answer = security_label(value, True, request, time)
        kinds.setdefault(label_kind(value), []).append(answer)
    return joined([alternatives(answers) for answers in kinds.values()])


def values_understood(rule: Json, request: Json, time: datetime) -> bool:
    """Section 3: no value is unsure for every request, not even beside one that is understood."""
    return "unknown" not in [
        CRITERIA[name](one, True, request, time)
        for name in CRITERIA
        if name in rule
        for value in (rule[name] if isinstance(rule[name], list) else [rule[name]])
        for one in each_coding_alone(name, value)
    ]


def each_coding_alone(name: str, value: Json) -> list[Json]:
    """The codings of a concept are alternatives too."""
    if name in ("action", "code") and codings(value):
        return [{"coding": [coding]} for coding in codings(value)]
    return [value]


def alternatives(answers: list[str]) -> str:
    """Section 3: repetitions of one criterion."""
    if "yes" in answers or not answers:
        return "yes"
    for unsure in ("unknown", "unsure"):
        if unsure in answers:
            return unsure
    return "no"


def joined(answers: list[str]) -> str:
    """Section 3: criteria of one rule."""
    for answer in ("no", "unknown", "unsure"):
        if answer in answers:
            return answer
    return "yes"


# --- the rows of the table ---------------------------------------------------------------------


def period(value: Json, permit: bool, request: Json, time: datetime) -> str:
    span = span_of(value)
    if span is None:
        return "unknown"
    return "yes" if span[0] <= time <= span[1] else "no"


def actor(value: Json, permit: bool, request: Json, time: datetime) -> str:
    role = codings(value.get("role"))
    if len(role) != 1 or pair(role[0]) not in (
        (codes.PARTICIPATION, "IRCP"),
        (codes.PARTICIPATION, "PRCP"),
    ):
        return "unknown"
    system, name = identifier(value.get("reference"))
    if system == codes.PARTICIPANT and name:
        return "yes" if name == request["recipient"] else "no"
    if system == codes.COUNTRY and name in codes.COUNTRIES:
        return "yes" if name == request["recipient_jurisdiction"] else "no"
    return "unknown"


def action(value: Json, permit: bool, request: Json, time: datetime) -> str:
    answers = []
    for system, code in map(pair, codings(value)):
        if system != codes.ACTION or code not in codes.ACTIONS:
            answers.append("unknown")
        elif code == "disclose" or (not permit and code != "correct"):
            answers.append("yes")
        else:
            answers.append("no")
    return alternatives(answers) if answers else "unknown"


def purpose(value: Json, permit: bool, request: Json, time: datetime) -> str:
    system, code = pair(value)
    if system != codes.ACT_REASON or code not in codes.PURPOSES:
        return "unknown"
    return "yes" if is_or_below(request["purpose"], code) else "no"


def is_or_below(asked: str, code: str) -> bool:
    """Section 3: the purpose is the code or below it."""
    return asked == code or (asked in codes.ABOVE and is_or_below(codes.ABOVE[asked], code))


def class_(value: Json, permit: bool, request: Json, time: datetime) -> str:
    system, code = pair(value)
    if system != codes.RESOURCE_TYPES or code not in codes.R4_RESOURCES:
        return "unknown"
    return "yes" if same_class(code, request["record_class"]) else "no"


def same_class(one: str, other: str) -> bool:
    """Section 3: Observation and DiagnosticReport name one class, laboratory results."""
    laboratory = ("Observation", "DiagnosticReport")
    return one == other or (one in laboratory and other in laboratory)


def code_(value: Json, permit: bool, request: Json, time: datetime) -> str:
    known_systems = [system for system, _ in request["codes"]]
    found = list(map(pair, codings(value)))
    if any([system, code] in request["codes"] for system, code in found):
        return "yes"
    if not found or any(not system or not code for system, code in found):
        return "unknown"
    return "no" if all(system in known_systems for system, _ in found) else "unsure"


def label_kind(value: Json) -> str:
    """Section 3: which of the three rows of `securityLabel` a label belongs to."""
    system, code = pair(value)
    if system == codes.CONFIDENTIALITY and code in codes.CONFIDENTIALITY_ORDER:
        return "confidentiality"
    if system == codes.ACT_CODE and code in codes.SENSITIVITY:
        return "sensitivity"
    return "other"


def security_label(value: Json, permit: bool, request: Json, time: datetime) -> str:
    kind = label_kind(value)
    if kind == "other":
        return "unknown"
    if kind == "sensitivity":
        return "yes" if value["code"] in request["labels"] else "no"
    stated = codes.CONFIDENTIALITY_ORDER.index(value["code"])
    # Section 1: what is no code counts as above V.
    order = [*codes.CONFIDENTIALITY_ORDER, request["confidentiality"]]
    record = order.index(request["confidentiality"])
    return "yes" if (record <= stated if permit else record >= stated) else "no"


def data_period(value: Json, permit: bool, request: Json, time: datetime) -> str:
    span = span_of(value)
    if span is None:
        return "unknown"
    if request["date"] is None:
        return "unsure"
    first, last = (datetime.fromisoformat(one) for one in request["date"])
    inside = span[0] <= first and last <= span[1]
    touches = first <= span[1] and span[0] <= last
    return "yes" if (inside if permit else touches) else "no"


def data(value: Json, permit: bool, request: Json, time: datetime) -> str:
    system, name = identifier(value.get("reference"))
    if value.get("meaning") == "instance" and system and name and "|" not in system:
        if request["record"] is None:
            return "unsure"
        return "yes" if f"{system}|{name}" == request["record"] else "no"
    if value.get("meaning") == "authoredby" and system == codes.PARTICIPANT and name:
        return "yes" if name == request["author"] else "no"
    return "unknown"


CRITERIA = {
    "period": period,
    "actor": actor,
    "action": action,
    "purpose": purpose,
    "class": class_,
    "code": code_,
    "securityLabel": security_label,
    "dataPeriod": data_period,
    "data": data,
}


# --- values of FHIR ----------------------------------------------------------------------------


def codings(concept: Any) -> list[Json]:
    return concept.get("coding", []) if isinstance(concept, dict) else []


def pair(coding: Json) -> tuple[str, str]:
    return coding.get("system") or "", coding.get("code") or ""


def identifier(reference: Any) -> tuple[str, str]:
    found = reference.get("identifier", {}) if isinstance(reference, dict) else {}
    return found.get("system") or "", found.get("value") or ""


def sensitivity_labels(rule: Json) -> list[str]:
    return [
        label["code"]
        for label in rule.get("securityLabel", [])
        if label_kind(label) == "sensitivity"
    ]


def span_of(value: Json) -> tuple[datetime, datetime] | None:
    """First and last instant of a Period, or None: an end cannot be read, or there is none.

    Choice: one end that cannot be read makes the period unsure, whatever the other end says.
    """
    if "start" not in value and "end" not in value:
        return None
    first = instant(value["start"], last=False) if "start" in value else FIRST
    last = instant(value["end"], last=True) if "end" in value else LAST
    return (first, last) if first is not None and last is not None else None


def instant(text: Any, *, last: bool) -> datetime | None:
    """A dateTime; a partial one is the whole day anywhere on Earth (UTC+14 to UTC-12)."""
    try:
        if "T" in text:
            exact = datetime.fromisoformat(text)
            return exact.astimezone(UTC) if exact.tzinfo is not None else None
        numbers = [int(part) for part in text.split("-")]
        if not 1000 <= numbers[0] <= 9000:
            return None
        if not last:
            numbers += [1] * (3 - len(numbers))
            return datetime(*numbers, tzinfo=UTC) - timedelta(hours=14)
        numbers += [12] * (len(numbers) == 1)
        numbers += [calendar.monthrange(*numbers[:2])[1]] * (len(numbers) == 2)
        day = datetime(*numbers, tzinfo=UTC)
        return day + timedelta(days=1, hours=12) - timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        return None
