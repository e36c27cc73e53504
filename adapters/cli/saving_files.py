"""Files that a command leaves behind for people."""

import os
from pathlib import Path

from exchange.errors import ConfigurationError


def save_private(file: Path, content: bytes) -> None:
    """Write the file so that nobody else on the machine can read it.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            # One that existed keeps its mode otherwise.
            os.fchmod(out.fileno(), 0o600)
            out.write(content)
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror})."
        raise ConfigurationError(msg) from error
