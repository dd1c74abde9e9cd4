"""An echo of blocks over TLS: what a connection costs before any protocol is spoken on it.

As a program it prints an address, accepts connections like a router, and sends each block back.
The rows here are what the sequential rows of clients are seen beside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import trio

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.listen import open_listeners, serve_tls
from simplex_trio.transport.tls import ServerContext, TlsCredentials, TlsStream, utc_now
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE
from tests.bench.children import input_ended
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("echo", "bare blocks over TLS", Subject.ECHO)

_ALPN = ("echo",)
_BLOCK = bytes(SMP_BLOCK_SIZE)


@asynccontextmanager
async def _connection(conditions: Conditions) -> AsyncIterator[BlockStream]:
    address = conditions.addresses[Subject.ECHO].address
    stream = BlockStream(await open_transport(address, alpn=_ALPN), SMP_BLOCK_SIZE)
    async with stream:
        yield stream


@ROWS.row()
async def echo_connect(conditions: Conditions) -> Figures:
    """TCP and TLS."""
    seconds = []
    for _ in range(conditions.times(50)):
        start = perf_counter()
        async with _connection(conditions):
            seconds.append(perf_counter() - start)
    return Figures.of_each(seconds)


@ROWS.row()
async def echo_sequential(conditions: Conditions) -> Figures:
    """A block there and back, one at a time."""
    seconds = []
    async with _connection(conditions) as stream:
        for _ in range(conditions.times(1000)):
            start = perf_counter()
            await stream.send_frames([_BLOCK])
            await stream.receive_frame()
            seconds.append(perf_counter() - start)
    return Figures.of_each(seconds)


@ROWS.row()
async def echo_pipelined(conditions: Conditions) -> Figures:
    """Blocks there and back, as fast as they go."""
    count = conditions.times(2000)
    async with _connection(conditions) as stream, trio.open_nursery() as nursery:

        async def send() -> None:
            for _ in range(count):
                await stream.send_frames([_BLOCK])

        start = perf_counter()
        nursery.start_soon(send)
        for _ in range(count):
            await stream.receive_frame()
        seconds = perf_counter() - start
    return Figures.of_all(count, seconds)


async def _echo(stream: TlsStream) -> None:
    blocks = BlockStream(stream, SMP_BLOCK_SIZE)
    try:
        while True:
            await blocks.send_frames([await blocks.receive_frame()])
    except (trio.EndOfChannel, trio.BrokenResourceError):
        pass  # the client has had enough


async def _serve() -> None:
    credentials = generate_router_credentials(now=utc_now())
    context = ServerContext(TlsCredentials.of(credentials.chain, credentials.key), alpn=_ALPN)
    listeners = await open_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    host = parse_host("127.0.0.1")
    address = ServerAddress(ServerProtocol.SMP, (host,), port, credentials.identity_fingerprint)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_tls, _echo, listeners, context)
        print(address, flush=True)
        await input_ended()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(_serve)
