"""`Subscriber`: keeps the program's subscriptions active.

A destination with pending subscriptions has one worker, which ends when nothing is pending.  It
connects, or uses the existing connection, subscribes, and waits between attempts.  `subscriptions`,
`workers` and `simplex_trio.engine.backoff` decide; this module waits and emits events.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio
from attrs import define, field

from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.connections import CONNECT_ERRORS, Connections, PooledClient
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import (
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    ServiceDisconnected,
    ServiceEnded,
    Subscribed,
    SubscriptionEnded,
)
from simplex_trio.agent.resubscription import Resubscription
from simplex_trio.agent.stream import AgentEvents
from simplex_trio.agent.subscriptions import (
    EndVerdict,
    ServerSubscriptions,
    ServiceState,
    StoredQueue,
    Subscribing,
    SubscriptionAnswer,
)
from simplex_trio.agent.workers import Workers
from simplex_trio.client.smp.queue_parts import QueueParts
from simplex_trio.client.smp.queues import (
    ClientEvent,
    MessageReceived,
    QuotaReached,
    SealedMessage,
)
from simplex_trio.engine.backoff import Retries
from simplex_trio.engine.events import (
    ErrorEvent,
    ExpiredResponse,
    Notice,
    UnexpectedResponse,
)
from simplex_trio.wire.smp.commands import NSUB, SUB
from simplex_trio.wire.smp.messages import DELD, END, ENDS, OK, SOK

__all__ = ["DestinationState", "Subscriber"]


@define(eq=False)
class DestinationState:
    """The subscriptions and retries of a destination."""

    retries: Retries
    subscriptions: ServerSubscriptions = field(factory=ServerSubscriptions)
    reported: type[BaseException] | None = None
    """The kind of connect failure that was last reported to the program."""
    _alarm: trio.Event | None = field(default=None, init=False)

    async def pause(self, seconds: float) -> None:
        """Wait between attempts, unless woken; called by the worker."""
        self._alarm = trio.Event()
        with trio.move_on_after(seconds):
            await self._alarm.wait()
        self._alarm = None

    def wake(self) -> None:
        """End the worker's wait, if it waits."""
        if self._alarm is not None:
            self._alarm.set()


class Subscriber:
    """The subscriptions of one agent; the observer of its connections."""

    def __init__(self, config: AgentConfig, events: AgentEvents) -> None:
        self._config = config
        self._events = events
        self._servers: dict[Destination, DestinationState] = {}
        self._workers = Workers[Destination]()
        self._resubscription = Resubscription(config, events)
        self._connections: Connections | None = None
        self._nursery: trio.Nursery | None = None
        self._held: trio.Event | None = None
        self._renewed: set[bytes] = set()
        """Sessions that were ended in order to connect anew."""

    def __repr__(self) -> str:
        return f"<Subscriber: {len(self._servers)} servers, {len(self._workers)} workers>"

    def open_in(self, nursery: trio.Nursery, connections: Connections) -> None:
        """Use ``nursery`` for workers, and these connections, from now on."""
        self._nursery = nursery
        self._connections = connections

    def stop(self) -> None:
        """Start no more workers: the nursery is about to end."""
        self._nursery = None

    @property
    def worker_count(self) -> int:
        return len(self._workers)

    def servers(self) -> Iterable[DestinationState]:
        """The state of all destinations with a connection, a worker or a subscription."""
        return self._servers.values()

    def destinations(self) -> Iterable[tuple[Destination, DestinationState]]:
        """The same, with the destinations."""
        return self._servers.items()

    def find(self, destination: Destination) -> DestinationState | None:
        """The state of a destination, if there is any."""
        return self._servers.get(destination)

    # --- what the program asks for ------------------------------------------------------------

    def subscribe(self, destination: Destination, queues: Iterable[StoredQueue]) -> None:
        """Subscribe to queues; events report the outcome."""
        subscriptions = self._server(destination).subscriptions
        known = []
        for queue_id, keys in queues:
            if subscriptions.subscribe(queue_id, keys) is Subscribing.ACTIVE:
                known.append(queue_id)
        session = subscriptions.session
        if known:
            assert session is not None
            self._events.report(Subscribed(destination, session, tuple(known)))
        self._ensure_worker(destination)
        self._tidy(destination)

    def subscribe_service(self, destination: Destination, service: ServiceState) -> None:
        """Subscribe to a service; events report the outcome."""
        self._server(destination).subscriptions.subscribe_service(service)
        self._ensure_worker(destination)

    def remove(self, destination: Destination, queue_ids: Iterable[bytes]) -> list[StoredQueue]:
        """Forget queues; returns those that were known, with their keys.

        The connection keeps their delivery keys until it ends, because messages may still arrive.
        """
        server = self._servers.get(destination)
        if server is None:
            return []
        removed = []
        for queue_id in queue_ids:
            keys = server.subscriptions.remove(queue_id)
            if keys is not None:
                removed.append((queue_id, keys))
        self._tidy(destination)
        return removed

    def move(
        self, source: Destination, target: Destination, queue_ids: Iterable[bytes]
    ) -> list[StoredQueue]:
        """Move queues to another destination; returns those that were known."""
        moved = self.remove(source, queue_ids)
        if moved:
            subscriptions = self._server(target).subscriptions
            subscriptions.expect_echo((queue_id for queue_id, _ in moved), trio.current_time())
            self.subscribe(target, moved)
        return moved

    def remove_service(self, destination: Destination) -> bool:
        """Forget the service; returns whether there was one."""
        server = self._servers.get(destination)
        removed = server is not None and server.subscriptions.remove_service()
        self._tidy(destination)
        return removed

    def clear(self, destination: Destination) -> None:
        """Forget all subscriptions at a destination."""
        server = self._servers.get(destination)
        if server is not None:
            forgotten = server.subscriptions.clear()
            server.wake()
            if self._nursery is not None:
                self._nursery.start_soon(_free, forgotten)
        self._tidy(destination)

    def hold(self) -> None:
        """Let all workers wait, without any timer, until `release`."""
        if self._held is None:
            self._held = trio.Event()
        for server in self._servers.values():
            server.wake()

    def release(self) -> None:
        """Let the workers go on, each at once."""
        if self._held is not None:
            self._held.set()
            self._held = None
        self.try_now()

    def will_renew(self, sessions: Iterable[bytes]) -> None:
        """These sessions are about to end, and what follows them need not wait."""
        self._renewed.update(sessions)

    def try_now(self) -> None:
        """Make every worker retry at once."""
        for server in self._servers.values():
            server.retries.reset()
            server.wake()

    # --- what happens to connections ----------------------------------------------------------

    def connected(self, connection: PooledClient) -> None:
        destination, client = connection.destination, connection.client
        server = self._server(destination)
        service = client.service
        if service is not None and service.role is not self._config.role.service_role:
            service = None
        service_id = None if service is None else service.id
        server.subscriptions.session_started(client.session_id, service_id)
        server.retries.succeeded(trio.current_time())
        server.reported = None
        server.wake()
        self._events.report(Connected(destination, client.session_id, service_id))

    def could_not_connect(self, destination: Destination, error: BaseException) -> None:
        if destination not in self._workers:
            return  # the caller that asked gets the error
        server = self._server(destination)
        server.retries.failed(trio.current_time(), self._config.random_fraction())
        if server.reported is not type(error):
            server.reported = type(error)
            self._events.report(CannotConnect(destination, error))

    def disconnected(self, connection: PooledClient, reason: BaseException) -> None:
        destination, session = connection.destination, connection.client.session_id
        server = self._server(destination)
        ended = server.subscriptions.session_ended(session)
        if session in self._renewed:
            self._renewed.discard(session)
            server.retries.reset()
        else:
            server.retries.broke(trio.current_time(), self._config.random_fraction())
        news: list[Disconnected | ServiceDisconnected] = []
        if ended.service is not None:
            news.append(ServiceDisconnected(destination, session, ended.service))
        news.append(Disconnected(destination, session, ended.queues, reason))
        self._events.end_session(*news)
        self._ensure_worker(destination)
        self._tidy(destination)

    async def ready_for_more(self, destination: Destination) -> None:
        await self._events.wait_for_room(destination)

    def delivered(self, connection: PooledClient, event: ClientEvent, *, left_over: bool) -> None:
        destination, session = connection.destination, connection.client.session_id
        subscriptions = self._server(destination).subscriptions
        match event:
            case Notice(queue_id, END() | DELD() as message):
                deleted = isinstance(message, DELD)
                if self._subscription_ended(connection, queue_id, deleted=deleted):
                    return
            case Notice(_, ENDS()):
                service = subscriptions.service_ended(session)
                if service is not None:
                    self._events.report(ServiceEnded(destination, session, service))
                    return
            case ExpiredResponse(queue_id, SUB() | NSUB(), OK() | SOK() as message):
                if self._subscribed_late(connection, queue_id, message):
                    return
            case UnexpectedResponse(queue_id, SOK() as message):
                if self._subscribed_late(connection, queue_id, message):
                    return
        self._deliver(RouterEvent(destination, session, _queue_of(event), event), left_over)

    def _subscription_ended(
        self, connection: PooledClient, queue_id: bytes, *, deleted: bool
    ) -> bool:
        """Apply END or DELD; returns whether it was about a subscription of ours."""
        destination, session = connection.destination, connection.client.session_id
        subscriptions = self._server(destination).subscriptions
        now = trio.current_time()
        match subscriptions.ended(session, queue_id, now, deleted=deleted):
            case EndVerdict.NOTHING:
                return False
            case EndVerdict.DOUBTFUL:
                self._ensure_worker(destination)
            case EndVerdict.FINAL:
                connection.client.forget(queue_id)
                self._events.report(SubscriptionEnded(destination, session, queue_id, deleted))
        return True

    def _subscribed_late(
        self, connection: PooledClient, queue_id: bytes, message: OK | SOK
    ) -> bool:
        """Apply a late answer to SUB or NSUB; returns whether it was still of use."""
        session = connection.client.session_id
        subscriptions = self._server(connection.destination).subscriptions
        if subscriptions.is_active(queue_id):
            return True  # the answer to another attempt was in time
        keys = subscriptions.keys_of_pending(session, queue_id)
        if keys is None:
            return False
        service_id = message.service_id if isinstance(message, SOK) else None
        changed = subscriptions.answered(session, [SubscriptionAnswer(queue_id, keys, service_id)])
        assert changed is not None  # the keys are of the current session
        self._resubscription.report(connection, changed)
        self._ensure_worker(connection.destination)
        return True

    def _deliver(self, event: RouterEvent, left_over: bool) -> None:
        if not left_over or self._events.has_room(event.destination):
            self._events.put(event)
        elif not isinstance(event.event, MessageReceived | QuotaReached | SealedMessage):
            self._events.put_left_over(event)

    # --- workers ------------------------------------------------------------------------------

    def _ensure_worker(self, destination: Destination) -> None:
        has_work = self._server(destination).subscriptions.has_work
        if self._nursery is not None and self._workers.may_start(destination, has_work=has_work):
            self._nursery.start_soon(self._work, destination)

    async def _work(self, destination: Destination) -> None:
        assert self._connections is not None
        server = self._server(destination)
        while self._workers.goes_on(destination, has_work=server.subscriptions.has_work):
            await self._connections.wait_until_ended(destination)
            if self._held is not None:
                await self._held.wait()
                continue
            if seconds := server.retries.wait(trio.current_time()):
                await server.pause(seconds)
                continue  # there may be no work left
            try:
                connection = await self._connections.get(destination, despite_failure=True)
            except CONNECT_ERRORS:
                continue  # reported and counted in `could_not_connect`
            done = await self._resubscription.run(connection, server.subscriptions)
            if not done and connection.client.connected:
                server.retries.failed(trio.current_time(), self._config.random_fraction())
        self._tidy(destination)

    # --- details ------------------------------------------------------------------------------

    def _server(self, destination: Destination) -> DestinationState:
        server = self._servers.get(destination)
        if server is None:
            server = self._servers[destination] = DestinationState(Retries(self._config.backoff))
        return server

    def _tidy(self, destination: Destination) -> None:
        """Discard the state of a destination that has nothing left."""
        server = self._servers.get(destination)
        if (
            server is not None
            and server.subscriptions.is_empty
            and destination not in self._workers
        ):
            del self._servers[destination]


async def _free(forgotten: Iterable[QueueParts]) -> None:
    """Free the memory of queues, with turns for other tasks in between."""
    for queues in forgotten:
        for _ in queues.drop_parts():
            await trio.lowlevel.checkpoint()


def _queue_of(event: ClientEvent) -> bytes:
    match event:
        case MessageReceived() | QuotaReached() | SealedMessage():
            return event.recipient_id
        case Notice() | ExpiredResponse() | UnexpectedResponse() | ErrorEvent():
            return event.entity_id
