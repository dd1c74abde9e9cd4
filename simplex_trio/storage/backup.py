"""`BackupThread`: a copy of a database that is made piece by piece, while it is used in between.

SQLite copies pages from one connection to another, and what the first connection writes meanwhile
it writes to the copy as well.  Python makes the whole copy in one call, in which it calls a
function after each piece: there the thread of the copy waits until it is its turn again.  So only
one thread at a time uses the connection, and what the others do with it is part of the copy.
"""

from __future__ import annotations

import sqlite3
import threading

__all__ = ["PAGES_AT_ONCE", "BackupThread"]

PAGES_AT_ONCE = 256
"""Pages that are copied before the next function has its turn: 1 MiB, some milliseconds."""


class _Stopped(Exception):
    """The copy is not wanted any more."""


class BackupThread:
    """Copies a database, a piece for each call of `next_piece`, until `done`.

    Of all methods, only one at a time may be called, and nothing else use the source meanwhile.
    """

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        self._source = source
        self._target = target
        self._thread: threading.Thread | None = None
        self._may_go_on = threading.Event()
        self._is_waiting = threading.Event()
        self._is_stopped = False
        self._error: Exception | None = None
        self.done: bool = False
        """Whether all is copied, or never will be."""

    def next_piece(self) -> None:
        """Copy the next piece; raises SQLite's errors, after which it is done."""
        if self.done:
            return
        self._is_waiting.clear()
        if self._thread is None:
            self._thread = threading.Thread(target=self._copy, name="simplex_trio backup")
            self._thread.start()
        else:
            self._may_go_on.set()
        self._is_waiting.wait()
        if self.done:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Copy no more; does nothing if it is done."""
        self._is_stopped = True
        if self._thread is not None and not self.done:
            self.next_piece()

    def _copy(self) -> None:
        try:
            self._source.backup(self._target, pages=PAGES_AT_ONCE, progress=self._progress)
        except _Stopped:
            pass
        except Exception as exc:
            self._error = exc
        finally:
            self.done = True
            self._is_waiting.set()

    def _progress(self, _status: int, remaining: int, _total: int) -> None:
        if remaining:
            self._is_waiting.set()
            self._may_go_on.wait()
            self._may_go_on.clear()
        if self._is_stopped:
            raise _Stopped
