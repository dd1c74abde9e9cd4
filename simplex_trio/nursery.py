"""Nurseries as details of context managers, and context managers as tasks of nurseries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import trio

__all__ = ["hold_open", "open_inner_nursery"]

T = TypeVar("T")


@asynccontextmanager
async def open_inner_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery that is a detail of some other context manager.

    A single exception, from the body or from a task, comes out as it is instead of in a group; only
    where several tasks failed is there a group of them.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        sole = _sole_failure(group)
        if sole is None:
            raise
        context = sole.__context__
        try:
            raise sole
        finally:
            sole.__context__ = context  # not the group, which says nothing more
            # This frame is in the exception's traceback: it must not hold the exception itself.
            del sole, context


def _sole_failure(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The one exception of a group that is not just a cancellation, if it has one."""
    # Tasks that were cancelled beside one that failed have nothing to add to that.
    _, failures = group.split(trio.Cancelled)
    exceptions = (failures or group).exceptions
    return exceptions[0] if len(exceptions) == 1 else None


async def hold_open(
    opened: AbstractAsyncContextManager[T], *, task_status: trio.TaskStatus[T]
) -> None:
    """Be inside a context manager until cancelled; for `trio.Nursery.start`, which returns it."""
    async with opened as value:
        task_status.started(value)
        await trio.sleep_forever()
