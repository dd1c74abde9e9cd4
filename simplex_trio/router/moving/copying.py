"""`copy_everything`: from a reading into something new, which is kept if all of it has arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from simplex_trio.errors import StoreCorrupted
from simplex_trio.frozen import frozen
from simplex_trio.router.moving.records import Tally, encode_records
from simplex_trio.router.store.interface import Filling, Reading

__all__ = ["Destination", "Progress", "Stage", "copy_everything"]


@frozen
class Progress:
    """How far a copy is."""

    stage: str
    """What is being done: ``copying``, or ``checking`` what was written."""
    done: int
    of: int | None
    """All records, if it is known how many there are."""


Stage = Callable[[Progress], None]
"""Is told from time to time how far a copy is."""


class Destination(Protocol):
    """Something new that is being written, and is nothing until it is kept."""

    async def write(self, changes: Sequence[Filling]) -> None:
        """Write what follows; raises what `simplex_trio.router.store.interface.Store` raises."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Reading]:
        """Read what was written, all of it; nothing more can be written then."""
        ...

    async def keep(self) -> None:
        """Put it where it belongs, whole; raises `StoreUnavailable` if something is there."""
        ...


async def copy_everything(
    source: Reading, destination: Destination, tell: Stage = lambda _: None
) -> Tally:
    """Write all that is read, read that again, compare the two, and keep it.

    Returns what there is now.  Raises `StoreCorrupted` if what was written is not what was read,
    and what the two ends raise; cancelled or after an error, nothing is kept.
    """
    written = Tally()
    while changes := await source.portion():
        await destination.write(changes)
        _count(written, changes)
        tell(Progress("copying", written.total, source.records))
    found = Tally()
    async with destination.reading() as copy:
        while changes := await copy.portion():
            _count(found, changes)
            tell(Progress("checking", found.total, written.total))
    if found != written:
        raise StoreCorrupted("the copy, which is not what was read")
    await destination.keep()
    return found


def _count(tally: Tally, changes: Sequence[Filling]) -> None:
    for change in changes:
        tally.add(encode_records(change))
