"""`Subscriptions`: what the queues of an agent receive, and whether they can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import trio

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import (
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    Subscribed,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.queues import (
    MessageReceived,
    QueueAccess,
    QuotaReached,
    SealedMessage,
)
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.events import RouterDown, RouterUp
from simplex_trio.duplex.machine.connection import ReceivingQueue, SubscribedQueue
from simplex_trio.duplex.machine.opening import Arrival
from simplex_trio.duplex.machine.receiving import (
    queue_lost,
    quota_notice_received,
    receive,
    unreadable_received,
)
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.statistics import AgentCount
from simplex_trio.duplex.work.activities import Activities, Activity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.fetched import Fetched
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.errors.values import Code

__all__ = [
    "MAX_AT_ONCE",
    "TAKE_BACK_INTERVAL",
    "Delivered",
    "Subscriptions",
    "TakeBacks",
    "arrived",
]

MAX_AT_ONCE = 64
"""How many messages are processed at a time.  Further ones wait in the buffers of their
connections; a router delivers one message of a queue at a time."""

TAKE_BACK_INTERVAL = 600.0
"""Seconds in which a queue that another connection has subscribed to is taken back once.

The other connection may be an earlier one of this same agent, or of the program before it crashed,
whose SUB has arrived late.  If it is another program, which takes the queue back as well, the
second notice must arrive within this time for that to end: the reference collects notices for 15
seconds, and a command may be in flight for 30."""

Delivered: TypeAlias = MessageReceived | QuotaReached | SealedMessage
"""What a router delivers from a queue."""

_Place = tuple[Destination, bytes]


class TakeBacks:
    """Which queues were taken back not long ago.  Pure: time is a parameter."""

    def __init__(self) -> None:
        self._until: dict[_Place, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def may_take_back(self, place: _Place, now: float) -> bool:
        """Whether to subscribe again to a queue whose subscription has just ended; counts it."""
        self._until = {each: until for each, until in self._until.items() if until > now}
        if place in self._until:
            return False
        self._until[place] = now + TAKE_BACK_INTERVAL
        return True


class Subscriptions:
    """Which queue of which connection is where."""

    def __init__(
        self,
        core: Core,
        agent: SMPClientAgent,
        routers: Routers,
        events: DuplexEvents,
        activities: Activities,
        fetched: Fetched,
    ) -> None:
        self._core = core
        self._agent = agent
        self._routers = routers
        self._events = events
        self._activities = activities
        self._fetched = fetched
        self._queues: dict[_Place, tuple[str, int]] = {}
        self._destinations: dict[Destination, Destination] = {}
        self._acknowledged: dict[tuple[str, int], bytes] = {}
        """The message of each queue whose acknowledgement was sent last."""
        self._take_backs = TakeBacks()
        self._free = trio.Semaphore(MAX_AT_ONCE)

    def __repr__(self) -> str:
        return f"<Subscriptions of {len(self._queues)} queues>"

    def _destination(self, user: str, queue: ReceivingQueue | SubscribedQueue) -> Destination:
        assert queue.server is not None
        # Computing the public key takes longer than all the rest.
        queue_id = queue.e2e_key.public.raw if self._routers.separates_queues else b""
        label = self._routers.label(user, queue.server, queue_id)
        destination = Destination(queue.server, label)
        return self._destinations.setdefault(destination, destination)

    def add(self, user: str, queues: Iterable[ReceivingQueue | SubscribedQueue]) -> None:
        """Subscribe to queues, from now on and after every lost connection."""
        by_destination: dict[Destination, list[QueueAccess]] = {}
        for queue in queues:
            destination = self._destination(user, queue)
            place = (destination, queue.recipient_id)
            if place in self._queues:
                continue
            self._queues[place] = (queue.connection_id, queue.number)
            self._fetched.release(queue.connection_id, queue.number)
            by_destination.setdefault(destination, []).append(_access(queue))
        for destination, accesses in by_destination.items():
            self._agent.subscribe(destination.server, accesses, label=destination.label)

    def has(self, user: str, queue: ReceivingQueue) -> bool:
        """Whether a queue's messages come by themselves."""
        return (self._destination(user, queue), queue.recipient_id) in self._queues

    def remove(self, user: str, queue: ReceivingQueue) -> None:
        """Subscribe to a queue no more, nor read it by GET."""
        self._fetched.release(queue.connection_id, queue.number)
        self._acknowledged.pop((queue.connection_id, queue.number), None)
        if queue.server is None:
            return
        destination = self._destination(user, queue)
        if self._routers.separates_queues:
            self._destinations.pop(destination, None)
        if self._queues.pop((destination, queue.recipient_id), None) is not None:
            self._agent.unsubscribe(
                destination.server, [queue.recipient_id], label=destination.label
            )

    def acknowledges(self, queue: ReceivingQueue) -> None:
        """The last message of a queue is being acknowledged."""
        self._acknowledged[queue.connection_id, queue.number] = queue.broker_id

    def reachable_routers(self) -> dict[ServerAddress, bool]:
        """Each router that queues are on, and whether any of them is subscribed to."""
        found: dict[ServerAddress, bool] = {}
        for destination in {place[0] for place in self._queues}:
            view = self._agent.subscriptions(destination.server, label=destination.label)
            if view.pending or view.active:
                known = found.get(destination.server, False)
                found[destination.server] = known or bool(view.active)
        return found

    # --- what routers say -----------------------------------------------------------------------

    async def run(self) -> None:
        """Process what routers deliver, until the agent below is closed."""
        async with open_inner_nursery() as nursery:
            async for event in self._agent.events:
                match event:
                    case RouterEvent(
                        event=MessageReceived() | QuotaReached() | SealedMessage() as arrival
                    ):
                        found = self._queues.get((event.destination, event.queue_id))
                        # It comes again, over the connection that is made when the pause ends.
                        if found is not None and self._activities.may(Activity.RECEIVING):
                            self._core.tally.add(event.server, AgentCount.RECEIVED)
                            await self._free.acquire()
                            nursery.start_soon(self._receive, *found, arrival)
                    case Connected():
                        self._core.tally.add(event.server, AgentCount.CONNECTED)
                    case CannotConnect():
                        self._core.tally.failed(event.server, event.error)
                    case Subscribed():
                        count = len(event.queues)
                        self._core.tally.add(event.server, AgentCount.SUBSCRIBED, count)
                        self._tell(RouterUp, event.destination, event.queues)
                    case Disconnected():
                        self._tell(RouterDown, event.destination, event.queues)
                    case SubscriptionError():
                        for queue_id, error in event.failures:
                            self._core.tally.failed(event.server, error)
                            is_gone = isinstance(error, RouterError) and error.error is Code.AUTH
                            await self._lose(event.destination, queue_id, deleted=is_gone)
                    case SubscriptionEnded():
                        place = (event.destination, event.queue_id)
                        now = trio.current_time()
                        if event.deleted or not self._take_backs.may_take_back(place, now):
                            await self._lose(*place, deleted=event.deleted)
                        else:
                            await self._take_back(*place)
                    case _:
                        pass

    async def _receive(self, connection_id: str, number: int, arrival: Delivered) -> None:
        acknowledged = self._acknowledged.get((connection_id, number))

        def decide(step: Step) -> None:
            arrived(step, connection_id, number, arrival, acknowledged)

        try:
            # A message for the program is still with the router until the program acknowledges it.
            if not self._activities.may(Activity.RECEIVING):
                return
            with self._activities.doing(Activity.RECEIVING):
                await self._core.step_persistently(decide, durable=None)
        finally:
            self._free.release()

    def _tell(
        self,
        kind: Callable[..., RouterUp | RouterDown],
        destination: Destination,
        queue_ids: Iterable[bytes],
    ) -> None:
        found = (self._queues.get((destination, queue_id)) for queue_id in queue_ids)
        connections = tuple(dict.fromkeys(each[0] for each in found if each is not None))
        if connections:
            self._events.put(kind(destination.server, connections))

    async def _take_back(self, destination: Destination, queue_id: bytes) -> None:
        place = (destination, queue_id)
        found = self._queues.get(place)
        if found is None:
            return
        connection_id, number = found

        def look(step: Step) -> ReceivingQueue | None:
            c = step.find(connection_id)
            return None if c is None else c.receiving.get(number)

        queue = await self._core.step_persistently(look, durable=False)
        if queue is not None and place in self._queues:  # it may have been removed meanwhile
            self._agent.subscribe(destination.server, [_access(queue)], label=destination.label)

    async def _lose(self, destination: Destination, queue_id: bytes, *, deleted: bool) -> None:
        found = self._queues.pop((destination, queue_id), None)
        if found is None:
            return
        connection_id, number = found

        def decide(step: Step) -> None:
            c = step.find(connection_id)
            if c is not None:
                queue_lost(step, c, number, deleted=deleted)

        await self._core.step_persistently(decide)


def _access(queue: ReceivingQueue | SubscribedQueue) -> QueueAccess:
    return QueueAccess(queue.recipient_id, queue.auth_key, queue.delivery_key)


def arrived(
    step: Step,
    connection_id: str,
    number: int,
    arrival: Delivered,
    acknowledged: bytes | None = None,
) -> ReceivingQueue | None:
    """Process what a router has delivered; returns the queue as it is then, if it is there.

    Some routers answer ACK sooner than they deliver what SUB has asked for before.  So the message
    that was ``acknowledged`` last may come once more behind the next one, which is the one that the
    router waits for then.
    """
    c = step.find(connection_id)
    if c is None or number not in c.receiving:
        return None
    if arrival.message_id == acknowledged != c.receiving[number].broker_id:
        return c.receiving[number]
    match arrival:
        case MessageReceived():
            receive(step, c, number, Arrival(arrival.message_id, arrival.timestamp, arrival.body))
        case QuotaReached():
            quota_notice_received(step, c, number, arrival.message_id, arrival.timestamp)
        case SealedMessage():  # the key was there, and has not opened it
            unreadable_received(step, c, number, arrival.message_id)
    return c.receiving.get(number)
