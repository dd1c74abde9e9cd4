"""Peers without restraint: HTTP/2 by hand, and a client of a router that writes what it wants."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from simplex_trio.crypto.padding import pad
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.tls import TlsStream
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import short, word16
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    read_response,
    seal_transmission,
    xftp_session,
)

POST = {":method": "POST", ":scheme": "https", ":authority": "a.example", ":path": "/"}


class Peer:
    """The other side of a connection, with h2 and without any restraint."""

    def __init__(self, stream: trio.abc.Stream, *, client_side: bool) -> None:
        self.stream = stream
        self.h2 = H2Connection(
            H2Configuration(
                client_side=client_side, validate_outbound_headers=False, header_encoding=None
            )
        )
        self._writing = trio.Lock()
        self.h2.initiate_connection()
        self.seen: list[events.Event] = []

    async def flush(self) -> None:
        async with self._writing:
            await self.stream.send_all(self.h2.data_to_send())

    async def see(self, kind: type[events.Event]) -> Any:
        """Read until an event of this kind; `None` if the connection ends first."""
        while True:
            for event in self.seen:
                if isinstance(event, kind):
                    self.seen.remove(event)
                    return event
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self.seen += self.h2.receive_data(data)
            await self.flush()


class RawClient:
    """A client that writes what it wants, block by block."""

    def __init__(self, tls: TlsStream) -> None:
        self.tls = tls
        self.peer = Peer(tls, client_side=True)
        self.session = xftp_session(3, tls.session.session_id)

    async def begin(self, headers: dict[str, str] | None = None) -> int:
        stream_id = self.peer.h2.get_next_available_stream_id()
        self.peer.h2.send_headers(stream_id, list((headers or POST).items()))
        await self.peer.flush()
        return stream_id

    async def post(self, body: bytes = b"", *, end: bool = True) -> int:
        stream_id = await self.begin()
        await self.send(stream_id, body, end=end)
        return stream_id

    async def send(self, stream_id: int, body: bytes, *, end: bool = True) -> None:
        for start in range(0, len(body), 16384):
            self.peer.h2.send_data(stream_id, body[start : start + 16384])
        if end:
            self.peer.h2.end_stream(stream_id)
        with suppress(trio.BrokenResourceError):
            await self.peer.flush()

    async def answer(self) -> bytes:
        """The body of the next answer that ends; empty if the connection does."""
        body = b""
        while True:
            data = await self.peer.see(events.Event)
            match data:
                case None | events.StreamEnded():
                    return body
                case events.DataReceived():
                    body += data.data
                    self.peer.h2.acknowledge_received_data(
                        data.flow_controlled_length, data.stream_id
                    )
                    await self.peer.flush()
                case events.StreamReset():
                    return b"reset"

    async def shake_hands(self, identity: bytes) -> None:
        await self.post()
        assert len(await self.answer()) == XFTP_BLOCK_SIZE
        await self.post(pad(word16(3) + short(identity), XFTP_BLOCK_SIZE))
        assert await self.answer() == b""

    def block(self, command: bytes, entity_id: bytes = b"", key: Any = None) -> bytes:
        unsent = prepare_transmission(self.session, bytes(24), entity_id, command)
        authorization = b"" if key is None else key.sign(unsent.authorized)
        return seal_transmission(unsent.finish(authorization), self.session)

    def answered(self, answer: bytes) -> Any:
        return read_response(answer[:XFTP_BLOCK_SIZE], self.session).message


async def raw_client(address: ServerAddress) -> RawClient:
    tls = await open_transport(address, alpn=("xftp/1",))
    client = RawClient(tls)
    await client.peer.flush()
    return client
