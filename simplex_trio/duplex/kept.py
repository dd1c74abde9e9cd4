"""`KeptRecords`: what a program keeps of its own in the agent's file."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.errors import TooLarge

__all__ = ["MAX_KEY", "MAX_SCAN", "MAX_SPACE", "MAX_VALUE", "KeptRecords"]

MAX_SPACE = 255
"""How long the name of a space may be, in bytes of UTF-8."""

MAX_KEY = 1024
"""How long a key may be: it is in each page of the table that leads to it."""

MAX_VALUE = 2**20
"""How long a value may be.  Larger things belong in files, as the thread of the store is shared."""

MAX_SCAN = 1000
"""How many records one scan returns at most: all of them are in memory."""


@final
class KeptRecords:
    """Records of the program: bytes by keys, in spaces that keep the keys of its parts apart.

    They are in the agent's file, encrypted and backed up with it, and change in the same
    transaction as its connections.  The agent never looks into them, and never removes any.  Names
    of spaces that begin with a dot are for packages built on the agent.
    """

    def __init__(self, rows: Callable[[], Rows]) -> None:
        self._rows = rows

    def get(self, space: str, key: bytes) -> bytes | None:
        """The value of a key, if there is one."""
        return self._rows().kept(space, key)

    def put(self, space: str, key: bytes, value: bytes) -> None:
        """Give a key its value, or another one.

        Raises `TooLarge`: the name of a space has at most 255 bytes, a key 1,024 and a value 1 MiB.
        """
        for size, limit, what in (
            (len(space.encode()), MAX_SPACE, "the name of a space"),
            (len(key), MAX_KEY, "a key"),
            (len(value), MAX_VALUE, "a value"),
        ):
            if size > limit:
                raise TooLarge(f"{what} has {size} bytes, of at most {limit}")
        self._rows().keep(space, bytes(key), bytes(value))

    def delete(self, space: str, key: bytes) -> bool:
        """Remove a key; returns whether it was there."""
        return self._rows().drop_kept(space, key)

    def scan(
        self,
        space: str,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int = MAX_SCAN,
    ) -> list[tuple[bytes, bytes]]:
        """The keys of a space that begin with ``prefix``, with their values, in the keys' order.

        At most ``limit``, and never more than 1,000: for the next ones pass the last key as
        ``after``.  Keys are compared byte by byte.
        """
        if limit < 0:
            raise ValueError("a limit below zero")
        return self._rows().scan_kept(space, prefix, after, min(limit, MAX_SCAN))

    def count(self, space: str, prefix: bytes = b"") -> int:
        """How many keys of a space begin with ``prefix``."""
        return self._rows().count_kept(space, prefix)
