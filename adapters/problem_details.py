"""How each of our errors is told to the world: HTTP status and FHIR issue code, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exchange.errors import (
    BreakGlassRefused,
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
from schemas.sentences.catalogue import LANGUAGES, say
from schemas.violation import Problem, problem


@dataclass(frozen=True, slots=True)
class Telling:
    """One row: what an error becomes.

    Attributes:
        status: HTTP status.
        code: OperationOutcome.issue.code, where the error brings no problems of its own.
        reason: stable public word.
        sentence: what it means for whoever asked, as a key of the catalogue.
    """

    status: int
    code: str
    reason: str
    sentence: str

    @property
    def problem(self) -> Problem:
        """The row as a problem of its own, where the error brings none."""
        return problem(self.sentence, self.code, "Bundle")


TELLINGS: Mapping[type[ExchangeError], Telling] = {
    MalformedMessage: Telling(400, "structure", MalformedMessage.reason, "title.malformed-message"),
    UntrustedSender: Telling(403, "security", UntrustedSender.reason, "title.untrusted-sender"),
    InvalidRecord: Telling(422, "invalid", InvalidRecord.reason, "title.invalid-record"),
    ConsentRefused: Telling(403, "forbidden", ConsentRefused.reason, "title.consent-refused"),
    NoRecipient: Telling(422, "not-supported", NoRecipient.reason, "title.no-recipient"),
    BreakGlassRefused: Telling(
        403, "forbidden", BreakGlassRefused.reason, "title.break-glass-refused"
    ),
    ConflictingMessage: Telling(409, "conflict", ConflictingMessage.reason, "title.message-reused"),
    Unavailable: Telling(503, "transient", "unavailable", "title.unavailable"),
    IntegrityBroken: Telling(500, "exception", "internal-error", "title.internal-error"),
    ConfigurationError: Telling(500, "exception", "internal-error", "title.internal-error"),
}

#: What is not in the table is a bug.
BUG = Telling(500, "exception", "internal-error", "title.internal-error")

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
    return (telling_of(error).problem,)


def problem_details(
    telling: Telling, problems: Sequence[Problem] = (), language: str = LANGUAGES[0]
) -> dict[str, Any]:
    """An RFC 9457 problem document; `reason` and `problems` are members of our own."""
    return {
        "type": f"urn:bhx:problem:{telling.reason}",
        "title": say(telling.sentence, language=language),
        "status": telling.status,
        "reason": telling.reason,
        "problems": [
            {
                "severity": one.severity,
                "code": one.code,
                "expression": one.expression,
                "text": one.text_in(language),
            }
            for one in problems
        ],
    }
