"""SQLite's errors as errors of this package."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from simplex_trio.errors import (
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


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Raise SQLite's errors in the body as `StoreError`; ``place`` is where damage would be.

    Errors that only a mistake in this package can cause are left as they are.
    """
    try:
        yield
    except sqlite3.Error as exc:
        error = _translate(exc, place)
        if error is None:
            raise
        raise error from exc
    except UnicodeDecodeError as exc:
        # SQLite quotes damaged text in its message, which Python then cannot read.
        raise StoreCorrupted(place) from exc


def _translate(exc: sqlite3.Error, place: str) -> StoreError | None:
    code = getattr(exc, "sqlite_errorcode", None)
    if code is None:
        return None
    kind = code & _PRIMARY
    if kind in _CORRUPTED or code in _CORRUPTED_IO:
        return StoreCorrupted(place)
    if kind in _UNAVAILABLE:
        return StoreUnavailable(f"the store cannot be read or written ({exc.sqlite_errorname})")
    match kind:
        case sqlite3.SQLITE_FULL:
            return StoreFull("no room is left for the store")
        case sqlite3.SQLITE_BUSY:
            return StoreLocked("another process has the store open")
        case sqlite3.SQLITE_CONSTRAINT:
            return StoreConflict(f"a change contradicts the store ({exc.sqlite_errorname})")
        case _:
            return None
