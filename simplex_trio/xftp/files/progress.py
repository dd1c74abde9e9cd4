"""What a transfer tells about itself while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum

from attrs import define, field, frozen

from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted

__all__ = ["Listener", "Phase", "Progress", "Retrying", "TransferEvent"]


class Phase(Enum):
    """What is being done."""

    UPLOADING = "uploading"
    """Encrypting as well, packet by packet; what an earlier attempt has uploaded counts at once."""
    CHECKING = "checking"
    """What an earlier attempt has received."""
    DOWNLOADING = "downloading"
    DECRYPTING = "decrypting"
    DELETING = "deleting"


@frozen
class Progress:
    """So many of so many bytes; the number falls when a packet has to be begun again.

    Where there are replicas, all of them count.
    """

    phase: Phase
    done: int
    total: int


@frozen(repr=False)
class Retrying(Redacted):
    """A packet was not to be had, or not to be got rid of, and is tried again in a while."""

    packet: int
    """Its number, from 1."""
    error: SimplexError
    seconds: float


TransferEvent = Progress | Retrying

Listener = Callable[[TransferEvent], object]
"""Is called in the Trio thread, and must not wait."""


def nobody(event: TransferEvent) -> None:
    """The listener of a transfer that nobody watches."""
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
