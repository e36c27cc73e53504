"""What the HTTP interface needs of an exchange; whoever composes one hands it in."""

from typing import Protocol

from adapters.key_files import ExchangeKeys
from adapters.settings import Settings
from exchange.acknowledging import AcknowledgementDesk
from exchange.answering_recalls import RecallDesk
from exchange.break_glass import BreakGlassDesk
from exchange.directory_cache import DirectoryCache
from exchange.disclosing import DisclosureDesk
from exchange.intake import Intake
from exchange.ports import Clock, Store
from exchange.proving import ProofDesk
from exchange.redelivering import RedeliveryDesk
from exchange.slips import SlipDesk


class Channel(Protocol):
    """A channel of a broker."""

    async def close(self) -> object:
        """Give it back."""


class Broker(Protocol):
    """A connection that can be asked whether the broker is there."""

    async def channel(self) -> Channel:
        """A new channel.

        Raises:
            Unavailable: the broker does not answer.
        """


class Parts(Protocol):
    """The parts of an exchange that HTTP reaches."""

    @property
    def settings(self) -> Settings:
        """What the operator set."""

    @property
    def clock(self) -> Clock:
        """What time it is, for logins and tokens."""

    @property
    def keys(self) -> ExchangeKeys:
        """The exchange's own keys: access tokens, and the trail's verifier key."""

    @property
    def store(self) -> Store:
        """What is recorded."""

    @property
    def directory(self) -> DirectoryCache:
        """Who takes part."""

    @property
    def intake(self) -> Intake:
        """Where messages are decided."""

    @property
    def proofs(self) -> ProofDesk:
        """Receipts, deliveries and entries with their proofs."""

    @property
    def redeliveries(self) -> RedeliveryDesk:
        """What may be handed out, for the first time or again."""

    @property
    def acknowledgements(self) -> AcknowledgementDesk:
        """Where subscribers' acknowledgements are recorded."""

    @property
    def disclosures(self) -> DisclosureDesk:
        """Who received what about a traveller."""

    @property
    def slips(self) -> SlipDesk:
        """Where slips for travellers are made."""

    @property
    def recalls(self) -> RecallDesk:
        """Where subscribers' answers to recalls are recorded."""

    @property
    def break_glass(self) -> BreakGlassDesk:
        """Where the glass is broken."""

    @property
    def broker(self) -> Broker | None:
        """The broker, or None in an embedded exchange."""
