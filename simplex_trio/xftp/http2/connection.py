"""`Http2Connection`: what a client and a server of HTTP/2 have in common.

One task reads and one writes.  The reader never waits for the writer: with bodies in both
directions, two sides that wait for each other to read would deadlock.  So frames to write go into
an outbox.  When it is full, senders of bodies wait; other frames can exceed it by a small amount,
and then the connection is closed as flooded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

import trio
from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import H2Error, NoSuchStreamError, StreamClosedError

from simplex_trio.errors import ConnectionLost, SimplexError, safe_text, without_traceback
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.xftp.http2.floods import RESET_COST, FloodGuard, frame_cost
from simplex_trio.xftp.http2.frame_heads import FrameHeads, FrameKind
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.state import new_state
from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["Http2Connection", "Http2ProtocolError", "header_map"]

KIB = 1024

_READ_SIZE = 7 * 16 * KIB
"""Seven records of TLS.  What a read passes through costs more than the bytes, so each takes much;
but memory of 128 KiB and more comes from the system and goes back at once, and to clear it each
time costs more than still larger reads save."""

_MOST_SETTINGS = 64
"""The most settings of the peer; h2 also keeps unknown ones, of which there are 65,536."""

_NETWORK_ENDS = (
    trio.EndOfChannel,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    SimplexError,
)
"""How connections end; any other exception of a task is a bug."""


class Http2ProtocolError(SimplexError):
    """The peer violates the rules of HTTP/2, or floods the connection."""

    retryable = True


class Http2Connection:
    """One connection; it owns ``stream``."""

    def __init__(
        self, stream: trio.abc.Stream, *, client_side: bool, limits: Http2Limits | None = None
    ) -> None:
        self.limits: Http2Limits = limits or Http2Limits()
        self._stream = stream
        self._streams: dict[int, Http2Stream] = {}
        self._outbox: list[bytes] = []
        self._outbox_size = 0
        self._writing = False
        self._has_output = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._guard = FloodGuard()
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._reason: BaseException | None = None
        self._over = trio.Event()
        self._heads = FrameHeads(after_preface=not client_side)
        self._h2 = new_state(self.limits, client_side=client_side)

    def __repr__(self) -> str:
        state = "open" if self._reason is None else "over"
        return f"<{type(self).__name__} {state}, {len(self._streams)} requests>"

    # --- its life -----------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether new requests are possible."""
        return self._reason is None

    def check(self) -> None:
        """Raise `ConnectionLost` if the connection is over."""
        if self._reason is not None:
            why = safe_text(self._reason)
            raise ConnectionLost(f"the connection is gone: {why}") from self._reason

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read and write until the connection ends, or this is cancelled.

        When it returns, all requests have failed and the stream below is closed.
        """
        try:
            with self._scope:
                async with open_inner_nursery() as nursery:
                    self._nursery = nursery
                    self._h2.initiate_connection()
                    self._widen_window()
                    self.flush()
                    for task in self._tasks():
                        nursery.start_soon(self._until_it_ends, task)
                    task_status.started()
        finally:
            self._end(trio.ClosedResourceError("this side has closed the connection"))
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)
            self._h2.release()
            self._over.set()

    def _tasks(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """The tasks of the connection; when one of them ends, the connection ends."""
        return (self._write_all, self._read_all)

    async def _until_it_ends(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except _NETWORK_ENDS as exc:
            self._end(without_traceback(exc))

    def _widen_window(self) -> None:
        widened = self.limits.connection_window - self._h2.inbound_flow_control_window
        if widened > 0:
            self._h2.increment_flow_control_window(widened)

    def _end(self, reason: BaseException) -> None:
        if self._reason is None:
            self._reason = reason
        for stream in self._streams.values():
            stream.put_fault(None)
        self._room.unpark_all()
        self._scope.cancel()

    async def wait_until_over(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        await self._over.wait()

    async def aclose(self) -> None:
        """Send GOAWAY, and wait until the connection has ended.

        If cancelled, or after ``limits.close_seconds``, the connection is cut.
        """
        try:
            with trio.move_on_after(self.limits.close_seconds):
                if self._reason is None:
                    self._say_goodbye()
                    await self._wait_until_written()
                    if self._reason is None:
                        await self._stream.aclose()
        except trio.BrokenResourceError:
            pass  # the peer did not wait for it
        finally:
            self._end(trio.ClosedResourceError("this side has closed the connection"))
            with trio.CancelScope(shield=True):
                await self._over.wait()

    def _say_goodbye(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        try:
            self._h2.close_connection(code)
        except H2Error:
            return  # GOAWAY was sent already
        self.flush()

    # --- writing ------------------------------------------------------------------------------

    def flush(self) -> None:
        """Pass what h2 has produced to the writer."""
        data = self._h2.data_to_send()
        if data:
            self._outbox.append(data)
            self._outbox_size += len(data)
            self._has_output.unpark_all()

    async def _write_all(self) -> None:
        while True:
            while not self._outbox:
                self._room.unpark_all()
                await self._has_output.park()
            data = b"".join(self._outbox)
            self._outbox.clear()
            self._outbox_size = 0
            self._room.unpark_all()
            self._writing = True
            with trio.move_on_after(self.limits.write_seconds) as scope:
                await self._stream.send_all(data)
            if scope.cancelled_caught:
                raise Http2ProtocolError("the peer has stopped reading")
            self._writing = False

    async def _wait_until_written(self) -> None:
        while (self._outbox or self._writing) and not self._scope.cancel_called:
            await self._room.park()

    def room_for(self, stream_id: int) -> int:
        """How many bytes of a body can be sent now, in one frame."""
        if self._outbox_size >= self.limits.outbox:
            return 0
        try:
            window = self._h2.local_flow_control_window(stream_id)
        except (StreamClosedError, NoSuchStreamError) as exc:
            raise ConnectionLost("the request is over") from exc
        return max(min(window, self._h2.max_outbound_frame_size, self.limits.frame_size), 0)

    async def wait_for_room(self) -> None:
        """Wait until `room_for` may have changed."""
        await self._room.park()

    def send_data(self, stream_id: int, data: memoryview, *, end: bool) -> None:
        """Send one frame of a body; there must be room for it."""
        try:
            self._h2.send_data(stream_id, bytes(data), end_stream=end)
        except H2Error as exc:
            raise ConnectionLost("the request is over") from exc
        self._guard.note_body(len(data))
        self.flush()

    # --- reading ------------------------------------------------------------------------------

    async def _read_all(self) -> None:
        try:
            await self._read_frames()
        except Http2ProtocolError as exc:
            refused = exc
        self._reason = self._reason or refused
        # Let the peer know: there is a GOAWAY in the outbox.
        with trio.move_on_after(self.limits.close_seconds):
            await self._wait_until_written()
        raise refused

    async def _read_frames(self) -> NoReturn:
        while True:
            data = await self._stream.receive_some(_READ_SIZE)
            if not data:
                raise trio.EndOfChannel("the peer has closed the connection")
            self._check_frames(data)
            try:
                happened = self._h2.receive_data(data)
            except (H2Error, ValueError) as exc:
                self.flush()
                raise Http2ProtocolError("the peer breaks the rules of HTTP/2") from exc
            for event in happened:
                if isinstance(event, events.StreamReset):
                    self._pay(RESET_COST)
                self._handle(event)
            self.flush()
            if len(self._h2.remote_settings) > _MOST_SETTINGS:
                raise Http2ProtocolError("the peer has too many settings")
            if self._outbox_size > self.limits.backlog:
                raise Http2ProtocolError("the peer sends requests and does not read the answers")

    def _check_frames(self, data: bytes | bytearray) -> None:
        """Refuse frames that are too long, or too many, before h2 processes them."""
        for head in self._heads.read(data):
            if head.held > self.limits.frame_size:
                raise Http2ProtocolError("the peer sends a frame that is too long")
            if head.kind == FrameKind.DATA:
                self._guard.note_body(head.length)
            self._pay(frame_cost(head))

    def _pay(self, cost: float) -> None:
        if not self._guard.spend(cost, trio.current_time()):
            self._say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
            raise Http2ProtocolError("the peer floods the connection")

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.DataReceived():
                self._take_data(event)
            case events.StreamEnded():
                if stream := self._streams.get(event.stream_id):
                    stream.put_end()
                self._room.unpark_all()
            case events.StreamReset():
                if stream := self._streams.get(event.stream_id):
                    stream.put_reset()
                self._room.unpark_all()
            case events.WindowUpdated() | events.RemoteSettingsChanged():
                self._room.unpark_all()
            case events.ConnectionTerminated():
                # h2 neither reads nor writes anything after that.
                raise Http2ProtocolError(f"the peer closes the connection: {event.error_code}")
            case _:
                pass

    def _take_data(self, event: events.DataReceived) -> None:
        weight = event.flow_controlled_length
        stream = self._streams.get(event.stream_id)
        if stream is None:  # it was given up while this was on its way
            self._drop(weight)
        elif event.data or weight:
            stream.put_data(event.data, weight)

    def acknowledge(self, stream_id: int, weight: int) -> None:
        """Reopen the window of a stream by so many bytes."""
        if weight and self._reason is None:
            with suppress(H2Error):  # the connection may be ending
                self._h2.acknowledge_received_data(weight, stream_id)
            self.flush()

    # --- streams ------------------------------------------------------------------------------

    def _new_stream(self, stream_id: int) -> Http2Stream:
        stream = self._streams[stream_id] = Http2Stream(self, stream_id)
        return stream

    def _forget(self, stream: Http2Stream) -> None:
        """Drop a stream, and its unread data."""
        if self._streams.pop(stream.id, None) is not None:
            self._drop(stream.drop_unread())
            self._room.unpark_all()

    def _drop(self, weight: int) -> None:
        """Reopen the window of the connection by so many bytes, but not that of the stream."""
        if weight and self._reason is None:
            with suppress(H2Error):  # the connection may be ending
                self._h2.increment_flow_control_window(weight)
            self.flush()


def header_map(headers: list[tuple[bytes, bytes]] | None) -> Mapping[bytes, bytes]:
    """Headers by name."""
    return dict(headers or ())
