"""A way to a server that tests can cut, before or after a call has gone through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from attrs import Factory, define

from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = ["Cut", "UnreliableWay", "unreliable_way"]

_SYNC = b"S\x00\x00\x00\x04"
"""What ends a call: the server commits when it reads it."""

_SOCKET = ".s.PGSQL.5432"


class Cut(Enum):
    """What becomes of the next call, and of its connection."""

    BEFORE = auto()
    """It ends before the server has read all of the call."""
    AFTER = auto()
    """It ends when the server has answered, and before we read that."""
    SILENT = auto()
    """Nothing of the call gets through, and neither side is told."""


@define(eq=False)
class _Connection:
    scope: trio.CancelScope = Factory(trio.CancelScope)
    is_cut_by_answer: bool = False


class UnreliableWay:
    """Takes connections on a socket, and passes them on to the server's."""

    def __init__(self, server: Path, url: DatabaseURL) -> None:
        self._server = server
        self._connections: set[_Connection] = set()
        self.url = url
        """Where programs find the way."""
        self.cut: Cut | None = None
        self.is_open = True
        self.accepted = 0
        """Connections that were passed on."""
        self.refused = trio.Event()
        """A connection was not taken."""

    def close(self) -> None:
        """Cut all connections that there are, and take no others."""
        self.is_open = False
        self.refused = trio.Event()
        self.cut_all()

    def cut_all(self) -> None:
        for connection in self._connections:
            connection.scope.cancel()

    async def pass_on(self, client: trio.SocketStream) -> None:
        async with client:
            if not self.is_open:
                self.refused.set()
                return
            self.accepted += 1
            connection = _Connection()
            self._connections.add(connection)
            async with await trio.open_unix_socket(str(self._server)) as server:
                with connection.scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._back, server, client, connection)
                        await self._forth(client, server, connection)
                        connection.scope.cancel()
            self._connections.discard(connection)

    async def _forth(
        self, client: trio.SocketStream, server: trio.SocketStream, connection: _Connection
    ) -> None:
        try:
            async for data in client:
                cut = self.cut if data.endswith(_SYNC) else None
                if cut is not None:
                    self.cut = None
                if cut is Cut.BEFORE:
                    return
                if cut is Cut.SILENT:
                    await trio.sleep_forever()
                connection.is_cut_by_answer = cut is Cut.AFTER
                await server.send_all(data)
        except trio.BrokenResourceError:
            pass

    async def _back(
        self, server: trio.SocketStream, client: trio.SocketStream, connection: _Connection
    ) -> None:
        try:
            async for data in server:
                if connection.is_cut_by_answer:
                    break
                await client.send_all(data)
        except trio.BrokenResourceError:
            pass
        connection.scope.cancel()


@asynccontextmanager
async def unreliable_way(url: DatabaseURL, folder: Path) -> AsyncIterator[UnreliableWay]:
    """A way to the server of ``url``, on a socket in ``folder``, whose path has to be short."""
    (host,) = parse_qs(urlsplit(url.libpq).query).get("host", [""])
    if not host.startswith("/"):
        pytest.skip("the database that is named is not reached over a socket of this machine")
    through = DatabaseURL(url.libpq.replace(f"host={host}", f"host={folder}"), url.schema)
    way = UnreliableWay(Path(host, _SOCKET), through)
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(str(folder / _SOCKET))
    listener.listen()
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, way.pass_on, [trio.SocketListener(listener)])
        yield way
        nursery.cancel_scope.cancel()
