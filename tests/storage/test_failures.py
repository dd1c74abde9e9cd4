"""Errors of the system and of SQLite, as errors of this package."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from simplex_trio.errors import (
    ConnectTimeout,
    DecodeError,
    StoreConflict,
    StoreCorrupted,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from simplex_trio.storage.failures import translated


@pytest.mark.parametrize(
    ("number", "kind", "retryable"),
    [
        (errno.ENOSPC, StoreFull, True),
        (errno.EFBIG, StoreFull, True),
        (errno.EMFILE, StoreUnavailable, True),
        (errno.ENOENT, StoreUnavailable, False),
        (errno.EACCES, StoreUnavailable, False),
        (errno.EIO, StoreUnavailable, False),
    ],
)
def test_errors_of_the_system(number: int, kind: type[StoreError], retryable: bool) -> None:
    original = OSError(number, "the reason")
    with pytest.raises(StoreError) as caught, translated():
        raise original
    assert (type(caught.value), caught.value.retryable) == (kind, retryable)
    assert str(caught.value) == "the reason"
    assert caught.value.__cause__ is original
    expected = pytest.raises(kind, match=r"^the file cannot be used \(the reason\)$")
    with expected, translated("the file"):
        raise original


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_BUSY, StoreLocked),
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_CORRUPTFS, StoreCorrupted),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreCorrupted),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, StoreConflict),
    ],
)
def test_errors_of_sqlite(code: int, kind: type[StoreError]) -> None:
    original = sqlite3.OperationalError("the reason")
    original.sqlite_errorcode, original.sqlite_errorname = code, "NAME"
    with pytest.raises(StoreError) as caught, translated("table a"):
        raise original
    assert type(caught.value) is kind
    assert caught.value.__cause__ is original
    if isinstance(caught.value, StoreCorrupted):
        assert caught.value.place == "table a"


@pytest.mark.parametrize(
    "error", [ConnectTimeout("late"), DecodeError("bad"), sqlite3.ProgrammingError("a mistake")]
)
def test_errors_that_stay(error: Exception) -> None:
    """Ours, of which some are errors of the system too, and mistakes of this package."""
    with pytest.raises(type(error)) as caught, translated("the file"):
        raise error
    assert caught.value is error
