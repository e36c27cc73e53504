"""Slips: a paper with a random token that opens one traveller's disclosure report.

A traveller without an account, a document or a number of any state can be handed one at the post.
Who holds the paper can read the report and nothing else. The token has 160 random bits and stands
on the paper only: the store keeps its SHA-256, by which it is looked up, so no comparison takes
longer the closer a guess comes.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from exchange.errors import ConfigurationError
from exchange.facts import Facts
from exchange.model import MessageIdentity, ParticipantId, Slip
from exchange.ports import Clock, Store
from exchange.recording import Recording
from exchange.trail.checkpoint import NoteSigner
from schemas.trail_entry import AcceptedEntry, read_entry

#: Who issues or reads at the exchange's own store, as trail entries name it.
OPERATOR: Final = "operator"

_TOKEN_BYTES: Final = 20
_TOKEN_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True)
class IssuedSlip:
    """A slip just made; nobody can find out its token again.

    Attributes:
        url: where it opens the report.
    """

    token: str = field(repr=False)
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipDesk:
    """Issues slips; safe to share between tasks.

    Attributes:
        base_url: the exchange's public URL, which the paper names.
        valid_for: how long a slip opens anything.
    """

    clock: Clock
    store: Store
    signer: NoteSigner
    origin: str
    base_url: str
    valid_for: timedelta

    async def issue(self, identity: MessageIdentity, *, issuer: ParticipantId) -> IssuedSlip | None:
        """A slip for the traveller of an accepted message; None when there is no such message.

        The message need not name a document: it has a subject all the same. One that was erased,
        or refused, is no such message.

        Raises:
            Unavailable: it is not known to be durable; issue another.
        """
        token = new_token()
        async with self.store.locked() as trail:
            found = (await trail.sealed_bodies([identity])).get(identity)
            if found is None:
                return None
            recording = Recording(
                head=trail.head,
                facts=Facts(),
                windows={},
                origin=self.origin,
                now=self.clock.now(),
            )
            slip = Slip(
                token_digest=digest_of(token),
                subject_id=found[0].subject_id,
                issued_at=recording.at,
                expires_at=recording.at + self.valid_for,
            )
            recording.issue_slip(slip, issuer)
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, a slip exists that nobody holds.
            await trail.commit()
        return IssuedSlip(token, f"{self.base_url}/slip/{token}", slip.expires_at)

    async def issue_as_operator(
        self, message_id: str, *, publisher: ParticipantId | None = None
    ) -> IssuedSlip | None:
        """As `issue`, for whoever sits at the store and knows the id of a message only.

        Raises:
            ConfigurationError: several publishers have an accepted message of that id.
        """
        entries = [read_entry(raw) for _, raw in await self.store.message_entries(message_id)]
        publishers = {
            one.publisher
            for one in entries
            if isinstance(one, AcceptedEntry) and publisher in {None, one.publisher}
        }
        if len(publishers) > 1:
            msg = "Several publishers have a message of that id: say whose, with --publisher."
            raise ConfigurationError(msg)
        for one in publishers:
            return await self.issue(MessageIdentity(one, message_id), issuer=OPERATOR)
        return None


def new_token() -> str:
    """160 random bits as 32 characters that can be typed from paper: a to z, and 2 to 7."""
    return base64.b32encode(secrets.token_bytes(_TOKEN_BYTES)).decode().lower()


def digest_of(token: str) -> bytes:
    """The SHA-256 by which a token is looked up, whichever case it was typed in."""
    return hashlib.sha256(token.lower().encode("utf-8", "surrogatepass")).digest()


def may_be_token(text: str) -> bool:
    """Whether it has the form of a token; nothing else needs to be looked up."""
    return len(text) == _TOKEN_CHARACTERS and text.isascii() and text.isalnum()
