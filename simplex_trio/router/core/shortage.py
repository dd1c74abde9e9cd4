"""`Shortage`: what becomes of new messages while the store has no room for them. Pure.

A store without room still deletes.  So while there is none, whatever would take room is refused
before it is decided; otherwise it would be stored together with acknowledgements of others, and
these would be refused with it.  Now and then one command may try whether there is room again.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.wire.errors.values import Store
from simplex_trio.wire.smp.messages import ERR

__all__ = ["RETRY_SECONDS", "STORE_REFUSED", "Shortage"]

RETRY_SECONDS: Final = 5
"""Between two tries; acknowledgements that come in the same moment as a try are refused with it."""

STORE_REFUSED: Final = ERR(Store("the router cannot read or write its store now"))


class Shortage:
    """Whether there is one, and who tries whether it has ended.

    ``now`` is a clock that nobody sets, such as Trio's; the time of the day may be set back.
    """

    def __init__(self) -> None:
        self._retry_at: float | None = None

    def begin(self, now: float) -> None:
        """The store has said that it has no room."""
        self._retry_at = now + RETRY_SECONDS

    def end(self) -> None:
        """Something that takes room was stored."""
        self._retry_at = None

    def refuses(self, now: float) -> bool:
        """Whether a command that takes room is refused; if not, it may be the one that tries."""
        if self._retry_at is None:
            return False
        if now < self._retry_at:
            return True
        self._retry_at = now + RETRY_SECONDS
        return False
