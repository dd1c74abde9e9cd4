"""Connecting to routers, and to what is none."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.errors import (
    ConnectTimeout,
    DecodeError,
    DialFailed,
    HandshakeFailed,
    NoCommonVersion,
    SimplexError,
    WrongIdentity,
)
from simplex_trio.transport.listen import open_listeners, serve_tls
from simplex_trio.transport.tls import ServerContext, TlsCredentials, TlsStream, utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.versions import VersionRange
from simplex_trio.xftp.client import open_xftp_client
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import (
    XFTPSupportMissing,
)
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from simplex_trio.xftp.router.server import open_xftp_router

CREDENTIALS = generate_router_credentials(now=utc_now())


class Listening:
    """A server at an address, with the right identity and any behaviour."""

    def __init__(self, alpn: tuple[str, ...] = ("xftp/1",)) -> None:
        self.alpn = alpn
        self.address = ServerAddress.parse("xftp://AAAA@127.0.0.1")

    async def serve(self, handler: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        credentials = TlsCredentials.of(CREDENTIALS.chain, CREDENTIALS.key)
        context = ServerContext(credentials, alpn=self.alpn)
        listeners = await open_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        self.address = ServerAddress(
            self.address.protocol, self.address.hosts, port, CREDENTIALS.identity_fingerprint
        )
        await serve_tls(handler, listeners, context, task_status=task_status)


def answering(*answers: bytes) -> Any:
    """A server that gives these answers, one after the other, whatever it is asked."""

    async def serve(tls: TlsStream) -> None:
        left = list(answers)

        async def handle(request: ServerRequest) -> None:
            while await request.stream.receive_some():
                pass
            await request.respond()
            await request.stream.send(left.pop(0) if left else b"", end=True)

        await Http2Server(tls, handle).run()

    return serve


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((b"",), HandshakeFailed),
        ((b"noise",), HandshakeFailed),
        ((b"\0\4ERR!".ljust(16384, b"#"),), HandshakeFailed),
        ((bytes(20000),), HandshakeFailed),
    ],
    ids=range(4),
)
async def test_routers_that_do_not_shake_hands(
    answers: tuple[bytes, ...], error: type[SimplexError]
) -> None:
    listening = Listening()
    async with trio.open_nursery() as nursery:
        await nursery.start(listening.serve, answering(*answers))
        with pytest.raises(error):
            async with open_xftp_client(listening.address):
                raise AssertionError("there is no agreement")
        nursery.cancel_scope.cancel()


async def test_a_router_that_says_nothing() -> None:
    listening = Listening()

    async def silent(tls: TlsStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(listening.serve, silent)
        config = XFTPClientConfig(connect_timeouts=Timeouts(0.2, 0.2))
        with pytest.raises(ConnectTimeout):
            async with open_xftp_client(listening.address, config):
                raise AssertionError("there is no connection")
        nursery.cancel_scope.cancel()


async def test_without_a_protocol_in_tls_there_is_version_1() -> None:
    listening = Listening(alpn=("other",))
    async with trio.open_nursery() as nursery:
        await nursery.start(listening.serve, answering())
        async with open_xftp_client(listening.address) as client:
            assert client.version == 1
        nursery.cancel_scope.cancel()


async def test_a_version_that_the_router_does_not_speak() -> None:
    async with open_xftp_router() as router:
        config = XFTPClientConfig(versions=VersionRange(4, 5))
        with pytest.raises(NoCommonVersion):
            async with open_xftp_client(router.address, config):
                raise AssertionError("there is no agreement")


async def test_another_identity() -> None:
    async with open_xftp_router() as router:
        address = router.address
        other = ServerAddress(address.protocol, address.hosts, address.port, bytes(32))
        with pytest.raises(WrongIdentity):
            async with open_xftp_client(other):
                raise AssertionError("it is another router")


async def test_no_router_there() -> None:
    async with open_xftp_router() as router:
        address = str(router.address)
    with pytest.raises(DialFailed):
        async with open_xftp_client(address):
            raise AssertionError("the router is closed")


@pytest.mark.parametrize(
    ("address", "error"),
    [("smp://AAAA@a.example", ValueError), ("nonsense", DecodeError)],
)
async def test_addresses_that_are_none(address: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        async with open_xftp_client(address):
            raise AssertionError("there is no router to connect to")


async def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplex_trio.xftp.support.find_spec", lambda _: None)
    with pytest.raises(XFTPSupportMissing, match=r"simplex-trio\[xftp\]"):
        async with open_xftp_client("xftp://AAAA@a.example"):
            raise AssertionError("there is no HTTP/2")
    with pytest.raises(XFTPSupportMissing):
        async with open_xftp_router():
            raise AssertionError("there is no HTTP/2")
