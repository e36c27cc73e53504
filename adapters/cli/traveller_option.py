"""How a command is told which traveller: by a document, as a system and a value."""

import sys
from typing import Annotated

import typer

from exchange.errors import ConfigurationError

SubjectOption = Annotated[
    str,
    typer.Option(
        "--subject",
        metavar="SYSTEM|VALUE",
        help="A document of the traveller, such as 'urn:oid:2.16.840.1.113883.4.330.398|N1234567';"
        " - reads it from standard input, so that no history of commands keeps it.",
        show_default=False,
    ),
]


def document_of(subject: str) -> tuple[str, str]:
    """The document's system and value.

    Raises:
        ConfigurationError: it is not of that form; the text does not repeat it.
    """
    text = sys.stdin.readline().strip() if subject == "-" else subject
    system, bar, value = text.partition("|")
    if not (system and bar and value.strip(" -./")):
        msg = "--subject must be SYSTEM|VALUE, a document as the records name it, in quotes."
        raise ConfigurationError(msg)
    return system, value
