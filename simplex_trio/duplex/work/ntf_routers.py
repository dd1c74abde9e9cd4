"""`NTFRouters`: connections to notification routers, made when they are needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import define

from simplex_trio.client.connection import ClientConfig
from simplex_trio.client.ntf import NTFClient, connect_ntf_client
from simplex_trio.engine.timeouts import BACKGROUND
from simplex_trio.errors import NetworkLost
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["IDLE", "NTFConnector", "NTFRouters", "direct_ntf_connector"]

NTFConnector = Callable[[trio.Nursery, ServerAddress], Awaitable[NTFClient]]
"""Connects a client that runs in the nursery; raises a `SimplexError` or `OSError` on failure."""

IDLE = 300
"""Seconds without use after which a connection is closed, as hardly anything is said in days."""

_ISOLATION = b"notifications"
"""The circuit through a SOCKS proxy that isolates: not that of any user's queues."""


def direct_ntf_connector(config: ClientConfig) -> NTFConnector:
    """The default connector: `connect_ntf_client`."""

    async def connect(nursery: trio.Nursery, server: ServerAddress) -> NTFClient:
        return await connect_ntf_client(
            nursery, server, config, isolation=_ISOLATION, patience=BACKGROUND
        )

    return connect


@define(eq=False, repr=False)
class _Open:
    client: NTFClient
    used_at: float


class NTFRouters:
    """The connections of one agent, one to each notification router at most."""

    def __init__(self, connector: NTFConnector) -> None:
        self._connector = connector
        self._nursery: trio.Nursery | None = None
        self._open: dict[ServerAddress, _Open] = {}
        self._connecting: dict[ServerAddress, trio.Lock] = {}
        self._is_held = False

    def __repr__(self) -> str:
        return f"<NTFRouters, {len(self._open)} connected>"

    def open_in(self, nursery: trio.Nursery) -> None:
        """Run connections in ``nursery``."""
        self._nursery = nursery

    def hold(self) -> None:
        """Give out no connections until `release`."""
        self._is_held = True

    def release(self) -> None:
        """Connect again when a connection is needed."""
        self._is_held = False

    def close_all(self) -> None:
        """End all connections."""
        for known in self._open.values():
            known.client.close()

    async def client(self, server: ServerAddress) -> NTFClient:
        """A connection to a router; raises the errors of connecting, or `NetworkLost`."""
        # Those who ask for the same router wait for one attempt, and for no other router.
        async with self._connecting.setdefault(server, trio.Lock()):
            if self._is_held:
                raise NetworkLost("there is no network, or the agent is paused")
            known = self._open.get(server)
            if known is None or not known.client.connected:
                if self._nursery is None:
                    raise trio.ClosedResourceError("the agent is closed")
                client = await self._connector(self._nursery, server)
                known = self._open[server] = _Open(client, trio.current_time())
                self._nursery.start_soon(self._close_when_idle, server, known)
            known.used_at = trio.current_time()
            return known.client

    async def _close_when_idle(self, server: ServerAddress, known: _Open) -> None:
        while known.client.connected:
            with trio.move_on_at(known.used_at + IDLE):
                await known.client.wait_disconnected()
            if trio.current_time() >= known.used_at + IDLE:
                known.client.close()
        if self._open.get(server) is known:
            del self._open[server]
