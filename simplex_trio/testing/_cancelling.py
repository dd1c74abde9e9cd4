"""`cancelled_at`: cancelling a piece of code at each of its checkpoints, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class _CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when the task that made this is about to take its step of a number."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._task = trio.lowlevel.current_task()
        self._scope = scope
        self._steps_left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            if not self._steps_left:
                self._scope.cancel()
            self._steps_left -= 1


@contextmanager
def cancelled_at(step: int) -> Iterator[trio.CancelScope]:
    """A scope whose body is cancelled before its step ``step``: 0 is before it begins."""
    with trio.CancelScope() as scope:
        if not step:
            scope.cancel()
        instrument = _CancelAtStep(scope, step - 1)
        trio.lowlevel.add_instrument(instrument)
        try:
            yield scope
        finally:
            trio.lowlevel.remove_instrument(instrument)
