"""Reading bodies in pieces of a chosen size, and waiting for them no longer than is reasonable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.errors import RequestTimeout
from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["PIECE_SIZE", "BodyReader", "WaitBudget"]

PIECE_SIZE = 256 * 1024
"""How much of a body is handled at a time: enough for a trip to a worker thread to be worth it,
little enough for many bodies to be under way at once."""

T = TypeVar("T")


@define
class WaitBudget:
    """How long to wait for the other side: each time at most ``stall`` seconds, ``total`` in all.

    Only waiting counts: what this side does with what has come may take its time.
    """

    total: float
    stall: float
    _waited: float = field(default=0, init=False)

    async def wait_for(self, receive: Callable[[], Awaitable[T]]) -> T:
        """What ``receive`` returns; `RequestTimeout` if it takes too long."""
        started = trio.current_time()
        # What had come at the last moment may have been seen even later than that.
        left = max(self.total - self._waited, 0)
        with trio.move_on_after(min(self.stall, left)):
            result = await receive()
            self._waited += trio.current_time() - started
            return result
        raise RequestTimeout("the other side is too slow, or has stopped")


class BodyReader:
    """A body, read in pieces of the size that the reader wants."""

    def __init__(self, source: Http2Stream, budget: WaitBudget) -> None:
        self._source = source
        self._budget = budget
        self._buffer = bytearray()
        self._ended = False

    async def read_up_to(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end of the body.

        Cancelling it loses nothing.  Raises `RequestTimeout`, and what the source raises.
        """
        while len(self._buffer) < size and not self._ended:
            data = await self._budget.wait_for(self._source.receive_some)
            self._buffer += data
            self._ended = not data
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    async def at_end(self) -> bool:
        """Whether nothing more comes."""
        if not self._buffer and not self._ended:
            self._buffer += await self._budget.wait_for(self._source.receive_some)
            self._ended = not self._buffer
        return not self._buffer
