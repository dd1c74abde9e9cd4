"""`FrameStream`: the interface of whole frames over a connection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import trio

__all__ = ["FrameStream"]


class FrameStream(trio.abc.AsyncResource):
    """Carries frames both ways; after an error it can only be closed.

    One task may send and another receive at the same time; a second sender, or a second receiver,
    gets `trio.BusyResourceError`.  `simplex_trio.testing.frame_streams.check_frame_stream` runs an
    implementation through all of this.
    """

    @abstractmethod
    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send all of the frames, in their order.

        Cancelled before its first byte, it changes nothing; cancelled or failing after that, it
        leaves an unusable stream: all calls but ``aclose`` then raise
        `trio.BrokenResourceError`.  Raises `trio.ClosedResourceError` if this side has closed.
        """

    @property
    def sends_nowait(self) -> bool:
        """Whether `send_frames_nowait` can be called now."""
        return False

    def send_frames_nowait(self, frames: Iterable[bytes]) -> bool:
        """Send frames as far as that takes no waiting; whether that was all.

        What is left goes out with the next `send_frames`, which must then be called, if only
        without frames.  It may only be called if `sends_nowait`, and raises the errors of
        `send_frames`.
        """
        raise trio.WouldBlock

    @abstractmethod
    async def receive_frame(self) -> bytes:
        """The next frame; cancelling it loses nothing.

        Raises `trio.EndOfChannel` when the peer has closed between two frames,
        `trio.BrokenResourceError` when it has inside one or the connection is broken otherwise, and
        `trio.ClosedResourceError` when this side has closed.
        """

    async def receive_frames(self) -> list[bytes]:
        """The next frame, and others that have arrived with it; otherwise as `receive_frame`."""
        return [await self.receive_frame()]
