"""`ClientPool`: the connections of one transfer, one to each router, opened when first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import RouterUnreachable

__all__ = ["ClientPool", "open_client_pool"]


class _Connecting:
    """One attempt to have a connection, for all who wait for it."""

    def __init__(self) -> None:
        self.concluded = trio.Event()
        self.client: XFTPClient | None = None
        self.error: SimplexError | None = None

    @property
    def is_worth_waiting_for(self) -> bool:
        return not self.concluded.is_set() or (self.client is not None and self.client.is_usable)


class ClientPool:
    """See `open_client_pool` for how to get one."""

    def __init__(self, config: XFTPClientConfig, nursery: trio.Nursery) -> None:
        self._config = config
        self._nursery = nursery
        self._connections: dict[ServerAddress, _Connecting] = {}

    async def client(self, server: ServerAddress) -> XFTPClient:
        """A connection to ``server``: the one that there is, or a new one.

        Who asks while it is being opened waits for the same one.  Raises `RouterUnreachable`.
        """
        connecting = self._connections.get(server)
        if connecting is None or not connecting.is_worth_waiting_for:
            connecting = self._connections[server] = _Connecting()
            self._nursery.start_soon(self._keep_open, server, connecting)
        await connecting.concluded.wait()
        if connecting.error is not None:
            raise RouterUnreachable(connecting.error) from connecting.error
        assert connecting.client is not None
        return connecting.client

    async def _keep_open(self, server: ServerAddress, connecting: _Connecting) -> None:
        try:
            async with open_xftp_client(server, self._config) as client:
                connecting.client = client
                connecting.concluded.set()
                await client.wait_until_over()
        except SimplexError as exc:
            connecting.error = exc
            connecting.concluded.set()


@asynccontextmanager
async def open_client_pool(config: XFTPClientConfig) -> AsyncIterator[ClientPool]:
    """Connections that are closed at the end of the block."""
    async with open_inner_nursery() as nursery:
        try:
            yield ClientPool(config, nursery)
        finally:
            nursery.cancel_scope.cancel()
