"""The receipt: what the exchange decided on one message, with a proof that anyone can check."""

from typing import ClassVar, Literal

from schemas.wire_json import WireBytes, WireDocument

RECEIPT_TYPE = "application/vnd.bhx.receipt+json"


class ReceiptIssue(WireDocument):
    """One thing to mend, as in `OperationOutcome.issue`; never with a value."""

    code: str
    expression: str
    text: str


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
