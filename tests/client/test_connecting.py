"""How clients come about: the three pairs, their deadlines, and every way to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio import (
    EngineConfig,
    NTFClient,
    Patience,
    SMPClient,
    Timeouts,
    connect_ntf_client,
    connect_smp_client,
    open_ntf_client,
    open_smp_client,
)
from simplex_trio.client.connection import connect_protocol_client, open_protocol_client
from simplex_trio.client.smp.session import SMP
from simplex_trio.engine.protocol_client import ProtocolClient
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE
from simplex_trio.errors import (
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    DecodeError,
    DialFailed,
    HungUp,
    MalformedHello,
    NoCommonVersion,
    NoSuitableHost,
    ProxyRefused,
    SessionKeyUnproven,
    SessionMismatch,
    TLSFailed,
    WrongIdentity,
)
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.memory_link import MemoryLink
from simplex_trio.testing.scripted import ScriptedNTFRouter, ScriptedSMPRouter
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.ntf.messages import PONG as NTF_PONG
from simplex_trio.wire.ntf.messages import Message as NTFMessage
from simplex_trio.wire.smp.commands import PING
from simplex_trio.wire.smp.messages import PONG, Message
from simplex_trio.wire.versions import VersionRange
from tests.client.network import Network
from tests.client.support import cancelled_at_every_step

AnyClient = ProtocolClient[Any, Any, Any]
Opened = AbstractAsyncContextManager[AnyClient]

SMP_ROUTER = ScriptedSMPRouter()
NTF_ROUTER = ScriptedNTFRouter()


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Network:
    """Where clients connect to while a test runs: the router that the test names, or SMP's."""
    router = getattr(request, "param", SMP_ROUTER)
    return Network(router)


def pong(received: Any) -> Message | NTFMessage:
    """The answer to a ping of either protocol."""
    return PONG() if isinstance(received.command, PING) else NTF_PONG()


@asynccontextmanager
async def connected(
    connect: Callable[..., Awaitable[AnyClient]], *arguments: Any, **settings: Any
) -> AsyncIterator[AnyClient]:
    """A client of a function that takes a nursery, as if it had a block of its own."""
    async with open_inner_nursery() as nursery:
        client = await connect(nursery, *arguments, **settings)
        yield client
        await client.aclose()


async def connect_smp_by_its_spec(nursery: trio.Nursery, *rest: Any, **settings: Any) -> AnyClient:
    return await connect_protocol_client(nursery, SMP, *rest, **settings)


OPENERS: list[Any] = [
    pytest.param(open_smp_client, SMP_ROUTER, id="open_smp_client"),
    pytest.param(partial(connected, connect_smp_client), SMP_ROUTER, id="connect_smp_client"),
    pytest.param(open_ntf_client, NTF_ROUTER, id="open_ntf_client"),
    pytest.param(partial(connected, connect_ntf_client), NTF_ROUTER, id="connect_ntf_client"),
    pytest.param(partial(open_protocol_client, SMP), SMP_ROUTER, id="open_protocol_client"),
    pytest.param(
        partial(connected, connect_smp_by_its_spec), SMP_ROUTER, id="connect_protocol_client"
    ),
]


# --- coming about ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("opener", "network"), OPENERS, indirect=["network"])
@pytest.mark.parametrize("as_text", [True, False])
async def test_each_way_to_a_client(
    opener: Callable[..., Opened], network: Network, as_text: bool
) -> None:
    told: list[BaseException] = []
    address = network.router.address
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.serve, pong)
        opened = opener(
            str(address) if as_text else address, network.config, disconnected=told.append
        )
        async with opened as client:
            ping = client._codec.ping()
            assert isinstance(await client.request(ping), PONG | NTF_PONG)
            assert client.connected
            assert told == []
        assert not client.connected
        assert told == [client.reason]
        with pytest.raises(ConnectionLost):
            await client.request(ping)
    await network.check_that_nothing_is_open()


async def test_the_types_of_clients(network: Network) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.serve, pong)
        async with open_smp_client(network.router.address, network.config) as client:
            assert isinstance(client, SMPClient)
            assert network.alpn == ("smp/1",)
    network.router = NTF_ROUTER
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.serve, pong)
        async with open_ntf_client(NTF_ROUTER.address, network.config) as ntf_client:
            assert isinstance(ntf_client, NTFClient)
            assert network.alpn == ("ntf/1",)


async def test_a_connection_outlives_the_task_that_made_it(network: Network) -> None:
    made: list[SMPClient] = []

    async def make() -> None:
        made.append(await connect_smp_client(owners, network.router.address, network.config))

    async with trio.open_nursery() as nursery, trio.open_nursery() as owners:
        nursery.start_soon(network.serve, pong)
        async with trio.open_nursery() as makers:
            makers.start_soon(make)
        await made[0].ping()
        await made[0].aclose()
        assert not owners.child_tasks


async def test_a_lost_connection_leaves_its_nursery_alone(network: Network) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.serve, pong)
        client = await connect_smp_client(nursery, network.router.address, network.config)
        await client.ping()
        await network.links[0][0].peer.aclose()
        assert isinstance(await client.wait_disconnected(), trio.EndOfChannel)
        assert not nursery.cancel_scope.cancel_called


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opener", "network"), OPENERS, indirect=["network"])
async def test_an_address_of_something_else(
    opener: Callable[..., Opened], network: Network
) -> None:
    other = NTF_ROUTER if network.router is SMP_ROUTER else SMP_ROUTER
    for address in (other.address, str(other.address), "not an address", ""):
        with pytest.raises(DecodeError):
            async with opener(address, network.config):
                raise AssertionError("never gets here")
    assert network.links == []


# --- deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "engine", "seconds"),
    [
        (None, EngineConfig(), 15),
        (INTERACTIVE, EngineConfig(), 15),
        (Patience.after(1), EngineConfig(), 22.5),
        (Patience.after(3), EngineConfig(), 50.625),
        (BACKGROUND, EngineConfig(), 45),
        (None, EngineConfig(connect_timeouts=Timeouts(7, 3)), 3),
    ],
)
@pytest.mark.parametrize("stuck_at", ["dialling", "the handshake"])
async def test_connecting_has_a_deadline(
    autojump_clock: MockClock,
    network: Network,
    patience: Patience | None,
    engine: EngineConfig,
    seconds: float,
    stuck_at: str,
) -> None:
    config = evolve(network.config, engine=engine)
    settings: dict[str, Any] = {} if patience is None else {"patience": patience}
    network.dialling = 1e6 if stuck_at == "dialling" else seconds / 2
    with pytest.raises(ConnectTimeout) as late:
        async with open_smp_client(network.router.address, config, **settings):
            raise AssertionError("never gets here")
    assert trio.current_time() == pytest.approx(seconds)
    assert isinstance(late.value, TimeoutError)
    assert late.value.retryable
    assert len(network.links) == (stuck_at != "dialling")
    await network.check_that_nothing_is_open()


async def test_the_deadline_is_for_connecting_only(
    autojump_clock: MockClock, network: Network
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.serve, pong)
        async with open_smp_client(network.router.address, network.config) as client:
            await trio.sleep(1000)
            await client.ping()


async def test_a_shorter_deadline_of_the_program_s(
    autojump_clock: MockClock, network: Network
) -> None:
    with trio.move_on_after(2) as scope:
        async with open_smp_client(network.router.address, network.config):
            raise AssertionError("never gets here")
    assert scope.cancelled_caught
    assert trio.current_time() == 2
    await network.check_that_nothing_is_open()


# --- ways to fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [DialFailed, ProxyRefused, NoSuitableHost, TLSFailed, WrongIdentity, ConnectError]
)
async def test_errors_before_the_handshake_come_out_as_they_are(
    network: Network, kind: type[ConnectError]
) -> None:
    network.error = kind("for a reason")
    network.error.__cause__ = KeyError("the reason")
    with pytest.raises(kind) as failed:
        async with open_smp_client(network.router.address, network.config):
            raise AssertionError("never gets here")
    assert failed.value is network.error
    assert isinstance(failed.value.__cause__, KeyError)


Act = Callable[[Network, MemoryLink, TlsSession], Awaitable[None]]


async def hang_up(_network: Network, link: MemoryLink, _tls: TlsSession) -> None:
    await link.peer.aclose()


async def hang_up_inside_the_hello(_network: Network, link: MemoryLink, _tls: TlsSession) -> None:
    await link.peer.send_all(bytes(100))
    await link.peer.aclose()


async def stop_reading(network: Network, link: MemoryLink, tls: TlsSession) -> None:
    link.stop_reading()
    with pytest.raises(trio.ClosedResourceError):
        await network.router.accept(link, tls.session_id)


async def send_garbage(_network: Network, link: MemoryLink, _tls: TlsSession) -> None:
    await link.peer.send_all(b"\xff" * 16384)


async def send_zeros(_network: Network, link: MemoryLink, _tls: TlsSession) -> None:
    await link.peer.send_all(bytes(16384))


async def speak_later_versions(_network: Network, link: MemoryLink, tls: TlsSession) -> None:
    router = ScriptedSMPRouter(VersionRange(21, 22))
    with pytest.raises(trio.EndOfChannel):
        await router.accept(link, tls.session_id)


async def see_another_session(network: Network, link: MemoryLink, _tls: TlsSession) -> None:
    with pytest.raises(trio.EndOfChannel):
        await network.router.accept(link, bytes(32))


async def be_another_router(_network: Network, link: MemoryLink, tls: TlsSession) -> None:
    with pytest.raises(trio.EndOfChannel):
        await ScriptedSMPRouter().accept(link, tls.session_id)


@pytest.mark.parametrize(
    ("act", "kind", "retryable"),
    [
        (hang_up, HungUp, True),
        (hang_up_inside_the_hello, HungUp, True),
        (stop_reading, HungUp, True),
        (send_garbage, MalformedHello, False),
        (send_zeros, MalformedHello, False),
        (speak_later_versions, NoCommonVersion, False),
        (see_another_session, SessionMismatch, False),
        (be_another_router, SessionKeyUnproven, False),
    ],
)
async def test_each_way_for_a_handshake_to_fail(
    network: Network, act: Act, kind: type[ConnectError], retryable: bool
) -> None:
    told: list[BaseException] = []

    async def misbehave() -> None:
        await act(network, *await network.next_link())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(misbehave)
        with pytest.raises(kind) as failed:
            async with open_smp_client(
                network.router.address, network.config, disconnected=told.append
            ):
                raise AssertionError("never gets here")
        assert isinstance(failed.value, ConnectError)
        assert failed.value.retryable == retryable
    assert told == []
    await network.check_that_nothing_is_open()


async def test_a_router_that_hangs_up_after_the_handshake(network: Network) -> None:
    async def serve() -> None:
        link, tls = await network.next_link()
        peer = await network.router.accept(link, tls.session_id)
        await peer.hang_up()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with open_smp_client(network.router.address, network.config) as client:
            assert isinstance(await client.wait_disconnected(), trio.EndOfChannel)


# --- cancelled at every step ----------------------------------------------------------------------


@pytest.mark.parametrize(("opener", "network"), OPENERS, indirect=["network"])
async def test_connecting_cancelled_at_every_step(
    opener: Callable[..., Opened], network: Network
) -> None:
    told: list[BaseException] = []
    opened: list[AnyClient] = []

    async def call() -> None:
        connecting = opener(network.router.address, network.config, disconnected=told.append)
        async with connecting as client:
            opened.append(client)
            await client.request(client._codec.ping())

    async def serve_for_ever() -> None:
        while True:
            await network.serve(pong)

    async def check(_cut_short: bool) -> None:
        await wait_all_tasks_blocked()
        assert told == [client.reason for client in opened]
        await network.check_that_nothing_is_open()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_for_ever)
        await wait_all_tasks_blocked()
        assert await cancelled_at_every_step(call, check) > 20
        nursery.cancel_scope.cancel()
