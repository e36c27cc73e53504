"""Which of our errors is a driver's error? No error of a driver leaves this package.

no connection, no time, no room, locked, shutting down    Unavailable: try again
the server refuses who or what we are                      Unavailable: try again, once mended
anything else, such as a key that exists already           IntegrityBroken: stop
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import InvalidRequestError as MisuseError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from exchange.errors import ExchangeError, IntegrityBroken, Unavailable

#: Everything a database may raise. asyncpg's connection errors reach us unwrapped.
DRIVER_ERRORS = (
    DBAPIError,
    MisuseError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    sqlite3.Error,
    OSError,
)

#: SQLSTATE classes that pass: connection, transaction start, rollback, resources, operator,
#: system; and the codes of a server that became a standby or gave up on a lock.
_PASSING_CLASSES = ("08", "28", "3D", "40", "53", "57", "58")
_PASSING_STATES = frozenset({"25006", "25P02", "25P03", "55P03"})
_SQLITE_PASSING = ("locked", "busy", "disk", "unable to open", "readonly", "interrupted", "full")
_SQLITE_DAMAGED = ("malformed", "not a database")


@contextmanager
def driver_errors() -> Iterator[None]:
    """Raise the driver's errors as ours.

    Raises:
        Unavailable: the database gave no answer, or one that may be another next time.
        IntegrityBroken: the database holds, or lacks, what it must not.
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        raise _meaning(error) from error


def _meaning(error: BaseException) -> ExchangeError:
    if _is_passing(error):
        return Unavailable(f"The database gave no answer ({_name(error)}): try again.")
    if _is_damaged(error):
        return IntegrityBroken("The database file is damaged: stop, and restore a backup of it.")
    return IntegrityBroken("The database contradicts what was written to it.")


def _name(error: BaseException) -> str:
    """What the driver calls it, for the operator: SQLite's name, SQLSTATE or type; no text."""
    cause = getattr(error, "orig", None) or error
    cause = getattr(cause, "__cause__", None) or cause
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return str(name or type(cause).__name__)


def _is_damaged(error: BaseException) -> bool:
    """SQLite cannot read its own file, and will not be able to next time either."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.Error) and any(word in str(cause) for word in _SQLITE_DAMAGED)


def _is_passing(error: BaseException) -> bool:
    if _is_damaged(error):
        return False
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        if isinstance(error, IntegrityError):
            return False
        cause: BaseException | None = error.orig
    else:
        cause = error
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state in _PASSING_STATES or state.startswith(_PASSING_CLASSES)
    if isinstance(cause, sqlite3.Error):
        return any(word in str(cause) for word in _SQLITE_PASSING)
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError) or (
        isinstance(cause, asyncpg.InterfaceError)
    )
