"""`effect_of`: which changes make a store grow, and are refused when there is little room.  Pure.

Deleting is writing as well: to the log first, and then to the file.  If clients could fill a disk
to the last byte, they could never empty it again.  So while there is little room, the store refuses
changes that make it grow, and accepts those that leave its size as it is, or make it smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final

from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.rows import queue_row

__all__ = [
    "LARGEST_CHANGE",
    "LOG_ROOM",
    "ROOM_KEPT",
    "QueueSize",
    "SizeEffect",
    "effect_of",
    "growth",
    "queue_size",
]

ROOM_KEPT: Final = 16 * 1024 * 1024
"""Bytes, free on the disk or unused in the file, that are reserved for deleting.

The log may grow by some 4 MiB until it is moved into the file, and the file by as much.
"""

LOG_ROOM: Final = 8 * 1024 * 1024
"""Of these, the bytes that have to be free on the disk: the log cannot use those in the file."""

LARGEST_CHANGE: Final = 64 * 1024
"""More than any change adds: a message or a link has at most a block."""

_SMALL: Final = 512
"""More than a row takes without its long values, with its entries in the indexes."""


class SizeEffect(Enum):
    """What a change does to the size of a store."""

    GROWS = auto()
    NEUTRAL = auto()
    SHRINKS = auto()


QueueSize = Callable[[bytes], tuple[int, int] | None]
"""Gives the size of the row and of the link data of a stored queue; `None` if there is none."""

_EFFECTS: Final[dict[type[Change], SizeEffect | None]] = {
    PutMessage: SizeEffect.GROWS,
    PutNotification: SizeEffect.GROWS,
    PutService: None,  # these two depend on what is stored
    PutQueue: None,
    PutStatistics: SizeEffect.NEUTRAL,  # there are as many counters as the program has names for
    DeleteMessages: SizeEffect.SHRINKS,
    DeleteNotifications: SizeEffect.SHRINKS,
    DeleteQueue: SizeEffect.SHRINKS,
    DeleteService: SizeEffect.SHRINKS,
}


def effect_of(
    change: Change, stored_size: QueueSize, has_service: Callable[[bytes], bool]
) -> SizeEffect:
    """What a change does to the size of the store as it is."""
    if isinstance(change, PutService):
        # All records of services have the same size.
        return SizeEffect.NEUTRAL if has_service(change.record.service_id) else SizeEffect.GROWS
    if not isinstance(change, PutQueue):
        effect = _EFFECTS[type(change)]
        assert effect is not None
        return effect
    before = stored_size(change.record.recipient_id)
    if before is None:
        return SizeEffect.GROWS
    row, link = before
    if change.link_data is not None:
        link_after = len(change.link_data.fixed) + len(change.link_data.user)
    else:
        link_after = 0 if change.record.link is None else link
    after = queue_size(queue_row(change.record)) + link_after
    if after > row + link:
        return SizeEffect.GROWS
    return SizeEffect.NEUTRAL if after == row + link else SizeEffect.SHRINKS


def queue_size(row: Iterable[object]) -> int:
    """The length of the values of a queue's row.

    Numbers do not count: they are dates and whether the queue is suspended, take a few bytes, and
    OFF has to work when there is little room.
    """
    return sum(len(value) for value in row if isinstance(value, bytes))


def growth(changes: Iterable[Change]) -> int:
    """About how many bytes changes add at most, not counting what they replace."""
    return sum(map(_size, changes))


def _size(change: Change) -> int:
    match change:
        case PutMessage(_, _, body):
            return _SMALL + len(body)
        case PutQueue(record, link_data):
            link = 0 if link_data is None else len(link_data.fixed) + len(link_data.user)
            return _SMALL + queue_size(queue_row(record)) + link
        case PutService():
            return _SMALL
        case PutNotification(record):
            return _SMALL + len(record.sealed)
        case _:
            return 0
