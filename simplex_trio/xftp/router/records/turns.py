"""`PacketTurns` and `SharedCommits`: changes to many packets at a time, and one commit for them.

Each commit waits for the disk of the database, and mostly for a network.  So the changes that are
decided while one is under way go into the next one, all together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define

from simplex_trio.errors import (
    StoreConflict,
    StoreError,
    StoreFull,
    StoreLost,
    copy_of,
    without_traceback,
)
from simplex_trio.storage.postgres.database import PostgresDatabase
from simplex_trio.storage.postgres.parameters import Statement

__all__ = ["PacketTurns", "SharedCommits"]


class PacketTurns:
    """Lets one task at a time change a packet; or one task all packets, while no other does."""

    def __init__(self) -> None:
        self._held: set[bytes] = set()
        self._is_all_held = False
        self._wants_all = 0
        self._waiting = trio.lowlevel.ParkingLot()

    @asynccontextmanager
    async def of(self, sender_id: bytes) -> AsyncIterator[None]:
        """The turn of a task at one packet."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._wants_all or sender_id in self._held:
            await self._waiting.park()
        self._held.add(sender_id)
        try:
            yield
        finally:
            self._held.remove(sender_id)
            self._waiting.unpark_all()

    @asynccontextmanager
    async def of_all(self) -> AsyncIterator[None]:
        """The turn of a task at all packets; other tasks that come later wait for it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._wants_all += 1
        try:
            while self._is_all_held or self._held:
                await self._waiting.park()
            self._is_all_held = True
            try:
                yield
            finally:
                self._is_all_held = False
        finally:
            self._wants_all -= 1
            self._waiting.unpark_all()


@define(eq=False)
class _Change:
    statements: Sequence[Statement]
    failure: Exception | None = Factory(lambda: StoreLost("a commit was interrupted"))
    is_done: bool = False
    turn: trio.Event = Factory(trio.Event)


class SharedCommits:
    """Carries out changes that do not depend on each other, those that wait in one transaction."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._waiting: list[_Change] = []
        self._is_busy = False

    async def commit(self, statements: Sequence[Statement]) -> None:
        """Make a change durable, perhaps together with others; no cancellation is heard.

        Raises `StoreError`.  A change that is refused does not take others with it.
        """
        change = _Change(statements)
        self._waiting.append(change)
        with trio.CancelScope(shield=True):
            if self._is_busy:
                await change.turn.wait()
            if not change.is_done:
                await self._commit_waiting()
        if change.failure is not None:
            raise copy_of(change.failure)

    async def _commit_waiting(self) -> None:
        """Commit what waits, and let the task whose change came next go on with what came then."""
        self._is_busy = True
        changes, self._waiting = self._waiting, []
        try:
            await self._commit_all(changes)
        finally:
            for change in changes:
                change.is_done = True
                change.turn.set()
            self._is_busy = bool(self._waiting)
            if self._waiting:
                self._waiting[0].turn.set()

    async def _commit_all(self, changes: Sequence[_Change]) -> None:
        failure = await self._failure(changes)
        if isinstance(failure, StoreConflict | StoreFull) and len(changes) > 1:
            for change in changes:
                await self._commit_all([change])
        else:
            for change in changes:
                change.failure = failure

    async def _failure(self, changes: Sequence[_Change]) -> Exception | None:
        """Commit changes in one transaction; returns why that cannot be."""
        try:
            await self._database.commit([each for change in changes for each in change.statements])
        except (StoreError, trio.ClosedResourceError) as exc:
            return without_traceback(copy_of(exc))
        return None
