"""`Fetching`: gets what is in queues that are not subscribed to, one message at a time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import trio

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.duplex.machine.connection import Acknowledgement, ReceivingQueue, ReceivingStatus
from simplex_trio.duplex.machine.receiving import queue_lost
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.work.activities import Activities, Activity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.fetched import Fetched, fetching_label
from simplex_trio.duplex.work.routers import NETWORK_ERRORS, Routers
from simplex_trio.duplex.work.subscriptions import Delivered, Subscriptions, arrived
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.errors.values import Code

__all__ = ["Fetching"]

_PATIENCE = 60
"""Seconds after which it is looked again what has become of a message that was to be acknowledged,
as the connection may have been deleted."""


class Fetching:
    """Asks routers for messages."""

    def __init__(
        self,
        core: Core,
        routers: Routers,
        subscriptions: Subscriptions,
        activities: Activities,
        fetched: Fetched,
    ) -> None:
        self._core = core
        self._routers = routers
        self._subscriptions = subscriptions
        self._activities = activities
        self._fetched = fetched

    async def fetch(self, connection_ids: Iterable[str]) -> bool:
        """Get what is in the queues of connections.

        Returns whether the program has to acknowledge a message before there can be more.  If some
        queues cannot be read, the others are; then it raises the first error.
        """
        queues = await self._core.step(lambda step: _queues_of(step, connection_ids), durable=False)
        waiting: list[bool] = []
        errors: list[Exception] = []

        async def fetch_one(user: str, queue: ReceivingQueue) -> None:
            try:
                waiting.append(await self._unless_paused(user, queue))
            except NETWORK_ERRORS as exc:
                errors.append(exc)

        async with open_inner_nursery() as nursery:
            for user, queue in queues:
                nursery.start_soon(fetch_one, user, queue)
        if errors:
            raise errors[0]
        return any(waiting)

    async def _unless_paused(self, user: str, queue: ReceivingQueue) -> bool:
        while True:
            await self._activities.wait_until_open(Activity.RECEIVING)
            with self._activities.doing(Activity.RECEIVING):
                return await self._fetch(user, queue)

    async def _fetch(self, user: str, queue: ReceivingQueue) -> bool:
        if queue.acknowledgement is Acknowledgement.HELD:
            return True
        while not self._subscriptions.has(user, queue):
            entry = self._fetched.begin(queue.connection_id, queue.number)
            arrival = await self._get(user, queue)
            if arrival is None:
                break
            state = await self._take(queue, arrival)
            if state is Acknowledgement.HELD:
                return True
            if state is not Acknowledgement.DUE:
                break
            with trio.move_on_after(_PATIENCE):
                await entry.changed.wait()
            if entry.error is not None:
                raise entry.error
        self._fetched.release(queue.connection_id, queue.number)
        return False

    async def _get(self, user: str, queue: ReceivingQueue) -> Delivered | None:
        assert queue.server is not None
        label = self._routers.label(user, queue.server, queue.e2e_key.public.raw)
        client = await self._routers.owner(queue.server, fetching_label(label))
        access = QueueAccess(queue.recipient_id, queue.auth_key, queue.delivery_key)
        try:
            return await client.get(access)
        except RouterError as exc:
            if exc.error is not Code.AUTH:
                raise
            await self._core.step(partial(_lost, queue))
            return None

    async def _take(self, queue: ReceivingQueue, arrival: Delivered) -> Acknowledgement | None:
        """Process a message, and return what is to become of it."""

        def decide(step: Step) -> Acknowledgement | None:
            taken = arrived(step, queue.connection_id, queue.number, arrival)
            return None if taken is None else taken.acknowledgement

        return await self._core.step_persistently(decide, durable=None)


def _lost(queue: ReceivingQueue, step: Step) -> None:
    """The router has no such queue."""
    c = step.find(queue.connection_id)
    if c is not None:
        queue_lost(step, c, queue.number, deleted=True)


def _queues_of(step: Step, connection_ids: Iterable[str]) -> list[tuple[str, ReceivingQueue]]:
    """The queues of connections that exist on routers, with their users."""
    found = []
    for connection_id in dict.fromkeys(connection_ids):
        c = step.connection(connection_id)
        found += [
            (c.row.user, queue)
            for queue in c.receiving.values()
            if queue.status is not ReceivingStatus.PLANNED and not queue.is_deleted
        ]
    return found
