"""The monitor: when a quiet connection is pinged, and when a silent one is given up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.calls import Call, EngineConfig
from simplex_trio.engine.timeouts import CONNECT_TIMEOUTS, REQUEST_TIMEOUTS
from simplex_trio.errors import ConnectionLost, RequestTimeout, RouterSilent
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import NEW, PING, SUB, Command
from simplex_trio.wire.smp.messages import END, IDS, OK, PONG, SOK, Message
from tests.client.support import QUEUE, Peer, connected, start

KEY = Ed25519PrivateKey.generate()
ACCESS = QueueAccess(QUEUE, KEY)

A_DAY = 24 * 60 * 60


def test_the_defaults_of_the_reference() -> None:
    config = EngineConfig()
    assert (config.ping_interval, config.max_timeouts, config.silence) == (600, 3, 15 * 60)
    assert config.connect_timeouts is CONNECT_TIMEOUTS
    assert (CONNECT_TIMEOUTS.background, CONNECT_TIMEOUTS.interactive) == (45, 15)
    assert config.request_timeouts is REQUEST_TIMEOUTS
    assert (REQUEST_TIMEOUTS.background, REQUEST_TIMEOUTS.interactive) == (30, 10)


class Log:
    """When a router was pinged."""

    def __init__(self, peer: Peer, *, answers: bool = True) -> None:
        self.pinged_at: list[float] = []
        self._peer = peer
        self._answers = answers

    def respond(self, received: ReceivedCommand[Command]) -> Message | None:
        assert isinstance(received.command, PING)
        self.pinged_at.append(trio.current_time())
        return PONG() if self._answers else None

    async def keep(self) -> None:
        await self._peer.serve(self.respond)


# --- pinging --------------------------------------------------------------------------------------


async def test_a_quiet_connection_is_pinged(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        log = Log(peer)
        nursery.start_soon(log.keep)
        client.enable_pings()
        await trio.sleep(2500)
        assert log.pinged_at == [600, 1200, 1800, 2400]
        await client.aclose()


async def test_there_are_no_pings_before_they_are_enabled(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        log = Log(peer)
        nursery.start_soon(log.keep)
        await trio.sleep(10_000)
        assert log.pinged_at == []
        assert client.connected
        client.enable_pings()
        await trio.sleep(1000)
        assert log.pinged_at == [10_200, 10_800]
        await client.aclose()


async def test_another_interval(autojump_clock: MockClock) -> None:
    async with connected(ping_interval=50) as (client, peer), trio.open_nursery() as nursery:
        log = Log(peer)
        nursery.start_soon(log.keep)
        client.enable_pings()
        await trio.sleep(160)
        assert log.pinged_at == [50, 100, 150]
        await client.aclose()


async def test_without_an_interval_there_is_no_monitor(autojump_clock: MockClock) -> None:
    async with connected(ping_interval=0, max_timeouts=1) as (client, peer):
        client.enable_pings()
        with pytest.raises(RequestTimeout):
            await client.ping()
        await trio.sleep(A_DAY)
        assert client.connected
        assert len(await peer.next_block()) == 1
        assert client.statistics().frames_sent == 1


@pytest.mark.parametrize(
    ("bytes_at", "pinged_at"),
    [
        ([100], [700]),
        ([599], [1199]),
        ([0.5], [600]),  # less than a second would remain: it is not put off for that
        ([1.0], [600]),
        ([1.5], [601.5]),
        ([100, 650], [1250]),
        ([100, 200, 300, 800], [1400]),
    ],
)
async def test_bytes_put_a_ping_off(
    autojump_clock: MockClock, bytes_at: list[float], pinged_at: list[float]
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        log = Log(peer)
        nursery.start_soon(log.keep)
        client.enable_pings()
        for each in bytes_at:
            await trio.sleep_until(each)
            await peer.send(peer.event(QUEUE, END()))
        await trio.sleep_until(pinged_at[-1] + 1)
        assert log.pinged_at == pytest.approx(pinged_at)
        await client.aclose()


async def subscribe(client: SMPClient) -> object:
    return await client.subscribe(ACCESS)


async def subscribe_many(client: SMPClient) -> object:
    return await client.subscribe_many([ACCESS])


async def subscribe_notifications(client: SMPClient) -> object:
    return await client.subscribe_notifications(QUEUE, KEY)


async def create(client: SMPClient) -> object:
    return await client.create_queue()


async def create_only(client: SMPClient) -> object:
    return await client.create_queue(subscribe=False)


async def send(client: SMPClient) -> object:
    await client.send(QUEUE, b"hello")
    return None


async def get(client: SMPClient) -> object:
    return await client.get(ACCESS)


@pytest.mark.parametrize(
    ("call", "subscribes"),
    [
        (subscribe, True),
        (subscribe_many, True),
        (subscribe_notifications, True),
        (create, True),
        (create_only, False),
        (send, False),
        (get, False),
    ],
)
async def test_subscribing_enables_pings(
    autojump_clock: MockClock, call: Callable[[SMPClient], Awaitable[object]], subscribes: bool
) -> None:
    pinged: list[bool] = []

    def respond(received: ReceivedCommand[Command]) -> Message:
        match received.command:
            case PING():
                pinged.append(True)
                return PONG()
            case NEW():
                return IDS(QUEUE, QUEUE, X25519PrivateKey.generate().public)
            case SUB():
                return SOK()
            case _:
                return OK()

    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, respond)
        await call(client)
        await trio.sleep(700)
        assert bool(pinged) == subscribes
        await client.aclose()


# --- giving up ------------------------------------------------------------------------------------


async def when_it_ends(client: SMPClient) -> float:
    with trio.fail_after(A_DAY):
        reason = await client.wait_disconnected()
    assert isinstance(reason, RouterSilent)
    return trio.current_time()


async def test_three_pings_without_an_answer_end_the_connection(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        log = Log(peer, answers=False)
        nursery.start_soon(log.keep)
        client.enable_pings()
        assert await when_it_ends(client) == pytest.approx(600 + 30 + 600 + 30 + 600 + 30)
        assert log.pinged_at == [600, 1230, 1860]


async def test_any_byte_starts_the_count_again(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        client.enable_pings()
        await trio.sleep(1300)  # two pings have had no answer
        assert client.statistics().timeouts == 2
        await peer.send(peer.event(QUEUE, END()))
        # 1860: not quiet for long enough; 1900, 2530 and 3160 are three more.
        assert await when_it_ends(client) == pytest.approx(3190)


async def test_time_outs_of_any_command_count(autojump_clock: MockClock) -> None:
    async with connected() as (client, _peer):
        results = await client.request_many([Call(PING())] * 3)
        assert [type(result) for result in results] == [RequestTimeout] * 3
        # At 600 nothing has come for 10 minutes, which is not long enough.
        assert await when_it_ends(client) == pytest.approx(1200)


async def test_two_time_outs_are_not_enough(autojump_clock: MockClock) -> None:
    async with connected() as (client, _peer):
        await client.request_many([Call(PING())] * 2)
        await trio.sleep(A_DAY)
        assert client.connected


async def test_cancelled_requests_do_not_count(autojump_clock: MockClock) -> None:
    async with connected() as (client, _peer):
        for _ in range(10):
            with trio.move_on_after(1):
                await client.ping()
        await trio.sleep(A_DAY)
        assert client.connected
        assert client.statistics().timeouts == 0


async def test_a_router_that_talks_and_does_not_answer_is_kept(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:

        async def talk() -> None:
            while client.connected:
                await peer.send(peer.event(QUEUE, END()))
                await trio.sleep(800)

        nursery.start_soon(talk)
        client.enable_pings()
        for _ in range(50):
            await client.request_many([Call(PING())] * 3)
            await trio.sleep(100)
        assert client.connected
        await client.aclose()


async def test_a_number_of_time_outs_of_the_user_s(autojump_clock: MockClock) -> None:
    async with connected(max_timeouts=1) as (client, _peer):
        client.enable_pings()
        assert await when_it_ends(client) == pytest.approx(1260)  # silence is needed as well


async def test_a_silence_of_the_user_s(autojump_clock: MockClock) -> None:
    async with connected(max_timeouts=1, silence=10) as (client, _peer):
        client.enable_pings()
        assert await when_it_ends(client) == pytest.approx(630)


async def test_never_giving_up(autojump_clock: MockClock) -> None:
    async with connected(max_timeouts=0) as (client, _peer):
        client.enable_pings()
        await trio.sleep(A_DAY)
        assert client.connected
        assert client.statistics().timeouts > 100


async def test_callers_of_a_silent_router(autojump_clock: MockClock) -> None:
    async with connected() as (client, _peer), trio.open_nursery() as nursery:
        client.enable_pings()
        caller = start(nursery, lambda: client.request(PING(), timeout=1e6))
        await wait_all_tasks_blocked()
        await client.wait_disconnected()
    assert isinstance(caller.error, ConnectionLost)
    assert isinstance(caller.error.__cause__, RouterSilent)


async def test_a_stuck_router_is_given_up_too(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        client.enable_pings()
        peer.link.hold(after=100)
        assert await when_it_ends(client) == pytest.approx(1890)
