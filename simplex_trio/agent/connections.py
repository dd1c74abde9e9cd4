"""`Connections`: the connections of an agent, each managed by a task of its own.

`simplex_trio.agent.pool` decides; the tasks here carry out.  One task connects, reports the outcome
to the pool, and waits until the connection has ended.  A second one forwards events to the agent,
at the pace at which the program reads them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from attrs import define, evolve, field

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.pool import Attempt, Connect, Join, Pool, Refuse, Use
from simplex_trio.client.smp.client import SMPClient, connect_smp_client
from simplex_trio.client.smp.queues import ClientEvent
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.engine.deadline import connect_deadline
from simplex_trio.engine.timeouts import BACKGROUND, Timeouts
from simplex_trio.errors import (
    ConnectionLost,
    NetworkLost,
    SimplexError,
    copy_of,
    without_traceback,
)
from simplex_trio.nursery import open_inner_nursery

__all__ = ["Connections", "Connector", "Observer", "Pace", "PooledClient", "direct_connector"]

Connector = Callable[[trio.Nursery, Destination], Awaitable[SMPClient]]
"""Connects a client that runs in the nursery; raises a `SimplexError` or `OSError` on failure."""

CONNECT_ERRORS = (SimplexError, OSError)
"""The ordinary ways in which connecting fails; anything else is a bug."""


@define(eq=False, repr=False)
class PooledClient:
    """A connection in the pool."""

    destination: Destination
    client: SMPClient
    over: trio.Event = field(factory=trio.Event, init=False)
    """Set once the connection has ended and left the pool."""

    def __repr__(self) -> str:
        return f"<PooledClient: {self.client!r}>"


class Observer(Protocol):
    """Receives what happens to connections; only `ready_for_more` may wait."""

    def connected(self, connection: PooledClient) -> None:
        """A connection was established."""
        ...

    def could_not_connect(self, destination: Destination, error: BaseException) -> None:
        """An attempt failed."""
        ...

    def delivered(self, connection: PooledClient, event: ClientEvent, *, left_over: bool) -> None:
        """The connection delivered an event; ``left_over`` if it had already ended."""
        ...

    def disconnected(self, connection: PooledClient, reason: BaseException) -> None:
        """A connection has ended and delivers nothing more."""
        ...

    async def ready_for_more(self, destination: Destination) -> None:
        """Wait until there is room for another delivery."""
        ...


@define
class Pace:
    """How much longer than configured connections may take, since the network is slow."""

    factor: float = 1.0

    def stretched(self, timeouts: Timeouts) -> Timeouts:
        """The time-outs for this network."""
        return timeouts.stretched(self.factor)


def direct_connector(config: SMPClientConfig, pace: Pace | None = None) -> Connector:
    """The default connector: `connect_smp_client` with one configuration for all servers."""

    async def connect(nursery: trio.Nursery, destination: Destination) -> SMPClient:
        current = config
        if pace is not None and pace.factor != 1:
            engine = config.engine
            slow = evolve(
                engine,
                connect_timeouts=pace.stretched(engine.connect_timeouts),
                request_timeouts=pace.stretched(engine.request_timeouts),
            )
            current = evolve(config, engine=slow)
        return await connect_smp_client(
            nursery,
            destination.server,
            current,
            isolation=destination.isolation,
            patience=BACKGROUND,
        )

    return connect


@define(eq=False, repr=False)
class _Waiter:
    """Wakes the callers of an attempt, and cancels it."""

    decided: trio.Event = field(factory=trio.Event)
    connecting: trio.CancelScope = field(factory=trio.CancelScope)


_Attempt = Attempt[Destination, PooledClient, _Waiter]


class Connections:
    """The connections of one agent, in one nursery."""

    def __init__(
        self,
        connector: Connector,
        observer: Observer,
        *,
        connect_timeouts: Timeouts,
        remember_failure: float,
        pace: Pace | None = None,
    ) -> None:
        self._connector = connector
        self._observer = observer
        self._connect_timeouts = connect_timeouts
        self._pace = Pace() if pace is None else pace
        self._nursery: trio.Nursery | None = None
        self._held = False
        self._pool = Pool[Destination, PooledClient, _Waiter](remember_failure=remember_failure)
        self._by_session: dict[bytes, PooledClient] = {}

    def __repr__(self) -> str:
        return f"<Connections: {len(self._by_session)} of {len(self._pool)} connected>"

    @property
    def connected_count(self) -> int:
        return len(self._by_session)

    def connected_to(self) -> list[Destination]:
        """Where there are connections."""
        return [connection.destination for connection in self._by_session.values()]

    @property
    def connecting_count(self) -> int:
        return len(self._pool) - len(self._by_session)

    @property
    def failure_count(self) -> int:
        """The number of failures that are remembered."""
        return self._pool.failure_count

    def open_in(self, nursery: trio.Nursery) -> None:
        """Use ``nursery`` for the tasks of connections from now on."""
        self._nursery = nursery

    def stop(self) -> None:
        """Make no more connections: the nursery is about to end."""
        self._nursery = None

    def hold(self) -> None:
        """Give out no connections until `release`; attempts that are being made are given up."""
        self._held = True
        for attempt in self._pool.all():
            if attempt.client is None:
                self.give_up(attempt.destination)

    def release(self) -> None:
        """Connect again when a connection is needed."""
        self._held = False

    async def get(self, destination: Destination, *, despite_failure: bool = False) -> PooledClient:
        """The connection to a destination, established first if there is none.

        If cancelled, an attempt goes on for others who share it, or for the next caller.  Raises
        the error of the attempt, or of an earlier one that is still remembered, unless
        ``despite_failure``; `NetworkLost` between `hold` and `release`, and
        `trio.ClosedResourceError` if the agent is closed meanwhile.
        """
        while True:
            if self._nursery is None:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError("the agent was closed")
            if self._held:
                await trio.lowlevel.checkpoint()
                raise NetworkLost("there is no network, or the agent is paused")
            decision = self._pool.ask(
                destination, trio.current_time(), _Waiter, despite_failure=despite_failure
            )
            match decision:
                case Refuse(error):
                    await trio.lowlevel.checkpoint()
                    raise copy_of(error)
                case Use(Attempt(client=PooledClient() as connection)):
                    if connection.client.connected:
                        await trio.lowlevel.checkpoint()
                        return connection
                    await connection.over.wait()
                case Connect(attempt):
                    self._nursery.start_soon(self._run_attempt, attempt)
                    return await self._outcome(attempt)
                case Join(attempt):
                    return await self._outcome(attempt)

    @staticmethod
    async def _outcome(attempt: _Attempt) -> PooledClient:
        await attempt.waiter.decided.wait()
        if attempt.client is None:
            assert attempt.error is not None
            raise copy_of(attempt.error)
        return attempt.client

    async def wait_until_ended(self, destination: Destination) -> None:
        """Wait for a connection that is ending to end; not a checkpoint if there is none."""
        attempt = self._pool.current(destination)
        connection = None if attempt is None else attempt.client
        if connection is not None and not connection.client.connected:
            await connection.over.wait()

    def by_session_id(self, session_id: bytes) -> PooledClient | None:
        """The connection with this session id, if it is still up."""
        connection = self._by_session.get(session_id)
        return connection if connection is not None and connection.client.connected else None

    def end(self) -> None:
        """Wake all waiting callers once the nursery has ended."""
        for attempt in self._pool.clear(trio.ClosedResourceError("the agent was closed")):
            attempt.waiter.decided.set()
            if attempt.client is not None:
                attempt.client.over.set()

    def close(self, destination: Destination) -> None:
        """End the connection to a destination, or give up the attempt to make one."""
        attempt = self._pool.current(destination)
        if attempt is not None and attempt.client is not None:
            attempt.client.client.close()
        else:
            self.give_up(destination)

    def close_all(self) -> list[bytes]:
        """End all connections and give up all attempts; returns the ids of the sessions."""
        sessions = []
        for attempt in self._pool.all():
            if attempt.client is not None:
                sessions.append(attempt.client.client.session_id)
            self.close(attempt.destination)
        return sessions

    def give_up(self, destination: Destination) -> None:
        """Give up the attempt to connect to a destination, if there is one."""
        attempt = self._pool.current(destination)
        if attempt is None or attempt.client is not None:
            return
        if self._pool.drop(attempt, ConnectionLost("the program gave up the attempt")):
            attempt.waiter.connecting.cancel()
            attempt.waiter.decided.set()

    def forget_failures(self) -> None:
        """Forget all failures, so that every destination may be tried again."""
        self._pool.forget_failures()

    # --- the tasks ----------------------------------------------------------------------------

    async def _run_attempt(self, attempt: _Attempt) -> None:
        async with open_inner_nursery() as nursery:
            connection = await self._connect(nursery, attempt)
            if connection is None:
                nursery.cancel_scope.cancel()  # tasks that the connector may have started
            else:
                await self._run_connection(nursery, attempt, connection)

    async def _connect(self, nursery: trio.Nursery, attempt: _Attempt) -> PooledClient | None:
        client = None
        try:
            timeouts = self._pace.stretched(self._connect_timeouts)
            with attempt.waiter.connecting, connect_deadline(timeouts, BACKGROUND):
                client = await self._connector(nursery, attempt.destination)
        except CONNECT_ERRORS as exc:
            if self._pool.fail(attempt, without_traceback(exc), trio.current_time()):
                self._observer.could_not_connect(attempt.destination, exc)
                attempt.waiter.decided.set()
        if client is None:
            return None
        connection = PooledClient(attempt.destination, client)
        if not self._pool.succeed(attempt, connection):
            return None
        self._by_session[client.session_id] = connection
        self._observer.connected(connection)
        attempt.waiter.decided.set()
        return connection

    async def _run_connection(
        self, nursery: trio.Nursery, attempt: _Attempt, connection: PooledClient
    ) -> None:
        session_id = connection.client.session_id
        try:
            reason = await self._deliver_until_the_end(nursery, connection)
        finally:
            del self._by_session[session_id]
        self._pool.drop(attempt, reason)
        self._observer.disconnected(connection, reason)
        connection.over.set()
        await connection.client.forget_all()

    async def _deliver_until_the_end(
        self, nursery: trio.Nursery, connection: PooledClient
    ) -> BaseException:
        delivering = trio.CancelScope()
        nursery.start_soon(self._deliver, connection, delivering)
        reason = await connection.client.wait_disconnected()
        delivering.cancel()
        try:
            while True:
                event = connection.client.events.receive_nowait()
                self._observer.delivered(connection, event, left_over=True)
        except trio.EndOfChannel:
            return reason

    async def _deliver(self, connection: PooledClient, scope: trio.CancelScope) -> None:
        events = connection.client.events
        with scope:
            while True:
                # In this order no event is in hand at a cancellation.
                await self._observer.ready_for_more(connection.destination)
                try:
                    event = await events.receive()
                except trio.EndOfChannel:
                    return
                self._observer.delivered(connection, event, left_over=False)
