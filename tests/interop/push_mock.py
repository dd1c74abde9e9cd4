"""A push provider on this machine, which takes what a notification router wants to push.

It speaks as much of Apple's protocol as routers do: a POST for each push, over HTTP/2 and TLS.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio
from attrs import frozen

from simplex_trio.wire.text import from_base64url
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from tests.interop.driver import PATIENCE

_MAX_BODY = 16384
_PATH = b"/3/device/"


@frozen
class Push:
    """What a device is woken up with: a code, or messages."""

    device: bytes
    nonce: bytes
    sealed: bytes
    is_code: bool


class PushMock:
    """What was pushed, in order."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Push](1000)
        self.checks: set[bytes] = set()
        """Devices that were woken up without a reason."""

    async def next_push(self, device: bytes, *, is_code: bool) -> Push:
        """The next push of a kind to a device; what is between is left out."""
        with trio.fail_after(PATIENCE):
            async for push in self._receive:
                if (push.device, push.is_code) == (device, is_code):
                    return push
        raise AssertionError

    async def serve(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        tls = trio.SSLStream(stream, context, server_side=True)
        await Http2Server(tls, self._take).run()

    async def _take(self, request: ServerRequest) -> None:
        body = b""
        while data := await request.stream.receive_some():
            body += data
            assert len(body) <= _MAX_BODY
        path = request.headers[b":path"]
        assert path.startswith(_PATH)
        self._note(path.removeprefix(_PATH), json.loads(body))
        await request.respond(end=True)

    def _note(self, device: bytes, content: dict[str, Any]) -> None:
        said = content["notificationData"]
        if "nonce" not in said:
            self.checks.add(device)
            return
        kind = "verification" if "verification" in said else "message"
        nonce, sealed = from_base64url(said["nonce"]), from_base64url(said[kind])
        self._send.send_nowait(Push(device, nonce, sealed, kind == "verification"))


@asynccontextmanager
async def open_push_mock(certificate: str, port: int) -> AsyncIterator[PushMock]:
    """Listen on localhost; ``certificate`` is a file with the certificate and its key."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    mock = PushMock()

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await mock.serve(stream, context)

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, serve, port, host="localhost"))
        yield mock
        nursery.cancel_scope.cancel()
