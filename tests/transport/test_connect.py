from __future__ import annotations

import errno
import gc
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from simplex_trio.errors import (
    ConnectError,
    DialFailed,
    NoSuitableHost,
    ProxyRefused,
    SocksSupportMissing,
    WrongIdentity,
)
from simplex_trio.transport import connect
from simplex_trio.transport.config import ConnectConfig, KeepAlive, SocksProxy
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.hosts import DialPlan
from simplex_trio.transport.listen import SocketStatistics, open_listeners, serve_tls
from simplex_trio.transport.quick_ack import QuickAckStream
from simplex_trio.transport.tls import TlsStream
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_hosts
from tests.transport.socks_server import open_socks_server
from tests.transport.support import (
    CONTEXT,
    OTHER_ROUTER,
    PIN,
    ROUTER,
    SERVICE,
    SERVICE_TLS,
    cancelled_at_step,
    now,
)


@frozen
class Server:
    listener: trio.SocketListener
    statistics: SocketStatistics
    sessions: list[Any]

    @property
    def port(self) -> int:
        port: int = self.listener.socket.getsockname()[1]
        return port


@asynccontextmanager
async def open_server() -> AsyncGenerator[Server]:
    """A server on loopback that sends back what it receives."""
    (listener,) = await open_listeners(0, host="127.0.0.1")
    server = Server(listener, SocketStatistics(), [])

    async def echo(stream: TlsStream) -> None:
        server.sessions.append(stream.session)
        while data := await stream.receive_some():
            await stream.send_all(data)

    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_tls(
                echo,
                [listener],
                CONTEXT,
                statistics=server.statistics,
                clock=now,
                task_status=task_status,
            )

        await nursery.start(serve)
        yield server
        nursery.cancel_scope.cancel()
    assert server.statistics.active == 0
    assert server.statistics.leaked == 0


def address(hosts: str, port: int | None, pin: bytes = PIN) -> ServerAddress:
    return ServerAddress(ServerProtocol.SMP, parse_hosts(hosts)[0], port, pin)


async def echoes(stream: TlsStream) -> None:
    await stream.send_all(b"hello")
    assert await stream.receive_some() == b"hello"


async def test_a_connection() -> None:
    async with open_server() as server:
        stream = await open_transport(address("127.0.0.1", server.port), alpn=["smp/1"], clock=now)
        async with stream:
            await echoes(stream)
            assert stream.session.peer_chain == ROUTER.chain
            assert stream.session.alpn == "smp/1"
            assert stream.session.session_id == server.sessions[0].session_id
            assert server.sessions[0].server_name is None


async def test_a_service_and_a_server_name() -> None:
    async with open_server() as server:
        stream = await open_transport(
            address("127.0.0.1", server.port),
            credentials=SERVICE_TLS,
            server_name="router.example",
            clock=now,
        )
        async with stream:
            await echoes(stream)
            assert stream.session.certificate_sent
        assert server.sessions[0].peer_chain == SERVICE.chain
        assert server.sessions[0].server_name == "router.example"


async def test_the_options_of_the_socket() -> None:
    async with open_server() as server:
        config = ConnectConfig(keep_alive=KeepAlive(idle=77))
        for settings, expected in ((config, True), (ConnectConfig(keep_alive=None), False)):
            stream = await open_transport(
                address("127.0.0.1", server.port), config=settings, clock=now
            )
            async with stream:
                below = stream.transport_stream
                assert isinstance(below, QuickAckStream)
                kept = below.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert (kept != 0) is expected
                assert below.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_another_host_is_tried_when_one_does_not_answer() -> None:
    async with open_server() as server:
        hosts = "127.0.0.3,127.0.0.2,127.0.0.1"
        async with await open_transport(address(hosts, server.port), clock=now) as stream:
            await echoes(stream)


def whole_text(error: BaseException | None) -> str:
    """All that an error says, with what caused it and what it hides."""
    if error is None:
        return ""
    texts = [repr(error), str(error), whole_text(error.__cause__), whole_text(error.__context__)]
    if isinstance(error, BaseExceptionGroup):
        texts += map(whole_text, error.exceptions)
    return "\n".join(texts)


async def test_no_host_answers() -> None:
    async with open_server() as server:
        with pytest.raises(DialFailed, match="Connection refused") as caught:
            await open_transport(address("127.0.0.3", server.port))
        assert caught.value.retryable
        assert caught.value.__context__ is None
        with pytest.raises(DialFailed) as caught:
            await open_transport(address("127.0.0.3,127.0.0.2", server.port))
        assert "127.0.0" not in whole_text(caught.value)
        assert server.statistics.accepted == 0


async def test_another_server_answers() -> None:
    async with open_server() as server:
        wrong = address("127.0.0.1", server.port, OTHER_ROUTER.identity_fingerprint)
        with pytest.raises(WrongIdentity):
            await open_transport(wrong, clock=now)


async def test_no_host_suits() -> None:
    with pytest.raises(NoSuitableHost):
        await open_transport(address("aaaa.onion", None))


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a..example"])
async def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(DialFailed, match="name") as caught:
        await open_transport(address(name, 5223))
    assert name not in whole_text(caught.value)


# --- over sockets that only pretend ---------------------------------------------------------------


class FakeNetwork(trio.abc.HostnameResolver, trio.abc.SocketFactory):
    """Names with addresses, and addresses that answer after some time, or with an error."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.answers: dict[str, float | OSError] = {}
        self.dialled: list[tuple[str, float]] = []
        self.open = 0

    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        await trio.lowlevel.checkpoint()
        known = self.names.get(host.decode() if isinstance(host, bytes) else host)
        if known is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(_family(each), socket.SOCK_STREAM, 6, "", (each, port)) for each in known]

    async def getnameinfo(self, *_: Any) -> Any:
        raise NotImplementedError

    def socket(self, *_: Any) -> Any:
        return FakeSocket(self)


def _family(text: str) -> int:
    return socket.AF_INET6 if ":" in text else socket.AF_INET


class FakeSocket(trio.socket.SocketType):
    type = socket.SOCK_STREAM

    def __init__(self, network: FakeNetwork) -> None:
        self.network = network
        self.peer = ""
        network.open += 1

    async def connect(self, target: Any) -> None:
        self.peer = target[0]
        self.network.dialled.append((self.peer, trio.current_time()))
        answer = self.network.answers.get(self.peer)
        if isinstance(answer, OSError):
            await trio.lowlevel.checkpoint()
            raise answer
        await trio.sleep(float("inf") if answer is None else answer)

    def setsockopt(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        self.network.open -= 1

    def getpeername(self) -> Any:
        return (self.peer, 0)


@pytest.fixture
async def network() -> FakeNetwork:
    fake = FakeNetwork()
    trio.socket.set_custom_hostname_resolver(fake)
    trio.socket.set_custom_socket_factory(fake)
    return fake


async def dial(hosts: str) -> trio.SocketStream:
    return await connect._dial(DialPlan(parse_hosts(hosts)[0], 5223, (), None), None)


async def test_happy_eyeballs_between_addresses_and_hosts(
    autojump_clock: MockClock, network: FakeNetwork
) -> None:
    network.names = {
        "one.example": ["2001:db8::1", "192.0.2.1"],
        "two.example": ["192.0.2.2"],
    }
    network.answers = {"192.0.2.2": 0.125}
    stream = await dial("one.example,two.example")
    assert stream.socket.getpeername()[0] == "192.0.2.2"
    assert network.dialled == [("2001:db8::1", 0), ("192.0.2.1", 0.25), ("192.0.2.2", 0.25)]
    assert trio.current_time() == 0.375
    assert network.open == 1
    await stream.aclose()


async def test_a_host_without_an_address_costs_no_time(
    autojump_clock: MockClock, network: FakeNetwork
) -> None:
    network.names = {"two.example": ["192.0.2.2"]}
    network.answers = {"192.0.2.2": 0}
    async with await dial("one.example,two.example") as stream:
        assert stream.socket.getpeername()[0] == "192.0.2.2"
    assert trio.current_time() == 0
    with pytest.raises(DialFailed, match="no address"):
        await dial("one.example")


async def test_each_reason_is_given_once_and_without_addresses(
    autojump_clock: MockClock, network: FakeNetwork
) -> None:
    addresses = [f"192.0.2.{n}" for n in range(1, 4)]
    network.names = {"one.example": addresses}
    codes = (errno.ENETUNREACH, errno.ECONNREFUSED, errno.ENETUNREACH)
    for each, code in zip(addresses, codes, strict=True):
        network.answers[each] = OSError(code, f"something about {each}")
    with pytest.raises(DialFailed) as caught:
        await dial("one.example")
    assert str(caught.value).endswith("reached: Connection refused; Network is unreachable")
    assert "192.0.2" not in whole_text(caught.value)
    assert "example" not in whole_text(caught.value)
    assert network.open == 0


async def test_a_deadline_of_the_caller(autojump_clock: MockClock, network: FakeNetwork) -> None:
    network.names = {"one.example": ["192.0.2.1", "192.0.2.2"], "two.example": ["192.0.2.3"]}
    with trio.move_on_after(15) as scope:
        await open_transport(address("one.example,two.example", None))
    assert scope.cancelled_caught
    assert trio.current_time() == 15
    assert len(network.dialled) == 3
    assert network.open == 0


# --- SOCKS ----------------------------------------------------------------------------------------


def through(port: int, **settings: Any) -> ConnectConfig:
    return ConnectConfig(socks=SocksProxy(port=port, **settings))


async def test_names_are_passed_to_the_proxy_unresolved() -> None:
    hosts = ("aaaa.onion", "router.example", "192.0.2.1", "2001:db8::1")
    async with open_server() as server, open_socks_server(server.listener) as proxy:
        for host in hosts:
            stream = await open_transport(
                address(host, 5223), config=through(proxy.port), clock=now
            )
            async with stream:
                await echoes(stream)
                assert isinstance(stream.transport_stream, QuickAckStream)
    assert [each.name or each.address for each in proxy.requests] == list(hosts)
    assert [each.name is not None for each in proxy.requests] == [True, True, False, False]
    assert {each.port for each in proxy.requests} == {5223}


async def logins(
    settings: dict[str, Any], isolations: list[bytes | None]
) -> list[tuple[str, str] | None]:
    async with open_server() as server, open_socks_server(server.listener) as proxy:
        for isolation in isolations:
            stream = await open_transport(
                address("aaaa.onion", None),
                config=through(proxy.port, **settings),
                isolation=isolation,
                clock=now,
            )
            await stream.aclose()
    return [each.login for each in proxy.requests]


async def test_connections_are_isolated_by_credentials() -> None:
    one, again, two, fresh, fresher = await logins({}, [b"one", b"one", b"two", None, None])
    assert one is not None
    assert one == again
    assert len({one, two, fresh, fresher}) == 4
    assert "one" not in one[0]
    assert all(one)  # an empty part would make the login disappear


async def test_a_proxy_with_a_login_of_its_own() -> None:
    settings = {"isolate": False, "username": "user", "password": "pass"}
    assert await logins(settings, [b"one", None]) == [("user", "pass")] * 2


async def test_a_proxy_without_isolation() -> None:
    assert await logins({"isolate": False}, [b"one", None]) == [None, None]


async def test_through_a_proxy_hosts_are_tried_one_after_the_other() -> None:
    async with open_server() as server, open_socks_server(server.listener) as proxy:
        proxy.answers = [bytes([5, 4, 0])]
        stream = await open_transport(
            address("aaaa.onion,bbbb.onion,cccc.onion", None), config=through(proxy.port), clock=now
        )
        await stream.aclose()
    assert [each.name for each in proxy.requests] == ["aaaa.onion", "bbbb.onion"]
    # Both attempts are for the same purpose.
    assert len({each.login for each in proxy.requests}) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (bytes([5, 4, 0]), "Host unreachable"),
        (bytes([5, 2, 0]), "not allowed"),
        (bytes([5, 99, 0]), "Invalid"),
        (b"HTTP/1.1", ""),
        (b"", "closed"),
        (bytes([5, 0, 0, 3, 2, 0xFF, 0xFF, 0, 0]), "invalid"),
    ],
)
async def test_a_proxy_that_refuses(answer: bytes, reason: str) -> None:
    async with open_server() as server, open_socks_server(server.listener) as proxy:
        proxy.answers = [answer]
        with pytest.raises(ProxyRefused) as caught:
            await open_transport(address("aaaa.onion", None), config=through(proxy.port))
    assert reason in str(caught.value)
    assert "aaaa" not in whole_text(caught.value)
    assert "127.0.0.1" not in whole_text(caught.value)
    assert caught.value.retryable


async def test_a_proxy_that_is_not_there() -> None:
    async with open_server() as server:
        config = ConnectConfig(socks=SocksProxy(host="127.0.0.3", port=server.port))
        with pytest.raises(ProxyRefused, match="cannot be reached") as caught:
            await open_transport(address("aaaa.onion", None), config=config)
    assert "127.0.0.3" not in whole_text(caught.value)


async def test_a_name_that_no_proxy_takes() -> None:
    async with open_server() as server, open_socks_server(server.listener) as proxy:
        with pytest.raises(ProxyRefused):
            await open_transport(address("x" * 64 + ".example", None), config=through(proxy.port))
    assert proxy.requests == []


async def test_without_the_package_for_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(SocksSupportMissing, match=r"simplex-trio\[socks\]") as caught:
        await open_transport(address("aaaa.onion", None), config=through(9))
    assert not caught.value.retryable


# --- cancelling -----------------------------------------------------------------------------------


async def through_every_step(connecting: Callable[[], Awaitable[TlsStream]]) -> int:
    """Cancel at each step until connecting is through; the number of steps."""
    for step in count(1):

        async def run() -> None:
            stream = await connecting()
            await stream.aclose()

        cancelled = await cancelled_at_step(step, run)
        gc.collect()  # a socket that was not closed warns, and warnings are errors
        if not cancelled:
            return step
    raise AssertionError


async def test_cancelling_leaves_nothing_open() -> None:
    async with open_server() as server:
        here = address("127.0.0.3,127.0.0.1", server.port)
        steps = await through_every_step(lambda: open_transport(here, clock=now))
        assert steps > 5
        async with open_socks_server(server.listener) as proxy:
            config = through(proxy.port)
            there = address("aaaa.onion", None)
            await through_every_step(lambda: open_transport(there, config=config, clock=now))


async def test_all_errors_are_of_one_kind() -> None:
    for kind in (DialFailed, ProxyRefused, NoSuitableHost, SocksSupportMissing, WrongIdentity):
        assert issubclass(kind, ConnectError)
