"""`Http2Client`: concurrent requests over one connection, as many as both sides allow."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import trio
from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from simplex_trio.errors import ConnectionLost
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.xftp.http2.connection import (
    Http2Connection,
    header_map,
)
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["Http2Client", "open_http2_client"]

_RESET_SECONDS = 0.3
"""Between two resets: reference routers close a connection with more than four in a second."""


class Http2Client(Http2Connection):
    """The client's side; see `open_http2_client` for how to get one."""

    def __init__(self, stream: trio.abc.Stream, limits: Http2Limits | None = None) -> None:
        super().__init__(stream, client_side=True, limits=limits)
        self._knows_settings = False
        self._to_reset: deque[int] = deque()
        self._reset_wanted = trio.lowlevel.ParkingLot()

    def _tasks(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (*super()._tasks(), self._reset_abandoned)

    @asynccontextmanager
    async def request(self, headers: Mapping[str, str]) -> AsyncIterator[Http2Stream]:
        """Begin a request; the block sends its body and receives the answer.

        Waits while there are as many requests as the two sides allow.  A request that is not over
        at the end of the block, for whatever reason, is reset, and the connection stays usable.

        Raises `ConnectionLost`.
        """
        stream = await self._begin(headers)
        try:
            yield stream
        finally:
            self._take_back(stream)

    def _take_back(self, stream: Http2Stream) -> None:
        """Forget a request, and reset it if it is not over.

        Routers of the reference implementation close the connection for a reset, unless it comes
        after the end of the request and has the code NO_ERROR.  So an abandoned body is ended
        early first, which no router mistakes for a whole packet.
        """
        self._forget(stream)
        if self.is_usable and not (stream.sent_end and stream.received_end):
            if not stream.sent_end:
                with suppress(H2Error):
                    self._h2.end_stream(stream.id)
            self._to_reset.append(stream.id)
            self._reset_wanted.unpark_all()
            self.flush()

    async def _reset_abandoned(self) -> None:
        """Reset cancelled requests, no faster than routers tolerate.

        Data that still arrives for them is dropped, and its flow-control window is not reopened.
        """
        while True:
            while not self._to_reset:
                await self._reset_wanted.park()
            with suppress(H2Error):  # it may have ended by itself
                self._h2.reset_stream(self._to_reset.popleft(), ErrorCodes.NO_ERROR)
                self.flush()
                self._room.unpark_all()
                await trio.sleep(_RESET_SECONDS)

    @property
    def _allowed(self) -> int:
        """How many concurrent requests there may be; one before the router's settings arrive.

        If the router allows none, one is tried anyway, and fails; waiting might last forever.
        """
        if not self._knows_settings:
            return 1
        return max(min(self.limits.streams, self._h2.remote_settings.max_concurrent_streams), 1)

    async def _begin(self, headers: Mapping[str, str]) -> Http2Stream:
        await trio.lowlevel.checkpoint()
        while True:
            self.check()
            if self._h2.open_outbound_streams < self._allowed:
                break
            await self.wait_for_room()
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, list(headers.items()))
        except H2Error as exc:
            raise ConnectionLost("no further request can be made") from exc
        self.flush()
        return self._new_stream(stream_id)

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.ResponseReceived():
                if stream := self._streams.get(event.stream_id):
                    stream.put_headers(header_map(event.headers))
            case events.RemoteSettingsChanged():
                self._knows_settings = True
                super()._handle(event)
            case _:
                super()._handle(event)


@asynccontextmanager
async def open_http2_client(
    stream: trio.abc.Stream, limits: Http2Limits | None = None
) -> AsyncIterator[Http2Client]:
    """Speak HTTP/2 over ``stream``, which is closed at the end of the block.

    If the connection breaks, the block is not cancelled: requests raise `ConnectionLost`.
    """
    client = Http2Client(stream, limits)
    async with open_inner_nursery() as nursery:
        await nursery.start(client.run)
        try:
            yield client
        finally:
            with trio.CancelScope(shield=True):
                await client.aclose()
