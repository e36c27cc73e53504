"""Legal holds: what an authority wants kept is neither erased nor expires, and everybody can see.

A hold names an office, never a person, and its leaf names no traveller. It ends only by being
lifted; several may stand on one traveller.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exchange.erasing import NobodyKnown
from exchange.errors import ConfigurationError
from exchange.facts import Facts
from exchange.model import Hold
from exchange.ports import Clock, LockedTrail, Store
from exchange.recording import Recording
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import NoteSigner

#: The longest name of an authority.
MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDesk:
    """Places and lifts holds; each method is durable when it returns, or raises `Unavailable`."""

    clock: Clock
    store: Store
    vault: SubjectVault = field(repr=False)
    signer: NoteSigner
    origin: str

    async def place(self, documents: Iterable[tuple[str, str]], authority: str) -> list[str]:
        """From now on nothing of the traveller with one of these documents is erased.

        Returns the hold's id; several where documents that belong together were seen apart.

        Raises:
            ConfigurationError: the authority has no printable name of at most 200 characters.
            NobodyKnown: no document leads to a traveller.
        """
        name = " ".join(authority.split())
        if not name or len(name) > MOST_CHARACTERS or not name.isprintable():
            msg = f"The authority must be named in at most {MOST_CHARACTERS} printable characters."
            raise ConfigurationError(msg)
        tokens = self.vault.tokens_of(documents)
        async with self.store.locked() as trail:
            known = (await trail.facts_about(tokens=tokens)).known_subjects(tokens)
            if not known:
                msg = "Nothing is kept about a traveller with this document."
                raise NobodyKnown(msg)
            recording = self._recording(trail)
            placed = {uuid.uuid4().hex: one.subject_id for one in known}
            for hold_id, subject_id in placed.items():
                recording.place_hold(hold_id, subject_id, name)
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, the operator looks with `bhx hold list`.
            await trail.commit()
        return list(placed)

    async def lift(self, hold_id: str) -> Hold:
        """This hold keeps nothing any more; the hold as it was.

        Raises:
            ConfigurationError: no hold of that id stands.
        """
        async with self.store.locked() as trail:
            standing = {one.hold_id: one for one in await trail.holds() if _stands(one)}
            if hold_id not in standing:
                msg = "No hold of that id stands: see `bhx hold list`."
                raise ConfigurationError(msg)
            recording = self._recording(trail)
            recording.lift_hold(standing[hold_id])
            await trail.save(recording.close(self.signer))
            await trail.commit()
        return standing[hold_id]

    async def all(self) -> Sequence[Hold]:
        """Every hold, lifted ones included, in the order of their placing."""
        async with self.store.locked() as trail:
            return await trail.holds()

    def _recording(self, trail: LockedTrail) -> Recording:
        return Recording(
            head=trail.head, facts=Facts(), windows={}, origin=self.origin, now=self.clock.now()
        )


def _stands(hold: Hold) -> bool:
    return hold.lifted_entry is None
