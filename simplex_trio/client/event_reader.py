"""`EventReader`: how a program reads events, whatever keeps them until then."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import trio

__all__ = ["EventReader"]

EventT = TypeVar("EventT")


class EventReader(trio.abc.ReceiveChannel[EventT]):
    """Events for ``async for`` or `receive`; several tasks may read, and each gets others.

    A subclass keeps them: it says whether there are any and gives the next one, and it unparks a
    reader of ``_readers`` for each that comes.
    """

    def __init__(self) -> None:
        self._readers = trio.lowlevel.ParkingLot()
        self._ended = False
        self._closed = False

    @abstractmethod
    def _has_events(self) -> bool:
        """Whether `_pop` would give one."""

    @abstractmethod
    def _pop(self) -> EventT:
        """The next event."""

    async def receive(self) -> EventT:
        """The next event, in order.  Cancelled, it has taken none.

        Raises `trio.EndOfChannel` after the last one, `trio.ClosedResourceError` after `aclose`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not (self._closed or self._ended or self._has_events()):
            await self._readers.park()
        event = self.receive_nowait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return event

    def receive_nowait(self) -> EventT:
        """The next event if one is there; otherwise `trio.WouldBlock`, or what `receive` raises."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._has_events():
            return self._pop()
        raise trio.EndOfChannel if self._ended else trio.WouldBlock

    def end(self) -> None:
        """For who fills it: no further event will come."""
        self._ended = True
        self._readers.unpark_all()

    async def aclose(self) -> None:
        """Stop reading."""
        self._closed = True
        self._readers.unpark_all()
        await trio.lowlevel.checkpoint()
