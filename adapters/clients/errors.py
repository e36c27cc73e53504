"""What a participant's client can run into besides the exchange being away (`Unavailable`)."""

from exchange.errors import ExchangeError


class Unproven(ExchangeError):
    """The exchange said something that it did not prove; treat it as not said, and ask why."""


class UnprovenReceipt(Unproven):
    """A receipt does not prove what became of the message that was sent; keep the message."""


class UnprovenDelivery(Unproven):
    """A delivery is not proven to be logged, intact and its publisher's: not acknowledged."""


class UnprovenTrail(Unproven):
    """What was shown of the trail does not hold together with the trusted key."""


class NotAMessage(ExchangeError):
    """What is to be published is not a FHIR message Bundle with a MessageHeader id."""


class RequestRefused(ExchangeError):
    """The exchange answered a request with an error that asking again will not mend.

    Attributes:
        status: HTTP status, or 0 where the transport has none.
    """

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
