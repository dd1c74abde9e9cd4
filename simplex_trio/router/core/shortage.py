"""`Shortage`: refusing commands that make the store grow while it has no room. Pure.

A full store can still delete.  So while it is full, commands that need room are refused before
they are decided; otherwise they would share a transaction with acknowledgements of other clients,
and these would fail with them.  Every few seconds one command is let through, to find out whether
there is room again.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.wire.errors.values import Store
from simplex_trio.wire.smp.messages import ERR

__all__ = ["RETRY_SECONDS", "STORE_REFUSED", "Shortage"]

RETRY_SECONDS: Final = 5
"""Between two tries; if one fails, acknowledgements in the same transaction fail with it."""

STORE_REFUSED: Final = ERR(Store("the router cannot read or write its store now"))


class Shortage:
    """Whether the store is full, and which command tests whether it still is.

    ``now`` comes from a monotonic clock, such as Trio's; the system's time may be set back.
    """

    def __init__(self) -> None:
        self._retry_at: float | None = None

    @property
    def is_now(self) -> bool:
        """Whether the store was full the last time that something took room."""
        return self._retry_at is not None

    def begin(self, now: float) -> None:
        """Note that the store has refused changes because it is full."""
        self._retry_at = now + RETRY_SECONDS

    def end(self) -> None:
        """Note that something that takes room was stored."""
        self._retry_at = None

    def refuses(self, now: float) -> bool:
        """Whether to refuse a command that needs room; some pass during a shortage, to test it."""
        if self._retry_at is None:
            return False
        if now < self._retry_at:
            return True
        self._retry_at = now + RETRY_SECONDS
        return False
