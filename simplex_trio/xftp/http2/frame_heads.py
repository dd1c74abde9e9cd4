"""`FrameHeads`: knows of frames before they are there, and of all of them.  Pure.

h2 looks at the length of a frame when all of it has arrived, and a frame may say to have 16 MiB; it
keeps the pieces of a block of headers until the last one; and of frames for requests that are over
it says nothing, however many come.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = ["FrameHead", "FrameHeads", "FrameKind"]

_HEAD_SIZE = 9
_LENGTH_SIZE = 3
_PREFACE_SIZE = 24


class FrameKind:
    """The numbers of the kinds of frames that are not like the others."""

    DATA: Final = 0
    HEADERS: Final = 1
    PRIORITY: Final = 2
    CONTINUATION: Final = 9


@frozen
class FrameHead:
    """What the head of a frame says."""

    kind: int
    length: int
    held: int
    """Bytes that have to be kept until the frame can be understood: its own, and those of what it
    continues."""


class FrameHeads:
    """Follows the frames in what a connection receives."""

    def __init__(self, *, after_preface: bool) -> None:
        self._left = _PREFACE_SIZE if after_preface else 0  # until the next head
        self._head = b""
        self._block = 0  # bytes of the block of headers that may go on

    def read(self, data: bytes | bytearray) -> list[FrameHead]:
        """The heads that end in the next bytes."""
        heads: list[FrameHead] = []
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
                heads.append(self._understood(self._head))
                self._left, self._head = heads[-1].length, b""
        return heads

    def _understood(self, head: bytes) -> FrameHead:
        length, kind = int.from_bytes(head[:_LENGTH_SIZE], "big"), head[_LENGTH_SIZE]
        if kind == FrameKind.CONTINUATION:
            self._block += length
            return FrameHead(kind, length, self._block)
        if kind == FrameKind.HEADERS:
            self._block = length
        return FrameHead(kind, length, length)
