"""Does this receipt prove what the exchange decided on exactly the message that was sent?

The argument; each number stands again at the code that makes the step.

    1. The bytes are a receipt, and its entry is a canonical `accepted` or `refused` trail entry.
    2. The receipt says no more than its entry: outcome, reason, publisher and message agree, and
       a version is said to be superseded exactly when its entry names the newer one.
    3. The inclusion proof leads from exactly this entry to a checkpoint that the pinned key signed.
    4. The entry's content commitment opens over exactly the bytes that were sent.
    5. An acceptance names us, our message id and the key we signed with. A refusal names us or
       nobody, and our message id or the exchange's own name for the bytes (exchange.opening):
       then it is step 4 that ties it to our message.

Not proven: that the checkpoint is one that others see too. Auditors and subscribers compare.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from adapters.clients.errors import UnprovenReceipt
from adapters.clients.transport import SignedMessage
from exchange.commitment import CommitmentBroken, require_commitment
from exchange.trail.checkpoint import Checkpoint, NoteVerifier
from exchange.trail.errors import CheckpointInvalid, ProofInvalid
from exchange.trail.proof import read_proof, verify_proof
from schemas.receipt import Receipt
from schemas.trail_entry import AcceptedEntry, RefusedEntry, read_entry
from schemas.violation import SchemaViolation

#: A refusal filed under the bytes' own name has their keyed digest for a message id.
_OWN_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReceipt:
    """A receipt whose proof holds; keep `receipt.to_bytes()`, it is evidence.

    Attributes:
        entry: the trail entry that the receipt proves.
        index: its place in the trail.
        checkpoint: the tree head that covers it.
    """

    receipt: Receipt = field(repr=False)
    entry: AcceptedEntry | RefusedEntry
    index: int
    checkpoint: Checkpoint

    @property
    def outcome(self) -> Literal["accepted", "refused"]:
        """What the exchange decided."""
        return self.entry.type

    @property
    def standing(self) -> Literal["current", "superseded"] | None:
        """Whether it is the newest version of its record so far; None for what is no version."""
        return self.receipt.standing

    @property
    def reason(self) -> str | None:
        """The stable word for a refusal, or None."""
        return self.entry.reason if isinstance(self.entry, RefusedEntry) else None


def verify_receipt(
    raw: bytes, sent: SignedMessage, *, publisher: str, verifier: NoteVerifier
) -> VerifiedReceipt:
    """Return the receipt when it proves what became of the message that `publisher` sent.

    Raises:
        UnprovenReceipt: a step of the argument does not hold.
    """
    try:
        receipt = Receipt.from_bytes(raw)  # 1
        entry = read_entry(receipt.entry)
    except SchemaViolation as violation:
        raise UnprovenReceipt(f"The receipt cannot be read: {violation}") from None
    if not isinstance(entry, AcceptedEntry | RefusedEntry):
        raise UnprovenReceipt("The receipt's trail entry is not a decision on a message.")
    _require_agreement(receipt, entry)  # 2
    try:
        checkpoint = verify_proof(receipt.proof, receipt.entry, verifier)  # 3
    except (ProofInvalid, CheckpointInvalid) as invalid:
        raise UnprovenReceipt(
            f"The receipt is not proven by the pinned log key: {invalid}."
        ) from invalid
    _require_content(receipt, entry, sent)  # 4
    _require_ours(entry, sent, publisher)  # 5
    return VerifiedReceipt(
        receipt=receipt,
        entry=entry,
        index=read_proof(receipt.proof).index,
        checkpoint=checkpoint,
    )


def is_about(receipt: Receipt, sent: SignedMessage) -> bool:
    """Whether a receipt may answer this message, for a transport that has many under way.

    It decides only whose receipt it is; `verify_receipt` decides whether it is true.
    """
    try:
        entry = read_entry(receipt.entry)
        if isinstance(entry, AcceptedEntry | RefusedEntry):
            require_commitment(entry.content, sent.body, receipt.content_salt or b"")
            return entry.message == sent.message_id or isinstance(entry, RefusedEntry)
    except (SchemaViolation, CommitmentBroken):
        pass
    return False


def _require_agreement(receipt: Receipt, entry: AcceptedEntry | RefusedEntry) -> None:
    stated = (receipt.outcome, receipt.reason, receipt.publisher, receipt.message)
    reason = entry.reason if isinstance(entry, RefusedEntry) else None
    if stated != (entry.type, reason, entry.publisher, entry.message):
        raise UnprovenReceipt("The receipt says something else than its trail entry.")
    if receipt.standing not in _standings(entry):
        raise UnprovenReceipt("The receipt says otherwise than its entry which version is newer.")


def _standings(entry: AcceptedEntry | RefusedEntry) -> set[str | None]:
    """What a receipt may say of the version; an entry does not show that it is the first."""
    if isinstance(entry, RefusedEntry):
        return {None}
    if entry.superseded_by is not None:
        return {"superseded"}
    return {"current"} if entry.supersedes is not None else {"current", None}


def _require_content(
    receipt: Receipt, entry: AcceptedEntry | RefusedEntry, sent: SignedMessage
) -> None:
    if receipt.content_salt is None:
        raise UnprovenReceipt(
            "The receipt no longer opens its content commitment: the record was erased."
        )
    try:
        require_commitment(entry.content, sent.body, receipt.content_salt)
    except CommitmentBroken:
        raise UnprovenReceipt("The receipt is for other bytes than were sent.") from None


def _require_ours(entry: AcceptedEntry | RefusedEntry, sent: SignedMessage, publisher: str) -> None:
    if isinstance(entry, AcceptedEntry):
        named = (entry.publisher, entry.message, entry.key)
        if named != (publisher, sent.message_id, sent.key_id):
            raise UnprovenReceipt("The receipt accepts another party's message, not this one.")
        return
    is_named = entry.message == sent.message_id or _OWN_NAME.fullmatch(entry.message)
    if entry.publisher not in {"", publisher} or not is_named:
        raise UnprovenReceipt("The receipt refuses another party's message, not this one.")
