"""What a transfer tells about itself while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import define, field, frozen

from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted

__all__ = ["Listener", "Phase", "Progress", "Retrying", "TransferEvent"]


class Phase(Enum):
    """What is being done."""

    UPLOADING = "uploading"
    """Encrypting as well, packet by packet."""
    CHECKING = "checking"
    """What an earlier attempt has received."""
    DOWNLOADING = "downloading"
    DECRYPTING = "decrypting"
    DELETING = "deleting"


@frozen
class Progress:
    """So many of so many bytes; the number falls when a packet has to be begun again."""

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
    """The bytes of one phase, counted packet by packet."""

    phase: Phase
    total: int
    tell: Listener
    _done: dict[int, int] = field(factory=dict)
    _sum: int = 0

    def add(self, packet: int, size: int) -> None:
        self._done[packet] = self._done.get(packet, 0) + size
        self._sum += size
        self.tell(Progress(self.phase, self._sum, self.total))

    def begin_again(self, packet: int) -> None:
        self._sum -= self._done.pop(packet, 0)
        self.tell(Progress(self.phase, self._sum, self.total))
