"""How recalls stand: who was told, who answered, and who is late."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from exchange.ports import Notice, Store
from schemas.trail_entry import entry_time

#: How far a notice has come. `waiting` is not let out yet, `issued` not handed over yet.
RecallState = Literal["waiting", "issued", "sent", "acknowledged", "ceased", "deleted"]

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecall:
    """One notice, without anything of the traveller.

    Attributes:
        is_overdue: it is unanswered and its deadline is over.
    """

    notice: str
    subscriber: str
    recalls: str
    cause: str
    issued_at: datetime | None
    deadline: datetime
    state: RecallState
    is_overdue: bool
    answered_entry: int | None

    def to_values(self) -> dict[str, Any]:
        """Its JSON values."""
        return {
            "notice": self.notice,
            "subscriber": self.subscriber,
            "recalls": self.recalls,
            "cause": self.cause,
            "issued": None if self.issued_at is None else entry_time(self.issued_at),
            "deadline": entry_time(self.deadline),
            "state": self.state,
            "overdue": self.is_overdue,
            "answered_entry": self.answered_entry,
        }


async def recalls_page(
    store: Store, at: datetime, *, after: str = "", limit: int = _PAGE, only_overdue: bool = False
) -> list[ListedRecall]:
    """Some notices, in the order of their ids, as they stand `at` that time."""
    notices = await store.notices(after=after, limit=limit, overdue_at=at if only_overdue else None)
    return [listed for one in notices if (listed := _listed(one, at)) is not None]


async def all_recalls(
    store: Store, at: datetime, *, only_overdue: bool = False
) -> AsyncIterator[ListedRecall]:
    """Every notice, in the order of their ids."""
    after = ""
    while page := await recalls_page(store, at, after=after, only_overdue=only_overdue):
        for one in page:
            yield one
        after = page[-1].notice


def _listed(notice: Notice, at: datetime) -> ListedRecall | None:
    pending = notice.row.pending
    recall = pending.recall
    if recall is None:
        return None
    return ListedRecall(
        notice=pending.delivery_id,
        subscriber=pending.subscriber,
        recalls=recall.delivery_id,
        cause=recall.cause,
        issued_at=notice.issued_at,
        deadline=recall.deadline,
        state=_state_of(notice),
        is_overdue=notice.row.answer is None and recall.deadline < at,
        answered_entry=notice.answered_entry,
    )


def _state_of(notice: Notice) -> RecallState:
    row = notice.row
    if row.answer is not None:
        return row.answer
    if row.released is None:
        return "waiting"
    if row.acknowledged:
        return "acknowledged"
    return "sent" if notice.is_sent else "issued"
