"""Work with files: in worker threads, with errors of the package, and undisturbed by others."""

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
    """What ``work`` returns, done in a worker thread; raises `StoreError` besides.

    Cancelling it waits for the work to be done, unless that looks for cancellations itself.
    """
    with translated():
        return await trio.to_thread.run_sync(work)


# --- files of one's own -------------------------------------------------------------------------


def claim(descriptor: int) -> None:
    """Lock an open file for as long as it is open; `StateInUse` if another transfer has it."""
    if not lock(descriptor):
        raise StateInUse("this transfer is going on already")


def create_locked(path: Path, mode: int) -> int:
    """A new file, open for reading and writing and locked, instead of what a crash has left.

    Raises `StateInUse` if somebody else has it or makes it just now, and the system's errors.
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
    """Remove a file, unless somebody has locked it: then raise `StateInUse`."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        claim(descriptor)
        _check_is_at(path, descriptor)
        path.unlink()
    finally:
        os.close(descriptor)


def _check_is_at(path: Path, descriptor: int) -> None:
    """Refuse a file that somebody has removed, or put another in its place, before it was locked.

    Nobody does so afterwards, except who has the lock.
    """
    try:
        is_there = os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        is_there = False
    if not is_there:
        raise StateInUse("this transfer was begun a moment ago")
