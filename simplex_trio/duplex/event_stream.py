"""`DuplexEvents`: what the store has to tell, in order, and what is true of routers."""

from __future__ import annotations

from collections import deque
from weakref import WeakKeyDictionary

import trio

from simplex_trio.duplex.events import DuplexEvent, PeerMessage
from simplex_trio.duplex.file_events import FileProgress
from simplex_trio.duplex.store.rows import StoredEvent
from simplex_trio.duplex.store.store import DuplexStore

__all__ = ["EVENTS_IN_MEMORY", "MAX_IN_MEMORY", "DuplexEvents"]

EVENTS_IN_MEMORY = 64
"""How many stored events are read ahead.  The others stay in the store, which has no limit for
them: a program that reads slowly holds up nothing but itself."""

MAX_IN_MEMORY = 1024
"""With so many events in memory, further ones about routers are left out."""


class DuplexEvents(trio.abc.ReceiveChannel[DuplexEvent]):
    """The events of an agent, for ``async for`` or `receive`.

    An event is taken when the next one is asked for: one that was received last before the end of
    the program comes again, unless `take` is called.  One for which `keep` is called stays.  A
    `PeerMessage` is taken when it is acknowledged.  Several tasks may read; each event goes to one
    of them, and is taken when the same task asks for the next one.
    """

    def __init__(self, store: DuplexStore) -> None:
        self._store = store
        self._ready: deque[tuple[int | None, DuplexEvent]] = deque()
        self._last_read = 0
        """The number of the last stored event that is, or was, in memory."""
        self._has_more = True
        """Whether the store may have events behind that."""
        self._is_reading = False
        self._in_hand: WeakKeyDictionary[trio.lowlevel.Task, int] = WeakKeyDictionary()
        """What each task has received last, by its number in the store."""
        self._readers = trio.lowlevel.ParkingLot()
        self._ended = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<DuplexEvents, {len(self._ready)} in memory>"

    async def receive(self) -> DuplexEvent:
        """Wait for the next event.  If cancelled, no event is lost.

        Raises `trio.EndOfChannel` once the agent is closed, `trio.ClosedResourceError` after
        `aclose`, and a `StoreError` if the store cannot be read.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._take()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if self._ended:
                raise trio.EndOfChannel
            if self._ready:
                number, event = self._ready.popleft()
                if number is not None and not isinstance(event, PeerMessage):
                    self._in_hand[trio.lowlevel.current_task()] = number
                await trio.lowlevel.cancel_shielded_checkpoint()
                return event
            if self._has_more and not self._is_reading:
                await self._read()
            else:
                await self._readers.park()

    def take(self) -> None:
        """Take the event that was received last at once, without waiting for the next one.

        For programs that end after an event: it does not come again.
        """
        self._take()

    def keep(self) -> None:
        """Leave the event that was received last in the store, although the next one is asked for.

        It comes again when the agent is opened again.  For programs that deal with some events and
        leave the others to another run.
        """
        self._in_hand.pop(trio.lowlevel.current_task(), None)

    @property
    def in_hand(self) -> int | None:
        """The number of the event that this task has received last, and not taken."""
        return self._in_hand.get(trio.lowlevel.current_task())

    def taken(self, number: int) -> None:
        """A step has taken an event out of the store, which this task has received last."""
        task = trio.lowlevel.current_task()
        if self._in_hand.get(task) == number:
            del self._in_hand[task]

    def _take(self) -> None:
        number = self._in_hand.pop(trio.lowlevel.current_task(), None)
        if number is not None:
            self._store.took(number)

    async def _read(self) -> None:
        self._is_reading, self._has_more = True, False
        try:
            found = await self._store.events_after(self._last_read, EVENTS_IN_MEMORY)
            self._add(found)
            if len(found) == EVENTS_IN_MEMORY:
                self._has_more = True
        except trio.ClosedResourceError:
            self._ended = True
        except BaseException:
            self._has_more = True
            raise
        finally:
            self._is_reading = False
            self._readers.unpark_all()

    def _add(self, events: list[StoredEvent]) -> None:
        for number, event in events:
            if number > self._last_read:
                self._last_read = number
                self._ready.append((number, event))  # type: ignore[arg-type]

    # --- for the agent --------------------------------------------------------------------------

    def stored(self, events: list[StoredEvent]) -> None:
        """These were stored."""
        if self._has_more or self._is_reading or len(self._ready) >= EVENTS_IN_MEMORY:
            self._has_more = True
        else:
            self._add(events)
        self._readers.unpark_all()

    def put(self, event: DuplexEvent) -> None:
        """Tell something that is only true now; if too much is unread, it is left out."""
        if len(self._ready) >= MAX_IN_MEMORY:
            return
        self._ready.append((None, event))
        self._readers.unpark()

    def put_progress(self, event: FileProgress) -> None:
        """Tell how far a file is, in place of what is unread about the same phase of it."""
        for place, (_, other) in enumerate(self._ready):
            if (
                isinstance(other, FileProgress)
                and other.file_id == event.file_id
                and other.phase is event.phase
            ):
                self._ready[place] = (None, event)
                return
        self.put(event)

    def end(self) -> None:
        """No further event will be added; what is stored comes when the agent is opened again."""
        self._ended = True
        self._readers.unpark_all()

    async def aclose(self) -> None:
        """Stop reading."""
        self._closed = True
        self._readers.unpark_all()
        await trio.lowlevel.checkpoint()
