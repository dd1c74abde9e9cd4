"""Pausing the whole agent: what ends first, what is cut off, and that nothing is lost by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import Network
from simplex_trio.duplex.events import MessageSent, PeerMessage, RouterDown
from simplex_trio.errors import NetworkLost
from simplex_trio.testing.network import Trouble
from tests.duplex.quiet import Quiet, connect, next_event, open_quiet
from tests.duplex.test_network import DAY, Wakeups
from tests.duplex.test_notifications import open_world


@asynccontextmanager
async def _apart(quiet: Quiet) -> AsyncIterator[tuple[DuplexAgent, DuplexAgent, str, str]]:
    """Two agents with a connection, each with a router of its own."""
    first, second = (router.address for router in quiet.routers)
    async with (
        quiet.open_agent(servers=(first,)) as a,
        quiet.open_agent(servers=(second,)) as b,
    ):
        yield a, b, *await connect(a, b)


async def bodies(agent: DuplexAgent, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        message = await next_event(agent, PeerMessage)
        await agent.acknowledge(message)
        found.append(message.body)
    return found


async def nothing_more(agent: DuplexAgent) -> None:
    with trio.move_on_after(DAY) as waiting:
        await next_event(agent, PeerMessage)
    assert waiting.cancelled_caught


async def test_a_paused_agent_does_nothing(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        ours, theirs = await connect(a, b)
        before = trio.current_time()
        assert await a.pause()
        assert trio.current_time() == before
        assert a.is_paused
        await next_event(a, RouterDown)
        await b.send(theirs, b"one")
        await next_event(b, MessageSent)
        assert await b.pause()
        await a.send(ours, b"two")
        quiet.stop()  # routers have timers of their own
        attempts, wakeups = len(quiet.attempts), Wakeups()
        await trio.sleep(DAY)
        trio.lowlevel.add_instrument(wakeups)
        await trio.sleep(DAY)
        trio.lowlevel.remove_instrument(wakeups)
        assert wakeups.count < 10
        assert len(quiet.attempts) == attempts
        assert a._agent.statistics().connected == 0
        await quiet.start()
        before = trio.current_time()
        a.resume()
        b.resume()
        assert not a.is_paused
        assert await bodies(a, 1) == [b"one"]
        assert await bodies(b, 1) == [b"two"]
        assert trio.current_time() == before


async def test_what_is_sent_at_the_moment_ends(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        quiet.network.trouble = Trouble(delay=0.5)
        ours, _ = await connect(a, b)
        for number in range(3):
            await a.send(ours, b"%d" % number)
        await wait_all_tasks_blocked()
        assert await a.pause()
        assert (await a.status(ours)).queued == 2
        a.resume()
        assert await bodies(b, 3) == [b"0", b"1", b"2"]
        await nothing_more(b)


async def test_receiving_ends_first(autojump_clock: MockClock) -> None:
    """A message that comes while the agent is still sending comes again after the pause."""
    async with open_quiet(2) as quiet, _apart(quiet) as (a, b, ours, theirs):
        quiet.stuck.add(quiet.routers[1].name)
        quiet.network.cut_connections(quiet.routers[1].name)
        await trio.sleep(1)
        await a.send(ours, b"held up")
        await wait_all_tasks_blocked()
        outcome: list[bool] = []
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                outcome.append(await a.pause(within=20))

            await trio.sleep(5)
            await b.send(theirs, b"one")
            await next_event(b, MessageSent)
        assert outcome == [False]
        assert list(await a.connections()) == [ours]
        quiet.stuck.clear()
        a.resume()
        assert await bodies(a, 1) == [b"one"]
        assert await bodies(b, 1) == [b"held up"]
        await nothing_more(a)


@pytest.mark.parametrize("ending", ["deadline", "cancelled"])
async def test_what_does_not_end_is_cut_off(autojump_clock: MockClock, ending: str) -> None:
    async with open_quiet(2) as quiet, _apart(quiet) as (a, b, ours, _):
        quiet.stuck.add(quiet.routers[1].name)
        quiet.network.cut_connections(quiet.routers[1].name)
        await trio.sleep(1)
        await a.send(ours, b"one")
        await a.send(ours, b"two")
        await trio.sleep(1)
        before = trio.current_time()
        if ending == "deadline":
            assert not await a.pause(within=3)
        else:
            with trio.move_on_after(3) as scope:
                await a.pause(within=1000)
            assert scope.cancelled_caught
        assert trio.current_time() == before + 3
        assert a.is_paused
        await trio.sleep(3600)
        assert a._agent.statistics().connecting == 0
        quiet.stuck.clear()
        a.resume()
        assert await bodies(b, 2) == [b"one", b"two"]
        await nothing_more(b)


async def test_acknowledgements_end_too(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        quiet.network.trouble = Trouble(delay=0.5)
        _, theirs = await connect(a, b)
        await b.send(theirs, b"one")
        await a.acknowledge(await next_event(a, PeerMessage))
        assert await a.pause()
        await b.send(theirs, b"two")
        a.resume()
        assert await bodies(a, 1) == [b"two"]


async def test_calls_while_it_is_paused(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        ours, _ = await connect(a, b)
        await a.pause()
        with pytest.raises(NetworkLost):
            await a.create()
        await a.send(ours, b"one")
        assert await a.pause()  # again changes nothing
        assert (await a.status(ours)).queued == 1
        a.set_network(Network.ORDINARY, changed=True)
        a.network_came_back()
        await trio.sleep(60)
        assert (await a.status(ours)).queued == 1
        a.set_network(Network.LOST)
        a.resume()
        a.resume()
        await trio.sleep(60)
        assert (await a.status(ours)).queued == 1
        a.set_network(Network.ORDINARY)
        assert await bodies(b, 1) == [b"one"]


async def test_resuming_ends_a_pause_that_is_not_complete(autojump_clock: MockClock) -> None:
    async with open_quiet(2) as quiet, _apart(quiet) as (a, b, ours, theirs):
        quiet.stuck.add(quiet.routers[1].name)
        quiet.network.cut_connections(quiet.routers[1].name)
        await trio.sleep(1)
        await a.send(ours, b"held up")
        await wait_all_tasks_blocked()
        outcome: list[bool] = []
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                outcome.append(await a.pause(within=1000))

            await trio.sleep(5)
            await b.send(theirs, b"one")
            await next_event(b, MessageSent)
            a.resume()
            assert await bodies(a, 1) == [b"one"]
            quiet.stuck.clear()
            assert await bodies(b, 1) == [b"held up"]
        assert outcome == [False]
        assert not a.is_paused


async def test_connections_for_notifications_rest_too(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent() as agent:
        await world.activate(agent)
        routers = agent._connectivity._ntf_routers
        assert len(routers._open) == 1
        await agent.pause()
        await wait_all_tasks_blocked()
        assert len(routers._open) == 0
        with pytest.raises(NetworkLost):
            await routers.client(world.ntf.address)
        agent.resume()
        await routers.client(world.ntf.address)
        agent.set_network(Network.ORDINARY, changed=True)
        await wait_all_tasks_blocked()
        assert len(routers._open) == 0
        agent.set_network(Network.LOST)
        await trio.sleep(3)
        with pytest.raises(NetworkLost):
            await routers.client(world.ntf.address)
