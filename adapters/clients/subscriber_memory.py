"""What a subscriber must not forget: which deliveries it has, and the newest checkpoint it saw."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from exchange.errors import ConfigurationError
from exchange.model import RecallAnswer

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    delivery TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    acknowledged INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unacknowledged ON deliveries (number) WHERE acknowledged = 0;
CREATE TABLE IF NOT EXISTS recalls (
    notice TEXT PRIMARY KEY,
    recalled TEXT NOT NULL,
    answer TEXT,
    answered INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recalled ON recalls (recalled);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_GAPS = """
SELECT before + 1, number - 1 FROM (
    SELECT number, LAG(number, 1, 0) OVER (ORDER BY number) AS before FROM deliveries
) WHERE number > before + 1 ORDER BY number
"""


class SubscriberMemory(Protocol):
    """Durable facts of one subscriber; each method has happened when it returns."""

    def knows(self, delivery_id: str) -> bool:
        """Whether that delivery was verified, handed over and remembered."""

    def holder_of(self, number: int) -> str | None:
        """The delivery that was remembered under that number, or None."""

    def remember(self, delivery_id: str, number: int) -> None:
        """The consumer has it; from now on it is a duplicate."""

    def remember_recall(
        self, notice: str, number: int, recalled: str, answer: RecallAnswer | None
    ) -> None:
        """Remember a notice like any delivery, and in the same moment what is answered to it.

        Args:
            notice: delivery id of the notice.
            number: its number.
            recalled: the delivery that it recalls.
            answer: what was done; None when that is not known yet, so that nothing is answered.
        """

    def is_recalled(self, delivery_id: str) -> bool:
        """Whether a remembered notice recalls that delivery."""

    def unanswered(self, answer: RecallAnswer, limit: int) -> Sequence[str]:
        """Notices to be answered so, of which the exchange is not known to have the answer."""

    def mark_answered(self, notices: Sequence[str]) -> None:
        """The exchange has the answer to these."""

    def undecided_recalls(self) -> Sequence[str]:
        """Notices to which nothing can be answered yet."""

    def decide_recalls(self, answer: RecallAnswer) -> None:
        """From now on this is to be answered to them."""

    def unacknowledged(self, limit: int) -> Sequence[str]:
        """Deliveries remembered but not known to be acknowledged, in order of number."""

    def mark_acknowledged(self, delivery_ids: Sequence[str]) -> None:
        """The exchange has the acknowledgement of these."""

    def gaps(self) -> Sequence[tuple[int, int]]:
        """Ranges of numbers, first and last, missing below the highest remembered."""

    def cursor(self) -> int:
        """Up to which number fetching may skip; 0 at first."""

    def move_cursor(self, number: int) -> None:
        """Everything up to that number was dealt with."""

    def checkpoint(self) -> str | None:
        """The newest checkpoint note that was proven consistent, or None."""

    def remember_checkpoint(self, note: str) -> None:
        """Replace it by one proven to extend it."""


class SqliteMemory:
    """A memory in one SQLite database; `:memory:` forgets at the end of the process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """The memory in that file, made when missing (mode 0600); None keeps it in the process.

        Raises:
            ConfigurationError: the file cannot be used, or another process uses it.
        """
        try:
            if path is not None:
                path.touch(mode=0o600)
            # The subscriber works from one task, but not always on one thread.
            connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=1
            )
            # Two subscribers on one memory would each take the other's deliveries for duplicates.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            msg = (
                f"{path} cannot be the subscriber's memory: give a file that this user can write"
                " and that no other subscriber uses."
            )
            raise ConfigurationError(msg) from error
        return cls(connection)

    def __enter__(self) -> Self:
        """The memory, closed on leaving."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def knows(self, delivery_id: str) -> bool:
        """See `SubscriberMemory`."""
        query = "SELECT 1 FROM deliveries WHERE delivery = ?"
        return self._connection.execute(query, (delivery_id,)).fetchone() is not None

    def holder_of(self, number: int) -> str | None:
        """See `SubscriberMemory`."""
        query = "SELECT delivery FROM deliveries WHERE number = ?"
        row = self._connection.execute(query, (number,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, delivery_id: str, number: int) -> None:
        """See `SubscriberMemory`."""
        self._connection.execute(
            "INSERT INTO deliveries (delivery, number) VALUES (?, ?)", (delivery_id, number)
        )

    def remember_recall(
        self, notice: str, number: int, recalled: str, answer: RecallAnswer | None
    ) -> None:
        """See `SubscriberMemory`."""
        with self._connection:
            self._connection.execute("BEGIN")
            self.remember(notice, number)
            self._connection.execute(
                "INSERT INTO recalls (notice, recalled, answer) VALUES (?, ?, ?)",
                (notice, recalled, answer),
            )

    def is_recalled(self, delivery_id: str) -> bool:
        """See `SubscriberMemory`."""
        query = "SELECT 1 FROM recalls WHERE recalled = ?"
        return self._connection.execute(query, (delivery_id,)).fetchone() is not None

    def unanswered(self, answer: RecallAnswer, limit: int) -> Sequence[str]:
        """See `SubscriberMemory`."""
        query = "SELECT notice FROM recalls WHERE answered = 0 AND answer = ? LIMIT ?"
        return [str(row[0]) for row in self._connection.execute(query, (answer, limit))]

    def mark_answered(self, notices: Sequence[str]) -> None:
        """See `SubscriberMemory`."""
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "UPDATE recalls SET answered = 1 WHERE notice = ?", [(one,) for one in notices]
            )

    def undecided_recalls(self) -> Sequence[str]:
        """See `SubscriberMemory`."""
        query = "SELECT notice FROM recalls WHERE answer IS NULL"
        return [str(row[0]) for row in self._connection.execute(query)]

    def decide_recalls(self, answer: RecallAnswer) -> None:
        """See `SubscriberMemory`."""
        query = "UPDATE recalls SET answer = ? WHERE answer IS NULL"
        self._connection.execute(query, (answer,))

    def unacknowledged(self, limit: int) -> Sequence[str]:
        """See `SubscriberMemory`."""
        query = "SELECT delivery FROM deliveries WHERE acknowledged = 0 ORDER BY number LIMIT ?"
        return [str(row[0]) for row in self._connection.execute(query, (limit,))]

    def mark_acknowledged(self, delivery_ids: Sequence[str]) -> None:
        """See `SubscriberMemory`."""
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "UPDATE deliveries SET acknowledged = 1 WHERE delivery = ?",
                [(one,) for one in delivery_ids],
            )

    def gaps(self) -> Sequence[tuple[int, int]]:
        """See `SubscriberMemory`."""
        return [(int(first), int(last)) for first, last in self._connection.execute(_GAPS)]

    def cursor(self) -> int:
        """See `SubscriberMemory`."""
        return int(self._fact("cursor") or 0)

    def move_cursor(self, number: int) -> None:
        """See `SubscriberMemory`."""
        self._set_fact("cursor", str(number))

    def checkpoint(self) -> str | None:
        """See `SubscriberMemory`."""
        return self._fact("checkpoint")

    def remember_checkpoint(self, note: str) -> None:
        """See `SubscriberMemory`."""
        self._set_fact("checkpoint", note)

    def _fact(self, name: str) -> str | None:
        query = "SELECT value FROM facts WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set_fact(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO facts (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )
