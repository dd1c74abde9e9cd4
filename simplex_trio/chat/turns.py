"""`current_turn`: which handler a task belongs to, for calls that wait in the middle of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Protocol, TypeVar

from simplex_trio.chat.machine.store import Store

__all__ = ["HandlerTurn", "current_turn"]

T = TypeVar("T")
U = TypeVar("U")


class HandlerTurn(Protocol):
    """The turn of a handler in its conversation; see `simplex_trio.chat.conversations.Turn`."""

    contact_id: int
    is_over: bool

    async def stand_aside(
        self, decide: Callable[[Store], T], wait: Callable[[T], Awaitable[U]]
    ) -> U:
        """Take a step, settle what is in hand, and wait while other handlers have their turn."""

    def has_in_hand(self, settle: Callable[[Store], None]) -> None:
        """Settle this too when the handler has finished."""


current_turn: ContextVar[HandlerTurn | None] = ContextVar("current_turn", default=None)
"""The turn of the handler that this task belongs to."""
