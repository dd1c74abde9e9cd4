"""`LengthPrefixedStream`: messages of any length, each behind its length, over any trio stream."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.transport.frames import FrameStream

__all__ = ["MAX_FRAME_SIZE", "LengthPrefixedStream", "framed"]

MAX_FRAME_SIZE = 40 * 1024 * 1024
"""Bytes of one message; both sides refuse more, as soon as they see the length."""

_PREFIX_SIZE = 4

_READ_SIZE = 64 * 1024


def framed(message: bytes) -> bytes:
    """A message behind its length; raises `TooLarge`."""
    if len(message) > MAX_FRAME_SIZE:
        raise TooLarge(f"a message of {len(message)} bytes, where at most {MAX_FRAME_SIZE} may go")
    return len(message).to_bytes(_PREFIX_SIZE, "big") + message


class LengthPrefixedStream(FrameStream):
    """Frames behind a length of four bytes, big endian, over ``stream``, which it owns.

    One task may send and another receive at the same time; a second sender, or a second receiver,
    gets `trio.BusyResourceError`.  It holds what has arrived of a frame and one read of the stream,
    never more: a length alone allocates nothing.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._received = bytearray()
        self._sending = False
        self._receiving = False
        self._broken = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "broken" if self._broken else "open"
        return f"<LengthPrefixedStream, {state}>"

    async def receive_frame(self) -> bytes:
        """Wait for the next frame.

        Cancelling it loses nothing: what has arrived of the frame is kept for the next call.

        Raises `DecodeError` for a frame that is too large, before any of it is read;
        `trio.EndOfChannel` if the other side closed the connection between two frames;
        `trio.BrokenResourceError` if it ended inside a frame or is broken otherwise;
        `trio.ClosedResourceError` if this side closed it.
        """
        self._check()
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this connection")
        self._receiving = True
        try:
            return await self._receive()
        finally:
            self._receiving = False

    async def _receive(self) -> bytes:
        received = self._received
        if received:
            await trio.lowlevel.checkpoint()  # before taking a frame, which must not get lost
            frame = self._take()
            if frame is not None:
                return frame
        while True:
            data = await self.stream.receive_some(_READ_SIZE)
            if not data:
                if not received:
                    raise trio.EndOfChannel
                self._broken = True
                raise trio.BrokenResourceError("the connection ended inside a message")
            received += data
            frame = self._take()
            if frame is not None:
                return frame

    def _take(self) -> bytes | None:
        """The next frame, if all of it has arrived."""
        received = self._received
        if len(received) < _PREFIX_SIZE:
            return None
        size = int.from_bytes(received[:_PREFIX_SIZE], "big")
        if size > MAX_FRAME_SIZE:
            self._broken = True
            raise DecodeError("a message is announced that is too large")
        end = _PREFIX_SIZE + size
        if len(received) < end:
            return None
        frame = bytes(received[_PREFIX_SIZE:end])
        del received[:end]
        return frame

    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send frames in one write, so that they leave in as few packets as possible.

        If it is cancelled or fails once it has begun to write, then nobody knows how much left, and
        the stream can only be closed: whatever is tried next raises `trio.BrokenResourceError`.

        Raises `TooLarge` for a frame that the other side would refuse, before anything is sent.
        """
        data = b"".join(framed(frame) for frame in frames)
        self._check()
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        self._sending = True
        try:
            # Cancelled here, before the first byte, it leaves the stream as it was.
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                await self.stream.send_all(data)
            except BaseException:
                self._broken = True
                raise
        finally:
            self._sending = False

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._broken:
            raise trio.BrokenResourceError("an earlier failure left this connection unusable")

    async def aclose(self) -> None:
        """Close the connection; calls that wait on it end with `trio.ClosedResourceError`.

        If it is cancelled the connection is still closed, only less politely.
        """
        self._closed = True
        if self._broken or self._sending:
            await trio.aclose_forcefully(self.stream)
        else:
            await self.stream.aclose()
