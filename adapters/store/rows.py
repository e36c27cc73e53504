"""How the core's values lie in rows, and come back equal to what they were."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row, and_, select

from adapters.store.tables import decisions, deliveries
from exchange.errors import IntegrityBroken
from exchange.model import (
    Basis,
    BreakGlassBasis,
    ConsentBasis,
    ConsentOnFile,
    Hold,
    MandateBasis,
    MessageIdentity,
    NewestVersion,
    PendingDelivery,
    Recall,
    ReleasedDelivery,
    SealedBody,
    SealedView,
    Slip,
    StandingDecision,
    Subject,
)
from exchange.ports import DeliveryRow, Notice
from schemas.consent.statement import ConsentStatement
from schemas.participant import Participant
from schemas.policy import Policy
from schemas.trail_entry import read_entry
from schemas.violation import Problem, Severity

#: Deliveries with the salt that opens their content, and their record; one place to erase both.
SELECT_DELIVERIES = select(deliveries, decisions.c.content_salt, decisions.c.record).outerjoin(
    decisions,
    and_(
        decisions.c.message_id == deliveries.c.message_id,
        decisions.c.publisher == deliveries.c.publisher,
    ),
)


def decision_values(decision: StandingDecision) -> dict[str, Any]:
    """The row of a decision."""
    return {
        "message_id": decision.identity.message_id,
        "publisher": decision.identity.publisher,
        "digest": decision.digest,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "problems": _json([_problem_values(one) for one in decision.problems])
        if decision.problems
        else "[]",
        "decided_at": decision.decided_at,
        "entry_index": decision.entry_index,
        "tree_size": decision.tree_size,
        "content_salt": decision.content_salt,
        "record": decision.record,
        "standing": decision.standing,
    }


def read_decision(row: Row[Any]) -> StandingDecision:
    """The decision of a row."""
    return StandingDecision(
        identity=MessageIdentity(row.publisher, row.message_id),
        digest=row.digest,
        outcome=row.outcome,
        reason=row.reason,
        problems=tuple(_read_problem(*one) for one in json.loads(row.problems)),
        decided_at=row.decided_at,
        entry_index=row.entry_index,
        tree_size=row.tree_size,
        content_salt=row.content_salt,
        record=row.record,
        standing=row.standing,
    )


def _problem_values(one: Problem) -> list[Any]:
    return [one.code, one.expression, one.text, one.severity, one.sentence, one.words]


def _read_problem(
    code: str,
    expression: str,
    text: str,
    severity: Severity = "error",
    sentence: str | None = None,
    words: Sequence[str] = (),
) -> Problem:
    """A problem of a row; those written before there were languages have three members."""
    return Problem(code, expression, text, severity, sentence, tuple(words))


def version_values(record: bytes, newest: NewestVersion) -> dict[str, Any]:
    """The row of a record's newest version."""
    return {
        "record": record,
        "version_at": newest.version_at,
        "entry_index": newest.entry_index,
        "publisher": newest.identity.publisher,
        "message_id": newest.identity.message_id,
        "subject_id": newest.subject_id,
    }


def read_version(row: Row[Any]) -> NewestVersion:
    """The newest version of a row."""
    return NewestVersion(
        version_at=row.version_at,
        entry_index=row.entry_index,
        identity=MessageIdentity(row.publisher, row.message_id),
        subject_id=row.subject_id,
    )


def consent_values(subject_id: str, on_file: ConsentOnFile, position: int) -> dict[str, Any]:
    """The row of a consent; `position` is its place in the transaction."""
    return {
        "basis_entry": on_file.basis.entry,
        "position": position,
        "subject_id": subject_id,
        "basis_consent": on_file.basis.consent,
        "statement": _json(on_file.statement.to_json()),
    }


def read_consent_row(row: Row[Any]) -> ConsentOnFile:
    """The consent of a row."""
    return ConsentOnFile(
        statement=ConsentStatement.from_json(json.loads(row.statement)),
        basis=ConsentBasis(consent=row.basis_consent, entry=row.basis_entry),
    )


def body_values(identity: MessageIdentity, body: SealedBody) -> dict[str, Any]:
    """The row of a sealed body."""
    return {
        "message_id": identity.message_id,
        "publisher": identity.publisher,
        "subject_id": body.subject_id,
        "ciphertext": body.ciphertext,
        "signature": body.signature,
        "traits": body.traits,
    }


def read_sealed_body(
    row: Row[Any], *, ciphertext: bytes | None = None
) -> tuple[Subject, SealedBody]:
    """The sealed body of a row and its subject's key; `ciphertext` where the row has none."""
    return (
        Subject(subject_id=row.subject_id, wrapped_key=row.wrapped_key),
        SealedBody(
            subject_id=row.subject_id,
            ciphertext=row.ciphertext if ciphertext is None else ciphertext,
            signature=row.signature,
            traits=row.traits,
        ),
    )


def view_values(delivery_id: str, view: SealedView) -> dict[str, Any]:
    """The row of what the exchange made for a delivery."""
    return {
        "delivery_id": delivery_id,
        "subject_id": view.body.subject_id,
        "ciphertext": view.body.ciphertext,
        "signature": view.body.signature,
        "content_salt": view.content_salt,
        "origin_salt": view.origin_salt,
    }


def read_sealed_view(row: Row[Any]) -> tuple[Subject, SealedView]:
    """What the exchange made, of a row, and its subject's key."""
    return (
        Subject(subject_id=row.subject_id, wrapped_key=row.wrapped_key),
        SealedView(
            body=SealedBody(
                subject_id=row.subject_id, ciphertext=row.ciphertext, signature=row.signature
            ),
            content_salt=row.content_salt,
            origin_salt=row.origin_salt,
        ),
    )


def basis_values(basis: Basis) -> dict[str, Any]:
    """The columns of a basis: its kind, and what names it."""
    if isinstance(basis, ConsentBasis):
        return _basis_columns("consent", basis.consent, basis.entry, None)
    if isinstance(basis, MandateBasis):
        return _basis_columns("mandate", basis.policy, basis.version, basis.mandate)
    return _basis_columns("break-glass", "", 0, basis.grant)


def _basis_columns(kind: str, named: str, entry: int, name: str | None) -> dict[str, Any]:
    return {
        "basis_kind": kind,
        "basis_consent": named,
        "basis_entry": entry,
        "basis_name": name,
    }


def read_basis(row: Row[Any]) -> Basis:
    """The basis of a delivery's row."""
    match row.basis_kind:
        case "consent":
            return ConsentBasis(consent=row.basis_consent, entry=row.basis_entry)
        case "mandate":
            return MandateBasis(
                policy=row.basis_consent, version=row.basis_entry, mandate=row.basis_name
            )
        case "break-glass":
            return BreakGlassBasis(grant=row.basis_name)
        case _:
            raise IntegrityBroken("A stored delivery rests on a basis of no known kind.")


def delivery_values(delivery: PendingDelivery | ReleasedDelivery) -> dict[str, Any]:
    """The row of a delivery in the state it is in."""
    released = delivery if isinstance(delivery, ReleasedDelivery) else None
    pending = delivery.pending if isinstance(delivery, ReleasedDelivery) else delivery
    return {
        "delivery_id": pending.delivery_id,
        "subscriber": pending.subscriber,
        "number": pending.number,
        "publisher": pending.identity.publisher,
        "message_id": pending.identity.message_id,
        "subject_id": pending.subject_id,
        "record_type": pending.record_type,
        "purpose": pending.purpose,
        **basis_values(pending.basis),
        "view": pending.view,
        "content": pending.content,
        "accepted_entry": pending.accepted_entry,
        "state": released.state if released else "pending",
        "entry_index": released.entry_index if released else None,
        "tree_size": released.tree_size if released else None,
        "superseded_by": released.superseded_by if released else None,
        "recalls": pending.recall.delivery_id if pending.recall else None,
        "cause": pending.recall.cause if pending.recall else None,
        "deadline": pending.recall.deadline if pending.recall else pending.until,
        "because": pending.recall.because if pending.recall else None,
    }


def read_pending(row: Row[Any]) -> PendingDelivery:
    """The delivery of a row of `SELECT_DELIVERIES`, whatever its state."""
    return PendingDelivery(
        delivery_id=row.delivery_id,
        subscriber=row.subscriber,
        number=row.number,
        identity=MessageIdentity(row.publisher, row.message_id),
        subject_id=row.subject_id,
        record_type=row.record_type,
        purpose=row.purpose,
        basis=read_basis(row),
        content=row.content,
        accepted_entry=row.accepted_entry,
        view=row.view,
        record=row.record,
        content_salt=row.content_salt,
        until=row.deadline if row.recalls is None else None,
        recall=None
        if row.recalls is None
        else Recall(
            delivery_id=row.recalls, cause=row.cause, deadline=row.deadline, because=row.because
        ),
    )


def read_delivery(row: Row[Any]) -> DeliveryRow:
    """The delivery of a row of `SELECT_DELIVERIES`."""
    pending = read_pending(row)
    released = None
    if row.state != "pending":
        released = ReleasedDelivery(
            pending=pending,
            state=row.state,
            entry_index=row.entry_index,
            tree_size=row.tree_size,
            superseded_by=row.superseded_by,
        )
    return DeliveryRow(
        pending=pending,
        released=released,
        acknowledged=row.acknowledged_entry is not None,
        content_salt=row.content_salt,
        answer=row.answer,
    )


def hold_values(hold: Hold) -> dict[str, Any]:
    """The row of a legal hold."""
    return {
        "hold_id": hold.hold_id,
        "subject_id": hold.subject_id,
        "authority": hold.authority,
        "placed_entry": hold.placed_entry,
        "lifted_entry": hold.lifted_entry,
    }


def hold_of(row: Row[Any]) -> Hold:
    """The legal hold of a row."""
    return Hold(
        hold_id=row.hold_id,
        subject_id=row.subject_id,
        authority=row.authority,
        placed_entry=row.placed_entry,
        lifted_entry=row.lifted_entry,
    )


def read_notice(row: Row[Any]) -> Notice:
    """The notice of recall of a row of `SELECT_DELIVERIES` with its entry and whether it waits."""
    issued_at = None
    if row.entry is not None:
        issued_at = datetime.fromisoformat(read_entry(row.entry).time)
    return Notice(
        row=read_delivery(row),
        issued_at=issued_at,
        is_sent=row.state != "pending" and row.released_at is None,
        answered_entry=row.answered_entry,
    )


def policy_values(policy: Policy, body: bytes, adopted_entry: int) -> dict[str, Any]:
    """The row of a version of a policy."""
    return {
        "digest": policy.digest,
        "jurisdiction": policy.jurisdiction,
        "version": policy.version,
        "body": body,
        "adopted_entry": adopted_entry,
    }


def slip_values(slip: Slip) -> dict[str, Any]:
    """The row of a slip."""
    return {
        "token_digest": slip.token_digest,
        "subject_id": slip.subject_id,
        "issued_at": slip.issued_at,
        "expires_at": slip.expires_at,
    }


def read_slip(row: Row[Any]) -> Slip:
    """The slip of a row."""
    return Slip(
        token_digest=row.token_digest,
        subject_id=row.subject_id,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
    )


def participant_values(participant: Participant) -> dict[str, Any]:
    """The row of a directory document."""
    return {"id": participant.id, "document": participant.model_dump_json()}


def read_participants(documents: Iterable[str]) -> list[Participant]:
    """The participants of these documents.

    Raises:
        IntegrityBroken: a document is not one that this program wrote.
    """
    try:
        return [Participant.model_validate_json(document) for document in documents]
    except ValidationError:
        raise IntegrityBroken("A stored directory document is not a participant.") from None


def _json(value: Any) -> str:
    """JSON in ASCII: any character at all is kept, which PostgreSQL's text could not do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
