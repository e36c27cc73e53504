"""Asking for a slip, and for the disclosures about a traveller: small documents over HTTP."""

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.wire_json import WireDocument

MOST_REQUEST_BYTES: Final = 4_096


class SlipRequest(WireDocument):
    """A publisher asks for a slip for the traveller of one of its own messages.

    Attributes:
        message: its id (MessageHeader.id).
    """

    v: Literal[1] = 1
    message: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]


class SlipAnswer(WireDocument):
    """The slip; it cannot be asked for a second time.

    Attributes:
        token: what the URL ends with.
        url: opens the traveller's disclosure report, with no login.
        expires_at: RFC 3339, UTC.
    """

    v: Literal[1] = 1
    token: str = Field(repr=False)
    url: str = Field(repr=False)
    expires_at: str


class DisclosureRequest(WireDocument):
    """An operator asks who received what about the traveller with this document.

    It is sent in a body, since addresses are written into logs.

    Attributes:
        system: of the identifier, as messages write it.
        value: of the identifier, in any spelling.
    """

    v: Literal[1] = 1
    system: Annotated[str, Field(min_length=1, max_length=200, repr=False)]
    value: Annotated[str, Field(min_length=1, max_length=200, repr=False)]
