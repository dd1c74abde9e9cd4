"""`in_groups`: the changes of one commit, arranged for statements about many rows.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from simplex_trio.router.store.interface import Change, DeleteMessages, PutMessage, PutQueue

__all__ = ["in_groups"]


def in_groups(changes: Iterable[Change]) -> Iterator[Sequence[Change]]:
    """Groups of changes of one kind, which do together what the changes do in their order.

    The rows of a group can be written table by table.  The order stays, except that messages are
    deleted before others are put: most commits put messages of some clients, and delete those of
    others, in turns.
    """
    deletions: list[DeleteMessages] = []
    group: list[Change] = []  # these come after the deletions
    deleted: set[int] = set()
    put: set[int] = set()
    for change in changes:
        if isinstance(change, DeleteMessages):
            fits = (put or not group) and put.isdisjoint(change.sequences)
        elif isinstance(change, PutMessage):
            fits = (put or not group) and change.head.sequence not in deleted
        else:
            fits = not deletions and (not group or _fit_together(group[-1], change))
        if not fits:
            yield from filter(None, (deletions, group))
            deletions, group, deleted, put = [], [], set(), set()
        if isinstance(change, DeleteMessages):
            deletions.append(change)
            deleted.update(change.sequences)
        else:
            group.append(change)
            if isinstance(change, PutMessage):
                put.add(change.head.sequence)
    yield from filter(None, (deletions, group))


def _fit_together(last: Change, change: Change) -> bool:
    # The data of a link is written after one record of its queue, and before the next one.
    return type(last) is type(change) and not _has_link(last) and not _has_link(change)


def _has_link(change: Change) -> bool:
    return isinstance(change, PutQueue) and change.record.link is not None
