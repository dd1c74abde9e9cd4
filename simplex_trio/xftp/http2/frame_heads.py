"""`FrameHeads`: reports the head of each frame as soon as it has arrived.  Pure.

h2 checks the length of a frame only when all of it has arrived, and a frame may claim to have
16 MiB; it keeps the fragments of a block of headers until the last one; and it does not report
frames for requests that are over, however many there are.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.frozen import frozen

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
    """The head of a frame."""

    kind: int
    length: int
    held: int
    """Bytes to keep until the frame can be processed: its own, and those of the frames that it
    continues."""


class FrameHeads:
    """Follows the frames in the bytes that a connection receives."""

    def __init__(self, *, after_preface: bool) -> None:
        self._left = _PREFACE_SIZE if after_preface else 0  # until the next head
        self._head = b""
        self._block = 0  # bytes of the block of headers that may go on

    def read(self, data: bytes | bytearray) -> list[FrameHead]:
        """The heads that are complete with the next bytes."""
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
