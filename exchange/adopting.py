"""Adopting policies: a version of a policy is in the trail before anything is decided by it."""

from collections.abc import Sequence
from dataclasses import dataclass

from exchange.facts import Facts
from exchange.ports import Clock, Store
from exchange.recording import Recording
from exchange.trail.checkpoint import NoteSigner
from schemas.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDesk:
    """Enters policies; the method is durable when it returns, or raises `Unavailable`."""

    clock: Clock
    store: Store
    signer: NoteSigner
    origin: str

    async def adopt(self, policies: Sequence[Policy]) -> int:
        """Enter those that never were, each with its exact bytes; how many these are."""
        if not policies:
            return 0
        async with self.store.locked() as trail:
            known = await trail.adopted_policies()
            new = [one for one in policies if one.digest not in known]
            if not new:
                return 0
            recording = Recording(
                head=trail.head,
                facts=Facts(),
                windows={},
                origin=self.origin,
                now=self.clock.now(),
            )
            for policy in new:
                recording.adopt(policy, policy.body)
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, the next start enters what is missing.
            await trail.commit()
        return len(new)
