"""`Driver`: what opens the file of a database; by itself SQLite, which leaves it readable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

__all__ = ["PLAIN", "Driver", "PageReader"]

PageReader = Callable[[bytes], bytes]
"""What is in a page, given the page as it is in a file."""


class Driver:
    """SQLite of the standard library.

    Another driver makes connections that have its methods and raise errors with its codes.
    """

    def check(self, path: Path) -> None:
        """Return if the file can be one that this driver reads; nothing is changed.

        Raises a `StoreError`, and `OSError`.
        """

    def connect(self, path: Path, *, immutable: bool = False) -> sqlite3.Connection:
        """A connection for any thread, which begins no transaction by itself and never waits.

        With ``immutable`` it reads the file as if it had no log, and changes nothing.
        """
        return sqlite3.connect(
            uri_of(path) if immutable else path,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            uri=immutable,
        )

    def page_reader(self, path: Path) -> PageReader:
        """What reads the pages of this file, which are in its log as well."""
        return _as_it_is


PLAIN = Driver()


def uri_of(path: Path) -> str:
    """The URI of a file that does not change, and has no log."""
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def _as_it_is(page: bytes) -> bytes:
    return page
