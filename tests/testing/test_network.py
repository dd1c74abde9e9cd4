"""The network in memory: a good one first, and then each of its troubles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
from trio.testing import MockClock, check_two_way_stream

from simplex_trio.testing.network import MemoryNetwork, Trouble


class Listener:
    """A server that hands out its ends of connections."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self._sender, self._receiver = trio.open_memory_channel[trio.abc.Stream](10)

    async def serve(self, stream: trio.abc.Stream) -> None:
        await self._sender.send(stream)
        await trio.sleep_forever()

    async def pair(self) -> tuple[trio.abc.Stream, trio.abc.Stream]:
        ours = await self.network.connect("server")
        return ours, await self._receiver.receive()


@asynccontextmanager
async def open_listener(trouble: Trouble | None = None, seed: int = 0) -> AsyncIterator[Listener]:
    network = MemoryNetwork(Random(seed), trouble)
    listener = Listener(network)
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda task_status: network.run_server(
                "server", listener.serve, task_status=task_status
            )
        )
        yield listener
        nursery.cancel_scope.cancel()


async def received_before_it_broke(stream: trio.abc.Stream) -> bytes:
    received = b""
    try:
        while True:
            received += await stream.receive_some()
    except trio.BrokenResourceError:
        return received


async def test_connections_are_good_streams(autojump_clock: MockClock) -> None:
    async with open_listener() as listener:
        await check_two_way_stream(listener.pair, None)


async def test_late_connections_are_good_streams_too(autojump_clock: MockClock) -> None:
    async with open_listener(Trouble(delay=0.5)) as listener:
        ours, theirs = await listener.pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send_all, bytes(range(256)) * 1000)
            started = trio.current_time()
            received = b""
            while len(received) < 256_000:
                received += await theirs.receive_some()
            assert received == bytes(range(256)) * 1000
            assert trio.current_time() > started


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ConnectionRefusedError):
        await MemoryNetwork(Random(0)).connect("nobody")


async def test_a_connection_that_is_refused() -> None:
    async with open_listener(Trouble(refused=1.0)) as listener:
        with pytest.raises(ConnectionRefusedError):
            await listener.pair()


async def test_two_servers_of_one_name() -> None:
    async with open_listener() as listener, trio.open_nursery() as nursery:
        with pytest.raises(ValueError, match="of that name"):
            await listener.network.run_server(
                "server", listener.serve, task_status=trio.TASK_STATUS_IGNORED
            )
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(5))
async def test_a_connection_breaks_at_some_byte(seed: int) -> None:
    async with open_listener(Trouble(breaks=1.0, after_bytes=100), seed) as listener:
        ours, theirs = await listener.pair()
        await ours.send_all(bytes(100))
        assert len(await received_before_it_broke(theirs)) < 100
        with pytest.raises(trio.BrokenResourceError):
            await ours.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive_some()


async def test_a_connection_falls_silent(autojump_clock: MockClock) -> None:
    async with open_listener(Trouble(falls_silent=1.0, after_bytes=100)) as listener:
        ours, theirs = await listener.pair()
        await ours.send_all(bytes(1_000_000))
        received = b""
        with trio.move_on_after(1000):
            while True:
                received += await theirs.receive_some()
        assert len(received) < 100
        await theirs.send_all(b"nobody hears this")
        await theirs.aclose()
        with trio.move_on_after(1000) as scope:
            await ours.receive_some()
        assert scope.cancelled_caught


async def test_closing_a_silent_connection_ends_ones_own_waiting() -> None:
    async with open_listener(Trouble(falls_silent=1.0, after_bytes=1)) as listener:
        ours, _theirs = await listener.pair()
        await ours.send_all(b"x")

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_some()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await ours.aclose()


async def test_cutting_connections_leaves_the_server_up() -> None:
    async with open_listener() as listener:
        ours, theirs = await listener.pair()
        await ours.send_all(b"on its way")
        listener.network.cut_connections("server")
        assert await theirs.receive_some() == b"on its way"
        with pytest.raises(trio.BrokenResourceError):
            await theirs.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive_some()
        assert listener.network.is_up("server")
        await listener.pair()


async def test_taking_a_server_down() -> None:
    async with open_listener() as listener:
        ours, _theirs = await listener.pair()
        listener.network.take_down("server")
        assert not listener.network.is_up("server")
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive_some()
        with pytest.raises(ConnectionRefusedError):
            await listener.pair()


async def test_who_sends_too_much_waits(autojump_clock: MockClock) -> None:
    async with open_listener() as listener:
        ours, theirs = await listener.pair()
        with trio.move_on_after(10) as scope:
            await ours.send_all(bytes(1_000_000))
        assert scope.cancelled_caught
        await theirs.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await ours.send_all(b"x")
