"""The receipt: what the exchange decided on one message, with a proof that anyone can check."""

from typing import ClassVar, Literal, Self

from pydantic import Field

from schemas.violation import Problem, Severity
from schemas.wire_json import WireBytes, WireDocument

RECEIPT_TYPE = "application/vnd.bhx.receipt+json"


def _is_none(value: object) -> bool:
    return value is None


class ReceiptIssue(WireDocument):
    """One thing to mend, as in `OperationOutcome.issue`; never with a value.

    Attributes:
        text: in English; the receipt's bytes are the same for every reader.
        sentence: names the text in the catalogue, for other languages.
        words: what stands in the sentence's places.
    """

    code: str
    expression: str
    text: str
    # Left out when there is none, so that issues from before these keep the bytes they had.
    severity: Severity | None = Field(default=None, exclude_if=_is_none)
    sentence: str | None = Field(default=None, exclude_if=_is_none)
    words: tuple[str, ...] | None = Field(default=None, exclude_if=_is_none)

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The issue that tells a problem."""
        is_old = problem.sentence is None and problem.severity == "error"
        return cls(
            code=problem.code,
            expression=problem.expression,
            text=problem.text,
            severity=None if is_old else problem.severity,
            sentence=problem.sentence,
            words=problem.words or None,
        )

    def to_problem(self) -> Problem:
        """The problem it tells; a receipt from before there were severities told errors only."""
        return Problem(
            self.code,
            self.expression,
            self.text,
            self.severity or "error",
            self.sentence,
            self.words or (),
        )


class Receipt(WireDocument):
    """Decision, leaf, inclusion proof and checkpoint (DESIGN 3.7).

    What is signed is the checkpoint inside `proof`: the exchange's key covers the root, the root
    covers the entry, the entry covers party, message id, outcome and content. The other members
    repeat the entry for readers and hold nothing that a check may rely on, but for `content_salt`.

    Attributes:
        decided_at: RFC 3339, UTC.
        entry: exact bytes of the trail leaf.
        proof: c2sp.org/tlog-proof@v1 text.
        content_salt: opens the entry's content commitment over the bytes the publisher sent.
        standing: whether the message brought the newest version of its record; absent for a
            refusal and for what is no version of a record.
    """

    ABSENT_WHEN_NONE: ClassVar[tuple[str, ...]] = ("standing",)

    v: Literal[1] = 1
    publisher: str
    message: str
    outcome: Literal["accepted", "refused"]
    reason: str | None = None
    issues: tuple[ReceiptIssue, ...] = ()
    decided_at: str
    entry: WireBytes
    proof: str
    content_salt: WireBytes | None = None
    standing: Literal["current", "superseded"] | None = None
