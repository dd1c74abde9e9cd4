"""Reading bodies in pieces of a chosen size, with limits for the time that this waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.errors import RequestTimeout
from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["PIECE_SIZE", "BodyReader", "WaitBudget"]

PIECE_SIZE = 256 * 1024
"""Bytes of a body that are handled at a time: enough for a call in a worker thread to be worth it,
few enough for many concurrent bodies."""

T = TypeVar("T")


@define
class WaitBudget:
    """How long to wait for the peer: each time at most ``stall`` seconds, ``total`` in all.

    Only waiting counts, not the time that this side takes to process what it has received.
    """

    total: float
    stall: float
    _waited: float = field(default=0, init=False)

    async def wait_for(self, receive: Callable[[], Awaitable[T]]) -> T:
        """What ``receive`` returns; `RequestTimeout` if it takes too long."""
        started = trio.current_time()
        # The last wait may have been noticed to end after its deadline.
        left = max(self.total - self._waited, 0)
        with trio.move_on_after(min(self.stall, left)):
            result = await receive()
            self._waited += trio.current_time() - started
            return result
        raise RequestTimeout("the peer is too slow, or has stopped sending")


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
        """Whether the body has ended; waits for the next byte, if there is one."""
        if not self._buffer and not self._ended:
            self._buffer += await self._budget.wait_for(self._source.receive_some)
            self._ended = not self._buffer
        return not self._buffer
