"""What is in a file that somebody names: all of it, soon, or an error that says why not."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from exchange.errors import ConfigurationError

#: Far above any key, document or checkpoint.
MOST_BYTES = 1 << 20

_AT_ONCE = 1 << 16
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_file(path: Path, *, most_bytes: int = MOST_BYTES, only_owner: bool = False) -> bytes:
    """The bytes of the file, or of a pipe that somebody writes to.

    Args:
        path: of a file, or of a pipe such as a shell makes of `<(command)`.
        most_bytes: more are not read.
        only_owner: refuse it when others may read it.

    Raises:
        ConfigurationError: it cannot be read, is too long, or its mode lets others in.
    """
    try:
        # A pipe that nobody writes to opens at once and is empty, instead of waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if only_owner and os.fstat(descriptor).st_mode & _OTHERS:
                msg = f"{path} can be read by others: `chmod 600 {path}`, and replace the key."
                raise ConfigurationError(msg)
            os.set_blocking(descriptor, True)
            data = bytearray()
            while len(data) <= most_bytes and (more := os.read(descriptor, _AT_ONCE)):
                data += more
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file has such a name"
        msg = f"{path} cannot be read ({why})."
        raise ConfigurationError(msg) from error
    if len(data) > most_bytes:
        msg = f"{path} is longer than the {most_bytes} bytes that are read: give another file."
        raise ConfigurationError(msg)
    return bytes(data)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """The file to read piece by piece; `-` is standard input.

    Raises:
        ConfigurationError: no file can have such a name, or it is a folder.
        OSError: it cannot be opened, or reading fails later.
    """
    if path == Path("-"):
        yield sys.stdin.buffer
        return
    try:
        # As in `read_file`: a pipe that nobody writes to is empty, instead of waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        msg = "no file has such a name"
        raise ConfigurationError(msg) from error
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - it is open already
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            msg = "it is a folder"
            raise ConfigurationError(msg)
        os.set_blocking(descriptor, True)
        yield stream
