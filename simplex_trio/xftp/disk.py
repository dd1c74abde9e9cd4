"""Work with files: in worker threads, with errors of the package, and undisturbed by others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import trio

from simplex_trio.storage.failures import translated
from simplex_trio.xftp.errors import StateInUse

if sys.platform != "win32":
    import fcntl

__all__ = [
    "create_locked",
    "in_thread",
    "lock",
    "remove_left_over",
    "sync_folder",
    "write_all",
]

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns, done in a worker thread; raises `StoreError` besides.

    Cancelling it waits for the work to be done, unless that looks for cancellations itself.
    """
    with translated():
        return await trio.to_thread.run_sync(work)


# --- files of one's own -------------------------------------------------------------------------


def lock(descriptor: int) -> None:
    """Claim an open file for as long as it is open, or raise `StateInUse` if somebody else has.

    Nothing is claimed on systems and file systems that know no such locks.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StateInUse("this transfer is going on already") from exc
        except OSError:
            pass


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
        lock(descriptor)
        _check_is_at(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_left_over(path: Path) -> None:
    """Remove a file, unless somebody has locked it: then raise `StateInUse`."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        lock(descriptor)
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


# --- writing ------------------------------------------------------------------------------------


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: a disk that is nearly full takes some of it, and says nothing."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power, where the system can do that."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
