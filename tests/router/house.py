"""A router without sockets and TLS, and clients that speak to it block by block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import count

import trio
from attrs import Factory, define, frozen
from trio.testing import MemorySendStream, memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.crypto.credentials import RouterCredentials, generate_router_credentials
from simplex_trio.crypto.keys import AuthPrivateKey, X25519PrivateKey
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.hub import Hub, assemble_hub
from simplex_trio.router.names import NameResolver
from simplex_trio.router.proxying import Relays
from simplex_trio.router.session import serve_client
from simplex_trio.router.store.interface import Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.blocks import BlockCodec, PaddedBlocks
from simplex_trio.wire.handshake import ClientAgreement
from simplex_trio.wire.reading import ReceivedMessage, read_messages
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.handshake import (
    SMP_BLOCK_SIZE,
    ServiceIdentity,
    SMPClientHandshake,
)
from simplex_trio.wire.smp.messages import Message, decode_message
from simplex_trio.wire.transmissions import batches, prepare_transmission
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

NOW = 1_800_000_000
DATE = datetime(2026, 6, 1, tzinfo=UTC)

CREDENTIALS = generate_router_credentials(now=DATE)


def predictable_random() -> Callable[[int], bytes]:
    """Bytes that are different at each call, and the same in each run."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(8, "big").rjust(size, b"\x55")


@define(eq=False)
class House:
    """A router's hub and the nursery of its connections; `now` can be set."""

    hub: Hub
    nursery: trio.Nursery
    credentials: RouterCredentials
    clock: list[float]
    failures: list[Exception] = Factory(list)
    """What ended a connection that should not have been able to."""
    _session_ids: count[int] = Factory(lambda: count(1))

    def later(self, seconds: float) -> None:
        """Let time pass for what the router writes down, not for what waits."""
        self.clock[0] += seconds

    async def connect(
        self,
        *,
        versions: VersionRange = SMP_VERSIONS,
        alpn: str | None = "smp/1",
        session_key: X25519PrivateKey | None = None,
        with_key: bool = True,
        is_proxy: bool = False,
        service: ServiceIdentity | None = None,
    ) -> RawClient:
        """A client after its handshake."""
        raw = self.dial(alpn=alpn, service=service)
        handshake = SMPClientHandshake(
            session_id=raw.tls.session_id,
            identity=self.credentials.identity_fingerprint,
            tls_chain=self.credentials.chain,
            session_key=(session_key or X25519PrivateKey.generate()) if with_key else None,
            versions=versions,
            is_proxy=is_proxy,
            service=service,
            certificate_sent=service is not None,
        )
        blocks = PaddedBlocks(SMP_BLOCK_SIZE)
        while handshake.agreement is None:
            content = handshake.receive(blocks.open(await raw.frames.receive_frame()))
            if content is not None:
                await raw.frames.send_frames([blocks.seal(content)])
        agreement = handshake.agreement
        return RawClient(raw, agreement, agreement.block_codec())

    def dial(
        self, *, alpn: str | None = "smp/1", service: ServiceIdentity | None = None
    ) -> Dialled:
        """A connection on which nothing has been said yet."""
        ours, theirs = memory_stream_pair()
        tls = TlsSession(
            session_id=next(self._session_ids).to_bytes(32, "big"),
            tls_version="TLSv1.3",
            alpn=alpn,
            peer_chain=None if service is None else service.chain,
            server_name=None,
            certificate_sent=service is not None,
            suite="TLS_CHACHA20_POLY1305_SHA256",
            group="x25519",
        )
        self.nursery.start_soon(self._serve, BlockStream(theirs, SMP_BLOCK_SIZE), tls)
        return Dialled(BlockStream(ours, SMP_BLOCK_SIZE), tls, theirs.send_stream)

    async def _serve(self, frames: BlockStream, tls: TlsSession) -> None:
        try:
            await serve_client(self.hub, frames, tls)
        except Exception as exc:  # as the listener does
            self.failures.append(exc)
        await frames.aclose()


@frozen
class Dialled:
    frames: BlockStream
    tls: TlsSession
    writes_of_router: MemorySendStream


@frozen
class Said:
    """What the router said in one transmission."""

    correlation_id: bytes
    entity_id: bytes
    message: Message


class RawClient:
    """A connection on which a test sends commands one by one, and reads blocks one by one."""

    def __init__(self, raw: Dialled, agreement: ClientAgreement, blocks: BlockCodec) -> None:
        self.frames = raw.frames
        self._writes_of_router = raw.writes_of_router
        self.agreement = agreement
        self.blocks = blocks
        self.unread: list[Said] = []
        self._authorizer = Authorizer(agreement.router_key, agreement.service)
        self._correlation_ids = count(1)

    @property
    def session(self) -> SessionParameters:
        return self.agreement.session

    def new_correlation_id(self) -> bytes:
        return next(self._correlation_ids).to_bytes(24, "big")

    def transmission(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        correlation_id: bytes | None = None,
    ) -> bytes:
        """An authorized command, as bytes."""
        correlation_id = self.new_correlation_id() if correlation_id is None else correlation_id
        encoded = command.encode(self.session.version)
        unsent = prepare_transmission(self.session, correlation_id, entity_id, encoded)
        uses_service = command.USES_SERVICE_SIGNATURE
        return self._authorizer.finish(unsent, key, correlation_id, with_service=uses_service)

    async def send_content(self, content: bytes) -> None:
        """Send a block with this content."""
        await self.frames.send_frames([self.blocks.seal(content)])

    async def send(self, *transmissions: bytes) -> None:
        """Send transmissions in as few blocks as they need."""
        for batch in batches(transmissions, self.session):
            await self.send_content(batch.content())

    async def read_block(self) -> list[Said]:
        """What the router says in its next block."""
        content = self.blocks.open(await self.frames.receive_frame())
        said = []
        for each in read_messages(content, self.session, decode_message):
            assert isinstance(each, ReceivedMessage)
            said.append(Said(each.correlation_id, each.entity_id, each.message))
        return said

    async def read(self) -> Said:
        """The next thing that the router says."""
        while not self.unread:
            self.unread += await self.read_block()
        return self.unread.pop(0)

    async def ask(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        correlation_id: bytes | None = None,
    ) -> Message:
        """Send one command and return what answers it, which must be the next thing said."""
        await self.send(self.transmission(command, entity_id, key, correlation_id))
        answer = await self.read()
        assert answer.correlation_id != b"", f"{answer.message!r} is no answer"
        return answer.message

    async def read_all(self) -> list[list[Said]]:
        """All blocks that are there when all tasks wait."""
        found: list[list[Said]] = []

        async def read() -> None:
            with suppress(trio.EndOfChannel):
                while True:
                    found.append(await self.read_block())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return found

    async def nothing_more(self) -> None:
        """Check that the router has nothing more to say."""
        assert not self.unread, f"{self.unread[0].message!r} is unread"
        assert await self.read_all() == []

    async def read_until_closed(self) -> list[Said]:
        """What the router says until it closes the connection."""
        said: list[Said] = []
        with suppress(trio.EndOfChannel, trio.BrokenResourceError):
            while True:
                said += await self.read_block()
        return said

    def stop_reading(self) -> None:
        """From now on nothing that the router writes gets through."""
        self._writes_of_router.send_all_hook = trio.sleep_forever

    async def aclose(self) -> None:
        await self.frames.aclose()


@asynccontextmanager
async def open_house(
    config: RouterConfig | None = None,
    *,
    store: Store | None = None,
    random: Callable[[int], bytes] | None = None,
    relays: Relays | None = None,
    resolver: NameResolver | None = None,
    threads: int = 0,
) -> AsyncIterator[House]:
    """A router that stands still without commands, but for the threads that it may have."""
    clock = [float(NOW)]
    hub = await assemble_hub(
        config or RouterConfig(),
        CREDENTIALS,
        store or MemoryStore(),
        relays=relays,
        resolver=resolver,
        clock=lambda: clock[0],
        random=random or predictable_random(),
        threads=threads,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.commits.run)
        nursery.start_soon(hub.signature_threads.run)
        try:
            house = House(hub, nursery, CREDENTIALS, clock)
            yield house
            assert not house.failures
        finally:
            nursery.cancel_scope.cancel()
            hub.commits.close()
