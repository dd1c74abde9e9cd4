"""Connecting without a network: what `open_smp_client` and its kin dial while a test runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import trio

from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.testing.memory_link import MemoryLink
from simplex_trio.testing.scripted import ScriptedRouter
from simplex_trio.transport.tls import TlsSession, TlsStream
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.tagged import Tagged


class _Plain:
    """Stands in for TLS: everything goes as it is."""

    has_more = False

    def __init__(self) -> None:
        self._arrived = b""

    def feed(self, arrived: bytes) -> None:
        self._arrived = bytes(arrived)

    def decrypt(self, _max_bytes: int) -> bytes:
        return self._arrived

    def encrypt(self, data: bytes) -> bytes:
        return bytes(data)

    def say_goodbye(self) -> None:
        pass

    def take_unsent(self) -> bytes:
        return b""

    def release(self) -> None:
        pass


class Network:
    """Stands in for names, TCP and TLS: every connection is a link in memory to one router.

    Clients connect through it if they have its `config`.
    """

    def __init__(self, router: ScriptedRouter[Any]) -> None:
        self.router = router
        self.links: list[tuple[MemoryLink, TlsSession]] = []
        self.error: Exception | None = None
        self.dialling: float = 0
        self.alpn: Sequence[str] = ()
        self._arrived, self._arriving = trio.open_memory_channel[None](1000)

    @property
    def config(self) -> SMPClientConfig:
        """For clients of any protocol."""
        return SMPClientConfig(dial=self.dial)

    async def dial(
        self, address: ServerAddress, *, alpn: Sequence[str] = (), **_settings: Any
    ) -> TlsStream:
        self.alpn = alpn
        await trio.sleep(self.dialling)
        if self.error is not None:
            raise self.error
        link, tls = MemoryLink(), self.router.tls()
        self.links.append((link, tls))
        self._arrived.send_nowait(None)
        return TlsStream(link.client, cast("Any", _Plain()), tls)

    async def next_link(self) -> tuple[MemoryLink, TlsSession]:
        """The next connection that is made, as the router gets it."""
        await self._arriving.receive()
        return self.links[-1]

    async def serve(self, respond: Callable[[Any], Tagged]) -> None:
        """Be a router for the next connection, until it ends."""
        link, tls = await self.next_link()
        try:
            peer = await self.router.accept(link, tls.session_id)
        except (trio.EndOfChannel, trio.BrokenResourceError):
            return
        await peer.serve(respond)

    async def check_that_nothing_is_open(self) -> None:
        """Wait until all connections are closed by the clients."""
        for link, _tls in self.links:
            with suppress(trio.ClosedResourceError):  # by the router itself
                while await link.peer.receive_some():
                    pass
