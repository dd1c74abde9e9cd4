"""Work with files: in worker threads, and with errors of the package instead of the system's."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.xftp.errors import StorageFailed, StorageFull

__all__ = ["in_thread", "storage_errors"]

T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the system's errors about files into `StorageFailed`."""
    try:
        yield
    except SimplexError:
        raise  # some of ours are errors of the system as well
    except OSError as exc:
        kind = StorageFull if exc.errno in _FULL else StorageFailed
        raise kind(exc.strerror or "a file cannot be used") from exc


async def in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns, done in a worker thread; raises `StorageFailed` besides.

    Cancelling it waits for the work to be done, unless that looks for cancellations itself.
    """
    with storage_errors():
        return await trio.to_thread.run_sync(work)
