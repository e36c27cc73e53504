"""The directory as this process last saw it, and when to look again."""

from exchange.directory import Directory
from exchange.ports import LockedTrail, Store


class DirectoryCache:
    """Keeps one parsed snapshot; parsing keys for every batch would cost more than checking them.

    A stale snapshot decides nothing: the processor compares versions under the tree head's lock.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshot: Directory | None = None

    async def current(self) -> Directory:
        """The snapshot at hand; it may be out of date."""
        if self._snapshot is None:
            return await self.reloaded()
        return self._snapshot

    async def checked(self) -> Directory:
        """The directory as of now, for decisions outside the lock, such as a login."""
        if self._snapshot is None or (
            await self._store.directory_version() != self._snapshot.version
        ):
            return await self.reloaded()
        return self._snapshot

    async def refreshed(self, trail: LockedTrail) -> Directory:
        """The directory as the locked trail has it."""
        self._snapshot = Directory.of(trail.head.directory_version, await trail.participants())
        return self._snapshot

    async def reloaded(self) -> Directory:
        """The directory read anew from the store."""
        version, participants = await self._store.participants()
        self._snapshot = Directory.of(version, participants)
        return self._snapshot
