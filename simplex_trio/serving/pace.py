"""`Pace`: the waits of regular work, as long as the configuration of the moment says."""

from __future__ import annotations

from collections.abc import Callable

import trio

__all__ = ["Pace"]


class Pace:
    """All waits of one router."""

    def __init__(self) -> None:
        self._changed = trio.Event()

    def change(self) -> None:
        """Apply the intervals of a new configuration to the waits in progress."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait(self, seconds: Callable[[], float]) -> None:
        """Wait so many seconds, from now on."""
        begun_at = trio.current_time()
        while True:
            with trio.move_on_at(begun_at + seconds()) as scope:
                await self._changed.wait()
            if scope.cancelled_caught:
                return
