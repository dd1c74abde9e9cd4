"""Stores that do not do what they are asked at once, or at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import trio

from simplex_trio.errors import StoreFull, StoreUnavailable
from simplex_trio.router.store.interface import Change, Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["ReluctantStore"]


class ReluctantStore(MemoryStore, Store):
    """In memory; full, unreadable, or slow, as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.is_unreadable = False
        self.go = trio.Event()
        self.go.set()
        self.commits: list[int] = []
        """How many changes each call had."""

    async def commit(self, changes: Iterable[Change]) -> None:
        wanted = list(changes)
        await self.go.wait()
        if self.is_full:
            raise StoreFull("no room is left")
        self.commits.append(len(wanted))
        await super().commit(wanted)

    async def bodies(self, sequences: Sequence[int]) -> dict[int, bytes]:
        if self.is_unreadable:
            raise StoreUnavailable("the medium does not answer")
        return await super().bodies(sequences)

    async def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        if self.is_unreadable:
            raise StoreUnavailable("the medium does not answer")
        return await super().link_data(recipient_id)
