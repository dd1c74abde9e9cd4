"""`FrameStream`: whole frames over a connection, whatever a protocol's frames are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import trio

__all__ = ["FrameStream"]


class FrameStream(trio.abc.AsyncResource):
    """Carries frames both ways; after an error it can only be closed.

    One task may send and another receive at the same time.
    """

    @abstractmethod
    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send all of the frames; cancelled in the middle, the stream is broken for ever."""

    @abstractmethod
    async def receive_frame(self) -> bytes:
        """The next frame; cancelling it loses nothing.

        Raises `trio.EndOfChannel` when the other side has closed between two frames.
        """
