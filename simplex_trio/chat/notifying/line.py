"""`open_in_turn`: programs that want the same store wait in line for it.

A store is open in one program at a time.  Those that wait make a line: the first one has a file
beside the store locked, so that a program that has the store open can see that another one waits,
and close it early.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import TypeVar

import trio

from simplex_trio.errors import StoreLocked
from simplex_trio.storage.files import OWNER_ONLY, lock

__all__ = ["Line", "open_in_turn"]

T = TypeVar("T")

_POLL = 0.1
"""Seconds between two attempts to open the store, or to become the first in line."""


class Line:
    """The line of the programs that wait for a store."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}.line")
        self._descriptor: int | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether another program waits for the store."""
        if not self._path.exists():
            return False
        return not self._attempt(keep=False)

    @property
    def is_first(self) -> bool:
        """Whether this program is the first in line; once it is, it stays so until `leave`."""
        return self._descriptor is not None or self._attempt(keep=True)

    def leave(self) -> None:
        """Let the next one be the first."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _attempt(self, *, keep: bool) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        except OSError:
            return True  # there can be no line here, so each is the first
        locked = lock(descriptor)
        if keep and locked:
            self._descriptor = descriptor
        else:
            with suppress(OSError):
                os.close(descriptor)
        return locked


async def open_in_turn(
    stack: AsyncExitStack,
    opening: Callable[[], AbstractAsyncContextManager[T]],
    line: Line | None,
    wait: float,
) -> T:
    """Enter what opens the store, in ``stack``; wait for other programs, ``wait`` seconds at most.

    Raises `StoreLocked` then, and whatever opening raises.
    """
    if line is None or wait <= 0 or not line.is_awaited:
        try:
            return await stack.enter_async_context(opening())
        except StoreLocked:
            if line is None or wait <= 0:
                raise
    deadline = trio.current_time() + (wait if wait > 0 else 0)
    try:
        while True:
            if line.is_first:
                with suppress(StoreLocked):
                    return await stack.enter_async_context(opening())
            if trio.current_time() >= deadline:
                raise StoreLocked("another program has the store open, and goes on using it")
            await trio.sleep(_POLL)
    finally:
        line.leave()
