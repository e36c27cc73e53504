"""Everything that can go wrong, as four kinds with opposite meanings.

    ExchangeError
    ├── Refusal             a decision on one message: recorded, answered, never retried
    ├── Unavailable         no answer from a dependency: nothing recorded, so retry
    ├── IntegrityBroken     our log or store contradicts itself: stop, and page a human
    └── ConfigurationError  refuse to start; names the setting and the expected form

Anything else is a bug. Texts never hold a received value: they are shown, logged and recorded.
"""

from collections.abc import Sequence
from typing import ClassVar

from schemas.violation import Problem


class ExchangeError(Exception):
    """The root of all errors this system raises on purpose."""


class Refusal(ExchangeError):
    """A message is refused, and the refusal is recorded, signed and answered like an acceptance.

    Attributes:
        reason: stable public word, the same in metrics, receipts and the trail.
        problems: what to mend; each names the element and the cure, never the value.
    """

    reason: ClassVar[str] = "refused"

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(problem.text for problem in self.problems))


class MalformedMessage(Refusal):
    """The bytes are not an envelope around strict JSON."""

    reason = "malformed-message"


class UntrustedSender(Refusal):
    """The signature, the key or the party does not hold."""

    reason = "untrusted-sender"


class InvalidRecord(Refusal):
    """The document is not a FHIR message that this exchange carries."""

    reason = "invalid-record"


class ConsentRefused(Refusal):
    """No basis allows any recipient; the text is the same whatever the cause."""

    reason = "consent-refused"


class NoRecipient(Refusal):
    """Nobody subscribes to this record and it names nobody."""

    reason = "no-recipient"


class BreakGlassRefused(Refusal):
    """The glass may not be broken here; recorded, so that who tries doors is seen."""

    reason = "break-glass-refused"


class ConflictingMessage(Refusal):
    """A message id was used again for other bytes."""

    reason = "message-reused"


class Unavailable(ExchangeError):
    """A dependency gave no answer; nothing was recorded, so the same bytes may be tried again."""


class IntegrityBroken(ExchangeError):
    """Our own log or store contradicts itself; the process stops rather than go on."""


class ConfigurationError(ExchangeError):
    """A setting, key or file is wrong; the text names it and says what is expected."""
