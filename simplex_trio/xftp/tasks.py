"""`open_tasks`: tasks whose first failure cancels the others, and is raised without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define

from simplex_trio.errors import SimplexError
from simplex_trio.nursery import open_inner_nursery

__all__ = ["Tasks", "open_tasks"]


@define
class Tasks:
    """Tasks that fail together: see `open_tasks`."""

    _nursery: trio.Nursery
    _failure: SimplexError | None = None

    def start(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run ``task`` beside the others."""
        self._nursery.start_soon(self._run, task)

    async def _run(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except SimplexError as exc:
            self.fail(exc)

    def fail(self, failure: SimplexError) -> None:
        """Cancel everything because of ``failure``, unless another failure came first."""
        if self._failure is None:
            self._failure = failure
        self.cancel()

    def cancel(self) -> None:
        """Cancel all of them, and the rest of the block."""
        self._nursery.cancel_scope.cancel()

    def check(self) -> None:
        """Raise the first failure."""
        if self._failure is not None:
            raise self._failure


@asynccontextmanager
async def open_tasks() -> AsyncIterator[Tasks]:
    """Run tasks that have all ended at the end of the block.

    The first `SimplexError` of any of them, or of the block, cancels the rest and is raised.
    Requests to one router often fail at the same moment, and a group of these errors would say no
    more.
    """
    async with open_inner_nursery() as nursery:
        tasks = Tasks(nursery)
        try:
            yield tasks
        except SimplexError as exc:
            tasks.fail(exc)
    tasks.check()
