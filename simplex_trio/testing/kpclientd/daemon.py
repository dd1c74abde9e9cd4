"""`SimulatedDaemon`: the daemon that clients connect to."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import memory_stream_pair

from simplex_trio.errors import DialFailed
from simplex_trio.katzenpost.wire.framing import LengthPrefixedStream
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.kpclientd.apps import App
from simplex_trio.testing.kpclientd.connection import ClientConnection
from simplex_trio.testing.kpclientd.consensus import PIGEONHOLE_GEOMETRY, SPHINX_GEOMETRY
from simplex_trio.testing.kpclientd.local import LOCAL_REQUESTS, answer_locally
from simplex_trio.testing.kpclientd.mixnet import SimulatedMixnet
from simplex_trio.testing.kpclientd.operations import CANCELS, MixnetRequests

__all__ = [
    "DOCUMENT_SECONDS",
    "GRACE_SECONDS",
    "SimulatedDaemon",
    "running_daemon",
]

GRACE_SECONDS = 10 * 60
"""How long the daemon remembers a client that disconnected without notice."""

DOCUMENT_SECONDS = 30.0
"""How long it holds back the first messages while there is no document."""

_REMEMBERED_REQUESTS = 1000


class SimulatedDaemon:
    """A daemon in this process, run by `running_daemon`.

    It simulates, and protects nothing: no packet leaves the process, and all who can connect to it
    can read what others write.
    """

    def __init__(self, mixnet: SimulatedMixnet | None = None) -> None:
        self.mixnet: SimulatedMixnet = mixnet or SimulatedMixnet()
        self.instance_token: bytes = secrets.token_bytes(16)
        self.requests: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=_REMEMBERED_REQUESTS)
        """The latest requests of clients, in order."""
        self._asked = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None
        self._greeting = trio.Lock()  # greets one client at a time, like the real daemon
        self._connections: set[ClientConnection] = set()
        self._apps: dict[bytes, App] = {}
        self._mixnet_requests = MixnetRequests(self.mixnet)
        self._available = True

    def __repr__(self) -> str:
        return f"<SimulatedDaemon: {len(self._connections)} connections>"

    # --- for tests ------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._connections)

    @property
    def operations(self) -> int:
        """The number of operations that are being resent."""
        return len(self._mixnet_requests)

    def asked(self, name: str) -> list[Mapping[str, Any]]:
        """Return the latest requests of a kind."""
        return [request for asked, request in self.requests if asked == name]

    async def wait_asked(self, name: str, count: int = 1) -> None:
        """Wait until the latest requests include ``count`` of a kind."""
        while len(self.asked(name)) < count:
            await self._asked.park()

    async def open_stream(self) -> trio.abc.Stream:
        """Connect in memory; a `Dialler` for the client.  Raises `DialFailed` when stopped."""
        await trio.lowlevel.checkpoint()
        if self._nursery is None or not self._available:
            raise DialFailed("the simulated daemon is not running")
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self.serve_stream, ours)
        return theirs

    def drop_connections(self) -> None:
        """Break all connections; the daemon keeps running."""
        for connection in tuple(self._connections):
            connection.drop()

    async def stop(self, *, graceful: bool = True) -> None:
        """End as a process does, and forget everything; if ``graceful``, tell clients first."""
        self._available = False
        connections = tuple(self._connections)
        if graceful:
            for connection in connections:
                connection.put("shutdown_event", {})
        for connection in connections:
            await connection.drained()
        if graceful:
            await self._let_leave(connections)
        self._mixnet_requests.forget_all()
        self._apps.clear()
        for connection in connections:
            connection.drop()

    async def _let_leave(self, connections: tuple[ClientConnection, ...]) -> None:
        """Wait for clients that were told of the end; in memory they have heard it by now."""

    def start(self, *, same_instance: bool = False) -> None:
        """Start again after `stop`, as another process unless ``same_instance``."""
        if not same_instance:
            self.instance_token = secrets.token_bytes(16)
        self._available = True

    async def restart(self, *, same_instance: bool = False, graceful: bool = True) -> None:
        """Stop and start again."""
        await self.stop(graceful=graceful)
        self.start(same_instance=same_instance)

    # --- events of the mixnet ---------------------------------------------------------------------

    def status_changed(self) -> None:
        """Notify all clients."""
        for connection in self._connections:
            connection.put("connection_status_event", self._status())

    def document_changed(self) -> None:
        """Notify all clients."""
        for connection in self._connections:
            connection.put("new_pki_document_event", {"payload": self.mixnet.current_document})

    def _status(self) -> dict[str, object]:
        return {
            "is_connected": self.mixnet.is_online,
            "err": None,
            "instance_token": self.instance_token,
            "sphinx_geometry": SPHINX_GEOMETRY,
            "pigeonhole_geometry": PIGEONHOLE_GEOMETRY,
        }

    # --- clients ----------------------------------------------------------------------------------

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one client until the connection ends."""
        if not self._available:
            await trio.aclose_forcefully(stream)
            return
        connection = ClientConnection(self, LengthPrefixedStream(stream))
        async with self._greeting:
            await self.mixnet.wait_document(DOCUMENT_SECONDS)
        connection.put("connection_status_event", self._status())
        connection.put("new_pki_document_event", {"payload": self.mixnet.current_document})
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._left(connection)

    def introduce(self, connection: ClientConnection, token: bytes) -> None:
        """Handle the client's introduction; a known client continues where it left off."""
        known = self._apps.get(token)
        app = known or connection.app
        app.token = token
        app.connection = connection
        connection.app = app
        self._apps[token] = app
        if app.grace is not None:
            app.grace.cancel()
            app.grace = None
        while app.kept:
            connection.put(*app.kept.popleft())
        reply = {"app_id": app.app_id, "resumed": known is not None}
        connection.put("session_token_reply", reply)

    def answer(self, app: App, name: str, request: Mapping[str, Any]) -> None:
        """Answer a request that does not need the mixnet."""
        self._note(name, request)
        if name in CANCELS:
            self._mixnet_requests.cancel(app, name, request)
        else:
            assert name in LOCAL_REQUESTS
            app.put(f"{name}_reply", answer_locally(self.mixnet, name, request))

    async def send_on(self, app: App, name: str, request: Mapping[str, Any]) -> None:
        """Send a request into the mixnet in its turn."""
        await self.mixnet.packet_slot()
        self._note(name, request)
        assert self._nursery is not None
        self._mixnet_requests.start(self._nursery, app, name, request)

    def _note(self, name: str, request: Mapping[str, Any]) -> None:
        self.requests.append((name, request))
        self._asked.unpark_all()

    def _left(self, connection: ClientConnection) -> None:
        app = connection.app
        if app.connection is not connection:
            return  # it has already reconnected
        app.connection = None
        if connection.said_farewell or app.token is None:
            self._forget(app)
        elif self._apps.get(app.token) is app and self._nursery is not None:
            app.grace = trio.CancelScope()
            self._nursery.start_soon(self._forget_later, app, app.grace)

    async def _forget_later(self, app: App, grace: trio.CancelScope) -> None:
        with grace:
            await trio.sleep(GRACE_SECONDS)
            self._forget(app)

    def _forget(self, app: App) -> None:
        self._mixnet_requests.forget(app)
        if app.token is not None and self._apps.get(app.token) is app:
            del self._apps[app.token]

    # --- lifetime ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[trio.Nursery]:
        """Run for the duration of the block; see `running_daemon`."""
        async with open_inner_nursery() as nursery:
            self._nursery = nursery
            self.mixnet.watch(self)
            try:
                yield nursery
            finally:
                self._nursery = None
                self.mixnet.unwatch(self)
                nursery.cancel_scope.cancel()


@asynccontextmanager
async def running_daemon(mixnet: SimulatedMixnet | None = None) -> AsyncIterator[SimulatedDaemon]:
    """Run a daemon for the duration of the block; connect with `SimulatedDaemon.open_stream`."""
    daemon = SimulatedDaemon(mixnet)
    async with daemon.running():
        yield daemon
