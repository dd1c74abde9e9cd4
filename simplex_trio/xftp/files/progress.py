"""Progress events of a transfer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum

from attrs import define, field

from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Listener", "Phase", "Progress", "Retrying", "TransferEvent"]


class Phase(Enum):
    """The step of a transfer."""

    UPLOADING = "uploading"
    """Includes encryption, packet by packet; uploads of an earlier attempt count at once."""
    CHECKING = "checking"
    """What an earlier attempt has received."""
    DOWNLOADING = "downloading"
    DECRYPTING = "decrypting"
    DELETING = "deleting"


@frozen
class Progress:
    """``done`` of ``total`` bytes; ``done`` decreases when a packet has to start again.

    All replicas count.
    """

    phase: Phase
    done: int
    total: int


@frozen(repr=False)
class Retrying(Redacted):
    """The transfer or deletion of a packet has failed, and is going to be retried."""

    packet: int
    """Its number, from 1."""
    error: SimplexError
    seconds: float


TransferEvent = Progress | Retrying

Listener = Callable[[TransferEvent], object]
"""A function that is called in the Trio thread, and must not block."""


def ignore(event: TransferEvent) -> None:
    """A listener that does nothing."""
    del event


@define
class Counter:
    """The bytes of one phase, counted part by part: packets, or replicas of packets."""

    phase: Phase
    total: int
    tell: Listener
    _done: dict[Hashable, int] = field(factory=dict)
    _sum: int = 0

    def add(self, part: Hashable, size: int) -> None:
        self._done[part] = self._done.get(part, 0) + size
        self._sum += size
        self.tell(Progress(self.phase, self._sum, self.total))

    def begin_again(self, part: Hashable) -> None:
        self._sum -= self._done.pop(part, 0)
        self.tell(Progress(self.phase, self._sum, self.total))
