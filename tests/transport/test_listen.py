from __future__ import annotations

import errno
import gc
import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import (
    MockClock,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from simplex_trio.errors import PeerCertificateExpired, SimplexError
from simplex_trio.transport import _openssl
from simplex_trio.transport.config import KeepAlive
from simplex_trio.transport.listen import (
    SocketStatistics,
    open_listeners,
    serve_tls,
)
from simplex_trio.transport.networks import Origin
from simplex_trio.transport.places import ListenLimits, Places
from simplex_trio.transport.tls import TlsStream, client_handshake, server_handshake
from tests.transport.support import CONTEXT, PIN, chain_of, now


@define(eq=False)
class FakeListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts what it is given, failures included, and then waits."""

    coming: list[trio.abc.Stream | OSError] = field(factory=list)
    times: list[float] = field(factory=list)
    closed: bool = False
    _more: trio.Event = field(factory=trio.Event)

    async def accept(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        while not self.coming:
            self._more = trio.Event()
            await self._more.wait()
        match self.coming.pop(0):
            case OSError() as failure:
                raise failure
            case stream:
                return stream

    def give(self, *coming: trio.abc.Stream | OSError) -> None:
        self.coming += coming
        self._more.set()

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()


def limited(**limits: float) -> Places:
    return Places(ListenLimits(**limits))  # type: ignore[arg-type]


@define(eq=False)
class Server:
    listener: FakeListener = field(factory=FakeListener)
    statistics: SocketStatistics = field(factory=SocketStatistics)
    handled: list[TlsStream] = field(factory=list)
    handler: Callable[[TlsStream], Awaitable[object]] | None = None
    places: Places = field(factory=Places)
    origin: Callable[[trio.abc.Stream], Origin | None] | None = None

    async def handle(self, stream: TlsStream) -> None:
        self.handled.append(stream)
        if self.handler is not None:
            await self.handler(stream)
        else:
            while data := await stream.receive_some():
                await stream.send_all(data)

    async def connect(self, make: Any = memory_stream_pair) -> TlsStream:
        ours, theirs = make()
        self.listener.give(theirs)
        return await client_handshake(ours, pin=PIN, clock=now)

    def counts(self) -> tuple[int, int, int]:
        """Accepted, closed, active; and nothing leaked."""
        assert self.statistics.leaked == 0
        return (self.statistics.accepted, self.statistics.closed, self.statistics.active)


@asynccontextmanager
async def serving(server: Server) -> AsyncGenerator[trio.Nursery]:
    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_tls(
            server.handle,
            [server.listener],
            CONTEXT,
            places=server.places,
            statistics=server.statistics,
            clock=now,
            origin=server.origin,
            task_status=task_status,
        )

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield nursery
        nursery.cancel_scope.cancel()
    assert server.listener.closed
    accepted, closed, active = server.counts()
    assert (accepted, active) == (closed, 0)


async def test_connections_come_and_go() -> None:
    server = Server()
    async with serving(server):
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            await client.send_all(b"hello")
            assert await client.receive_some() == b"hello"
        assert server.counts() == (3, 0, 3)
        for left, client in enumerate(reversed(clients)):
            await client.aclose()
            await wait_all_tasks_blocked()
            assert server.counts() == (3, left + 1, 2 - left)


async def test_the_end_of_a_handler_is_the_end_of_its_connection() -> None:
    async def greet(stream: TlsStream) -> None:
        await stream.send_all(b"bye")

    server = Server(handler=greet)
    async with serving(server):
        client = await server.connect()
        assert await client.receive_some() == b"bye"
        assert await client.receive_some() == b""


# --- when accepting fails -------------------------------------------------------------------------

TRY_NEXT = [
    "ECONNABORTED",
    "EAGAIN",
    "ENETDOWN",
    "EPROTO",
    "ENOPROTOOPT",
    "EHOSTDOWN",
    "ENONET",
    "EHOSTUNREACH",
    "EOPNOTSUPP",
    "ENETUNREACH",
]
TRY_LATER = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]


def failure(name: str) -> OSError:
    code = getattr(errno, name)
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("name", [each for each in TRY_NEXT if hasattr(errno, each)])
async def test_a_connection_that_is_already_gone_is_passed_over(
    name: str, autojump_clock: MockClock
) -> None:
    server = Server()
    server.listener.give(failure(name), failure(name))
    async with serving(server):
        client = await server.connect()
        assert trio.current_time() == 0
        assert len(server.listener.times) > 2
        await client.aclose()


@pytest.mark.parametrize("name", TRY_LATER)
async def test_a_shortage_slows_it_down_until_it_is_over(
    name: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.listener.give(*(failure(name) for _ in range(20)))
    async with serving(server):
        client = await server.connect()
        assert trio.current_time() == pytest.approx(2)
        await client.aclose()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING


@pytest.mark.parametrize("name", ["EBADF", "EINVAL", "EPERM"])
async def test_any_other_failure_ends_it(name: str, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    cause = failure(name)
    caught: list[OSError] = []

    async def serve() -> None:
        try:
            await serve_tls(
                server.handle, [server.listener], CONTEXT, statistics=server.statistics, clock=now
            )
        except OSError as exc:
            caught.append(exc)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        client = await server.connect()
        server.listener.give(cause)
        assert await client.receive_some() == b""
    assert caught == [cause]
    assert server.listener.closed
    assert server.counts() == (1, 1, 0)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


# --- strangers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [b"", b"\x16\x03", b"GET / HTTP/1.1\r\n\r\n", bytes(100_000)])
async def test_noise_concerns_no_other_client(
    noise: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    async with serving(server):
        friend = await server.connect()
        ours, theirs = memory_stream_pair()
        server.listener.give(theirs)
        await ours.send_all(noise)
        await ours.send_eof()
        await wait_all_tasks_blocked()
        assert server.counts() == (2, 1, 1)
        await friend.send_all(b"still here")
        assert await friend.receive_some() == b"still here"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_broken_client_certificate_concerns_no_other_client() -> None:
    server = Server()
    expired = chain_of(2, end=now().replace(year=2020), start=now().replace(year=2019))
    async with serving(server):
        ours, theirs = memory_stream_pair()
        server.listener.give(theirs)
        client = await client_handshake(ours, pin=PIN, credentials=expired, clock=now)
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        await wait_all_tasks_blocked()
        assert server.counts() == (1, 1, 0)
        assert server.handled == []
    assert issubclass(PeerCertificateExpired, SimplexError)


async def test_connection_that_says_nothing_costs_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    handshakes: list[object] = []

    class Counted(_openssl.TlsConnection):
        def _new_connection(self) -> Any:
            begun.append(self)
            return super()._new_connection()

    async def counted(stream: trio.abc.Stream, *args: Any, **kwargs: Any) -> TlsStream:
        handshakes.append(stream)
        return await server_handshake(stream, *args, **kwargs)

    monkeypatch.setattr(_openssl, "TlsConnection", Counted)
    (listener,) = await open_listeners(0, host="127.0.0.1")
    below = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    server = Server(listener=listener)  # type: ignore[arg-type]

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_tls(
            server.handle,
            [listener],
            CONTEXT,
            statistics=server.statistics,
            clock=now,
            handshake=counted,
            task_status=task_status,
        )

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        ours, theirs = memory_stream_pair()
        nursery.start_soon(server_handshake, theirs, CONTEXT)
        while not server.statistics.active:
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert begun == []
        assert handshakes == []
        await ours.send_all(b"\x16")
        await below.send_all(b"\x16")
        while len(begun) < 2:
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await below.aclose()


async def test_silence_instead_of_a_handshake(autojump_clock: MockClock) -> None:
    server = Server(places=limited(handshake_seconds=7))
    async with serving(server):
        ours, theirs = memory_stream_pair()
        server.listener.give(theirs)
        assert await ours.receive_some() == b""
        assert trio.current_time() == 7
        await wait_all_tasks_blocked()
        assert server.counts() == (1, 1, 0)


@pytest.mark.parametrize("error", [ZeroDivisionError(), ExceptionGroup("", [OSError()])])
async def test_a_handler_that_fails_concerns_no_other_client(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(stream: TlsStream) -> None:
        if await stream.receive_some() == b"fail":
            raise error
        await stream.send_all(b"fine")

    server = Server(handler=fail)
    async with serving(server):
        one, other = await server.connect(), await server.connect()
        await one.send_all(b"fail")
        assert await one.receive_some() == b""
        await other.send_all(b"do not")
        assert await other.receive_some() == b"fine"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_client_that_disappears_is_nothing_special(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def talk(stream: TlsStream) -> None:
        while True:
            await stream.send_all(b"x")

    server = Server(handler=talk)
    async with serving(server):
        client = await server.connect()
        await client.receive_some()
        await trio.aclose_forcefully(client)
        await wait_all_tasks_blocked()
        assert server.counts() == (1, 1, 0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- limits ---------------------------------------------------------------------------------------


async def test_when_it_is_full_the_next_waits_for_a_place(autojump_clock: MockClock) -> None:
    server = Server(places=limited(connections=2, full_seconds=5))
    async with serving(server) as nursery:
        first, _ = await server.connect(), await server.connect()

        async def leave() -> None:
            await trio.sleep(3)
            await first.aclose()

        nursery.start_soon(leave)
        await server.connect()
        await wait_all_tasks_blocked()
        assert trio.current_time() == 3
        assert len(server.handled) == 3


async def test_when_it_stays_full_the_next_is_closed(autojump_clock: MockClock) -> None:
    server = Server(places=limited(connections=1, full_seconds=5))
    async with serving(server):
        first = await server.connect()
        waiting = [memory_stream_pair() for _ in range(3)]
        server.listener.give(*(theirs for _, theirs in waiting))
        await wait_all_tasks_blocked()
        assert server.counts() == (2, 0, 2)  # one more was accepted, the others wait outside
        for number, (ours, _) in enumerate(waiting, start=1):
            assert await ours.receive_some() == b""
            assert trio.current_time() == 5 * number
        await first.send_all(b"still here")
        assert await first.receive_some() == b"still here"


async def test_one_address_has_a_share_of_the_places(autojump_clock: MockClock) -> None:
    one, other = Origin(b"a"), Origin(b"b")
    origins = iter([one, one, one, other, None, None, None, one])
    server = Server(places=limited(max_connections_per_address=2), origin=lambda _: next(origins))
    async with serving(server):
        first, _ = await server.connect(), await server.connect()
        ours, theirs = memory_stream_pair()
        server.listener.give(theirs)
        assert await ours.receive_some() == b""
        assert trio.current_time() == 0
        assert (server.statistics.turned_away, len(server.handled)) == (1, 2)
        for _ in range(4):
            await server.connect()
        await first.aclose()
        await wait_all_tasks_blocked()
        await server.connect()
        await wait_all_tasks_blocked()
        assert server.handled[-1].origin == one


async def test_listeners_of_one_router_share_its_places(autojump_clock: MockClock) -> None:
    places = limited(connections=1)
    one, other = Server(places=places), Server(places=places)
    async with serving(one), serving(other):
        await one.connect()
        ours, theirs = memory_stream_pair()
        other.listener.give(theirs)
        assert await ours.receive_some() == b""
        assert trio.current_time() == places.limits.full_seconds


@pytest.mark.parametrize(
    "settings",
    [{"connections": 0}, {"full_seconds": 0}, {"handshake_seconds": 0}, {"close_seconds": 0}],
)
def test_limits_that_make_no_sense(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        ListenLimits(**settings)


# --- closing --------------------------------------------------------------------------------------


async def test_closing_says_goodbye() -> None:
    server = Server()
    async with serving(server):
        client = await server.connect()
    assert await client.receive_some() == b""
    await client.aclose()


async def test_closing_does_not_wait_for_those_who_do_not_listen(autojump_clock: MockClock) -> None:
    async def talk(stream: TlsStream) -> None:
        await stream.send_all(bytes(100_000))

    server = Server(handler=talk, places=limited(close_seconds=2))
    async with serving(server):
        for _ in range(3):
            await server.connect(lockstep_stream_pair)
        await wait_all_tasks_blocked()
        began = trio.current_time()
    assert trio.current_time() - began <= 2
    assert server.counts() == (3, 3, 0)


async def test_closing_while_clients_are_in_any_state(autojump_clock: MockClock) -> None:
    server = Server(places=limited(connections=2))
    async with serving(server):
        await server.connect()  # at work
        ours, theirs = memory_stream_pair()  # in the middle of its handshake
        await ours.send_all(b"\x16\x03\x01")
        server.listener.give(theirs, memory_stream_pair()[1])  # and one waiting for a place
        await wait_all_tasks_blocked()
        assert server.counts() == (3, 0, 3)
    assert server.counts() == (3, 3, 0)
    assert await ours.receive_some() == b""


async def test_a_handler_may_take_its_time_to_close() -> None:
    closed = False

    async def slow(stream: TlsStream) -> None:
        nonlocal closed
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await stream.send_all(b"closing")
            closed = True

    server = Server(handler=slow)
    async with serving(server):
        client = await server.connect()
        await wait_all_tasks_blocked()
    assert closed
    assert await client.receive_some() == b"closing"


# --- real sockets ---------------------------------------------------------------------------------


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


LOOPBACKS = ["127.0.0.1", *(["::1"] if has_ipv6_loopback() else [])]


async def reached_from(listeners: list[trio.SocketListener]) -> list[str]:
    """The loopback addresses under which the listeners answer."""
    port = listeners[0].socket.getsockname()[1]
    reached = []
    for host in LOOPBACKS:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError:
            continue
        reached.append(host)
        await stream.aclose()
    for listener in listeners:
        await listener.aclose()
    return reached


async def test_the_whole_machine() -> None:
    listeners = await open_listeners(0)
    assert len(listeners) == 1
    assert await reached_from(listeners) == LOOPBACKS


async def test_either_alone() -> None:
    assert await reached_from(await open_listeners(0, host="0.0.0.0")) == ["127.0.0.1"]
    assert await reached_from(await open_listeners(0, host="127.0.0.1")) == ["127.0.0.1"]
    if "::1" in LOOPBACKS:
        assert await reached_from(await open_listeners(0, host="::")) == ["::1"]
        assert await reached_from(await open_listeners(0, host="::1")) == ["::1"]


class TwoFamilies(trio.abc.HostnameResolver):
    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            *(
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
                for loopback in LOOPBACKS
                if loopback == "::1"
            ),
        ]

    async def getnameinfo(self, *_: Any) -> Any:
        raise NotImplementedError


async def test_a_name_with_several_addresses() -> None:
    trio.socket.set_custom_hostname_resolver(TwoFamilies())
    listeners = await open_listeners(0, host="router.example")
    port = listeners[0].socket.getsockname()[1]
    assert await reached_from(listeners) == LOOPBACKS[-1:]
    assert await reached_from(await open_listeners(port, host="router.example")) == LOOPBACKS


class WithoutIPv6(trio.abc.SocketFactory):
    def socket(self, family: Any = -1, type: Any = -1, proto: int = -1) -> Any:  # noqa: A002
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no such family")
        return trio.socket.from_stdlib_socket(socket.socket(family, type, proto))


async def test_a_machine_without_ipv6() -> None:
    trio.socket.set_custom_socket_factory(WithoutIPv6())
    assert await reached_from(await open_listeners(0)) == ["127.0.0.1"]
    trio.socket.set_custom_hostname_resolver(TwoFamilies())
    assert await reached_from(await open_listeners(0, host="router.example")) == ["127.0.0.1"]
    with pytest.raises(OSError, match="no such family"):
        await open_listeners(0, host="::1")


async def test_a_machine_without_sockets_for_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert await reached_from(await open_listeners(0)) == ["127.0.0.1"]


async def test_a_port_that_is_taken() -> None:
    (listener,) = await open_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        await open_listeners(port, host="127.0.0.1")
    if "::1" in LOOPBACKS:  # what was already opened is closed again
        trio.socket.set_custom_hostname_resolver(TwoFamilies())
        with pytest.raises(OSError, match="in use"):
            await open_listeners(port, host="router.example")
        gc.collect()
    await listener.aclose()


async def test_options_of_accepted_sockets() -> None:
    (listener,) = await open_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    seen: list[tuple[int, int]] = []

    async def look(stream: TlsStream) -> None:
        below: Any = stream.transport_stream
        seen.append(
            (
                below.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                below.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            )
        )

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_tls(
            look, [listener], CONTEXT, keep_alive=KeepAlive(), clock=now, task_status=task_status
        )

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        below = await trio.open_tcp_stream("127.0.0.1", port)
        client = await client_handshake(below, pin=PIN, clock=now)
        assert await client.receive_some() == b""
        await client.aclose()
        nursery.cancel_scope.cancel()
    assert seen == [(1, 1)]
