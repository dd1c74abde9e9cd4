"""`Http2Stream`: one request with its answer, as seen from either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.xftp.errors import StreamReset

__all__ = ["Http2Stream"]


class _Carrier(Protocol):
    """What a stream needs of the connection that carries it."""

    def check(self) -> None: ...

    def acknowledge(self, stream_id: int, weight: int) -> None: ...

    def room_for(self, stream_id: int) -> int: ...

    async def wait_for_room(self) -> None: ...

    def send_data(self, stream_id: int, data: memoryview, *, end: bool) -> None: ...


class Http2Stream:
    """An incoming and an outgoing body, each at the pace of the slower side.

    The windows of flow control bound the data that has arrived and was not received yet.  One task
    may send while another receives.
    """

    def __init__(self, connection: _Carrier, stream_id: int) -> None:
        self.id = stream_id
        self._connection = connection
        self._headers: Mapping[bytes, bytes] | None = None
        self._arrived: list[bytes] = []
        self._unread = 0  # bytes of flow control that are still to be acknowledged
        self._ended = False
        self._fault: SimplexError | None = None
        self._news = trio.lowlevel.ParkingLot()
        self.sent_end: bool = False

    def __repr__(self) -> str:
        return f"<Http2Stream {self.id}>"

    # --- receiving ----------------------------------------------------------------------------

    @property
    def received_end(self) -> bool:
        """Whether the peer has sent everything; some of it may be unread."""
        return self._ended

    @property
    def fault(self) -> SimplexError | None:
        """The error that ended the stream early, if any."""
        return self._fault

    async def receive_headers(self) -> Mapping[bytes, bytes]:
        """The peer's headers; of several with one name, the last.

        Raises `StreamReset`, or `ConnectionLost`.  Cancelling it loses nothing.
        """
        while self._headers is None:
            self._check()
            await self._news.park()
        await trio.lowlevel.checkpoint()
        return self._headers

    async def receive_some(self) -> bytes:
        """The next bytes of the body, at least one; empty at its end.

        Raises `StreamReset`, or `ConnectionLost`.  Cancelling it loses nothing.
        """
        return b"".join(await self.receive_arrived())

    async def receive_arrived(self) -> list[bytes]:
        """The same as it has arrived, in pieces that are not empty; none at the end of the body."""
        await trio.lowlevel.checkpoint()
        while True:
            arrived = self._arrived
            if self._unread:
                self._connection.acknowledge(self.id, self.drop_unread())
            if arrived or self._ended:
                return arrived
            self._check()
            await self._news.park()

    def _check(self) -> None:
        """Raise the error that ended the stream, as a new exception for each caller."""
        if self._fault is not None:
            raise type(self._fault)(*self._fault.args) from self._fault.__cause__
        self._connection.check()

    # --- sending ------------------------------------------------------------------------------

    async def send(self, data: bytes | bytearray | memoryview, *, end: bool = False) -> None:
        """Send a piece of the body, the last one with ``end``.

        Returns when all of it is in the outbox.  If cancelled, part of it may have been sent, and
        the stream is not usable any more.  Raises `StreamReset`, or `ConnectionLost`.
        """
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest or (end and not self.sent_end):
            self._check()
            size = min(len(rest), self._connection.room_for(self.id))
            if rest and not size:
                await self._connection.wait_for_room()
                continue
            is_last = end and size == len(rest)
            self._connection.send_data(self.id, rest[:size], end=is_last)
            self.sent_end = is_last
            rest = rest[size:]

    # --- for the connection -------------------------------------------------------------------

    def put_headers(self, headers: Mapping[bytes, bytes]) -> None:
        self._headers = headers
        self._news.unpark_all()

    def put_data(self, data: bytes, weight: int) -> None:
        if data:
            self._arrived.append(data)
        self._unread += weight
        self._news.unpark_all()

    def put_end(self) -> None:
        self._ended = True
        self._news.unpark_all()

    def put_fault(self, fault: SimplexError | None) -> None:
        """Wake waiting tasks; without a fault they raise that of the connection."""
        if self._fault is None:
            self._fault = fault
        self._news.unpark_all()

    def put_reset(self) -> None:
        self.put_fault(StreamReset("the peer gave up this request"))

    def drop_unread(self) -> int:
        """Drop unread data; returns how many bytes of flow control it held."""
        self._arrived = []
        unread, self._unread = self._unread, 0
        return unread
