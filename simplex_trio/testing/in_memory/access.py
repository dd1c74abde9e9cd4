"""`Access`: the way of one program to the network, which can be interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.testing.in_memory.connector import Network, Reachable
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["Access", "RouterThrough"]


class _Connection(trio.abc.Stream):
    """A stream that breaks when the access is interrupted."""

    def __init__(self, stream: trio.abc.Stream, open_ones: list[_Connection]) -> None:
        self._stream = stream
        self._open_ones = open_ones
        self._scopes: list[trio.CancelScope] = []
        self._is_broken = False
        open_ones.append(self)

    def break_off(self) -> None:
        self._is_broken = True
        for scope in self._scopes:
            scope.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with self._until_broken():
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        with self._until_broken():
            await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        with self._until_broken():
            return bytes(await self._stream.receive_some(max_bytes))

    @contextmanager
    def _until_broken(self) -> Iterator[None]:
        """Interrupt the body, and raise `trio.BrokenResourceError`, if the connection breaks."""
        if self._is_broken:
            raise trio.BrokenResourceError("the network is gone")
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            try:
                yield
            finally:
                self._scopes.remove(scope)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError("the network is gone")

    async def aclose(self) -> None:
        if self in self._open_ones:
            self._open_ones.remove(self)
        await self._stream.aclose()


class Access:
    """The way of one program to the network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._open_ones: list[_Connection] = []
        self.is_there: bool = True

    async def connect(self, name: str) -> trio.abc.Stream:
        """Connect to a server; raises `OSError` if it is down or the way is interrupted."""
        if not self.is_there:
            await trio.lowlevel.checkpoint()
            raise ConnectionRefusedError("the network is gone")
        return _Connection(await self._network.connect(name), self._open_ones)

    def interrupt(self) -> None:
        """Break all connections, and refuse new ones until `restore`."""
        self.is_there = False
        for each in self._open_ones:
            each.break_off()

    def restore(self) -> None:
        """Allow new connections again."""
        self.is_there = True


class RouterThrough:
    """A router, as a program sees it through its access to the network."""

    def __init__(self, router: Reachable, access: Access) -> None:
        self.network: Access = access
        self.name: str = router.name
        self.address: ServerAddress = router.address
        self.credentials: RouterCredentials = router.credentials
        self.client_chains: dict[bytes, CertificateChain] = router.client_chains
