"""Which rows have one of these keys? One prepared statement for any number of keys.

PostgreSQL takes the keys as one array; SQLite takes each as a parameter, so many go in parts.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Delete, Row, Select, Update, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.store.database import Kind, Statements

#: SQLite takes 32766 parameters in a statement; some are for other things.
_SQLITE_PART = 30_000

_Statement = TypeVar("_Statement", Select[Any], Update, Delete)


class ByKeys(Generic[_Statement]):
    """A statement about the rows whose column holds one of the keys given to it."""

    def __init__(
        self, column: ColumnElement[Any], write: Callable[[ColumnElement[bool]], _Statement]
    ) -> None:
        """Write the statement for either database.

        Args:
            column: of the keys.
            write: from the condition "the column holds one of the keys" to the statement.
        """
        self._postgresql: _Statement = write(
            column == any_(bindparam("keys", type_=ARRAY(column.type)))
        )
        self._sqlite: _Statement = write(column.in_(bindparam("keys", expanding=True)))

    async def rows(
        self, statements: Statements, keys: Iterable[Any], **parameters: Any
    ) -> list[Row[Any]]:
        """The rows; nothing is asked when there are no keys."""
        found: list[Row[Any]] = []
        statement, parts = self._parts(statements.kind, keys)
        for part in parts:
            found.extend(await statements.rows(statement, {"keys": part, **parameters}))
        return found

    async def change(self, statements: Statements, keys: Iterable[Any], **parameters: Any) -> int:
        """Change or delete the rows; how many there were."""
        changed = 0
        statement, parts = self._parts(statements.kind, keys)
        for part in parts:
            changed += await statements.change(statement, {"keys": part, **parameters})
        return changed

    def _parts(self, kind: Kind, keys: Iterable[Any]) -> tuple[_Statement, list[list[Any]]]:
        distinct = list(dict.fromkeys(keys))
        if kind == "postgresql":
            return self._postgresql, [distinct] if distinct else []
        parts = range(0, len(distinct), _SQLITE_PART)
        return self._sqlite, [distinct[start : start + _SQLITE_PART] for start in parts]
