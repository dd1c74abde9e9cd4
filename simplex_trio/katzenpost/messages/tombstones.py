"""A row of boxes to be deleted: `TombstoneRange`, complete or as far as it got."""

from __future__ import annotations

from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.errors import KatzenpostError
from simplex_trio.katzenpost.messages.capabilities import BoxIndex, WriteEnvelope
from simplex_trio.redaction import Redacted

__all__ = ["TombstoneRange", "TombstonesIncomplete"]


@frozen(repr=False)
class TombstoneRange(Redacted):
    """Envelopes that each delete one box, in the order of the boxes."""

    envelopes: tuple[WriteEnvelope, ...]
    next_index: BoxIndex
    """The index of the box after the last one that they delete."""


class TombstonesIncomplete(KatzenpostError):
    """Not all envelopes could be made; ``made`` has the others, ``__cause__`` the reason."""

    def __init__(self, made: TombstoneRange) -> None:
        super().__init__(f"only {len(made.envelopes)} tombstones could be made")
        self.made = made
        self.retryable = True
