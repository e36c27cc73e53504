"""How a participant's client reaches an exchange; HTTP, AMQP and in-process all fit these ports.

Nothing that comes through a transport is trusted: what can be verified is verified behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.delivery import Delivery
from schemas.participant import Participant, ParticipantKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMessage:
    """A message ready to go; the same bytes and signature at every attempt.

    Attributes:
        signature: the detached JWS over `body`.
        message_id: its `jti`, the MessageHeader's id.
        key_id: its `kid`.
    """

    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    message_id: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A delivery as it came.

    Attributes:
        delivery: None when what came does not even have the form of one.
        tag: the transport's own handle.
    """

    delivery: Delivery | None = field(repr=False)
    tag: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Some deliveries, in order.

    Attributes:
        cursor: where to go on; a number of the subscriber's own numbering.
    """

    arrived: Sequence[Arrived]
    cursor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """A trail entry that somebody shows us, with a tlog-proof that is not yet verified."""

    index: int
    entry: bytes = field(repr=False)
    proof: str = field(repr=False)


class MessageTransport(Protocol):
    """Takes messages to the exchange."""

    async def submit(self, message: SignedMessage) -> bytes:
        """The bytes of the receipt the exchange answers with, for acceptance and refusal alike.

        Raises:
            Unavailable: no decision is known; the same message may be sent again.
            RequestRefused: there was no decision, and sending again will not change that.
        """


class DeliveryTransport(Protocol):
    """Brings deliveries, and takes acknowledgements back."""

    async def receive(self, *, after: int, limit: int, patience: float) -> Arrivals:
        """What is there, at most `limit`; nothing when nothing came for `patience` seconds.

        A queue hands out what it has, whatever `after` says.

        Raises:
            Unavailable: the exchange is gone for now; call again.
        """

    async def acknowledge(self, statement: bytes, signature: str) -> None:
        """Return when the exchange has the signed acknowledgement durably.

        Raises:
            Unavailable: it may not have it; send it again.
        """

    async def answer_recalls(self, statement: bytes, signature: str) -> None:
        """Return when the exchange has the signed answer to notices of recall durably.

        Raises:
            Unavailable: it may not have it; send it again.
        """

    async def settle(self, arrived: Sequence[Arrived]) -> None:
        """Tell the transport these need not come again. If this is lost they do: that is safe."""

    async def set_aside(self, arrived: Arrived) -> None:
        """Tell the transport this one was refused as unproven; it is not acknowledged."""


class PublisherKeys(Protocol):
    """Knows publishers' keys."""

    async def key_of(self, participant_id: str, key_id: str) -> ParticipantKey | None:
        """The participant's key of that id, whatever its validity, or None.

        Raises:
            Unavailable: it could not be looked up; try again.
        """


class DirectoryReader(Protocol):
    """Shows the directory."""

    async def participant(self, participant_id: str) -> Participant | None:
        """The participant's document as of now, or None."""


class ConsistencyReader(Protocol):
    """Shows how two sizes of the trail hang together."""

    async def consistency_proof(self, first: int, second: int) -> Sequence[bytes]:
        """The hashes that prove the trail of `second` entries extends that of `first`."""


class ExchangeReader(DirectoryReader, ConsistencyReader, Protocol):
    """What a subscriber asks an exchange for, besides its deliveries."""


class TrailReader(ConsistencyReader, Protocol):
    """What an auditor reads of the trail."""

    async def checkpoint(self, size: int | None = None) -> str:
        """The signed checkpoint of that size, or the latest."""

    async def checkpoint_sizes(self, after: int) -> Sequence[int]:
        """Sizes above `after` with a signed checkpoint, ascending; empty at the end."""

    async def bundle(self, index: int, width: int) -> Sequence[bytes]:
        """The first `width` (1 to 256) entries of entry bundle `index`."""

    async def message_entries(self, message_id: str) -> Sequence[ShownEntry]:
        """The entries about one message, each with its proof."""
