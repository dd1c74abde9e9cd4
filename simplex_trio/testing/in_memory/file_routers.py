"""Stand-ins for XFTP routers in virtual time, whose answers get lost, and clients that may crash.

They keep packets as a router does, and are called in place of sent requests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

import trio
import trio.lowlevel
from attrs import define, field

from simplex_trio.crypto.keys import AuthPrivateKey, AuthPublicKey
from simplex_trio.errors import ConnectionLost, DialFailed
from simplex_trio.testing.in_memory.crashes import Crash
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.client import RegisteredPacket
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import DigestMismatch, XFTPRouterError

__all__ = ["Routers", "SimulatedRouter"]

PIECE = 65536


@define(eq=False)
class Packet:
    """A packet on a router."""

    sender: AuthPublicKey
    size: int
    digest: bytes
    recipients: dict[bytes, AuthPublicKey]
    body: bytes | None = None


class SimulatedRouter:
    """What a router stores, and how often it was asked."""

    def __init__(self, number: int, random: Random) -> None:
        self.address: ServerAddress = ServerAddress.parse(
            f"xftp://{'A' * 42}{'AEIMQUYcgk'[number]}=@r{number}.test"
        )
        self.packets: dict[bytes, Packet] = {}
        self.is_up: bool = True
        self.loses: float = 0.0
        """How often a request or its answer gets lost."""
        self.uploads: int = 0
        self.downloads: int = 0
        self.acknowledgements: int = 0
        self.lost_registrations: int = 0
        """How often it has registered a packet without its sender learning of that."""
        self.random = random

    def new_id(self) -> bytes:
        """Make an id for a sender or a recipient."""
        return self.random.randbytes(24)

    @property
    def bodies(self) -> int:
        """How many packets are there with their content."""
        return sum(packet.body is not None for packet in self.packets.values())

    def owned(self, sender_id: bytes, key: AuthPrivateKey) -> Packet:
        packet = self.packets.get(sender_id)
        if packet is None or packet.sender != key.public:
            raise XFTPRouterError(XFTPCode.AUTH)
        return packet

    def received(self, recipient_id: bytes, key: AuthPrivateKey) -> Packet:
        for packet in self.packets.values():
            if packet.recipients.get(recipient_id) == key.public:
                return packet
        raise XFTPRouterError(XFTPCode.AUTH)


class SimulatedClient:
    """A connection to a router, with the methods of `XFTPClient` that transfers use."""

    def __init__(self, router: SimulatedRouter, crash: Crash) -> None:
        self._router = router
        self._crash = crash
        self._over = trio.Event()
        self.is_usable: bool = True

    async def wait_until_over(self) -> None:
        await self._over.wait()

    def _break(self) -> ConnectionLost:
        self.is_usable = False
        self._over.set()
        return ConnectionLost("the connection is lost")

    async def _arrives(self) -> None:
        self._crash.point("before asking an XFTP router")
        await trio.sleep(self._router.random.choice([0, 0.01]))
        if not self._router.is_up or self._router.random.random() < self._router.loses:
            raise self._break()

    async def _answers(self, *, registered: int = 0) -> None:
        try:
            await trio.sleep(self._router.random.choice([0, 0.01]))
            if self._router.random.random() < self._router.loses:
                raise self._break()
            self._crash.point("before the answer of an XFTP router")
        except BaseException:
            self._router.lost_registrations += registered
            raise

    async def register(
        self,
        key: AuthPrivateKey,
        *,
        size: int,
        digest: bytes,
        recipient_keys: Sequence[AuthPublicKey],
        basic_auth: bytes | None = None,
    ) -> RegisteredPacket:
        assert basic_auth is None
        await self._arrives()
        router = self._router
        recipients = {router.new_id(): each for each in recipient_keys}
        sender_id = router.new_id()
        router.packets[sender_id] = Packet(key.public, size, digest, recipients)
        await self._answers(registered=1)
        return RegisteredPacket(sender_id, tuple(recipients))

    async def upload(
        self,
        key: AuthPrivateKey,
        sender_id: bytes,
        size: int,
        body: AsyncGenerator[memoryview],
    ) -> None:
        router = self._router
        async with aclosing(body):
            await self._arrives()
            packet = router.owned(sender_id, key)
            received = bytearray()
            async for piece in body:
                await trio.lowlevel.checkpoint()
                received += piece
            assert len(received) == size == packet.size
            assert sha256(received).digest() == packet.digest
            router.uploads += 1
            packet.body = bytes(received)
            await self._answers()

    @asynccontextmanager
    async def download(
        self,
        key: AuthPrivateKey,
        recipient_id: bytes,
        *,
        size: int,
        digest: bytes,
        handle: Callable[[memoryview], Any] = bytes,
    ) -> AsyncIterator[AsyncIterator[Any]]:
        await self._arrives()
        packet = self._router.received(recipient_id, key)
        if packet.body is None:
            raise XFTPRouterError(XFTPCode.NO_FILE)
        self._router.downloads += 1
        async with aclosing(self._pieces(packet.body, digest, handle)) as pieces:
            yield pieces

    async def _pieces(
        self, body: bytes, digest: bytes, handle: Callable[[memoryview], Any]
    ) -> AsyncGenerator[Any]:
        for start in range(0, len(body), PIECE):
            await self._answers()
            yield await in_thread(partial(handle, memoryview(body)[start : start + PIECE]))
        if sha256(body).digest() != digest:
            raise DigestMismatch("another packet")

    async def delete(self, key: AuthPrivateKey, sender_id: bytes) -> None:
        await self._arrives()
        self._router.owned(sender_id, key)
        del self._router.packets[sender_id]
        await self._answers()

    async def acknowledge(self, key: AuthPrivateKey, recipient_id: bytes) -> None:
        await self._arrives()
        del self._router.received(recipient_id, key).recipients[recipient_id]
        self._router.acknowledgements += 1
        await self._answers()


@define(eq=False)
class Routers:
    """How a program connects to routers."""

    routers: Sequence[SimulatedRouter]
    crash: Crash
    connections: int = field(default=0)

    @asynccontextmanager
    async def connect(
        self, server: ServerAddress, config: XFTPClientConfig
    ) -> AsyncIterator[SimulatedClient]:
        del config
        self.crash.point("before connecting to an XFTP router")
        (router,) = (each for each in self.routers if each.address == server)
        await trio.sleep(0.01)
        if not router.is_up or router.random.random() < router.loses:
            raise DialFailed("it cannot be reached")
        self.connections += 1
        yield SimulatedClient(router, self.crash)
