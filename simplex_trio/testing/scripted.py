"""Routers that do exactly what a test tells them, one block at a time, in memory.

The bytes are real: blocks, handshakes and codecs are those of the package, so a client under test
cannot tell such a router from any other.  What is missing is everything that a router decides, and
TLS.  The test decides instead, and can stop at every point::

    router = ScriptedSMPRouter()
    async with router.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(client.ping)
        ping = await peer.next_command()
        ...  # the client waits
        await peer.send(peer.answer(ping, PONG()))

With `MemoryLink.hold` a client's writing stops, even inside a block; what arrives at the client is
up to the test anyway, since `RawPeer.send_bytes` takes any bytes.  All waiting is Trio's, so a
`trio.testing.MockClock` makes it instant.
"""

from __future__ import annotations

import math
import secrets
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

import trio
from attrs import frozen
from trio.testing import MemoryReceiveStream, memory_stream_one_way_pair

from simplex_trio.client.connection import ClientConfig, Connection
from simplex_trio.client.ntf import NTF, NTFClient
from simplex_trio.client.smp import SMPClient, SMPClientConfig, driven
from simplex_trio.client.smp_session import SMP, SMPSessionConfig, smp_spec
from simplex_trio.client.spec import ProtocolSpec, shake_hands
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import HandshakeFailed
from simplex_trio.redaction import Redacted
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.tls import TlsSession, utc_now
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.handshake import RouterAgreement
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.ntf import commands as ntf_commands
from simplex_trio.wire.ntf.handshake import NTFRouterHandshake
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission, read_commands
from simplex_trio.wire.smp import commands as smp_commands
from simplex_trio.wire.smp.handshake import SMPRouterHandshake
from simplex_trio.wire.tagged import Tagged
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import NTF_VERSIONS, SMP_VERSIONS, VersionRange

__all__ = [
    "MemoryLink",
    "RawPeer",
    "ScriptedNTFRouter",
    "ScriptedPeer",
    "ScriptedRouter",
    "ScriptedSMPRouter",
]

CommandT = TypeVar("CommandT", bound=Any)
ClientT = TypeVar("ClientT")


class _HeldSendStream(trio.abc.SendStream):
    """Writes into a memory stream as far as it is allowed to, and waits there."""

    def __init__(self, receiver: MemoryReceiveStream) -> None:
        self.allowed: float = math.inf
        self._receiver = receiver
        self._waiting = trio.lowlevel.ParkingLot()
        self._closed = False

    def allow(self, size: float) -> None:
        self.allowed = size
        self._waiting.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        rest = bytes(data)
        while rest:
            if self._closed:
                raise trio.ClosedResourceError
            size = int(min(len(rest), self.allowed))
            if not size:
                await self._waiting.park()
                continue
            try:
                self._receiver.put_data(rest[:size])
            except trio.ClosedResourceError:
                raise trio.BrokenResourceError("the peer has stopped reading") from None
            self.allowed -= size
            rest = rest[size:]

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._closed = True
        self._receiver.put_eof()
        self._waiting.unpark_all()
        await trio.lowlevel.checkpoint()


class MemoryLink:
    """A connection in memory: the ``client``'s end of it, and the ``peer``'s."""

    def __init__(self) -> None:
        received = MemoryReceiveStream()
        to_client, from_peer = memory_stream_one_way_pair()
        self._held = _HeldSendStream(received)
        self.client: trio.abc.Stream = trio.StapledStream(self._held, from_peer)
        self.peer: trio.abc.Stream = trio.StapledStream(to_client, received)
        self._received = received

    def hold(self, *, after: int = 0) -> None:
        """Let so many more bytes of what the client writes through, and then none."""
        self._held.allow(after)

    def release(self) -> None:
        """Let everything through, beginning with what was held up."""
        self._held.allow(math.inf)

    def stop_reading(self) -> None:
        """Make the client's writing fail, while what the peer sends still arrives."""
        self._received.close()
        self.release()


class RawPeer:
    """The other end of a client's connection, free to send any bytes at all."""

    def __init__(self, link: MemoryLink, block_size: int) -> None:
        self.link = link
        self._stream = BlockStream(link.peer, block_size)

    async def receive_block(self) -> bytes:
        """The next block, as it is; raises what `BlockStream.receive_frame` does."""
        return await self._stream.receive_frame()

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes, whether they are blocks or not."""
        await self.link.peer.send_all(data)

    async def hang_up(self) -> None:
        """Close the connection."""
        await self.link.peer.aclose()


class ScriptedPeer(RawPeer, Generic[CommandT]):
    """A router's end of one connection after the handshake, played by a test."""

    def __init__(
        self,
        link: MemoryLink,
        agreement: RouterAgreement,
        decode_command: Callable[[bytes, int], CommandT],
    ) -> None:
        super().__init__(link, agreement.session.block_size)
        self.agreement = agreement
        self._blocks = agreement.block_codec()
        self._decode_command = decode_command
        self._unread: deque[ReceivedCommand[CommandT]] = deque()

    # --- what the client says ---------------------------------------------------------------------

    async def next_block(self) -> list[ReceivedCommand[CommandT]]:
        """The commands of the next block; `AssertionError` if one is not well-formed."""
        content = self._blocks.open(await self.receive_block())
        commands = []
        for part in read_commands(content, self.agreement.session, self._decode_command):
            assert not isinstance(part, RefusedTransmission), str(part.error)
            commands.append(part)
        return commands

    async def next_command(self) -> ReceivedCommand[CommandT]:
        """The next command, of this block or the next one.  Cancelled, it has taken none."""
        while not self._unread:
            self._unread.extend(await self.next_block())
        return self._unread.popleft()

    # --- what it is told --------------------------------------------------------------------------

    def transmission(self, correlation_id: bytes, entity_id: bytes, message: Tagged) -> bytes:
        """A message with any ids, for `send`."""
        session = self.agreement.session
        encoded = message.encode(session.version)
        return prepare_transmission(session, correlation_id, entity_id, encoded).finish()

    def answer(self, command: ReceivedCommand[CommandT], message: Tagged) -> bytes:
        """The answer to a command, for `send`."""
        asked = command.transmission
        return self.transmission(asked.correlation_id, asked.entity_id, message)

    def event(self, entity_id: bytes, message: Tagged) -> bytes:
        """Something unasked, for `send`."""
        return self.transmission(b"", entity_id, message)

    async def send(self, *transmissions: bytes) -> None:
        """Send transmissions in one block, in this order; they must fit."""
        batch = Batch(self.agreement.session)
        for each in transmissions:
            assert batch.add(each), "these transmissions are too many for a block"
        await self.send_content(batch.content())

    async def send_content(self, content: bytes) -> None:
        """Send a well-made block with any content."""
        await self.send_bytes(self._blocks.seal(content))

    async def serve(
        self, respond: Callable[[ReceivedCommand[CommandT]], Tagged | Iterable[bytes] | None]
    ) -> None:
        """Answer each command, in a block of its own, until the client closes the connection.

        ``respond`` gives the answer, or the transmissions to send if there are several, or `None`
        for silence.
        """
        while True:
            try:
                command = await self.next_command()
            except trio.EndOfChannel:
                return
            response = respond(command)
            if isinstance(response, Tagged):
                await self.send(self.answer(command, response))
            elif response is not None:
                await self.send(*response)


@frozen(repr=False)
class _Ends(Redacted, Generic[CommandT]):
    connection: Connection
    peer: ScriptedPeer[CommandT]


class ScriptedRouter(ABC, Generic[CommandT, ClientT]):
    """A router to connect to in memory, in a protocol that a subclass names.

    ``versions`` are what it offers.  A client that comes without ALPN (`None`) is offered what very
    old routers spoke.
    """

    PROTOCOL: ClassVar[ServerProtocol]

    def __init__(self, versions: VersionRange, alpn: str | None) -> None:
        self.versions = versions
        self.alpn = alpn
        self.credentials = generate_router_credentials(now=utc_now())
        self.address = ServerAddress(
            self.PROTOCOL,
            (parse_host("scripted.test"),),
            None,
            self.credentials.identity_fingerprint,
        )

    def tls(self, *, client_chain: CertificateChain | None = None) -> TlsSession:
        """A session as if TLS had agreed on it, seen from a client with these certificates."""
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

    async def _meet(
        self,
        spec: ProtocolSpec[Any, Any],
        tls: TlsSession,
        client_chain: CertificateChain | None,
    ) -> _Ends[CommandT]:
        link = MemoryLink()
        stream = BlockStream(link.client, spec.block_size)
        peers: list[ScriptedPeer[CommandT]] = []

        async def accept() -> None:
            peers.append(await self.accept(link, tls.session_id, client_chain))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            handshake = spec.handshake(self.address, tls)
            agreement = await shake_hands(stream, handshake, spec.block_size)
        return _Ends(Connection(stream, agreement, tls), peers[0])

    @abstractmethod
    async def accept(
        self,
        link: MemoryLink,
        session_id: bytes,
        client_chain: CertificateChain | None = None,
    ) -> ScriptedPeer[CommandT]:
        """Do the router's part of a handshake on ``link``; raises a `HandshakeFailed`."""


class ScriptedSMPRouter(ScriptedRouter[smp_commands.Command, SMPClient]):
    """A router of SMP; services that come are known by ``service_id``, or refused without one."""

    PROTOCOL = ServerProtocol.SMP

    def __init__(
        self,
        versions: VersionRange = SMP_VERSIONS,
        *,
        alpn: str | None = "smp/1",
        service_id: bytes | None = b"the id of the service 24",
    ) -> None:
        super().__init__(versions, alpn)
        self.service_id = service_id

    async def accept(
        self,
        link: MemoryLink,
        session_id: bytes,
        client_chain: CertificateChain | None = None,
    ) -> ScriptedPeer[smp_commands.Command]:
        handshake = SMPRouterHandshake(
            session_id=session_id,
            chain=self.credentials.chain,
            signing_key=self.credentials.key,
            session_key=X25519PrivateKey.generate(),
            alpn=self.alpn,
            client_chain=client_chain,
            versions=self.versions,
        )
        blocks = PaddedBlocks(SMP.block_size)
        peer = RawPeer(link, SMP.block_size)
        await peer.send_bytes(blocks.seal(handshake.hello()))
        answer = handshake.receive(blocks.open(await peer.receive_block()))
        if handshake.service_claim is not None:
            if self.service_id is None:
                answer = handshake.refuse_service()
            else:
                answer = handshake.accept_service(self.service_id)
        if answer is not None:
            await peer.send_bytes(blocks.seal(answer))
        if handshake.agreement is None:
            raise HandshakeFailed("the service was refused")
        return ScriptedPeer(link, handshake.agreement, smp_commands.decode_command)

    async def connect(
        self, session: SMPSessionConfig | None = None
    ) -> tuple[Connection, ScriptedPeer[smp_commands.Command]]:
        """Both ends of a new connection; nothing drives the client's end yet."""
        session = session or SMPSessionConfig()
        chain = None if session.service is None else session.service.chain
        ends = await self._meet(smp_spec(session), self.tls(client_chain=chain), chain)
        return ends.connection, ends.peer

    @asynccontextmanager
    async def open_client(
        self,
        config: SMPClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> AsyncIterator[tuple[SMPClient, ScriptedPeer[smp_commands.Command]]]:
        """A client, driven as long as the block lasts, and the peer that it talks to."""
        config = config or SMPClientConfig()
        connection, peer = await self.connect(config.session)
        client = SMPClient(self.address, connection, config, disconnected=disconnected)
        async with driven(client):
            yield client, peer


class ScriptedNTFRouter(ScriptedRouter[ntf_commands.Command, NTFClient]):
    """A notification router."""

    PROTOCOL = ServerProtocol.NTF

    def __init__(
        self, versions: VersionRange = NTF_VERSIONS, *, alpn: str | None = "ntf/1"
    ) -> None:
        super().__init__(versions, alpn)

    async def accept(
        self,
        link: MemoryLink,
        session_id: bytes,
        client_chain: CertificateChain | None = None,
    ) -> ScriptedPeer[ntf_commands.Command]:
        handshake = NTFRouterHandshake(
            session_id=session_id,
            chain=self.credentials.chain,
            signing_key=self.credentials.key,
            session_key=X25519PrivateKey.generate(),
            alpn=self.alpn,
            versions=self.versions,
        )
        blocks = PaddedBlocks(NTF.block_size)
        peer = RawPeer(link, NTF.block_size)
        await peer.send_bytes(blocks.seal(handshake.hello()))
        handshake.receive(blocks.open(await peer.receive_block()))
        assert handshake.agreement is not None
        return ScriptedPeer(link, handshake.agreement, ntf_commands.decode_command)

    @asynccontextmanager
    async def open_client(
        self,
        config: ClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> AsyncIterator[tuple[NTFClient, ScriptedPeer[ntf_commands.Command]]]:
        """A client, driven as long as the block lasts, and the peer that it talks to."""
        ends = await self._meet(NTF, self.tls(), None)
        client = NTFClient(self.address, ends.connection, config, disconnected=disconnected)
        async with driven(client):
            yield client, ends.peer
