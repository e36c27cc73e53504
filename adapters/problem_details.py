"""How each of our errors is told to the world: HTTP status and FHIR issue code, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exchange.errors import (
    ConfigurationError,
    ConflictingMessage,
    ConsentRefused,
    ExchangeError,
    IntegrityBroken,
    InvalidRecord,
    MalformedMessage,
    NoRecipient,
    Refusal,
    Unavailable,
    UntrustedSender,
)
from schemas.violation import Problem


@dataclass(frozen=True, slots=True)
class Telling:
    """One row: what an error becomes.

    Attributes:
        status: HTTP status.
        code: OperationOutcome.issue.code, where the error brings no problems of its own.
        reason: stable public word.
        title: what it means for whoever asked.
    """

    status: int
    code: str
    reason: str
    title: str


TELLINGS: Mapping[type[ExchangeError], Telling] = {
    MalformedMessage: Telling(
        400, "structure", MalformedMessage.reason, "This is not a signed message."
    ),
    UntrustedSender: Telling(
        403, "security", UntrustedSender.reason, "The sender is not trusted here."
    ),
    InvalidRecord: Telling(
        422, "invalid", InvalidRecord.reason, "The document is not one this exchange carries."
    ),
    ConsentRefused: Telling(
        403, "forbidden", ConsentRefused.reason, "No basis allows any recipient."
    ),
    NoRecipient: Telling(
        422, "not-supported", NoRecipient.reason, "Nobody here asked for this record."
    ),
    ConflictingMessage: Telling(
        409, "conflict", ConflictingMessage.reason, "This message id stands for other bytes."
    ),
    Unavailable: Telling(
        503, "transient", "unavailable", "The exchange cannot answer now: send the same again."
    ),
    IntegrityBroken: Telling(
        500, "exception", "internal-error", "The exchange failed; its operator was told."
    ),
    ConfigurationError: Telling(
        500, "exception", "internal-error", "The exchange failed; its operator was told."
    ),
}

#: What is not in the table is a bug.
BUG = Telling(500, "exception", "internal-error", "The exchange failed; its operator was told.")

#: How long a client waits before it sends the same again.
RETRY_AFTER_SECONDS = 5

_BY_REASON = {
    kind.reason: telling for kind, telling in TELLINGS.items() if issubclass(kind, Refusal)
}


def telling_of(error: BaseException) -> Telling:
    """The row of this error; a bug's row for anything unknown."""
    for kind in type(error).__mro__:
        if kind in TELLINGS:
            return TELLINGS[kind]
    return BUG


def status_of(reason: str | None) -> int:
    """HTTP status of a recorded decision: 200 for an acceptance, else as its reason says."""
    return 200 if reason is None else _BY_REASON.get(reason, BUG).status


def problems_of(error: BaseException) -> tuple[Problem, ...]:
    """What to mend: a refusal's own problems, else the one sentence of its row."""
    if isinstance(error, Refusal):
        return error.problems
    telling = telling_of(error)
    return (Problem(telling.code, "Bundle", telling.title),)


def problem_details(
    status: int, reason: str, title: str, problems: Sequence[Problem] = ()
) -> dict[str, Any]:
    """An RFC 9457 problem document; `reason` and `problems` are members of our own."""
    return {
        "type": f"urn:bhx:problem:{reason}",
        "title": title,
        "status": status,
        "reason": reason,
        "problems": [
            {"code": one.code, "expression": one.expression, "text": one.text} for one in problems
        ],
    }
