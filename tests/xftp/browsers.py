"""A browser, as far as a router sees it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from h2 import events

from tests.xftp.raw import POST, Peer

__all__ = ["Browser", "browser_on"]


class Browser:
    """What a page can do: whole requests, and whole answers."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.peer = Peer(stream, client_side=True)

    def begin(self, headers: dict[str, str]) -> int:
        h2 = self.peer.h2
        stream_id = h2.get_next_available_stream_id()
        h2.send_headers(stream_id, list({**POST, **headers}.items()))
        return stream_id

    async def fetch(
        self, body: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST"
    ) -> tuple[dict[bytes, bytes], bytes]:
        h2 = self.peer.h2
        stream_id = self.begin({":method": method, **(headers or {})})
        for start in range(0, len(body), 16384):
            h2.send_data(stream_id, body[start : start + 16384])
        h2.end_stream(stream_id)
        await self.peer.flush()
        response = await self.peer.see(events.ResponseReceived)
        answer = b""
        while not isinstance(event := await self.peer.see(events.Event), events.StreamEnded):
            if isinstance(event, events.DataReceived):
                answer += event.data
                h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
                await self.peer.flush()
        return dict(response.headers), answer


@asynccontextmanager
async def browser_on(port: int) -> AsyncIterator[Browser]:
    """A browser that believes any certificate, connected to this port of this machine."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    tcp = await trio.open_tcp_stream("127.0.0.1", port)
    async with trio.SSLStream(tcp, context, server_hostname="localhost") as stream:
        browser = Browser(stream)
        await browser.peer.flush()
        yield browser
