"""`Cable`: a connection to a router that a test can cut and mend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import evolve

from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import OnionHost, parse_host

__all__ = ["Cable", "open_cable"]

_LOOPBACK = "127.0.0.1"
_CHUNK = 65536


class Cable:
    """A port on this machine that forwards to a router; see `open_cable`."""

    def __init__(self, router: ServerAddress, port: int) -> None:
        self.address: ServerAddress = evolve(router, hosts=(parse_host(_LOOPBACK),), port=port)
        """The address that reaches the router through the cable."""
        self._router = router
        self._host = next(each for each in router.hosts if not isinstance(each, OnionHost))
        self._is_cut = False
        self._connections: set[trio.CancelScope] = set()

    def cut(self) -> None:
        """Break all connections, and refuse new ones until `mend`."""
        self._is_cut = True
        for scope in self._connections:
            scope.cancel()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def carry(self, client: trio.SocketStream) -> None:
        """Forward one connection until either side ends it, or the cable is cut."""
        if self._is_cut:
            return
        with trio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                await self._carry(client, scope)
            except OSError:
                pass  # the router is not there, which the client will notice
            finally:
                self._connections.remove(scope)

    async def _carry(self, client: trio.SocketStream, scope: trio.CancelScope) -> None:
        router = await trio.open_tcp_stream(self._host.bare, self._router.effective_port)

        async def pass_on(source: trio.SocketStream, target: trio.SocketStream) -> None:
            try:
                while data := await source.receive_some(_CHUNK):
                    await target.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            scope.cancel()

        async with router, open_inner_nursery() as nursery:
            nursery.start_soon(pass_on, client, router)
            nursery.start_soon(pass_on, router, client)


@asynccontextmanager
async def open_cable(router: ServerAddress) -> AsyncIterator[Cable]:
    """Run a cable to a router for the duration of the block.

    The router needs a host that is not an onion host.
    """
    async with open_inner_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=_LOOPBACK)
        cable = Cable(router, listeners[0].socket.getsockname()[1])
        await nursery.start(trio.serve_listeners, cable.carry, listeners)
        yield cable
        nursery.cancel_scope.cancel()
