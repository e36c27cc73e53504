"""Versions of a record: which one is current, and what its trail entries and deliveries say of it.

The record orders its versions by the time it says it was made, so that a correction that overtakes
its original, or comes twice, leads to the same current version. Nothing is dropped: a version that
was overtaken is accepted, recorded and delivered, and marked, so that no registry overwrites newer
with older. Of two versions with equal times the one that was accepted later is current.

    record 7   version of  9:00  entry 10    current until entry 14
               version of 11:00  entry 14    supersedes 10       current
               version of 10:00  entry 17    superseded_by 14
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exchange.model import NewestVersion, OpenedMessage, PendingDelivery, Standing


@dataclass(frozen=True, slots=True)
class Succession:
    """How an accepted message stands to the newest version of its record before it.

    Attributes:
        standing: None for what is no version of a record.
        other: trail index of the version that it replaces, or that is newer than it.
    """

    standing: Standing | None = None
    other: int | None = None

    @property
    def entry_members(self) -> dict[str, int]:
        """What its `accepted` leaf says of it; nothing for the first version."""
        if self.other is None:
            return {}
        return {"supersedes" if self.standing == "current" else "superseded_by": self.other}


def succession_of(opened: OpenedMessage, newest: Mapping[bytes, NewestVersion]) -> Succession:
    """Whether this version becomes its record's newest; a pure function of the two times."""
    made_at = opened.message.version_at
    if opened.record is None or made_at is None:
        return Succession()
    known = newest.get(opened.record)
    if known is None:
        return Succession("current")
    is_stale = made_at < known.version_at
    return Succession("superseded" if is_stale else "current", known.entry_index)


def newer_than(
    record: bytes | None, accepted_entry: int, newest: Mapping[bytes, NewestVersion]
) -> int | None:
    """Trail index of the version that is now newer than the one accepted there, or None."""
    known = None if record is None else newest.get(record)
    if known is None or known.entry_index == accepted_entry:
        return None
    return known.entry_index


def records_among(versions: Iterable[OpenedMessage | PendingDelivery]) -> list[bytes]:
    """The records that these messages or deliveries are versions of."""
    return [one.record for one in versions if one.record is not None]
