"""Changes of the directory: who is admitted, suspended, or signs with a new key.

Every change is a trail entry in the transaction that makes it, with the digest of the
participant's new document, so the directory at any time can be checked against the trail.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from exchange.errors import ConfigurationError, UntrustedSender
from exchange.facts import Facts
from exchange.ports import Clock, Store
from exchange.recording import Recording
from exchange.signing import VerifyingKey
from exchange.trail.checkpoint import NoteSigner
from schemas.participant import Participant, ParticipantKey

#: From the participants as they are to the entry's type (or `unchanged`) and the new document.
Change = Callable[[Mapping[str, Participant]], tuple[str, Participant]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admissions:
    """Changes participants; each method is durable when it returns, or raises `Unavailable`."""

    clock: Clock
    store: Store
    signer: NoteSigner
    origin: str

    async def admit(self, participant: Participant) -> str:
        """Add a participant, or replace its document; which of the two, as the entry's type.

        Admitting the very same document again changes nothing and returns `unchanged`.
        """
        for key in participant.keys:
            _require_usable(key)

        def change(known: Mapping[str, Participant]) -> tuple[str, Participant]:
            standing = known.get(participant.id)
            if standing is None:
                return "participant-admitted", participant
            return "unchanged" if standing == participant else "participant-changed", participant

        return await self._change(change)

    async def suspend(self, participant_id: str) -> str:
        """From now on it can neither publish nor receive; what waits for it stays."""

        def change(known: Mapping[str, Participant]) -> tuple[str, Participant]:
            standing = _require_known(known, participant_id)
            suspended = standing.model_copy(update={"suspended": True})
            return "unchanged" if standing.suspended else "participant-suspended", suspended

        return await self._change(change)

    async def rotate_key(
        self,
        participant_id: str,
        key: ParticipantKey,
        *,
        old_keys_until: datetime,
        compromised_since: datetime | None = None,
    ) -> str:
        """Add a key; the others end at `old_keys_until`, or are revoked now if compromised."""
        now = self.clock.now()
        _require_usable(key)

        def change(known: Mapping[str, Participant]) -> tuple[str, Participant]:
            standing = _require_known(known, participant_id)
            kept = [
                _ended(old, old_keys_until, now, compromised_since)
                for old in standing.keys
                if old.jwk.key_id != key.jwk.key_id
            ]
            return "key-rotated", standing.model_copy(update={"keys": (*kept, key)})

        return await self._change(change)

    async def _change(self, change: Change) -> str:
        async with self.store.locked() as trail:
            known = {one.id: one for one in await trail.participants()}
            entry_type, participant = change(known)
            if entry_type == "unchanged":
                return entry_type
            recording = Recording(
                head=trail.head,
                facts=Facts(),
                windows={},
                origin=self.origin,
                now=self.clock.now(),
            )
            recording.append(
                entry_type, participant=participant.id, document=document_digest(participant)
            )
            recording.change_participant(participant)
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, the operator looks with `bhx participant show`.
            await trail.commit()
        return entry_type


def document_digest(participant: Participant) -> str:
    """Base64url SHA-256 of the participant's document, as the trail names it."""
    digest = hashlib.sha256(participant.model_dump_json().encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _require_known(known: Mapping[str, Participant], participant_id: str) -> Participant:
    if participant_id not in known:
        msg = "No participant of that id is admitted: see `bhx participant list`."
        raise ConfigurationError(msg)
    return known[participant_id]


def _require_usable(key: ParticipantKey) -> None:
    try:
        if key.jwk.signs_messages:
            VerifyingKey.from_jwk(key.jwk)
    except UntrustedSender as error:
        msg = "A key of the document is not a safe public key: make one with `bhx key new`."
        raise ConfigurationError(msg) from error


def _ended(
    key: ParticipantKey, until: datetime, now: datetime, compromised_since: datetime | None
) -> ParticipantKey:
    if compromised_since is not None:
        return key.model_copy(update={"revoked_at": now, "compromised_since": compromised_since})
    return key.model_copy(update={"valid_until": max(min(key.valid_until, until), key.valid_from)})
