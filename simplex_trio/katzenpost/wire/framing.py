"""Messages of any length, each behind its length, over any trio stream.

`LengthPrefixedStream` carries them one by one.  Answers arrive in batches, and a task switch costs
more than reading a small message; so the engine reads from a `RunStream`, whose frames are runs of
all whole messages that have arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import trio

from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.transport.byte_frames import ByteFrameStream
from simplex_trio.transport.frames import FrameStream

__all__ = ["MAX_FRAME_SIZE", "LengthPrefixedStream", "RunStream", "framed", "split_run"]

MAX_FRAME_SIZE = 40 * 1024 * 1024
"""Bytes of one message; both sides refuse more, as soon as they see the length."""

_PREFIX_SIZE = 4

_READ_SIZE = 64 * 1024


def framed(message: bytes) -> bytes:
    """A message behind its length; raises `TooLarge`."""
    if len(message) > MAX_FRAME_SIZE:
        raise TooLarge(f"a message of {len(message)} bytes, where at most {MAX_FRAME_SIZE} may go")
    return len(message).to_bytes(_PREFIX_SIZE, "big") + message


def split_run(run: bytes) -> Iterator[bytes]:
    """The messages of a run, which are whole."""
    position = 0
    while position < len(run):
        start = position + _PREFIX_SIZE
        position = start + int.from_bytes(run[position:start], "big")
        yield run[start:position]


class LengthPrefixedStream(ByteFrameStream):
    """Frames behind a length of four bytes, big endian, over ``stream``, which it owns.

    One task may send and another receive at the same time; a second sender, or a second receiver,
    gets `trio.BusyResourceError`.  It holds what has arrived of a frame and one read of the stream,
    never more: a length alone allocates nothing.
    """

    _FRAME = "message"

    def __repr__(self) -> str:
        return f"<LengthPrefixedStream, {self._state}>"

    async def receive_frame(self) -> bytes:
        """Wait for the next frame.

        Cancelling it loses nothing: what has arrived of the frame is kept for the next call.

        Raises `DecodeError` for a frame that is too large, before any of it is read;
        `trio.EndOfChannel` if the peer closed the connection between two frames;
        `trio.BrokenResourceError` if it ended inside a frame or is broken otherwise;
        `trio.ClosedResourceError` if this side closed it.
        """
        return (await self._receive(only_one=True))[_PREFIX_SIZE:]

    async def receive_run(self) -> bytes:
        """Wait for the next frame, and take all others that have arrived with it.

        They come with their lengths, for `split_run`; otherwise as `receive_frame`.
        """
        return await self._receive(only_one=False)

    async def _receive(self, *, only_one: bool) -> bytes:
        self._begin_receiving()
        try:
            received = self._received
            if received:
                await trio.lowlevel.checkpoint()  # before taking a frame, which must not get lost
            while not (end := self._end(only_one=only_one)):
                data = await self.stream.receive_some(_READ_SIZE)
                if not data:
                    self._ended()
                received += data
            frames = bytes(received[:end])
            del received[:end]
            return frames
        finally:
            self._receiving = False

    def _end(self, *, only_one: bool) -> int:
        """Where the frames end that have arrived as a whole, or the first of them; 0 for none."""
        received = self._received
        end = 0
        while not (only_one and end):
            start = end + _PREFIX_SIZE
            if len(received) < start:
                break
            size = int.from_bytes(received[end:start], "big")
            if size > MAX_FRAME_SIZE:
                if end:
                    break  # the ones before it first
                self._broken = True
                raise DecodeError("a message is announced that is too large")
            if len(received) < start + size:
                break
            end = start + size
        return end

    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send frames in one write, so that they leave in as few packets as possible.

        If it is cancelled or fails once it has begun to write, it is unknown how much was sent, and
        the stream can only be closed: later calls raise `trio.BrokenResourceError`.

        Raises `TooLarge` for a frame that the peer would refuse, before anything is sent.
        """
        await self.send_run(b"".join(framed(frame) for frame in frames))

    async def send_run(self, run: bytes) -> None:
        """Send frames that are behind their lengths already; otherwise as `send_frames`."""
        await self._write(run)


class RunStream(FrameStream):
    """Runs of whole frames over ``stream``, which it owns."""

    def __init__(self, stream: LengthPrefixedStream) -> None:
        self.stream = stream

    async def receive_frame(self) -> bytes:
        """As `LengthPrefixedStream.receive_run`."""
        return await self.stream.receive_run()

    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send runs in one write; otherwise as `LengthPrefixedStream.send_run`."""
        await self.stream.send_run(b"".join(frames))

    async def aclose(self) -> None:
        """As `LengthPrefixedStream.aclose`."""
        await self.stream.aclose()
