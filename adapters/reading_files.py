"""What is in a file that somebody names: all of it, soon, or an error that says why not."""

import os
import stat
from pathlib import Path

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
