"""Who may take part, with which keys, at a given time: an immutable snapshot of the directory."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from exchange.errors import UntrustedSender
from exchange.signing import VerifyingKey
from schemas.participant import Participant, Role
from schemas.violation import problem


@dataclass(frozen=True, slots=True)
class Directory:
    """The participants as of one directory version.

    Attributes:
        version: trail index of the last directory change plus one; 0 before any.
    """

    version: int
    _participants: dict[str, Participant]
    _keys: dict[tuple[str, str], VerifyingKey] = field(repr=False)

    @classmethod
    def of(cls, version: int, participants: Iterable[Participant]) -> "Directory":
        """A snapshot; every key that can sign messages is parsed once, here."""
        listed = {participant.id: participant for participant in participants}
        keys: dict[tuple[str, str], VerifyingKey] = {}
        for participant in listed.values():
            for key in participant.keys:
                # A key that cannot be used must cost its owner only, so it is left out here;
                # `exchange.admission` does not let one in.
                with suppress(UntrustedSender):
                    if key.jwk.signs_messages:
                        keys[participant.id, key.jwk.key_id] = VerifyingKey.from_jwk(key.jwk)
        return cls(version, listed, keys)

    def participant(self, participant_id: str) -> Participant | None:
        """The participant of that id, suspended or not, or None."""
        return self._participants.get(participant_id)

    def participants(self) -> tuple[Participant, ...]:
        """Everybody, ordered by id."""
        return tuple(self._participants[name] for name in sorted(self._participants))

    def jurisdictions(self) -> dict[str, str]:
        """The country of everybody, by participant id, suspended or not."""
        return {name: one.jurisdiction for name, one in self._participants.items()}

    def subscribers(self) -> tuple[Participant, ...]:
        """Those that may receive now, ordered by id."""
        return tuple(
            participant
            for participant in self.participants()
            if "subscriber" in participant.roles and not participant.suspended
        )

    def require_active(self, participant_id: str, role: Role) -> Participant:
        """Return the participant that may act in that role now.

        Raises:
            UntrustedSender: it is unknown, suspended, or has not that role.
        """
        participant = self._participants.get(participant_id)
        if participant is None:
            raise _untrusted("sender.unknown", "iss")
        if participant.suspended:
            raise _untrusted("sender.suspended", "iss")
        if role not in participant.roles:
            raise _untrusted("sender.role", "iss", role)
        return participant

    def require_key(self, participant: Participant, key_id: str, at: datetime) -> VerifyingKey:
        """Return the participant's key when it may be trusted for what arrives `at`.

        Raises:
            UntrustedSender: unknown, not yet or no longer valid, revoked, or not for messages.
        """
        listed = participant.key(key_id)
        key = self._keys.get((participant.id, key_id))
        if listed is None or key is None:
            raise _untrusted("sender.unknown-key", "kid")
        if listed.revoked_at is not None:
            raise _untrusted("sender.revoked-key", "kid")
        if not listed.is_usable_at(at):
            raise _untrusted("sender.key-not-valid", "kid")
        return key


def _untrusted(sentence: str, member: str, *words: str) -> UntrustedSender:
    return UntrustedSender(problem(sentence, "security", f"x-jws-signature.{member}", *words))
