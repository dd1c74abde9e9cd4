"""`GroupCommit`: commits that wait for the medium at the same time share one trip to it.

What makes a commit slow is waiting until the disk has it, not writing it.  While one group is being
written the next one gathers, so that the more tasks commit at once, the less each of them costs.
There is no task in the background: of the callers that wait, the first writes for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import trio
from attrs import Factory, define

from simplex_trio.errors import StoreUnavailable

__all__ = ["GROUP_LIMIT", "GroupCommit"]

GROUP_LIMIT: Final = 256
"""How many commits are written together at most; the others form the next group.

With the largest messages that is 4 MiB, about what SQLite's log holds by default: more would not be
cheaper for each, and would keep the first of them waiting.
"""

T = TypeVar("T")


@define(eq=False)
class _Ticket(Generic[T]):
    commit: T
    called: trio.Event = Factory(trio.Event)
    """Set when the commit is written or has failed, or when it is this caller's turn to write."""
    finished: bool = False
    error: BaseException | None = None


class GroupCommit(Generic[T]):
    """Collects commits and hands groups of them, in the order of the calls, to ``write``.

    ``write`` makes a group durable and gives the error, or `None`, for each of its commits.
    """

    def __init__(
        self, write: Callable[[Sequence[T]], Awaitable[Sequence[BaseException | None]]]
    ) -> None:
        self._write = write
        self._waiting: deque[_Ticket[T]] = deque()
        self._idle = trio.Event()
        self._idle.set()

    async def submit(self, commit: T) -> None:
        """Return when ``commit`` is written; raise what kept it from being written.

        Not cancellable: a commit that others may build upon is never given up.
        """
        ticket = _Ticket(commit)
        self._waiting.append(ticket)
        with trio.CancelScope(shield=True):
            if self._idle.is_set():
                self._idle = trio.Event()
            else:
                await ticket.called.wait()
            if not ticket.finished:
                await self._write_group()
        if ticket.error is not None:
            raise ticket.error

    async def idle(self) -> None:
        """Return when all that has been submitted is written; not cancellable."""
        with trio.CancelScope(shield=True):
            await self._idle.wait()

    async def _write_group(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(GROUP_LIMIT, len(self._waiting)))]
        try:
            errors = await self._write([ticket.commit for ticket in group])
            for ticket, error in zip(group, errors, strict=True):
                ticket.error = error
        except BaseException as exc:
            for ticket in group:
                ticket.error = StoreUnavailable("the writer was interrupted")
                ticket.error.__cause__ = exc
            raise
        finally:
            for ticket in group:
                ticket.finished = True
                ticket.called.set()
            if self._waiting:
                self._waiting[0].called.set()
            else:
                self._idle.set()
