"""Dead letters at rest: sealed, because nobody knows what is in them.

A message becomes a dead letter just when it could not be read, so it may hold anybody's record. It
is kept as ciphertext under the exchange's key; only the reason and the queue it came from can be
read beside it.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pamqp.commands import Basic

from adapters.rabbitmq.confirms import PERSISTENT, Publication
from adapters.rabbitmq.topology import QUEUE_HEADER, REASON_HEADER, SEALED_LETTERS
from exchange.errors import IntegrityBroken
from exchange.subjects import SubjectVault

SEALED_TYPE: Final = "application/vnd.bhx.dead-letter"
_READABLE: Final = (REASON_HEADER, QUEUE_HEADER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter as it was.

    Attributes:
        headers: all it came with; values that JSON has no word for are left out.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, Any] = field(repr=False)
    content_type: str | None = None

    @property
    def reason(self) -> str:
        """Why it was put aside; empty when the broker did it."""
        return _text(self.headers.get(REASON_HEADER))

    @property
    def queue(self) -> str:
        """Where it was put aside from: what we wrote, or the broker's word."""
        deaths = self.headers.get("x-death")
        first = deaths[0] if isinstance(deaths, list) and deaths else {}
        broker = first.get("queue") if isinstance(first, dict) else None
        return _text(self.headers.get(QUEUE_HEADER)) or _text(broker)


def sealed(letter: Letter, vault: SubjectVault) -> Publication:
    """The letter as it is kept."""
    members = {
        "body": base64.b64encode(letter.body).decode(),
        "headers": {name: _plain(value) for name, value in letter.headers.items()},
        "content_type": letter.content_type,
    }
    text = json.dumps(members, ensure_ascii=True).encode()
    readable = {name: letter.headers[name] for name in _READABLE if name in letter.headers}
    return Publication(
        exchange="",
        routing_key=SEALED_LETTERS,
        body=vault.seal_apart(text),
        properties=Basic.Properties(
            content_type=SEALED_TYPE, headers=readable, delivery_mode=PERSISTENT
        ),
    )


def unsealed(ciphertext: bytes, vault: SubjectVault) -> Letter:
    """The letter that was sealed.

    Raises:
        IntegrityBroken: it was sealed under another key, or changed.
    """
    members = json.loads(vault.open_apart(ciphertext))
    try:
        return Letter(
            body=base64.b64decode(members["body"], validate=True),
            headers=members["headers"],
            content_type=members["content_type"],
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = "A sealed dead letter does not hold one."
        raise IntegrityBroken(msg) from error


def _plain(value: Any) -> Any:
    """The value in JSON's words; bytes as text, as far as they are."""
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
