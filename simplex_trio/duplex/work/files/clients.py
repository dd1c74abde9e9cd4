"""`FileClients`: connections to XFTP routers for all transfers, and how much goes over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

import trio
from attrs import define

from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.files.clients import ClientPool, Clients
from simplex_trio.xftp.files.config import TransferConfig

__all__ = ["FileClients"]


@define(eq=False, repr=False)
class _Shared:
    """The connections of all transfers with one label."""

    pool: ClientPool
    users: int = 0


class FileClients:
    """Connections that transfers with the same label share."""

    def __init__(
        self, config: FileConfig, transfer: Callable[[str], TransferConfig], nursery: trio.Nursery
    ) -> None:
        self._config = config
        self._transfer = transfer
        self._nursery = nursery
        self._shared: dict[str, _Shared] = {}
        self._places = trio.Semaphore(config.parallel)
        self._places_at: WeakValueDictionary[ServerAddress, trio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, label: str) -> AsyncIterator[Clients]:
        """Connections for one transfer; they stay open for a while, for the next one."""
        shared = self._shared.get(label)
        if shared is None:
            transfer = self._transfer(label)
            pool = ClientPool(transfer.client, self._nursery, transfer.connect)
            shared = self._shared[label] = _Shared(pool)
        shared.users += 1
        try:
            yield _Limited(self, shared.pool)
        finally:
            shared.users -= 1
            if not shared.users:
                self._nursery.start_soon(self._close_later, label, shared)

    def close_unused(self) -> None:
        """Close all connections that no packet is being transferred over."""
        for shared in self._shared.values():
            shared.pool.close_unused()

    def close_all(self) -> None:
        """Close all connections; what is transferred over them fails, and is tried again."""
        for shared in self._shared.values():
            shared.pool.close_all()

    async def _close_later(self, label: str, shared: _Shared) -> None:
        await trio.sleep(self._config.keep_open)
        if not shared.users and self._shared.get(label) is shared:
            del self._shared[label]
            shared.pool.close_unused()

    @asynccontextmanager
    async def limited(self, pool: ClientPool, server: ServerAddress) -> AsyncIterator[XFTPClient]:
        """A connection, when there is a place for another packet."""
        at_router = self._places_at.get(server)
        if at_router is None:
            at_router = trio.Semaphore(self._config.parallel_per_router)
            self._places_at[server] = at_router
        # In this order, so that a router which does not answer holds up no other.
        async with at_router, pool.client(server) as client, self._places:
            yield client


@define(eq=False, repr=False)
class _Limited:
    """The connections as one transfer sees them."""

    _clients: FileClients
    _pool: ClientPool

    def client(self, server: ServerAddress) -> AbstractAsyncContextManager[XFTPClient]:
        return self._clients.limited(self._pool, server)
