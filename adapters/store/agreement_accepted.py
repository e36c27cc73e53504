"""Do the rows of accepted messages say what their entries and the messages themselves say?"""

from collections.abc import Callable, Iterable
from typing import Any

from adapters.store.agreement_queries import (
    BODIES,
    CONSENTS,
    DECISIONS,
    NUMBERED,
    VERSIONS,
    WAITING,
)
from adapters.store.agreement_said import differs, said_by, standing_of
from adapters.store.database import Statements
from adapters.store.keys import ByKeys
from exchange.commitment import commitment_to
from exchange.errors import IntegrityBroken
from exchange.model import SealedBody, Subject
from exchange.subjects import SubjectVault
from schemas.trail_entry import AcceptedEntry


class AcceptedComparison:
    """Stored records, and what follows from them: consents, versions, deliveries that wait.

    Attributes:
        waiting: how many deliveries wait for the entries that were looked at.
        consents: how many consents these brought.
    """

    def __init__(
        self, statements: Statements, vault: SubjectVault, find: Callable[[str], None]
    ) -> None:
        self.waiting = 0
        self.consents = 0
        self._statements = statements
        self._vault = vault
        self._find = find

    async def compare(self, entries: dict[int, AcceptedEntry], decisions: dict[int, Any]) -> None:
        """Tell what these entries' rows say otherwise.

        Args:
            entries: by index, of one bundle.
            decisions: their rows by the same.
        """
        messages = [one.message for one in entries.values()]
        bodies = {
            (row.publisher, row.message_id): row
            for row in await BODIES.rows(self._statements, messages)
        }
        consents = await _by(CONSENTS, self._statements, entries, "basis_entry")
        waiting = await _by(WAITING, self._statements, entries, "accepted_entry")
        numbered = {
            row.accepted_entry: row.deliveries
            for row in await NUMBERED.rows(self._statements, entries)
        }
        records = [one.record for one in decisions.values() if one.record is not None]
        versions = {row.record: row for row in await VERSIONS.rows(self._statements, records)}
        for index, entry in entries.items():
            decision = decisions.get(index)
            body = bodies.get((entry.publisher, entry.message))
            self._compare_waiting(index, entry, waiting.get(index, []))
            if decision is None:
                continue  # told already
            if decision.content_salt is None:
                self.consents += len(consents.get(index, []))
                if body is not None:
                    self._find(f"The record accepted by entry {index} was erased, and is there.")
                continue
            if (body is None or body.wrapped_key is None) and await self._was_erased_meanwhile(
                index, entry
            ):
                continue
            if entry.deliveries not in {None, numbered.get(index, 0)}:
                self._find(f"The message of entry {index} has not as many deliveries as it says.")
            content = self._compare_body(index, entry, decision, body)
            if content is not None:
                kept = consents.get(index, [])
                version = versions.get(decision.record)
                self._compare_said(index, entry, decision, content, body, kept, version)

    async def _was_erased_meanwhile(self, index: int, entry: AcceptedEntry) -> bool:
        """Decisions and records are asked for one after the other, and an erasure may be faster."""
        now = await DECISIONS.rows(self._statements, [entry.message])
        return any(row.entry_index == index and row.content_salt is None for row in now)

    def _compare_waiting(self, index: int, entry: AcceptedEntry, rows: list[Any]) -> None:
        self.waiting += len(rows)
        said = (entry.publisher, entry.message, entry.content)
        if any((row.publisher, row.message_id, row.content) != said for row in rows):
            self._find(f"A delivery of entry {index} that waits is recorded otherwise.")

    def _compare_body(
        self, index: int, entry: AcceptedEntry, decision: Any, body: Any
    ) -> bytes | None:
        if body is None or body.wrapped_key is None:
            self._find(f"The record accepted by entry {index} is missing, and was not erased.")
            return None
        try:
            content = self._vault.open(
                Subject(subject_id=body.subject_id, wrapped_key=body.wrapped_key),
                SealedBody(
                    subject_id=body.subject_id,
                    ciphertext=body.ciphertext,
                    signature=body.signature,
                ),
            )
        except (IntegrityBroken, ValueError, TypeError):
            content = None
        if content is None or commitment_to(content, decision.content_salt) != entry.content:
            self._find(f"The record accepted by entry {index} is not what the entry commits to.")
            return None
        if decision.digest != self._vault.digest_of(content):
            self._find(f"The decision of entry {index} is recorded otherwise.")
        return content

    def _compare_said(
        self,
        index: int,
        entry: AcceptedEntry,
        decision: Any,
        content: bytes,
        body: Any,
        consents: list[Any],
        version: Any,
    ) -> None:
        self.consents += len(consents)
        said = said_by(content, entry.publisher, self._vault)
        if said is None:
            return
        # Before there were versions, a decision had none whatever its message says.
        is_version = decision.record is not None or standing_of(entry, None) is not None
        record = said.record if is_version else None
        if (decision.record, decision.standing) != (record, standing_of(entry, record)):
            self._find(f"The decision of entry {index} is recorded otherwise.")
        subject = body.merged_into or body.subject_id
        basis = (subject, entry.content)
        if (
            len(consents) != len(said.consents)
            or any(map(differs, said.consents, consents))
            or any((one.subject_id, one.basis_consent) != basis for one in consents)
        ):
            self._find(f"The consents that entry {index} brought are not enforced as it says.")
        if version is not None and version.entry_index == index:
            stored = (version.publisher, version.message_id, version.version_at)
            # A traveller who turned out to be another keeps the rows written before.
            is_theirs = version.subject_id in {subject, body.subject_id}
            if stored != (entry.publisher, entry.message, said.version_at) or not is_theirs:
                self._find(f"The newest version of the record of entry {index} is kept otherwise.")


async def _by(
    query: ByKeys[Any], statements: Statements, keys: Iterable[int], column: str
) -> dict[int, list[Any]]:
    """The rows by one of their columns."""
    found: dict[int, list[Any]] = {}
    for row in await query.rows(statements, keys):
        found.setdefault(getattr(row, column), []).append(row)
    return found
