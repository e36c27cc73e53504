"""Which resources lie in the files that somebody names: JSON, or NDJSON with one on each line."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from adapters.reading_files import open_file
from exchange.errors import ConfigurationError
from schemas.violation import Problem, problem

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
        fault: why it cannot be read.
    """

    file: Path
    line: int
    data: bytes = field(default=b"", repr=False)
    fault: Problem | None = None

    @property
    def name(self) -> str:
        """The file as it was named; bytes in it that are not UTF-8 are written out."""
        return os.fsencode(self.file).decode("utf-8", "backslashreplace")


def files_named(paths: list[Path]) -> Iterator[Path]:
    """Each file; a folder stands for all `.json` and `.ndjson` files in it, in order.

    A folder without any stands for itself, so that reading it says what is wrong.
    """
    for path in paths:
        if path == STANDARD_INPUT or not path.is_dir():
            yield path
            continue
        inside = (inner for inner in path.rglob("*") if inner.suffix.lower() in SUFFIXES)
        yield from sorted(inner for inner in inside if not inner.is_dir()) or [path]


def resources_in(
    path: Path, *, most_bytes: int, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[FoundResource]:
    """The resources in a file, one after the other; never more than one of them in memory.

    Args:
        path: of a file; `-` is standard input.
        most_bytes: the largest resource that is read.
        on_read: told how many bytes were read, as they are.
    """
    if path != STANDARD_INPUT and path.is_dir():
        yield _faulty(path, 1, "validate.empty-folder", "not-found")
        return
    try:
        with open_file(path) as stream:
            if path.suffix.lower() == ".ndjson":
                yield from _lines(path, stream, most_bytes, on_read)
            else:
                yield from _whole_or_lines(path, stream, most_bytes, on_read)
    except (OSError, ConfigurationError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        yield _faulty(path, 1, "validate.no-file", "not-found", why or "?")


def _whole_or_lines(
    path: Path, stream: BinaryIO, most_bytes: int, on_read: Callable[[int], None]
) -> Iterator[FoundResource]:
    """One resource, unless the first line is a whole one and more follow it."""
    lines = _numbered_lines(stream, most_bytes, on_read)
    begins, data = next(lines, (1, b""))
    second = next(lines, None) if _is_whole(data) else None
    if second is not None and _is_whole(second[1]):
        yield from _each(path, chain([(begins, data), second], lines), most_bytes)
        return
    # Blank lines go back in, so that an error names the line that an editor shows.
    whole = bytearray(b"\n" * (begins - 1) + data)
    if second is not None:
        whole += b"\n" * (second[0] - begins - 1) + second[1]
    while len(whole) <= most_bytes and (more := stream.read(1 << 20)):
        on_read(len(more))
        whole += more
    yield _found(path, begins, bytes(whole), most_bytes)


def _lines(
    path: Path, stream: BinaryIO, most_bytes: int, on_read: Callable[[int], None]
) -> Iterator[FoundResource]:
    lines = _numbered_lines(stream, most_bytes, on_read)
    first = next(lines, (1, b""))
    yield from _each(path, chain([first], lines), most_bytes)


def _each(
    path: Path, lines: Iterable[tuple[int, bytes]], most_bytes: int
) -> Iterator[FoundResource]:
    for number, line in lines:
        yield _found(path, number, line, most_bytes)


def _numbered_lines(
    stream: BinaryIO, most_bytes: int, on_read: Callable[[int], None]
) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, from 1; of one that is too long, only enough to tell."""
    number = 0
    while line := stream.readline(most_bytes + 1):
        on_read(len(line))
        number += 1
        if not line.isspace():
            yield number, line
        while len(line) > most_bytes and not line.endswith(b"\n"):
            # The rest of a line that is too long is passed over, a piece at a time.
            line = stream.readline(most_bytes + 1)
            on_read(len(line))


def _found(path: Path, line: int, data: bytes, most_bytes: int) -> FoundResource:
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if len(data) > most_bytes:
        return _faulty(path, line, "validate.too-long", "too-long", str(most_bytes))
    if not data.strip():
        return _faulty(path, line, "validate.empty", "structure")
    return FoundResource(path, line, data)


def _faulty(path: Path, line: int, sentence: str, code: str, *words: str) -> FoundResource:
    return FoundResource(path, line, fault=problem(sentence, code, "$this", *words))


def _is_whole(line: bytes) -> bool:
    text = line.removeprefix(_BYTE_ORDER_MARK).strip()
    return text.startswith(b"{") and text.endswith(b"}")


def size_of(path: Path) -> int:
    """Bytes in a file, as far as anybody knows before reading it; for a progress bar."""
    try:
        return os.stat(path).st_size if path != STANDARD_INPUT else 0  # noqa: PTH116 - as cheap as can be
    except (OSError, ValueError):
        return 0
