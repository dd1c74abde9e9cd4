"""`translated`: the errors of SQLite and of the file system as errors of this package."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from simplex_trio.errors import (
    SimplexError,
    StoreConflict,
    StoreCorrupted,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)

__all__ = ["translated"]

_PRIMARY = 0xFF
"""The part of an extended error code that says what kind of error it is."""

_UNAVAILABLE = frozenset(
    (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )
)

_CORRUPTED = frozenset(
    (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_ERROR,  # our statements do not change, so what they meet has changed
        sqlite3.SQLITE_NOTADB,
    )
)

_CORRUPTED_IO = frozenset((sqlite3.SQLITE_IOERR_CORRUPTFS,))
"""Extended codes of input and output that speak of damage, not of a passing failure."""

_SOME_FILE = "a file"

_FULL = frozenset((errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)))

_PASSING = frozenset((errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""Errors of the file system after which the same call may succeed by itself."""


@contextmanager
def translated(place: str | None = None) -> Iterator[None]:
    """Raise errors of SQLite and of the file system in the body as `StoreError`.

    ``place`` names what the body uses, which is where damage would be.  Errors that only a mistake
    in this package can cause, and those that are errors of this package already, are left as they
    are.
    """
    try:
        yield
    except SimplexError:
        raise  # some are an `OSError` or a `UnicodeDecodeError` as well
    except OSError as exc:
        raise _from_system(exc, place) from exc
    except UnicodeDecodeError as exc:
        # SQLite quotes damaged text in its message, which Python then cannot read.
        raise StoreCorrupted(place or _SOME_FILE) from exc
    except Exception as exc:
        error = _from_sqlite(exc, place or _SOME_FILE)
        if error is None:
            raise
        raise error from exc


def _from_sqlite(exc: Exception, place: str) -> StoreError | None:
    # Other drivers have errors of their own, with the same codes and names.
    code = getattr(exc, "sqlite_errorcode", None)
    if code is None:
        return None
    kind = code & _PRIMARY
    if kind in _CORRUPTED or code in _CORRUPTED_IO:
        return StoreCorrupted(place)
    if kind in _UNAVAILABLE:
        return StoreUnavailable(f"the store cannot be read or written ({_name(exc)})")
    match kind:
        case sqlite3.SQLITE_FULL:
            return StoreFull("no room is left for the store")
        case sqlite3.SQLITE_BUSY:
            return StoreLocked("another process has the store open")
        case sqlite3.SQLITE_CONSTRAINT:
            return StoreConflict(f"a change contradicts the store ({_name(exc)})")
        case _:
            return None


def _name(exc: Exception) -> str:
    return str(getattr(exc, "sqlite_errorname", "without a name"))


def _from_system(exc: OSError, place: str | None) -> StoreUnavailable:
    message = exc.strerror or "the system gives no reason"
    if place is not None:
        message = f"{place} cannot be used ({message})"
    if exc.errno in _FULL:
        return StoreFull(message)
    error = StoreUnavailable(message)
    error.retryable = exc.errno in _PASSING
    return error
