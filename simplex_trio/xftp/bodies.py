"""Reading bodies in pieces of a chosen size, with limits for the time that this waits."""

from __future__ import annotations

from collections import deque
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
        self._held: deque[bytes | memoryview] = deque()
        self._size = 0  # of what is held
        self._ended = False

    async def read_up_to(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end of the body.

        Cancelling it loses nothing.  Raises `RequestTimeout`, and what the source raises.
        """
        await self._hold(size)
        return b"".join(self._taken(size))

    async def read_into(self, buffer: memoryview) -> memoryview:
        """The same as the start of ``buffer``: for long bodies that costs far less memory traffic.

        Each piece in a new buffer would be in memory that the system has just cleared.
        """
        await self._hold(len(buffer))
        filled = 0
        for part in self._taken(len(buffer)):
            buffer[filled : filled + len(part)] = part
            filled += len(part)
        return buffer[:filled]

    async def at_end(self) -> bool:
        """Whether the body has ended; waits for the next byte, if there is one."""
        await self._hold(1)
        return not self._size

    async def _hold(self, size: int) -> None:
        while self._size < size and not self._ended:
            arrived = await self._budget.wait_for(self._source.receive_arrived)
            self._held += arrived
            self._size += sum(map(len, arrived))
            self._ended = not arrived

    def _taken(self, size: int) -> list[bytes | memoryview]:
        """What is held, up to a size; copied only once, by the caller."""
        taken = []
        left = min(size, self._size)
        self._size -= left
        while left:
            part = self._held.popleft()
            if len(part) > left:
                view = memoryview(part)
                part = view[:left]
                self._held.appendleft(view[left:])
            taken.append(part)
            left -= len(part)
        return taken
