"""`FloodGuard`: how much useless traffic one connection may cause.  Pure: time comes in.

HTTP/2 has many frames that cost the sender nothing and the receiver something: pings, settings,
requests that are reset at once, empty data, window updates of a byte.  Each of them is charged to
an allowance that grows with time and with the bytes of bodies, in both directions; when it is used
up, the connection is closed.
"""

from __future__ import annotations

from attrs import define, field

from simplex_trio.xftp.http2.frame_heads import FrameHead, FrameKind

__all__ = ["RESET_COST", "FloodGuard", "frame_cost"]

_KIB = 1024

RESET_COST = 9
"""The cost of a request that is reset early, in addition to that of the frame."""

_SMALL_DATA = 512
_PRIORITY_COST = 2

_BYTES_PER_POINT = 2 * _KIB  # so that the window updates of frugal receivers are paid for


def frame_cost(head: FrameHead) -> float:
    """The cost of a frame for its sender: 1, unless it is useful or especially expensive."""
    match head.kind:
        case FrameKind.DATA:
            return 1 if head.length < _SMALL_DATA else 0
        case FrameKind.PRIORITY:
            return _PRIORITY_COST
        case _:
            return 1


@define
class FloodGuard:
    """An allowance of ``burst`` points that refills by ``per_second``."""

    burst: float = 2000
    per_second: float = 100
    _left: float = field(init=False)
    _at: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.burst

    def spend(self, cost: float, now: float) -> bool:
        """Charge something; whether the allowance was sufficient."""
        if self._at is not None:
            self._earn((now - self._at) * self.per_second)
        self._at = now
        self._left -= cost
        return self._left >= 0

    def note_body(self, size: int) -> None:
        """Note bytes of bodies, which increase the allowance for the frames around them."""
        self._earn(size / _BYTES_PER_POINT)

    def _earn(self, points: float) -> None:
        self._left = min(self._left + points, self.burst)
