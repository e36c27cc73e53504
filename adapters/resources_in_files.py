"""Which resources lie in the files that somebody names: JSON, or NDJSON with one on each line."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from adapters.reading_files import open_file
from exchange.errors import ConfigurationError

#: A file on a disk is not signed bytes: what an editor put before the text may go.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

SUFFIXES: Final = (".json", ".ndjson")
STANDARD_INPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class FoundResource:
    """One resource as it lies in a file, or why it cannot be read.

    Attributes:
        file: as it was named.
        line: where it begins, from 1.
        data: its bytes; empty when there is a fault.
        fault: why the file cannot be read.
    """

    file: Path
    line: int
    data: bytes = field(default=b"", repr=False)
    fault: str | None = None


def files_named(paths: list[Path]) -> Iterator[Path]:
    """Each file; a folder stands for all `.json` and `.ndjson` files in it, in order."""
    for path in paths:
        if path != STANDARD_INPUT and path.is_dir():
            yield from sorted(
                inner for inner in path.rglob("*") if inner.suffix.lower() in SUFFIXES
            )
        else:
            yield path


def resources_in(
    path: Path, *, most_bytes: int, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[FoundResource]:
    """The resources in a file, one after the other; never more than one of them in memory.

    Args:
        path: of a file; `-` is standard input.
        most_bytes: the largest resource that is read.
        on_read: told how many bytes were read, as they are.
    """
    try:
        with open_file(path) as stream:
            if path.suffix.lower() == ".ndjson":
                yield from _lines(path, stream, most_bytes, on_read)
            else:
                yield from _whole_or_lines(path, stream, most_bytes, on_read)
    except (OSError, ConfigurationError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        yield FoundResource(path, 1, fault=f"cannot be read ({why})")


def _whole_or_lines(
    path: Path, stream: BinaryIO, most_bytes: int, on_read: Callable[[int], None]
) -> Iterator[FoundResource]:
    """One resource, unless the first line is a whole one and more follow it."""
    first = stream.readline(most_bytes + 1)
    on_read(len(first))
    second = stream.readline(most_bytes + 1) if _is_whole(first) else b""
    while second.isspace():
        second = stream.readline(most_bytes + 1)
    on_read(len(second))
    if _is_whole(first) and _is_whole(second):
        yield from _lines(path, stream, most_bytes, on_read, [first, second])
        return
    data = bytearray(first + second)
    while len(data) <= most_bytes and (more := stream.read(1 << 20)):
        on_read(len(more))
        data += more
    yield _found(path, 1, bytes(data), most_bytes)


def _lines(
    path: Path,
    stream: BinaryIO,
    most_bytes: int,
    on_read: Callable[[int], None],
    read_before: list[bytes] | None = None,
) -> Iterator[FoundResource]:
    is_empty = True
    for number, line in enumerate(_bounded_lines(stream, most_bytes, read_before or []), 1):
        on_read(len(line))
        if line.strip():
            is_empty = False
            yield _found(path, number, line, most_bytes)
    if is_empty:
        yield FoundResource(path, 1, fault="is empty")


def _bounded_lines(stream: BinaryIO, most_bytes: int, read_before: list[bytes]) -> Iterator[bytes]:
    yield from read_before
    while line := stream.readline(most_bytes + 1):
        yield line
        while len(line) > most_bytes and not line.endswith(b"\n"):
            # The rest of a line that is too long is passed over, a piece at a time.
            line = stream.readline(most_bytes + 1)


def _found(path: Path, line: int, data: bytes, most_bytes: int) -> FoundResource:
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if len(data) > most_bytes:
        return FoundResource(path, line, fault=f"is longer than {most_bytes} bytes: split it")
    if not data.strip():
        return FoundResource(path, line, fault="is empty")
    return FoundResource(path, line, data)


def _is_whole(line: bytes) -> bool:
    text = line.removeprefix(_BYTE_ORDER_MARK).strip()
    return text.startswith(b"{") and text.endswith(b"}")


def size_of(path: Path) -> int:
    """Bytes in a file, as far as anybody knows before reading it; for a progress bar."""
    try:
        return os.stat(path).st_size if path != STANDARD_INPUT else 0  # noqa: PTH116 - as cheap as can be
    except (OSError, ValueError):
        return 0
