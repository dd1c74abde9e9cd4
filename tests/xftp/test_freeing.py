"""Connections to a router for files are freed at once when they end, on both sides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.transport.tls import client_handshake
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client import open_xftp_client
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.garbage import nothing_left_to_the_collector
from tests.xftp.http2 import connected, echo, whole_body
from tests.xftp.raw import POST

End = Callable[[ServerAddress], Awaitable[None]]


async def used_and_closed(address: ServerAddress) -> None:
    async with open_xftp_client(address) as client:
        await client.ping()


async def gave_up_in_a_request(address: ServerAddress) -> None:
    async with open_xftp_client(address) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.ping)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def said_nothing_after_tls(address: ServerAddress) -> None:
    tcp = await trio.open_tcp_stream("127.0.0.1", address.effective_port)
    stream = await client_handshake(tcp, pin=address.key_hash, alpn=["xftp/1"])
    await wait_all_tasks_blocked()
    await stream.aclose()


async def spoke_no_http2(address: ServerAddress) -> None:
    tcp = await trio.open_tcp_stream("127.0.0.1", address.effective_port)
    async with await client_handshake(tcp, pin=address.key_hash, alpn=["xftp/1"]) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        while await stream.receive_some():
            pass


async def vanished(address: ServerAddress) -> None:
    async with open_xftp_client(address) as client:
        await client.ping()
        await trio.aclose_forcefully(client._http._stream)


async def _all_gone(router: XFTPRouter) -> None:
    while router.statistics().sockets_active:
        await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    "end",
    [
        *(used_and_closed, gave_up_in_a_request, said_nothing_after_tls, spoke_no_http2),
        vanished,
    ],
    ids=lambda end: end.__name__.replace("_", " "),
)
async def test_client_that(end: End) -> None:
    async with open_xftp_router() as router:
        await end(router.address)
        await _all_gone(router)
        with nothing_left_to_the_collector():
            for _ in range(2):
                await end(router.address)
                await _all_gone(router)


async def test_requests_of_http2() -> None:
    async def once() -> None:
        async with connected(echo) as (client, _), client.request(POST) as request:
            await request.send(b"x" * 1000, end=True)
            await request.receive_headers()
            assert await whole_body(request) == b"x" * 1000

    await once()
    with nothing_left_to_the_collector():
        await once()
