"""What the tests of XFTP share: a client and a router's side of it over a stream in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from attrs import define
from trio.testing import memory_stream_pair

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    read_request,
    seal_transmission,
    xftp_session,
)
from simplex_trio.wire.xftp.commands import FGET, Command
from simplex_trio.wire.xftp.handshake import XFTPAgreement
from simplex_trio.wire.xftp.messages import FILE, Message
from simplex_trio.xftp.bodies import BodyReader, WaitBudget
from simplex_trio.xftp.box_stream import BoxStream
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.http2.client import open_http2_client
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest

SESSION = xftp_session(3, b"session".ljust(32))
SERVER = ServerAddress.parse("xftp://AAAA@router.example")


DataT = TypeVar("DataT", bytes, memoryview)


def cut(data: DataT, places: list[int]) -> list[DataT]:
    """``data`` in pieces that end at these places, empty ones included."""
    ends: list[int] = sorted(min(place, len(data)) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


async def eventually(check: Callable[[], bool]) -> None:
    """Return when ``check`` says so; it is about what other tasks and threads do."""
    with trio.fail_after(20):
        while not check():  # noqa: ASYNC110
            await trio.sleep(0.001)


@define
class Asked:
    """A request that a router has received, and what it may answer with."""

    request: ServerRequest
    received: ReceivedCommand[Command]
    body: BodyReader

    @property
    def command(self) -> Command:
        return self.received.command

    def block(
        self,
        message: Message | bytes,
        *,
        correlation_id: bytes | None = None,
        entity_id: bytes | None = None,
    ) -> bytes:
        """The block of an answer, right unless something else is said."""
        transmission = self.received.transmission
        unsent = prepare_transmission(
            SESSION,
            transmission.correlation_id if correlation_id is None else correlation_id,
            transmission.entity_id if entity_id is None else entity_id,
            message if isinstance(message, bytes) else message.encode(3),
        )
        return seal_transmission(unsent.finish(), SESSION)

    async def answer(self, message: Message, **wrong: Any) -> None:
        await self.send(self.block(message, **wrong))

    async def send(self, *pieces: bytes, end: bool = True) -> None:
        await self.request.respond()
        for piece in pieces:
            await self.request.stream.send(piece)
        if end:
            await self.request.stream.send(b"", end=True)

    def file(self, body: bytes) -> tuple[bytes, bytes, bytes]:
        """The block of FILE, the body in its box, and the tag."""
        assert isinstance(self.command, FGET)
        key, nonce = X25519PrivateKey.generate(), bytes(24)
        box = BoxStream(BoxKey.agree(key, self.command.dh_key), nonce)
        return self.block(FILE(key.public, nonce)), box.seal(body), box.tag()


Router = Callable[[Asked], Awaitable[None]]


@asynccontextmanager
async def client_of(
    router: Router, config: XFTPClientConfig | None = None
) -> AsyncIterator[XFTPClient]:
    """A client whose requests are answered by ``router``."""
    config = config or XFTPClientConfig()
    ours, theirs = memory_stream_pair()

    async def handle(request: ServerRequest) -> None:
        body = BodyReader(request.stream, WaitBudget(1e6, 1e6))
        received = read_request(await body.read_up_to(XFTP_BLOCK_SIZE), SESSION)
        assert isinstance(received, ReceivedCommand), received
        await router(Asked(request, received, body))

    server = Http2Server(theirs, handle)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        async with open_http2_client(ours, config.limits) as http:
            yield XFTPClient(SERVER, http, XFTPAgreement(SESSION), config)
        await server.aclose()
