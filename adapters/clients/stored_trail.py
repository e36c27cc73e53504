"""The trail read straight from the exchange's store, for an auditor who sits beside it."""

from collections.abc import Sequence

from adapters.clients.errors import RequestRefused
from adapters.clients.transport import ShownEntry
from exchange.ports import Store
from exchange.proving import ProofDesk
from exchange.trail.tile_paths import TILE_WIDTH
from exchange.trail.tiles import consistency_proof, tiles_for_consistency

_CHECKPOINTS_AT_ONCE = 1_000


class StoredTrail:
    """Fits `TrailReader`; trusts the store with nothing but showing what it has."""

    def __init__(self, store: Store, proofs: ProofDesk) -> None:
        """Read this store."""
        self._store = store
        self._proofs = proofs

    async def checkpoint(self, size: int | None = None) -> str:
        """See `TrailReader`."""
        found = await self._store.checkpoint(size)
        if found is None:
            raise RequestRefused("The store holds no such checkpoint: was anything recorded?")
        return found[1]

    async def checkpoint_sizes(self, after: int) -> Sequence[int]:
        """See `TrailReader`."""
        return await self._store.checkpoint_sizes(after, _CHECKPOINTS_AT_ONCE)

    async def consistency_proof(self, first: int, second: int) -> Sequence[bytes]:
        """See `ConsistencyReader`."""
        latest = await self._store.checkpoint()
        if latest is None or not 0 < first <= second <= latest[0]:
            raise RequestRefused("The trail has no such sizes.")
        tiles = await self._store.tiles(tiles_for_consistency(first, second))
        return consistency_proof(first, second, tiles)

    async def bundle(self, index: int, width: int) -> Sequence[bytes]:
        """See `TrailReader`."""
        return await self._store.entries(index * TILE_WIDTH, width)

    async def message_entries(self, message_id: str) -> Sequence[ShownEntry]:
        """See `TrailReader`."""
        found = await self._store.message_entries(message_id)
        latest = await self._store.checkpoint()
        if latest is None:
            return []
        size = latest[0]
        places = [(index, size) for index, _ in found]
        proven = await self._proofs.proven_entries(places)
        return [
            ShownEntry(
                index=index, entry=proven[index, size].entry, proof=proven[index, size].proof
            )
            for index, _ in found
        ]
