"""`Outbox`: what waits to be written to one client, in order and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import trio

from simplex_trio.router.core.replies import Event, Payload
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE
from simplex_trio.wire.smp.messages import MESSAGES, PRES, RNAME, RRES

__all__ = ["MAX_NOTIFICATIONS", "Answer", "Outbox", "Outgoing"]

MAX_NOTIFICATIONS: Final = 1024
"""Entries with which the outbox is too full for notifications, which are not acknowledged."""

_BLOCKS_AT_ONCE = 8
"""About as many go out in one write.  More would save nothing and hold up what comes after."""

_SMALL = 200
"""Roughly the size of an answer that carries nothing."""

_SMALL_KINDS = frozenset[type](MESSAGES) - {PRES, RRES, RNAME}

Answer = tuple[bytes, Payload]
"""The heading of a command's transmission, which is that of the answer too, and what it carries.

A tuple, since there is one for each command."""

Outgoing = Answer | Event
"""What goes out to a client."""


class Outbox:
    """A queue between decisions and the task that writes.

    ``limit`` is the number of commands in flight, from being read to their answers being written;
    the task that reads waits when it is reached.  `None` between entries says that what follows
    begins a block of its own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[Outgoing | None] = deque()
        self._commands = 0
        self._answers_taken = 0
        self._closed = False
        self._writing = False
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._idle = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def has_room(self) -> bool:
        """Whether there is room for notifications."""
        return len(self._entries) < MAX_NOTIFICATIONS and not self._closed

    def take_in(self, commands: int) -> None:
        """Count commands that were read; an answer to each will be put."""
        self._commands += commands

    @property
    def is_full(self) -> bool:
        """Whether `wait_for_room` would wait."""
        return self._commands >= self._limit

    async def wait_for_room(self) -> None:
        """Wait until another block of commands may be read."""
        while self.is_full:
            await self._room.park()

    async def wait_until_written(self) -> None:
        """Wait until everything that was put has been written."""
        while self._entries or self._writing:
            await self._idle.park()

    def put_answers(
        self,
        refusals: Sequence[Answer],
        answers: Iterable[Answer],
        following: Iterable[Event] = (),
    ) -> None:
        """Put what answers the commands of one block: refusals in a block of their own, first."""
        if self._closed:
            return
        if refusals:
            self._entries.append(None)
            self._entries.extend(refusals)
            self._entries.append(None)
        self._entries.extend(answers)
        self._entries.extend(following)
        self._work.unpark()

    def put_event(self, event: Event) -> None:
        """Put an event behind what is there."""
        if not self._closed:
            self._entries.append(event)
            self._work.unpark()

    async def take(self) -> list[list[Outgoing]]:
        """Wait for something to write, and take a few blocks of it, in groups for separate blocks.

        `written` is to be called when it is.
        """
        while not self._entries:
            await self._work.park()
        self._writing = True
        groups: list[list[Outgoing]] = [[]]
        size = 0
        while self._entries and size < _BLOCKS_AT_ONCE * SMP_BLOCK_SIZE:
            entry = self._entries.popleft()
            if entry is None:
                if groups[-1]:
                    groups.append([])
                continue
            groups[-1].append(entry)
            if isinstance(entry, Event):
                payload = entry.payload
            else:
                payload = entry[1]
                self._answers_taken += 1
            size += _SMALL if type(payload) in _SMALL_KINDS else SMP_BLOCK_SIZE
        return groups

    def written(self) -> None:
        """What was taken has been written."""
        self._writing = False
        if not self._entries:
            self._idle.unpark_all()
        self._commands -= self._answers_taken
        self._answers_taken = 0
        if self._commands < self._limit:
            self._room.unpark_all()

    def close(self) -> None:
        """Drop what waits, and take nothing more: the connection has ended."""
        self._closed = True
        self._entries.clear()
