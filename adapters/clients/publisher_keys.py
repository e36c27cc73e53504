"""Whose key is this? Looked up at the exchange and kept for a while, or pinned by hand."""

import time
from collections.abc import Callable, Iterable

from adapters.clients.transport import DirectoryReader
from schemas.participant import Participant, ParticipantKey


class DirectoryKeys:
    """Keys as the exchange's directory shows them; asks again after a while, and on a miss."""

    def __init__(
        self,
        directory: DirectoryReader,
        *,
        keep_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look up in this directory.

        Args:
            directory: shows participants' documents.
            keep_seconds: how old an answer may be; a revocation is noticed within this time.
            monotonic: seconds by a clock that nobody sets.
        """
        self._directory = directory
        self._keep_seconds = keep_seconds
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, Participant | None]] = {}

    async def key_of(self, participant_id: str, key_id: str) -> ParticipantKey | None:
        """The participant's key of that id, whatever its validity, or None."""
        asked_at, document = self._kept.get(participant_id, (float("-inf"), None))
        known = document.key(key_id) if document is not None else None
        if known is not None and self._monotonic() - asked_at < self._keep_seconds:
            return known
        # A key that was added a moment ago must not cost its owner a delivery, so a miss asks too.
        shown = await self._directory.participant(participant_id)
        if shown is not None and shown.id != participant_id:
            shown = None
        self._kept[participant_id] = (self._monotonic(), shown)
        return shown.key(key_id) if shown is not None else None


class PinnedKeys:
    """Keys from documents that the subscriber got itself, so that no exchange can replace one."""

    def __init__(self, documents: Iterable[Participant]) -> None:
        """Trust the keys in these documents and no others."""
        self._documents = {document.id: document for document in documents}

    async def key_of(self, participant_id: str, key_id: str) -> ParticipantKey | None:
        """The key that was pinned for this participant, or None."""
        document = self._documents.get(participant_id)
        return document.key(key_id) if document is not None else None
