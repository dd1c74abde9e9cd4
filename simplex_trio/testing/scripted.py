"""In-memory routers that do exactly what a test tells them, one block at a time.

The bytes are real: blocks, handshakes and codecs are those of the package, so a client under test
cannot distinguish such a router from a real one.  It has no TLS and makes no decisions.  The test
decides instead, and can pause at every point::

    router = ScriptedSMPRouter()
    async with router.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(client.ping)
        ping = await peer.next_command()
        ...  # the client waits
        await peer.send(peer.answer(ping, PONG()))

A test can hold up the client's writes, even inside a block (`ScriptedPeer.link`), and controls what
the client reads, since `RawPeer.send_bytes` sends any bytes.  All waiting uses Trio's clock, so a
`trio.testing.MockClock` makes it instant.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import trio

from simplex_trio.client.connection import ClientConfig, Connection
from simplex_trio.client.ntf import NTF, NTFClient
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import SMP, SMPSessionConfig, smp_spec
from simplex_trio.client.spec import ProtocolSpec, shake_hands
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import RouterCredentials, generate_router_credentials
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.engine.protocol_client import driven
from simplex_trio.errors import HandshakeFailed
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.memory_link import MemoryLink
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.tls import TlsSession, utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.handshake import RouterAgreement
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.ntf import commands as ntf_commands
from simplex_trio.wire.ntf.handshake import NTFRouterHandshake
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission, read_commands
from simplex_trio.wire.smp import commands as smp_commands
from simplex_trio.wire.smp.handshake import SMPRouterHandshake
from simplex_trio.wire.tagged import Tagged
from simplex_trio.wire.transmissions import Batch, plain_transmission
from simplex_trio.wire.versions import NTF_VERSIONS, SMP_VERSIONS, VersionRange

__all__ = [
    "RawPeer",
    "ScriptedNTFRouter",
    "ScriptedPeer",
    "ScriptedRouter",
    "ScriptedSMPRouter",
]

CommandT = TypeVar("CommandT", bound=smp_commands.Command | ntf_commands.Command)


class RawPeer:
    """The other end of a client's connection; it can send any bytes."""

    def __init__(self, link: MemoryLink, block_size: int) -> None:
        self.link = link
        self._blocks = BlockStream(link.peer, block_size)

    async def receive_block(self) -> bytes:
        """Return the next block as it is; raises the errors of `BlockStream.receive_frame`."""
        return await self._blocks.receive_frame()

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes, which need not be blocks."""
        await self.link.peer.send_all(data)

    async def hang_up(self) -> None:
        """Close the connection."""
        await self.link.peer.aclose()


class ScriptedPeer(Generic[CommandT]):
    """A router's end of a connection after the handshake, driven by a test."""

    def __init__(
        self,
        raw: RawPeer,
        agreement: RouterAgreement,
        decode_command: Callable[[bytes, int], CommandT],
    ) -> None:
        self.raw = raw
        self.agreement = agreement
        self._codec = agreement.block_codec()
        self._decode_command = decode_command
        self._unread: deque[ReceivedCommand[CommandT]] = deque()

    @property
    def link(self) -> MemoryLink:
        """The link of this connection, to hold up the client's writes."""
        return self.raw.link

    # --- receiving from the client ---------------------------------------------------------------

    async def next_block(self) -> list[ReceivedCommand[CommandT]]:
        """Return the commands of the next block; raise `AssertionError` for a malformed one."""
        content = self._codec.open(await self.raw.receive_block())
        commands = []
        for part in read_commands(content, self.agreement.session, self._decode_command):
            assert not isinstance(part, RefusedTransmission), str(part.error)
            commands.append(part)
        return commands

    async def next_command(self) -> ReceivedCommand[CommandT]:
        """Return the next command, of this block or the next one.  If cancelled, none is lost."""
        while not self._unread:
            self._unread.extend(await self.next_block())
        return self._unread.popleft()

    # --- sending to the client -------------------------------------------------------------------

    def transmission(self, correlation_id: bytes, entity_id: bytes, message: Tagged) -> bytes:
        """Return a message with any ids, to pass to `send`."""
        session = self.agreement.session
        encoded = message.encode(session.version)
        return plain_transmission(session, correlation_id, entity_id, encoded)

    def answer(self, command: ReceivedCommand[CommandT], message: Tagged) -> bytes:
        """Return the answer to a command, to pass to `send`."""
        asked = command.transmission
        return self.transmission(asked.correlation_id, asked.entity_id, message)

    def event(self, entity_id: bytes, message: Tagged) -> bytes:
        """Return a message that answers no command, to pass to `send`."""
        return self.transmission(b"", entity_id, message)

    async def send(self, *transmissions: bytes) -> None:
        """Send transmissions in one block, in this order; they must fit."""
        batch = Batch(self.agreement.session)
        for each in transmissions:
            assert batch.add(each), "these transmissions do not fit into a block"
        await self.send_content(batch.content())

    async def send_content(self, content: bytes) -> None:
        """Send a well-formed block with any content."""
        await self.raw.send_bytes(self._codec.seal(content))

    async def serve(
        self, respond: Callable[[ReceivedCommand[CommandT]], Tagged | Iterable[bytes] | None]
    ) -> None:
        """Answer each command, in a block of its own, until the connection ends.

        ``respond`` returns the answer, an iterable of transmissions to send instead, or `None` to
        send nothing.
        """
        with suppress(trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                command = await self.next_command()
                response = respond(command)
                if isinstance(response, Tagged):
                    await self.send(self.answer(command, response))
                elif response is not None:
                    await self.send(*response)

    async def hang_up(self) -> None:
        """Close the connection."""
        await self.raw.hang_up()


class ScriptedRouter(ABC, Generic[CommandT]):
    """An in-memory router for clients of the subclass's protocol.

    It offers ``versions``.  A client without ALPN (``alpn`` is `None`) gets only the versions of
    very old routers.
    """

    def __init__(
        self,
        spec: ProtocolSpec[Any, Any],
        decode_command: Callable[[bytes, int], CommandT],
        versions: VersionRange,
        alpn: str | None,
    ) -> None:
        self.versions = versions
        self.alpn = alpn
        self.credentials: RouterCredentials = generate_router_credentials(now=utc_now())
        self.address: ServerAddress = ServerAddress(
            spec.protocol,
            (parse_host("scripted.test"),),
            None,
            self.credentials.identity_fingerprint,
        )
        self._block_size = spec.block_size
        self._decode_command = decode_command

    async def accept(
        self,
        link: MemoryLink,
        session_id: bytes,
        client_chain: CertificateChain | None = None,
    ) -> ScriptedPeer[CommandT]:
        """Do the router's part of a handshake; if it fails, hang up and raise the error.

        ``session_id`` and ``client_chain`` stand for the TLS session and the client's certificates
        in it.
        """
        raw = RawPeer(link, self._block_size)
        try:
            agreement = await self._shake_hands(raw, session_id, client_chain)
        except BaseException:
            await trio.aclose_forcefully(link.peer)
            raise
        return ScriptedPeer(raw, agreement, self._decode_command)

    @abstractmethod
    async def _shake_hands(
        self, raw: RawPeer, session_id: bytes, client_chain: CertificateChain | None
    ) -> RouterAgreement: ...

    async def _connect(
        self, spec: ProtocolSpec[Any, Any], client_chain: CertificateChain | None
    ) -> tuple[Connection, ScriptedPeer[CommandT]]:
        link = MemoryLink()
        stream = BlockStream(link.client, spec.block_size)
        tls = self.tls(client_chain=client_chain)
        peers: list[ScriptedPeer[CommandT]] = []

        async def accept() -> None:
            # The same error occurs on the client's side, which reports it.
            with suppress(HandshakeFailed, trio.EndOfChannel, trio.BrokenResourceError):
                peers.append(await self.accept(link, tls.session_id, client_chain))

        async with open_inner_nursery() as nursery:
            nursery.start_soon(accept)
            handshake = spec.handshake(self.address, tls)
            agreement = await shake_hands(stream, handshake, spec.block_size)
        (peer,) = peers
        return Connection(stream, agreement, tls), peer

    def tls(self, *, client_chain: CertificateChain | None = None) -> TlsSession:
        """Return a TLS session as a client with these certificates would see it."""
        return TlsSession(
            session_id=secrets.token_bytes(32),
            tls_version="TLSv1.3",
            alpn=self.alpn,
            peer_chain=self.credentials.chain,
            server_name=None,
            certificate_sent=client_chain is not None,
            suite="TLS_CHACHA20_POLY1305_SHA256",
            group="X25519",
        )


class ScriptedSMPRouter(ScriptedRouter[smp_commands.Command]):
    """An SMP router; it knows every service by ``service_id``, or refuses services if `None`."""

    def __init__(
        self,
        versions: VersionRange = SMP_VERSIONS,
        *,
        alpn: str | None = "smp/1",
        service_id: bytes | None = b"the id of the service...",
    ) -> None:
        super().__init__(SMP, smp_commands.decode_command, versions, alpn)
        self.service_id = service_id

    async def connect(
        self, session: SMPSessionConfig | None = None
    ) -> tuple[Connection, ScriptedPeer[smp_commands.Command]]:
        """Return both ends of a new connection; the client's end has no driver yet."""
        session = session or SMPSessionConfig()
        chain = None if session.service is None else session.service.chain
        return await self._connect(smp_spec(session), chain)

    @asynccontextmanager
    async def open_client(
        self,
        config: SMPClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> AsyncIterator[tuple[SMPClient, ScriptedPeer[smp_commands.Command]]]:
        """Run a client for the duration of the block; yields it and its peer."""
        config = config or SMPClientConfig()
        connection, peer = await self.connect(config.session)
        client = SMPClient(self.address, connection, config, disconnected=disconnected)
        async with driven(client):
            yield client, peer

    async def _shake_hands(
        self, raw: RawPeer, session_id: bytes, client_chain: CertificateChain | None
    ) -> RouterAgreement:
        handshake = SMPRouterHandshake(
            session_id=session_id,
            chain=self.credentials.chain,
            signing_key=self.credentials.key,
            session_key=X25519PrivateKey.generate(),
            alpn=self.alpn,
            client_chain=client_chain,
            versions=self.versions,
        )
        blocks = PaddedBlocks(self._block_size)
        await raw.send_bytes(blocks.seal(handshake.hello()))
        answer = handshake.receive(blocks.open(await raw.receive_block()))
        if handshake.service_claim is not None:
            if self.service_id is None:
                answer = handshake.refuse_service()
            else:
                answer = handshake.accept_service(self.service_id)
        if answer is not None:
            await raw.send_bytes(blocks.seal(answer))
        if handshake.agreement is None:
            raise HandshakeFailed("the service was refused")
        return handshake.agreement


class ScriptedNTFRouter(ScriptedRouter[ntf_commands.Command]):
    """A notification router."""

    def __init__(
        self, versions: VersionRange = NTF_VERSIONS, *, alpn: str | None = "ntf/1"
    ) -> None:
        super().__init__(NTF, ntf_commands.decode_command, versions, alpn)

    async def connect(self) -> tuple[Connection, ScriptedPeer[ntf_commands.Command]]:
        """Return both ends of a new connection; the client's end has no driver yet."""
        return await self._connect(NTF, None)

    @asynccontextmanager
    async def open_client(
        self,
        config: ClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> AsyncIterator[tuple[NTFClient, ScriptedPeer[ntf_commands.Command]]]:
        """Run a client for the duration of the block; yields it and its peer."""
        connection, peer = await self.connect()
        client = NTFClient(self.address, connection, config, disconnected=disconnected)
        async with driven(client):
            yield client, peer

    async def _shake_hands(
        self, raw: RawPeer, session_id: bytes, client_chain: CertificateChain | None
    ) -> RouterAgreement:
        handshake = NTFRouterHandshake(
            session_id=session_id,
            chain=self.credentials.chain,
            signing_key=self.credentials.key,
            session_key=X25519PrivateKey.generate(),
            alpn=self.alpn,
            versions=self.versions,
        )
        blocks = PaddedBlocks(self._block_size)
        await raw.send_bytes(blocks.seal(handshake.hello()))
        handshake.receive(blocks.open(await raw.receive_block()))
        assert handshake.agreement is not None
        return handshake.agreement
