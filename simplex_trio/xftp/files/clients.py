"""`ClientPool`: the connections of one transfer, one to each router, opened when first needed.

A description may name more routers than a process may open files, so unused connections are closed
to make room for others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import trio

from simplex_trio.errors import ConnectionLost, SimplexError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import RouterUnreachable
from simplex_trio.xftp.files.config import Connect
from simplex_trio.xftp.support import require_support

__all__ = ["MAX_KEPT", "ClientPool", "Clients", "open_client_pool"]

MAX_KEPT = 16
"""Unused connections of a transfer: more than the routers of an ordinary file.  Beyond that, the
least recently used one is closed."""


class Clients(Protocol):
    """Where transfers get their connections from; `ClientPool` is one."""

    def client(self, server: ServerAddress) -> AbstractAsyncContextManager[XFTPClient]:
        """A connection to ``server`` for the block; raises `RouterUnreachable`."""


class _Connection:
    """One attempt to connect, shared by the tasks that wait for it or use the connection."""

    def __init__(self) -> None:
        self.users = 0
        self.scope = trio.CancelScope()
        self.concluded = trio.Event()
        self.client: XFTPClient | None = None
        self.error: SimplexError | None = None

    @property
    def is_worth_waiting_for(self) -> bool:
        return not self.concluded.is_set() or (self.client is not None and self.client.is_usable)


class ClientPool:
    """See `open_client_pool` for how to get one."""

    def __init__(
        self,
        config: XFTPClientConfig,
        nursery: trio.Nursery,
        connect: Connect = open_xftp_client,
    ) -> None:
        self._config = config
        self._connect = connect
        self._nursery = nursery
        self._connections: dict[ServerAddress, _Connection] = {}  # the last used one last

    @asynccontextmanager
    async def client(self, server: ServerAddress) -> AsyncIterator[XFTPClient]:
        """A connection to ``server`` for the block: the existing one, or a new one.

        Concurrent callers wait for the same attempt.  Raises `RouterUnreachable`.
        """
        connection = self._connections.pop(server, None)
        if connection is None or not connection.is_worth_waiting_for:
            self._close_unused(MAX_KEPT - 1)
            connection = _Connection()
            self._nursery.start_soon(self._keep_open, server, connection)
        self._connections[server] = connection
        connection.users += 1
        try:
            await connection.concluded.wait()
            if connection.error is not None:
                raise RouterUnreachable(connection.error) from connection.error
            assert connection.client is not None
            yield connection.client
        finally:
            connection.users -= 1

    def close_unused(self) -> None:
        """Close all connections that are not in use."""
        self._close_unused(0)

    def close_all(self) -> None:
        """Close all connections, also those that are in use, whose requests fail."""
        for connection in self._connections.values():
            if not connection.concluded.is_set():
                connection.error = ConnectionLost("the connection was closed")
                connection.concluded.set()
            connection.scope.cancel()
        self._connections.clear()

    def _close_unused(self, kept: int) -> None:
        idle = [server for server, each in self._connections.items() if not each.users]
        for server in idle[: max(len(idle) - kept, 0)]:
            self._connections.pop(server).scope.cancel()

    async def _keep_open(self, server: ServerAddress, connection: _Connection) -> None:
        try:
            with connection.scope:
                async with self._connect(server, self._config) as client:
                    connection.client = client
                    connection.concluded.set()
                    await client.wait_until_over()
        except SimplexError as exc:
            connection.error = exc
            connection.concluded.set()


@asynccontextmanager
async def open_client_pool(
    config: XFTPClientConfig, connect: Connect = open_xftp_client
) -> AsyncIterator[ClientPool]:
    """A pool whose connections, opened by ``connect``, are closed at the end of the block.

    Raises `XFTPSupportMissing` without the necessary libraries.
    """
    require_support()
    async with open_inner_nursery() as nursery:
        try:
            yield ClientPool(config, nursery, connect)
        finally:
            nursery.cancel_scope.cancel()
