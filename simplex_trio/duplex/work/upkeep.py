"""`Upkeep`: the tasks of an agent that are not about one connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.machine.connection import NOT_SYNCHRONISED, Connection, Deletion
from simplex_trio.duplex.machine.deleting import WAIT_FOR_DELIVERY, delete, go_on_deleting
from simplex_trio.duplex.machine.delivering import QUOTA_TIMEOUT
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.notifying import NotificationWork
from simplex_trio.duplex.machine.resynchronising import restored
from simplex_trio.duplex.machine.sending import expire_held
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.machine.work import Work
from simplex_trio.duplex.store.store import DuplexStore
from simplex_trio.duplex.work.activities import Activities, Activity
from simplex_trio.duplex.work.connectivity import Connectivity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.lanes import Lanes
from simplex_trio.duplex.work.moving import Moving
from simplex_trio.duplex.work.ntf_routers import NTFRouters
from simplex_trio.duplex.work.subscriptions import Subscriptions
from simplex_trio.nursery import open_inner_nursery

__all__ = ["Upkeep"]

_CLEANUP_PERIOD = 300
"""Seconds between the removals of what is kept for a limited time."""

_CLOCK_PERIOD = 3600
"""Seconds after which it is seen that the clock of the system was set."""

_RESUMED_AT_ONCE = 256
"""Connections whose work is read in one transaction at the start."""


class Upkeep:
    """Goes on with what was to be done at the last end, and removes what was kept long enough."""

    def __init__(
        self,
        config: DuplexConfig,
        core: Core,
        store: DuplexStore,
        lanes: Lanes[Work | NotificationWork],
        subscriptions: Subscriptions,
        activities: Activities,
        connectivity: Connectivity,
        ntf_routers: NTFRouters,
        moving: Moving,
    ) -> None:
        self._clock = config.clock
        self._ntf_routers = ntf_routers
        self._keep = config.keep
        self._core = core
        self._store = store
        self._lanes = lanes
        self._subscriptions = subscriptions
        self._activities = activities
        self._connectivity = connectivity
        self._moving = moving

    async def run(
        self,
        subscribe: Callable[[], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run all tasks until cancelled; it has started when all connections are subscribed to."""
        await self._core.restore_tally()
        async with open_inner_nursery() as nursery:
            self._lanes.open_in(nursery)
            self._ntf_routers.open_in(nursery)
            try:
                nursery.start_soon(self._subscriptions.run)
                nursery.start_soon(self._clean_up)
                nursery.start_soon(self._store.keep_flushing)
                nursery.start_soon(self._connectivity.run)
                nursery.start_soon(self._moving.run)
                if self._store.is_incomplete:
                    await self._distrust_ratchets()
                await self._resume()
                nursery.start_soon(self._notify_later)
                await subscribe()
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._lanes.stop()
                self._core.save_tally()

    async def _distrust_ratchets(self) -> None:
        """Older commits are all that is left: what the ratchets encrypt next was encrypted."""
        known = await self._core.read(lambda rows: rows.connection_ids(None))
        for start in range(0, len(known), _RESUMED_AT_ONCE):
            some = known[start : start + _RESUMED_AT_ONCE]
            await self._core.step(partial(_distrust, some))

    async def _resume(self) -> None:
        """Begin what was to be done when the program ended."""
        await self._core.step(_look_at_notifications, durable=False)
        waiting = await self._core.read(lambda rows: rows.connections_with_work())
        for start in range(0, len(waiting), _RESUMED_AT_ONCE):
            some = waiting[start : start + _RESUMED_AT_ONCE]
            await self._core.step(partial(_open_all, some), durable=False)

    async def _notify_later(self) -> None:
        """Do what is to be done for notifications at a later time."""
        core = self._core
        while True:
            await self._activities.wait_until_open(Activity.MANAGING)
            changed, next_at = core.notifications_changed, core.notifications.next_at
            if next_at is None:
                await changed.wait()
                continue
            # Not in one go, as the clock of the system may be set, or the machine sleep.
            with trio.move_on_after(max(0, min(next_at - self._clock(), _CLOCK_PERIOD))):
                await changed.wait()
            if self._clock() >= next_at and not changed.is_set():
                await core.step_persistently(_look_at_notifications, durable=False)

    async def _clean_up(self) -> None:
        while True:
            forget = partial(_forget_old, self._keep)
            await self._activities.wait_until_open(Activity.CLEANING)
            with self._activities.doing(Activity.CLEANING):
                self._core.save_tally()
                await self._core.step_persistently(forget, durable=False)
            await trio.sleep(_CLEANUP_PERIOD)


def _open_all(connection_ids: Sequence[str], step: Step) -> None:
    """Use connections in a step, so that their work is begun."""
    for connection_id in connection_ids:
        step.find(connection_id)


def _look_at_notifications(step: Step) -> None:
    """See what is to be done for notifications."""
    step.notifications_changed = True


def _distrust(connection_ids: Sequence[str], step: Step) -> None:
    for connection_id in connection_ids:
        restored(step, step.connection(connection_id))


def _forget_old(keep: int, step: Step) -> None:
    """Remove what was kept long enough, and stop waiting for what is not delivered."""
    now = step.moment.seconds
    step.rows.forget_old(now - keep)
    for synchrony in NOT_SYNCHRONISED:
        for row in step.rows.find(Connection, synchrony=synchrony):
            c = step.connection(row.connection_id)
            expire_held(step, c, now - QUOTA_TIMEOUT)
            go_on_deleting(step, c)
    for row in step.rows.find(Connection, deletion=Deletion.AFTER_DELIVERY):
        waiting = step.rows.find(Delivery, connection_id=row.connection_id)
        if not waiting or min(each.created_at for each in waiting) < now - WAIT_FOR_DELIVERY:
            delete(step, step.connection(row.connection_id), after_delivery=False)
