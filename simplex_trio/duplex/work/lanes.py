"""`Lanes`: a task for each work that there is, which tries until it is done or obsolete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Container, Sequence
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

import trio
from attrs import define, field

from simplex_trio.duplex.machine.work import Deliver, Lane
from simplex_trio.duplex.work.activities import Activities, Activity

__all__ = ["DONE", "Attempt", "Done", "Lanes"]


class _Work(Protocol):
    @property
    def lane(self) -> Lane: ...


WorkT = TypeVar("WorkT", bound=_Work)


class Done(Enum):
    """The outcome of a work that is done, where that is to be stored later."""

    DONE = auto()


DONE = Done.DONE

Attempt = Callable[[WorkT, int], Awaitable[float | Done | None]]
"""Tries a work, for the n-th time in a row, beginning with 0.

Returns the seconds to wait before the next attempt.  `None` says that a step was stored, from which
it follows what is to be done next; `DONE` that nothing is, until a step says otherwise.
"""


@define(eq=False, repr=False)
class _Running(Generic[WorkT]):
    """A lane with a task."""

    work: WorkT | None
    """What is to be done next, according to the last step."""
    wake: trio.Event = field(factory=trio.Event)


class Lanes(Generic[WorkT]):
    """The tasks of one agent that carry out work."""

    def __init__(
        self,
        attempt: Attempt[WorkT],
        activities: Activities | None = None,
        watched: Container[str] = (),
    ) -> None:
        self._attempt = attempt
        self._activities = Activities() if activities is None else activities
        self._watched = watched
        """Connections that a call waits for: it is to get an error at once if nothing is tried."""
        self._nursery: trio.Nursery | None = None
        self._stopped = False
        self._running: dict[str, dict[Lane, _Running[WorkT]]] = {}
        self._waiting = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<Lanes, {self.count} running>"

    @property
    def count(self) -> int:
        """How many works there are."""
        return sum(map(len, self._running.values()))

    def open_in(self, nursery: trio.Nursery) -> None:
        """Start tasks in ``nursery``."""
        self._nursery = nursery

    def stop(self) -> None:
        """Start no more tasks: the nursery is about to end."""
        self._nursery = None
        self._stopped = True
        self._waiting.unpark_all()

    def set_work(self, connection_id: str, works: Sequence[WorkT]) -> None:
        """A step was stored, and these works follow for a connection; others are obsolete."""
        if self._nursery is None:
            return
        running = self._running.setdefault(connection_id, {})
        left = dict(running)
        for work in works:
            lane = work.lane
            known = left.pop(lane, None)
            if known is None:
                running[lane] = _Running(work)
                self._nursery.start_soon(self._run, lane, running[lane])
            else:
                if _is_more_urgent(known.work, work):
                    known.wake.set()
                known.work = work
        for obsolete in left.values():
            obsolete.work = None
            obsolete.wake.set()
        if not running:
            del self._running[connection_id]

    def try_now(self, connection_id: str | None = None) -> None:
        """Try at once what waits for its next attempt: of a connection, or everything."""
        if connection_id is not None:
            lanes = list(self._running.get(connection_id, {}).values())
        else:
            lanes = [lane for each in self._running.values() for lane in each.values()]
        for lane in lanes:
            lane.wake.set()

    async def wait_until_idle(self, connection_ids: Collection[str] | None = None) -> None:
        """Wait until no work is left for these connections, or for any.

        Raises `trio.ClosedResourceError` if no more is done.
        """
        await trio.lowlevel.checkpoint()
        while not self._stopped and self._is_busy(connection_ids):
            await self._waiting.park()
        if self._stopped:
            raise trio.ClosedResourceError("the agent is closed")

    def _is_busy(self, connection_ids: Collection[str] | None) -> bool:
        if connection_ids is None:
            return bool(self._running)
        return any(each in self._running for each in connection_ids)

    async def _run(self, lane: Lane, running: _Running[WorkT]) -> None:
        attempts = 0
        try:
            while running.work is not None:
                running.wake = trio.Event()
                tried = running.work
                activity = _activity_of(tried)
                if not self._activities.may(activity) and lane.connection_id not in self._watched:
                    attempts = 0
                    await running.wake.wait()
                    continue
                with self._activities.doing(activity) as scope:
                    wait = await self._attempt(tried, attempts)
                if scope.cancelled_caught:
                    continue
                if wait is DONE and running.work is tried:
                    return
                if wait is None or isinstance(wait, Done):
                    attempts = 0
                    continue
                attempts += 1
                with trio.move_on_after(wait):
                    await running.wake.wait()
        finally:
            lanes = self._running[lane.connection_id]
            del lanes[lane]
            if not lanes:
                del self._running[lane.connection_id]
                self._waiting.unpark_all()


def _activity_of(work: object) -> Activity:
    return Activity.DELIVERING if isinstance(work, Deliver) else Activity.MANAGING


def _is_more_urgent(before: object, after: object) -> bool:
    """Whether waiting for the next attempt has become pointless."""
    if not (isinstance(before, Deliver) and isinstance(after, Deliver)):
        return False
    if before.delivery.message_id != after.delivery.message_id:
        return True
    return (after.delivery.wait or 0) < (before.delivery.wait or 0)
