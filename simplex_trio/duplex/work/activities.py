"""`Activities`: what an agent does at the moment, and what it may do.

Work that may not be done waits for a call, without a timer; work that is being done can be waited
for, or cut off.  Cutting off is harmless, as it is what a crash does: what was to be done follows
from what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

import trio

__all__ = ["Activities", "Activity"]


class Activity(Enum):
    """Kinds of work, in the order in which they end when an agent is paused."""

    RECEIVING = auto()
    """Processing what routers deliver."""
    DELIVERING = auto()
    """Sending messages to peers."""
    MANAGING = auto()
    """Everything else on the network: acknowledging, making queues, deleting them."""
    CLEANING = auto()
    """Removing what was kept long enough; only the store is needed for it."""


_ON_NETWORK = (Activity.DELIVERING, Activity.MANAGING)


class Activities:
    """Of one agent."""

    def __init__(self) -> None:
        self.has_network = True
        """Whether work that begins on the network is tried.  What is delivered over connections
        that are there is processed all the same."""
        self._closed: set[Activity] = set()
        self._running: dict[Activity, set[trio.CancelScope]] = {each: set() for each in Activity}
        self._waiting = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        running = sum(map(len, self._running.values()))
        return f"<Activities: {running} running, {len(self._closed)} kinds closed>"

    def may(self, activity: Activity) -> bool:
        """Whether something of this kind may begin."""
        if activity in self._closed:
            return False
        return self.has_network or activity not in _ON_NETWORK

    @contextmanager
    def doing(self, activity: Activity) -> Iterator[trio.CancelScope]:
        """What is done in the block is of this kind; the scope is cancelled to cut it off."""
        running = self._running[activity]
        with trio.CancelScope() as scope:
            running.add(scope)
            try:
                yield scope
            finally:
                running.discard(scope)
                if not running:
                    self._waiting.unpark_all()

    async def wait_until_open(self, activity: Activity) -> None:
        """Wait until `open_all`, if this kind is closed."""
        while activity in self._closed:
            await self._waiting.park()

    async def wait_until_idle(self, activity: Activity) -> None:
        """Wait until nothing of this kind is being done."""
        while self._running[activity]:
            await self._waiting.park()

    # --- for pausing ----------------------------------------------------------------------------

    def close(self, activity: Activity) -> None:
        """Nothing of this kind begins until `open_all`."""
        self._closed.add(activity)

    def cut_off(self) -> bool:
        """Cancel all that is being done; returns whether there was anything."""
        scopes = [scope for running in self._running.values() for scope in running]
        for scope in scopes:
            scope.cancel()
        return bool(scopes)

    def open_all(self) -> None:
        """Everything may begin again."""
        self._closed.clear()
        self._waiting.unpark_all()
