"""Files: calls in worker threads, with `StoreError` for their errors, and locked files."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import trio

from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import lock
from simplex_trio.xftp.errors import StateInUse

__all__ = [
    "claim",
    "create_locked",
    "in_thread",
    "remove_left_over",
]

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns, called in a worker thread.

    Raises what it raises, with errors of the system as `StoreError`.  A cancellation takes effect
    only when ``work`` has ended, unless it checks for cancellation itself.
    """
    with translated():
        return await trio.to_thread.run_sync(work)


# --- locked files -------------------------------------------------------------------------------


def claim(descriptor: int) -> None:
    """Lock an open file until it is closed; `StateInUse` if another transfer has locked it."""
    if not lock(descriptor):
        raise StateInUse("this transfer is in progress already")


def create_locked(path: Path, mode: int) -> int:
    """Create a file, open for reading and writing and locked, in place of what a crash has left.

    Raises `StateInUse` if another transfer has it or is creating it, and the system's errors.
    """
    with suppress(FileNotFoundError):
        remove_left_over(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, mode)
    except FileExistsError as exc:
        raise StateInUse("this transfer was begun a moment ago") from exc
    try:
        claim(descriptor)
        _check_is_at(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_left_over(path: Path) -> None:
    """Remove a file; raises `StateInUse` if another transfer has locked it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        claim(descriptor)
        _check_is_at(path, descriptor)
        path.unlink()
    finally:
        os.close(descriptor)


def _check_is_at(path: Path, descriptor: int) -> None:
    """Raise `StateInUse` if the file was removed or replaced before it was locked.

    Afterwards only the holder of the lock does that.
    """
    try:
        is_there = os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        is_there = False
    if not is_there:
        raise StateInUse("this transfer was begun a moment ago")
