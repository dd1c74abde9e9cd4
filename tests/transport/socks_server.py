"""A SOCKS5 proxy of a few lines, which remembers what it was asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv6Address

import trio
from attrs import define, field, frozen
from trio.testing import open_stream_to_socket_listener

_ANONYMOUS, _LOGIN = 0, 2
_GRANTED = 0


@frozen
class Request:
    login: tuple[str, str] | None
    name: str | None
    """What was not resolved."""
    address: str | None
    port: int


@define
class SocksServer:
    """Sends every client to ``target``, whatever the request says."""

    target: trio.SocketListener
    port: int = 0
    requests: list[Request] = field(factory=list)
    answers: list[bytes] = field(factory=list)
    """What to say in place of granting, request after request; then the connection is closed."""

    async def serve(self, client: trio.SocketStream) -> None:
        async with client:
            with suppress(EOFError, trio.BrokenResourceError):
                await self.converse(client)

    async def converse(self, client: trio.SocketStream) -> None:
        async def take(size: int) -> bytes:
            data = b""
            while len(data) < size:
                more = await client.receive_some(size - len(data))
                if not more:
                    raise EOFError
                data += more
            return data

        _, count = await take(2)
        methods = await take(count)
        login = None
        if _LOGIN in methods:
            await client.send_all(bytes([5, _LOGIN]))
            await take(1)
            user = await take((await take(1))[0])
            password = await take((await take(1))[0])
            login = (user.decode(), password.decode())
            await client.send_all(bytes([1, 0]))
        else:
            await client.send_all(bytes([5, _ANONYMOUS]))
        kind = (await take(4))[3]
        name = address = None
        if kind == 1:
            address = str(IPv4Address(await take(4)))
        elif kind == 4:
            address = str(IPv6Address(await take(16)))
        else:
            name = (await take((await take(1))[0])).decode()
        port = int.from_bytes(await take(2), "big")
        self.requests.append(Request(login, name, address, port))
        if self.answers:
            await client.send_all(self.answers.pop(0))
            return
        async with await open_stream_to_socket_listener(self.target) as server:
            await client.send_all(bytes([5, _GRANTED, 0, 1, 0, 0, 0, 0, 0, 0]))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_copy, client, server)
                nursery.start_soon(_copy, server, client)


async def _copy(source: trio.SocketStream, target: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        async for data in source:
            await target.send_all(data)
        await target.send_eof()


@asynccontextmanager
async def open_socks_server(target: trio.SocketListener) -> AsyncGenerator[SocksServer]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = SocksServer(target, listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, server.serve, [listener])
        yield server
        nursery.cancel_scope.cancel()
