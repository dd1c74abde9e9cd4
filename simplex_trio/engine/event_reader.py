"""`EventReader`: the reading side of every stream of events, independent of its buffer."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import trio

__all__ = ["EVENTS_IN_A_ROW", "EventReader"]

EVENTS_IN_A_ROW = 16
"""Events that may be read without other tasks having their turn, where they are there already.  So
what a program does about events that came together is done together: acknowledgements share blocks.
"""

EventT = TypeVar("EventT")


class EventReader(trio.abc.ReceiveChannel[EventT]):
    """Events for ``async for`` or `receive`; several tasks may read, each event goes to one.

    A subclass buffers the events: it implements `_has_events` and `_pop`, and unparks one of
    ``_readers`` for each event that it adds.
    """

    def __init__(self) -> None:
        self._readers = trio.lowlevel.ParkingLot()
        self._ended = False
        self._closed = False
        self._in_a_row = 0

    @abstractmethod
    def _has_events(self) -> bool:
        """Whether `_pop` would return an event."""

    @abstractmethod
    def _pop(self) -> EventT:
        """Remove and return the next event."""

    async def receive(self) -> EventT:
        """Wait for the next event.  If cancelled, no event is lost.

        It is a checkpoint, except that of events that are there already, only one in
        `EVENTS_IN_A_ROW` lets other tasks have their turn.

        Raises `trio.EndOfChannel` after the last event, `trio.ClosedResourceError` after `aclose`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not (self._closed or self._ended or self._has_events()):
            self._in_a_row = 0
            await self._readers.park()
        event = self.receive_nowait()
        self._in_a_row += 1
        if self._in_a_row >= EVENTS_IN_A_ROW:
            self._in_a_row = 0
            await trio.lowlevel.cancel_shielded_checkpoint()
        return event

    def receive_nowait(self) -> EventT:
        """The next event if there is one; else raises `trio.WouldBlock`, or as `receive` does."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._has_events():
            return self._pop()
        raise trio.EndOfChannel if self._ended else trio.WouldBlock

    def end(self) -> None:
        """Mark the end: no further event will be added."""
        self._ended = True
        self._readers.unpark_all()

    async def aclose(self) -> None:
        """Stop reading."""
        self._closed = True
        self._readers.unpark_all()
        await trio.lowlevel.checkpoint()
