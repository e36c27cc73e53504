"""The lines of a disclosure report, written from what the store keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from exchange.directory import Directory
from exchange.disclosure_rows import DisclosureRows, ReportedDelivery
from exchange.errors import IntegrityBroken
from exchange.model import (
    BreakGlassBasis,
    ConsentBasis,
    Grant,
    MandateBasis,
    MessageIdentity,
    PendingDelivery,
    ReleasedDelivery,
)
from exchange.proving import ProvenEntry
from schemas.disclosure_report import (
    Coded,
    Disclosure,
    GivenConsent,
    Language,
    Moment,
    Party,
    Proof,
    RecordKind,
    ReportedBasis,
    ReportedGlass,
    ReportedRecall,
)
from schemas.policy import Policy, read_policy
from schemas.record_traits import RecordTraits
from schemas.sentences.catalogue import say
from schemas.trail_entry import AcceptedEntry, TrailEntry, WithheldEntry, entry_time
from schemas.violation import SchemaViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWriting:
    """Turns rows into the lines of a report."""

    directory: Directory
    proven: Mapping[int, ProvenEntry]
    entries: Mapping[int, TrailEntry]
    rows: DisclosureRows
    policies: Mapping[str, Policy]
    traits: Mapping[MessageIdentity, RecordTraits]
    language: Language
    now: datetime

    def disclosures(self) -> tuple[Disclosure, ...]:
        """A line for each delivery; a notice stands in the line of what it recalls."""
        notices = {
            one.pending.recall.delivery_id: one
            for one in self.rows.deliveries
            if one.pending.recall is not None
        }
        return tuple(
            self._disclosure(one, one.released, notices.get(one.pending.delivery_id))
            for one in self.rows.deliveries
            if one.pending.recall is None and one.released is not None
        )

    def glass(self, one: Grant, opened_entry: int) -> ReportedGlass:
        """A line for a grant."""
        return ReportedGlass(
            grant=one.grant_id,
            participant=self._party(one.participant),
            reason=self._coded(one.reason, f"glass-reason.{one.reason}"),
            opened_at=entry_time(one.opened_at),
            until=entry_time(one.until),
            proof=self.proof(opened_entry),
            approver=None if one.approver is None else self._party(one.approver),
            outcome=None
            if one.outcome is None
            else self._coded(one.outcome, f"glass-outcome.{one.outcome}"),
        )

    def proof(self, index: int) -> Proof:
        """Of that entry."""
        found = self.proven[index]
        return Proof(index=index, entry=found.entry, proof=found.proof)

    def _disclosure(
        self, one: ReportedDelivery, released: ReleasedDelivery, notice: ReportedDelivery | None
    ) -> Disclosure:
        pending, entry = one.pending, self._entry(released.entry_index)
        state = "recalled" if notice else released.state
        return Disclosure(
            delivery=pending.delivery_id,
            number=pending.number,
            state=self._coded(state, f"disclosure-state.{state}"),
            at=entry.time,
            recipient=self._party(pending.subscriber),
            sender=self._party(pending.identity.publisher),
            record=self._record(pending),
            view=self._coded(pending.view, f"view-shows.{pending.view}"),
            purpose=self._coded(pending.purpose, f"purpose.{pending.purpose.lower()}"),
            basis=self._basis(pending),
            proof=self.proof(released.entry_index),
            reason=(
                self._coded(entry.reason, f"withheld-reason.{entry.reason}")
                if isinstance(entry, WithheldEntry)
                else None
            ),
            acknowledged=self._moment(one.acknowledged_entry),
            recall=None if notice is None else self._recall(notice),
        )

    def _record(self, pending: PendingDelivery) -> RecordKind:
        accepted = self._entry(pending.accepted_entry)
        if not isinstance(accepted, AcceptedEntry):
            raise IntegrityBroken("A stored delivery leads to no accepted message.")
        traits = self.traits.get(pending.identity)
        return RecordKind(
            type=self._coded(pending.record_type, f"record.{pending.record_type}"),
            event=accepted.event,
            accepted=Moment(at=accepted.time, index=pending.accepted_entry),
            record_class=traits.record_class if traits else None,
            diseases=traits.diseases if traits else None,
        )

    def _basis(self, pending: PendingDelivery) -> ReportedBasis:
        match pending.basis:
            case ConsentBasis():
                return self._consent(pending, pending.basis)
            case MandateBasis():
                return self._mandate(pending, pending.basis)
            case BreakGlassBasis():
                return ReportedBasis(
                    kind="break-glass",
                    text=self._say("reported-basis.break-glass"),
                    sealed=not pending.is_joinable,
                    grant=pending.basis.grant,
                )

    def _consent(self, pending: PendingDelivery, basis: ConsentBasis) -> ReportedBasis:
        given = [one.statement for one in self.rows.consents if one.basis == basis]
        return ReportedBasis(
            kind="consent",
            text=self._say("reported-basis.consent"),
            sealed=not pending.is_joinable,
            entry=basis.entry,
            consents=tuple(
                GivenConsent(identity=one.identity, given_at=entry_time(one.given_at))
                for one in given
            )
            or None,
        )

    def _mandate(self, pending: PendingDelivery, basis: MandateBasis) -> ReportedBasis:
        policy = self.policies.get(basis.policy)
        mandates = policy.mandates if policy else ()
        law = next((one for one in mandates if one.id == basis.mandate), None)
        return ReportedBasis(
            kind="mandate",
            text=self._say("reported-basis.mandate"),
            sealed=not pending.is_joinable,
            policy=basis.policy,
            version=basis.version,
            mandate=basis.mandate,
            jurisdiction=policy.jurisdiction if policy else None,
            law=law.law if law else None,
            citation=law.citation if law else None,
        )

    def _recall(self, notice: ReportedDelivery) -> ReportedRecall:
        recall, released, answer = notice.pending.recall, notice.released, notice.answer
        if recall is None:
            raise AssertionError("only notices are asked for")
        return ReportedRecall(
            notice=notice.pending.delivery_id,
            number=notice.pending.number,
            cause=self._coded(recall.cause, f"recall-cause.{recall.cause}"),
            deadline=entry_time(recall.deadline),
            is_overdue=answer is None and self.now > recall.deadline,
            at=None if released is None else self._entry(released.entry_index).time,
            answer=None if answer is None else self._coded(answer, f"recall-answer.{answer}"),
            answered=self._moment(notice.answered_entry),
            proof=None if released is None else self.proof(released.entry_index),
        )

    def _moment(self, index: int | None) -> Moment | None:
        return None if index is None else Moment(at=self._entry(index).time, index=index)

    def _entry(self, index: int) -> TrailEntry:
        found = self.entries.get(index)
        if found is None:
            raise IntegrityBroken("The store lacks an entry that it must have.")
        return found

    def _party(self, participant_id: str) -> Party:
        known = self.directory.participant(participant_id)
        if known is None:
            return Party(id=participant_id)
        return Party(id=known.id, name=known.name, jurisdiction=known.jurisdiction)

    def _coded(self, code: str, key: str) -> Coded:
        return Coded.of(code, key, self.language)

    def _say(self, key: str) -> str:
        return say(key, (), self.language)


def readable_policies(bodies: Mapping[str, bytes]) -> dict[str, Policy]:
    """The policies; one that this version cannot read any more is left out, and only named."""
    found: dict[str, Policy] = {}
    for digest, body in bodies.items():
        try:
            found[digest] = read_policy(body)
        except SchemaViolation:
            continue
    return found
