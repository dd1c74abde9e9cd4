"""Both sides of HTTP/2 over streams in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from trio.testing import memory_stream_pair

from simplex_trio.xftp.http2.client import Http2Client, open_http2_client
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from simplex_trio.xftp.http2.stream import Http2Stream
from tests.xftp.raw import Peer

KIB = 1024


SMALL = Http2Limits(streams=4, stream_window=64 * KIB, connection_window=128 * KIB, outbox=64 * KIB)


Handler = Callable[[ServerRequest], Awaitable[object]]


async def whole_body(stream: Http2Stream) -> bytes:
    body = bytearray()
    while piece := await stream.receive_some():
        body += piece
    return bytes(body)


async def echo(request: ServerRequest) -> None:
    """Send back what comes, while it comes."""
    await request.respond({"x-answer": "yes"})
    while piece := await request.stream.receive_some():
        await request.stream.send(piece)
    await request.stream.send(b"", end=True)


@asynccontextmanager
async def connected(
    handler: Handler,
    *,
    client_limits: Http2Limits | None = None,
    server_limits: Http2Limits | None = None,
) -> AsyncIterator[tuple[Http2Client, Http2Server]]:
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, handler, server_limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        async with open_http2_client(ours, client_limits) as client:
            yield client, server
        await server.wait_until_over()


@asynccontextmanager
async def served_peer(
    handler: Handler = echo, limits: Http2Limits | None = None
) -> AsyncIterator[tuple[Peer, Http2Server]]:
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, handler, limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        peer = Peer(ours, client_side=True)
        await peer.flush()
        yield peer, server
        await ours.aclose()
        await server.wait_until_over()


@asynccontextmanager
async def client_of_peer(
    limits: Http2Limits | None = None,
) -> AsyncIterator[tuple[Http2Client, Peer]]:
    ours, theirs = memory_stream_pair()
    async with open_http2_client(ours, limits) as client:
        peer = Peer(theirs, client_side=False)
        await peer.flush()
        yield client, peer
        await theirs.aclose()
