"""`SMPClientAgent`: connections to many routers, and subscriptions that outlive each of them.

::

    async with open_smp_agent() as agent:
        agent.subscribe(router, queues)
        async for event in agent.events:
            match event:
                case RouterEvent(event=MessageReceived() as message):
                    client = await agent.client(event.server)
                    await client.acknowledge(queues[message.recipient_id], message.message_id)

The agent connects when a connection is needed, and reconnects with growing waits as long as there
is something to subscribe to.  Subscribing never waits for a router nor fails because of one: events
report the outcome.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio
from attrs import evolve

from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.connections import Connections, Connector, Pace, direct_connector
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.log import AgentLog
from simplex_trio.agent.stored_keys import store_keys
from simplex_trio.agent.stream import AgentEvents
from simplex_trio.agent.subscriber import Subscriber
from simplex_trio.agent.subscriptions import ServerSubscriptions, ServiceState
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.proxy import ProxiedRelay
from simplex_trio.client.smp.queues import OwnedQueue
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "AgentStatistics",
    "RouterNumbers",
    "SMPClientAgent",
    "SubscriptionsView",
    "open_smp_agent",
    "start_smp_agent",
]

_MAX_ENTITY_ID = 0xFF


@frozen
class AgentStatistics:
    """The current state of an agent, in numbers."""

    connected: int
    connecting: int
    remembered_failures: int
    workers: int
    """Servers with a running worker."""
    pending_queues: int
    active_queues: int
    pending_services: int
    active_services: int
    unread_events: int
    dropped_deliveries: int
    """Deliveries other than messages that were dropped unread."""


@frozen
class RouterNumbers:
    """What an agent has with one router at the moment."""

    connections: int = 0
    subscribed: int = 0
    pending: int = 0


@frozen(repr=False)
class SubscriptionsView(Redacted):
    """A snapshot of the subscriptions at one destination."""

    pending: tuple[bytes, ...] = ()
    active: tuple[bytes, ...] = ()
    pending_service: ServiceState | None = None
    active_service: ServiceState | None = None


class SMPClientAgent:
    """Many connections and their subscriptions; see `open_smp_agent` and `start_smp_agent`.

    Methods take servers as addresses or as text, and raise `DecodeError` for text that is not an
    address.  Once the agent is closed they raise `trio.ClosedResourceError`.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.
    """

    def __init__(self, config: AgentConfig, connector: Connector | None = None) -> None:
        self._config = config
        self._events = AgentEvents(AgentLog(config.role))
        self._subscriber = Subscriber(config, self._events)
        self._pace = Pace()
        self._connections = Connections(
            connector or direct_connector(config.client_config, self._pace),
            self._subscriber,
            connect_timeouts=config.client.engine.connect_timeouts,
            remember_failure=config.remember_failure,
            pace=self._pace,
        )
        self._scope = trio.CancelScope()
        self._closed = False
        self._over = trio.Event()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<SMPClientAgent for a {self._config.role.name.lower()}, {state}>"

    @property
    def events(self) -> AgentEvents:
        """Deliveries from all connections, and the outcome of subscriptions.

        Unread deliveries wait in the buffers of their connections, which end with `SlowConsumer` at
        the limit of the buffer.  SubscriptionChanges and reconnecting never wait for the reader.
        """
        return self._events

    # --- connections --------------------------------------------------------------------------

    async def client(self, server: ServerAddress | str, *, label: str = "") -> SMPClient:
        """A connection to a server, established first if there is none; use it to send.

        The agent owns the connection, shares it among callers, and reads its events.  Concurrent
        callers share one attempt and its outcome.  A failure is remembered for a while, and raised
        to later callers.

        Raises the errors of `connect_smp_client`.  If cancelled, the attempt goes on for the next
        caller.
        """
        destination = Destination.of(server, label)
        # What ends this agent often cancels the caller as well, which is to learn of that alone.
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        return (await self._connections.get(destination)).client

    async def relay(
        self,
        proxy: ServerAddress | str,
        relay: ServerAddress | str,
        *,
        basic_auth: bytes | None = None,
        label: str = "",
    ) -> ProxiedRelay:
        """A relay to send to through a proxy, which hides the sender's address from the relay.

        Callers with equal arguments share one session between proxy and relay.  It is bound to the
        connection to the proxy: call again when that is lost.  ``basic_auth`` is the proxy's
        password, if it has one.  Raises the errors of connecting to the proxy; the relay is first
        contacted when something is sent.
        """
        relay = Destination.of(relay).server
        return (await self.client(proxy, label=label)).relay(relay, basic_auth=basic_auth)

    def client_by_session_id(self, session_id: bytes) -> SMPClient | None:
        """The connection with this session id, if it is up; proxies find their relays by it."""
        connection = self._connections.by_session_id(session_id)
        return None if connection is None else connection.client

    def is_own(self, server: ServerAddress) -> bool:
        """Whether a server belongs to one of ``AgentConfig.own_domains``."""
        return self._config.is_own(server)

    def network_came_back(self) -> None:
        """Retry everything that waits for its next attempt at once; it ends `network_lost`."""
        self._connections.forget_failures()
        self._connections.release()
        self._subscriber.release()

    def network_lost(self) -> None:
        """Connect nowhere until `network_came_back`: nothing is tried, and no timer runs for it.

        Attempts that are being made are given up, and `client` raises `NetworkLost`.  Connections
        stay, in case they turn out to work, and what they deliver is handed over.
        """
        self._subscriber.hold()
        self._connections.hold()

    def network_changed(self, *, slowness: float | None = None) -> None:
        """Close all connections, and connect anew where there is something to subscribe to.

        With ``slowness`` time-outs are so many times as long as configured from now on.  Between
        `network_lost` and `network_came_back` it only closes.
        """
        if slowness is not None:
            self._pace.factor = slowness
        self._connections.forget_failures()
        self._subscriber.will_renew(self._connections.close_all())
        self._subscriber.try_now()

    # --- subscriptions ------------------------------------------------------------------------

    def subscribe(
        self, server: ServerAddress | str, queues: Iterable[OwnedQueue], *, label: str = ""
    ) -> None:
        """Subscribe to queues, and resubscribe after every lost connection.

        A queue that is already subscribed to is reported again at once; a pending one keeps its
        place.  Either takes new keys if they differ.

        No other task gets a turn until all of them are noted, which takes a few microseconds for
        each, and so seconds for a million: a program with that many passes some thousands at a
        time, with a checkpoint in between.

        Raises `EncodeError` for invalid ids and keys, before anything has changed.
        """
        self._check_role(AgentRole.RECIPIENT)
        destination = Destination.of(server, label)
        self._subscriber.subscribe(
            destination,
            [
                (_checked_id(queue.recipient_id), store_keys(queue.key, queue.delivery_key))
                for queue in queues
            ],
        )

    def subscribe_notifications(
        self,
        server: ServerAddress | str,
        notifiers: Iterable[tuple[bytes, AuthPrivateKey]],
        *,
        label: str = "",
    ) -> None:
        """Subscribe to notifications about messages in other people's queues; see `subscribe`."""
        self._check_role(AgentRole.NOTIFIER)
        destination = Destination.of(server, label)
        self._subscriber.subscribe(
            destination,
            [(_checked_id(notifier_id), store_keys(key)) for notifier_id, key in notifiers],
        )

    def subscribe_service(
        self,
        server: ServerAddress | str,
        service_id: bytes,
        expected: ServiceSubs | None = None,
        *,
        label: str = "",
    ) -> None:
        """Subscribe to all queues of a service at once, and resubscribe as `subscribe` does.

        Each server and label has one service; another one replaces it.  Queues may be subscribed to
        one by one at the same time; those that the router then assigns to the service are added to
        it.
        """
        self._check_role(AgentRole.RECIPIENT, AgentRole.NOTIFIER)
        service = ServiceState(_checked_id(service_id), expected or ServiceSubs())
        self._subscriber.subscribe_service(Destination.of(server, label), service)

    def unsubscribe(
        self, server: ServerAddress | str, queue_ids: Iterable[bytes], *, label: str = ""
    ) -> int:
        """Stop subscribing to queues; returns how many were known.

        The protocol has no command for this: the router delivers from them until the connection
        ends.
        """
        self._check_open()
        return len(self._subscriber.remove(Destination.of(server, label), queue_ids))

    def unsubscribe_service(self, server: ServerAddress | str, *, label: str = "") -> bool:
        """Stop subscribing to the service; returns whether there was one."""
        self._check_open()
        return self._subscriber.remove_service(Destination.of(server, label))

    def remove(self, server: ServerAddress | str, *, label: str = "") -> None:
        """Drop all subscriptions at a server, and end the connection."""
        self._check_open()
        destination = Destination.of(server, label)
        self._subscriber.clear(destination)
        self._connections.close(destination)

    def give_up(self, server: ServerAddress | str, *, label: str = "") -> None:
        """Give up the attempt to connect to a server, if one is being made.

        Tasks that wait for it get `ConnectionLost`.  What is to be subscribed to there is tried
        again, as after any other failure.
        """
        self._check_open()
        self._connections.give_up(Destination.of(server, label))

    def move(
        self,
        server: ServerAddress | str,
        queue_ids: Iterable[bytes],
        *,
        label: str = "",
        to_label: str,
        to_server: ServerAddress | str | None = None,
    ) -> int:
        """Subscribe to queues through another connection instead; returns how many were known.

        ``to_server`` is another address of the same router.
        """
        self._check_open()
        source = Destination.of(server, label)
        target = Destination.of(server if to_server is None else to_server, to_label)
        return len(self._subscriber.move(source, target, queue_ids))

    def subscriptions(self, server: ServerAddress | str, *, label: str = "") -> SubscriptionsView:
        """The pending and active subscriptions at a server."""
        found = self._subscriber.find(Destination.of(server, label))
        return SubscriptionsView() if found is None else _view(found.subscriptions)

    def statistics(self) -> AgentStatistics:
        """Numbers for people and graphs."""
        connections, subscriber = self._connections, self._subscriber
        all_subscriptions = [server.subscriptions for server in subscriber.servers()]
        return AgentStatistics(
            connected=connections.connected_count,
            connecting=connections.connecting_count,
            remembered_failures=connections.failure_count,
            workers=subscriber.worker_count,
            pending_queues=sum(each.pending_count for each in all_subscriptions),
            active_queues=sum(each.active_count for each in all_subscriptions),
            pending_services=sum(each.pending_service is not None for each in all_subscriptions),
            active_services=sum(each.active_service is not None for each in all_subscriptions),
            unread_events=self._events.unread,
            dropped_deliveries=self._events.dropped,
        )

    def router_numbers(self) -> dict[ServerAddress, RouterNumbers]:
        """The connections and subscriptions of each router at the moment."""
        found: dict[ServerAddress, RouterNumbers] = {}
        for destination in self._connections.connected_to():
            numbers = found.get(destination.server, RouterNumbers())
            found[destination.server] = evolve(numbers, connections=numbers.connections + 1)
        for destination, state in self._subscriber.destinations():
            numbers = found.get(destination.server, RouterNumbers())
            found[destination.server] = evolve(
                numbers,
                subscribed=numbers.subscribed + state.subscriptions.active_count,
                pending=numbers.pending + state.subscriptions.pending_count,
            )
        return found

    # --- lifetime -----------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the agent until it is closed; called by `open_smp_agent` and `start_smp_agent`."""
        try:
            with self._scope:
                async with open_inner_nursery() as nursery:
                    self._connections.open_in(nursery)
                    self._subscriber.open_in(nursery, self._connections)
                    task_status.started()
                    try:
                        await trio.sleep_forever()
                    finally:
                        # A nursery is closed to new tasks before it has ended.
                        self._connections.stop()
                        self._subscriber.stop()
        finally:
            self._closed = True
            self._connections.end()
            self._events.end()
            self._over.set()

    def close(self) -> None:
        """Stop the agent and close all connections, without waiting."""
        self._closed = True
        self._scope.cancel()

    async def aclose(self) -> None:
        """Stop the agent, close all connections, and wait until its tasks have ended.

        If cancelled, it stops waiting; the agent closes all the same.
        """
        self.close()
        await self._over.wait()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the agent was closed")

    def _check_role(self, *roles: AgentRole) -> None:
        self._check_open()
        if self._config.role not in roles:
            raise RuntimeError("an agent in this role cannot subscribe to this")


def _checked_id(entity_id: bytes) -> bytes:
    if not (isinstance(entity_id, bytes) and 1 <= len(entity_id) <= _MAX_ENTITY_ID):
        raise EncodeError(f"the id of a queue has 1 to {_MAX_ENTITY_ID} bytes")
    return entity_id


def _view(subscriptions: ServerSubscriptions) -> SubscriptionsView:
    return SubscriptionsView(
        subscriptions.pending(),
        subscriptions.active(),
        subscriptions.pending_service,
        subscriptions.active_service,
    )


@asynccontextmanager
async def open_smp_agent(
    config: AgentConfig | None = None, *, connector: Connector | None = None
) -> AsyncIterator[SMPClientAgent]:
    """Run an agent for the duration of the block.

    Leaving the block closes all connections and waits until the agent's tasks have ended.
    ``connector`` replaces the way in which connections are made.
    """
    agent = SMPClientAgent(config or AgentConfig(), connector)
    async with open_inner_nursery() as nursery:
        await nursery.start(agent.run)
        try:
            yield agent
        finally:
            agent.close()


async def start_smp_agent(
    nursery: trio.Nursery,
    config: AgentConfig | None = None,
    *,
    connector: Connector | None = None,
) -> SMPClientAgent:
    """Run an agent in ``nursery`` until `SMPClientAgent.aclose`, or until it is cancelled."""
    agent = SMPClientAgent(config or AgentConfig(), connector)
    await nursery.start(agent.run)
    return agent
