"""`Waiter`: lets a caller wait for the answers to all of its requests."""

from __future__ import annotations

import math

import trio

__all__ = ["Waiter"]


class Waiter:
    """Wakes one caller when all of its requests have left the pending state."""

    __slots__ = ("_done", "_latest", "_remaining")

    def __init__(self) -> None:
        self._remaining = 0
        self._latest = 0.0
        self._done = trio.Event()

    def add(self) -> None:
        self._remaining += 1

    def one_done(self) -> None:
        self._remaining -= 1
        if self._remaining:
            self._latest = trio.current_time()
        else:
            self._done.set()

    async def wait_while_answered(self, seconds: float) -> None:
        """Wait for all answers; give up after ``seconds`` without a further one."""
        if not self._remaining:
            await trio.lowlevel.checkpoint()
            return
        self._latest = trio.current_time()
        deadline = -math.inf
        while self._remaining and self._latest + seconds > deadline:
            deadline = self._latest + seconds
            with trio.move_on_at(deadline):
                await self._done.wait()
