"""`WatchedStore`: what a router gets to see of messages, for an audience that doubts it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simplex_trio.router.store.interface import Change, PutMessage
from simplex_trio.router.store.memory import MemoryStore

__all__ = ["WatchedStore"]


class WatchedStore(MemoryStore):
    """A router's store that notes the size of each message, and looks for words in it."""

    def __init__(self) -> None:
        super().__init__()
        self._words: tuple[bytes, ...] = ()
        self.sizes: list[int] = []
        """Bytes of the messages since `look_for`."""
        self.found: int = 0
        """How many of them had one of the words in them."""

    def look_for(self, words: Sequence[str]) -> None:
        """Begin to watch."""
        self._words = tuple(word.encode() for word in words)
        self.sizes.clear()
        self.found = 0

    async def commit(self, changes: Iterable[Change]) -> None:
        noted = list(changes)
        for change in noted:
            if isinstance(change, PutMessage):
                self.sizes.append(len(change.body))
                self.found += any(word in change.body for word in self._words)
        await super().commit(noted)
