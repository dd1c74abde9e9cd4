"""`Waiter`: lets a caller wait for the answers to all of its requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

__all__ = ["Waiter"]


class Waiter:
    """Wakes one caller when all of its requests have left the pending state, or when it gives up.

    ``seconds`` is for how long it waits for each further answer.
    """

    __slots__ = ("_gave_up", "_remaining", "_task", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds: float = seconds
        self._remaining = 0
        self._gave_up = False
        self._task: trio.lowlevel.Task | None = None

    @property
    def waits(self) -> bool:
        """Whether there are answers to wait for."""
        return self._remaining > 0 and not self._gave_up

    def add(self) -> None:
        self._remaining += 1

    def one_done(self) -> None:
        self._remaining -= 1
        if not self._remaining:
            self._wake()

    def give_up(self) -> None:
        self._gave_up = True
        self._wake()

    async def wait(self) -> None:
        """Wait for all answers, or until it gives up; called once."""
        if not self.waits:
            await trio.lowlevel.checkpoint()
            return
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _wake(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def _abort(self, _raise_cancel: Callable[[], Any]) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
