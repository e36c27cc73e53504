"""What is wrong with evidence that somebody shows us, as opposed to with our own trail."""

from exchange.errors import ExchangeError


class ProofInvalid(ExchangeError):
    """A proof does not connect the leaf or the older tree to the root it is shown with."""


class CheckpointInvalid(ExchangeError):
    """Bytes are not a checkpoint that the expected log signed."""


class TileInvalid(ExchangeError):
    """A tile name or an entry bundle does not follow the C2SP tlog-tiles layout."""
