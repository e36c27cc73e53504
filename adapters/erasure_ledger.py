"""Who was erased, in a file that is only added to (`exchange.ports.ErasureLedger`).

A line is the JSON of one erasure: `{"erasure": "…", "subjects": ["…"]}`, random ids and nothing of
anybody. It lies apart from the database, because it must not go back in time with it.

A line without its end was never durable, so its erasure was never committed: it is no line, and the
next one takes its place. Any other line that is none was damaged, and then nothing may start: who
was erased can no longer be told.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path

from exchange.errors import ConfigurationError, Unavailable
from exchange.model import Erasure


class FileErasureLedger:
    """The ledger in one file; processes may share it."""

    def __init__(self, file: Path) -> None:
        """Use that file; it is made when the first erasure is added."""
        self._file = file

    async def add(self, erasure: Erasure) -> None:
        """Return when the erasure's line is durable.

        Raises:
            Unavailable: the file cannot be written.
        """
        values = {"erasure": erasure.erasure_id, "subjects": list(erasure.subject_ids)}
        line = json.dumps(values, separators=(",", ":")).encode() + b"\n"
        await asyncio.to_thread(self._append, line)

    async def subjects(self) -> Sequence[str]:
        """Every subject of every erasure that was added.

        Raises:
            ConfigurationError: the file cannot be read, or a line of it is damaged.
        """
        return await asyncio.to_thread(self._read)

    def _append(self, line: bytes) -> None:
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                # Another process may be adding: one line after the other.
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(_end_of_last_line(file.read()))
                file.truncate()
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            _make_name_durable(self._file)
        except OSError as error:
            msg = (
                f"The ledger of erasures {self._file} cannot be written ({error.strerror}), so"
                " nothing was erased: set erasure_ledger (BHX_ERASURE_LEDGER)."
            )
            raise Unavailable(msg) from error

    def _read(self) -> list[str]:
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"The ledger of erasures {self._file} cannot be read ({error.strerror})."
            raise ConfigurationError(msg) from error
        found: dict[str, None] = {}
        for line in content[: _end_of_last_line(content)].splitlines():
            found.update(dict.fromkeys(self._subjects_of(line)))
        return list(found)

    def _subjects_of(self, line: bytes) -> list[str]:
        try:
            subjects = json.loads(line)["subjects"]
            if isinstance(subjects, list) and all(isinstance(one, str) for one in subjects):
                return subjects
        except (ValueError, KeyError, TypeError):
            pass
        msg = (
            f"The ledger of erasures {self._file} is damaged: restore its newest copy, or whoever"
            " was erased may come back with a backup of the database."
        )
        raise ConfigurationError(msg)


def _end_of_last_line(content: bytes) -> int:
    """Where the last whole line ends; what follows was never durable."""
    return content.rfind(b"\n") + 1


def _make_name_durable(file: Path) -> None:
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
