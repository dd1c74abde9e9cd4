"""`FrameLengths`: finds out about frames that are too long before they are there.  Pure.

h2 looks at the length of a frame when all of it has arrived, and a frame may say to have 16 MiB.
"""

from __future__ import annotations

__all__ = ["FrameLengths"]

_HEAD_SIZE = 9
_LENGTH_SIZE = 3
_PREFACE_SIZE = 24


class FrameLengths:
    """Follows the frames in what a connection receives."""

    def __init__(self, limit: int, *, after_preface: bool) -> None:
        self._limit = limit
        self._left = _PREFACE_SIZE if after_preface else 0  # until the next head
        self._head = b""

    def allow(self, data: bytes | bytearray) -> bool:
        """Whether no frame that begins in the next bytes is longer than the limit."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            piece = data[at : at + _HEAD_SIZE - len(self._head)]
            at += len(piece)
            self._head += piece
            if len(self._head) == _HEAD_SIZE:
                self._left = int.from_bytes(self._head[:_LENGTH_SIZE], "big")
                self._head = b""
                if self._left > self._limit:
                    return False
        return True
