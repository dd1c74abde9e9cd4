"""Connections that have ended are freed at once, however they ended; so are their clients."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from simplex_trio.client.smp.client import connect_smp_client, open_smp_client
from simplex_trio.errors import WrongIdentity
from simplex_trio.router.server import Router, open_router
from simplex_trio.transport.tls import TlsStream, client_handshake
from simplex_trio.wire.addresses import ServerAddress
from tests.garbage import nothing_left_to_the_collector

End = Callable[[ServerAddress], Awaitable[None]]


async def tcp(address: ServerAddress) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", address.effective_port)


async def tls(address: ServerAddress) -> TlsStream:
    return await client_handshake(await tcp(address), pin=address.key_hash, alpn=["smp/1"])


async def used_and_closed(address: ServerAddress) -> None:
    async with open_smp_client(address) as client:
        await client.ping()


async def never_said_anything(address: ServerAddress) -> None:
    async with await tcp(address) as stream:
        await wait_all_tasks_blocked()
        await stream.send_eof()
        assert await stream.receive_some() == b""


async def spoke_no_tls(address: ServerAddress) -> None:
    async with await tcp(address) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        while await stream.receive_some():
            pass


async def was_the_wrong_router(address: ServerAddress) -> None:
    with pytest.raises(WrongIdentity):
        async with open_smp_client(evolve(address, key_hash=bytes(32))):
            pass


async def gave_up_in_tls(address: ServerAddress) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tls, address)
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def gave_up_before_the_hello(address: ServerAddress) -> None:
    await (await tls(address)).aclose()


async def sent_a_hello_of_zeros(address: ServerAddress) -> None:
    async with await tls(address) as stream:
        await stream.send_all(bytes(16384))
        while await stream.receive_some():
            pass


async def vanished(address: ServerAddress) -> None:
    async with trio.open_nursery() as nursery:
        client = await connect_smp_client(nursery, address)
        await client.ping()
        below = client._stream.stream.transport_stream  # type: ignore[attr-defined]
        reset = struct.pack("ii", 1, 0)  # a close that is a reset
        below.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        await trio.aclose_forcefully(below)
        await client.wait_disconnected()


async def was_cancelled(address: ServerAddress) -> None:
    async with trio.open_nursery() as nursery:
        client = await connect_smp_client(nursery, address)
        await client.ping()
        nursery.cancel_scope.cancel()


async def _all_gone(router: Router) -> None:
    while router.sockets.active:
        await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    "end",
    [
        *(used_and_closed, never_said_anything, spoke_no_tls, was_the_wrong_router),
        *(gave_up_in_tls, gave_up_before_the_hello, sent_a_hello_of_zeros, vanished),
        was_cancelled,
    ],
    ids=lambda end: end.__name__.replace("_", " "),
)
async def test_client_that(end: End) -> None:
    async with open_router() as router:
        await end(router.address)
        await _all_gone(router)
        with nothing_left_to_the_collector():
            for _ in range(3):
                await end(router.address)
                await _all_gone(router)
