"""Handing out again what was let out before: only what may still be there (DESIGN P3).

What was recalled is not handed out again: its notice says why, and its number stays. What was
acknowledged and is asked for once more is a new disclosure, so its basis is decided on again. What
is on its way for the first time was decided when it was released.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from exchange.directory_cache import DirectoryCache
from exchange.ports import Clock, DeliveryRow, Store
from exchange.proving import ProofDesk
from exchange.releasing import Releasing
from schemas.delivery import Delivery
from schemas.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeliveryDesk:
    """Decides what is handed out again; safe to share between tasks."""

    clock: Clock
    store: Store
    directory: DirectoryCache
    proofs: ProofDesk
    policies: Sequence[Policy] = ()

    async def deliveries_of(self, rows: Sequence[DeliveryRow]) -> list[Delivery]:
        """The deliveries of these rows that may be handed out now, in order, with their proofs.

        Raises:
            Unavailable: the store gave no answer.
        """
        released = [one for one in rows if one.released and one.released.state == "released"]
        gone = await self.store.recalled_among([one.pending.delivery_id for one in released])
        again = [one for one in released if one.acknowledged]
        gone |= await self._without_basis([one for one in again if _id(one) not in gone])
        return await self.proofs.deliveries_of([one for one in rows if _id(one) not in gone])

    async def _without_basis(self, rows: Sequence[DeliveryRow]) -> frozenset[str]:
        if not rows:
            return frozenset()
        directory = await self.directory.checked()
        async with self.store.locked() as trail:
            subjects = list(dict.fromkeys(one.pending.subject_id for one in rows))
            facts = await trail.facts_about(subject_ids=subjects)
            bodies = await trail.sealed_bodies(
                list(dict.fromkeys(one.pending.identity for one in rows))
            )
        deciding = Releasing(
            append=_append_nothing,
            facts=facts,
            at=self.clock.now(),
            jurisdictions=directory.jurisdictions(),
            policies=self.policies,
            views=None,
        )
        gone = set()
        for row in rows:
            stored = bodies.get(row.pending.identity)
            traits = None if stored is None else self.proofs.vault.traits_of(*stored)
            if deciding.again(replace(row.pending, traits=traits)) is None:
                gone.add(_id(row))
        return frozenset(gone)


def _id(row: DeliveryRow) -> str:
    return row.pending.delivery_id


def _append_nothing(entry_type: str, **_: Any) -> int:
    """Deciding again enters nothing."""
    raise AssertionError(entry_type)
