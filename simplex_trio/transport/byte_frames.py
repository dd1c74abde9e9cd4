"""`ByteFrameStream`: the common part of all frames over a stream of bytes.

A reader cannot resynchronize, so a frame is read whole or not at all, and a stream in which part of
a frame was written is unusable.  Subclasses delimit the frames.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

import trio

from simplex_trio.transport.frames import FrameStream

__all__ = ["ByteFrameStream"]


class ByteFrameStream(FrameStream):
    """Frames over ``stream``, which it owns from then on.

    A second sender, or a second receiver, gets `trio.BusyResourceError`.
    """

    _FRAME: ClassVar[str]
    """What errors call a frame."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._received = bytearray()
        self._sending = False
        self._receiving = False
        self._broken = False
        self._closed = False

    @property
    def _state(self) -> str:
        return "closed" if self._closed else "broken" if self._broken else "open"

    def _begin_receiving(self) -> None:
        """Claim the receiving side, or raise; the caller unsets ``_receiving`` in the end."""
        self._check()
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this connection")
        self._receiving = True

    def _ended(self) -> NoReturn:
        """The peer has closed the connection, between two frames or inside one."""
        if not self._received:
            raise trio.EndOfChannel("the peer has closed the connection")
        self._broken = True
        raise trio.BrokenResourceError(f"the connection ended inside a {self._FRAME}")

    async def _write(self, data: bytes) -> None:
        """Send whole frames; from its first byte on only completion leaves the stream usable."""
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

    @property
    def sends_nowait(self) -> bool:
        usable = not (self._sending or self._broken or self._closed)
        return usable and getattr(self.stream, "sends_nowait", False)

    def _write_nowait(self, data: bytes) -> bool:
        try:
            sent: bool = self.stream.send_nowait(data)  # type: ignore[attr-defined]
        except BaseException:
            self._broken = True
            raise
        return sent

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
