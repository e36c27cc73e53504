"""How a participant's commands reach an exchange: by URL, as whom, and by which pinned log key."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from adapters.cli.answering import remark
from adapters.reading_files import read_file
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.clients.http_transport import HttpTransport
    from adapters.rabbitmq.connection import RabbitConnection
    from exchange.signing import SigningKey
    from exchange.trail.checkpoint import NoteVerifier

AsOption = Annotated[str, typer.Option("--as", help="Your participant id.")]
KeyOption = Annotated[Path, typer.Option("--key", help="Your private key (`bhx key new`).")]
LogKeyOption = Annotated[
    str | None,
    typer.Option(
        "--log-key",
        help="The key of the exchange's trail, or a file with it. Without: asked once at the"
        " exchange, and pinned in a file beside --key.",
        show_default=False,
    ),
]
ApiOption = Annotated[
    str | None,
    typer.Option(
        "--api",
        help="The exchange's HTTP URL, when the other URL is an amqp:// one.",
        show_default=False,
    ),
]


def is_amqp(url: str) -> bool:
    """Whether the URL is that of a broker; else it is HTTP.

    Raises:
        ConfigurationError: it is neither.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"amqp", "amqps"}:
        return True
    if scheme in {"http", "https"}:
        return False
    msg = "The exchange's URL must start with http://, https://, amqp:// or amqps://"
    raise ConfigurationError(msg)


def beside_key(key: Path, url: str, what: str) -> Path:
    """A file next to the key for what is remembered about one exchange."""
    parts = urlsplit(url)
    place = re.sub(r"[^A-Za-z0-9.-]", "_", parts.netloc.rpartition("@")[2] + parts.path.rstrip("/"))
    return key.with_name(f"{key.name}.{place}.{what}")


@asynccontextmanager
async def http_access(
    url: str, participant_id: str, key: "SigningKey"
) -> AsyncIterator["HttpTransport"]:
    """The exchange over HTTP, closed on leaving."""
    from adapters.clients.http_transport import HttpTransport

    transport = HttpTransport(url, participant_id, key)
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def amqp_access(url: str, participant_id: str) -> AsyncIterator["RabbitConnection"]:
    """The broker, closed on leaving.

    Raises:
        ConfigurationError: the URL logs in as somebody else than the participant.
        Unavailable: the broker does not answer or does not let us in.
    """
    from adapters.rabbitmq.connection import RabbitConnection

    if unquote(urlsplit(url).username or "") != participant_id:
        msg = (
            "The amqp:// URL must log in as the participant, its id written with %3A for each"
            " colon: amqp://poe%3Akz%3Aala:PASSWORD@host (the operator gives the password, from"
            " `bhx rabbitmq definitions`)."
        )
        raise ConfigurationError(msg)
    connection = await RabbitConnection.open(url, name=f"bhx client {participant_id}")
    try:
        yield connection
    finally:
        await connection.close()


async def pinned_log_key(
    given: str | None, key: Path, url: str, api: "HttpTransport | None"
) -> "NoteVerifier":
    """The trail's key: as given, as pinned before, or (said aloud) as the exchange now says.

    Raises:
        ConfigurationError: there is none, or what was given is none.
        Unavailable: it had to be asked for, and the exchange does not answer.
    """
    from exchange.trail.checkpoint import NoteVerifier

    if given is not None:
        return NoteVerifier.from_vkey(_text_or_file(given))
    pin = beside_key(key, url, "log-key")
    if pin.exists():
        return NoteVerifier.from_vkey(_text_of(pin))
    if api is None:
        msg = "Give --log-key (the exchange's operator has it), or --api with its HTTP URL."
        raise ConfigurationError(msg)
    verifier = NoteVerifier.from_vkey(await api.verifier_key())
    _pin(pin, verifier.verifier_key)
    remark(
        f"First contact: from now on the trail of {url} must be signed by\n"
        f"  {verifier.verifier_key}\n"
        f"pinned in {pin}. Compare it with what the operator tells you by another way."
    )
    return verifier


def _text_or_file(given: str) -> str:
    if given.count("+") >= 2:
        return given
    return _text_of(Path(given))


def _text_of(file: Path) -> str:
    """The one line of a file; what is no text is no verifier key either."""
    return read_file(file).decode("utf-8", "replace").strip()


def _pin(file: Path, verifier_key: str) -> None:
    try:
        with file.open("x") as pinned:
            pinned.write(verifier_key + "\n")
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror}): give --log-key."
        raise ConfigurationError(msg) from error
