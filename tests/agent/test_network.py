"""What the program says of its network: lost, there again, another one, a slow one."""

from __future__ import annotations

from typing import NoReturn

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import CannotConnect, Connected, Disconnected, Subscribed
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import ConnectionLost, ConnectTimeout, NetworkLost
from tests.agent.support import add_queues, next_event, open_net, until, wait_for

STEADY = AgentConfig(backoff=Backoff(jitter=0))
DAY = 24 * 3600


async def test_nothing_is_tried_while_the_network_is_lost(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 2)
        router.stop()
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, queues)
            await next_event(agent, CannotConnect)
            agent.network_lost()
            attempts = len(net.attempts)
            await trio.sleep(DAY)
            with pytest.raises(NetworkLost):
                await agent.client(router.address)
            assert len(net.attempts) == attempts
            await router.start(net.nursery)
            before = trio.current_time()
            agent.network_came_back()
            await wait_for(agent, Subscribed)
            assert trio.current_time() == before


async def test_connections_stay_and_are_not_given_out(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent(STEADY) as agent:
            client = await agent.client(router.address)
            agent.network_lost()
            with pytest.raises(NetworkLost):
                await agent.client(router.address)
            agent.network_came_back()
            assert await agent.client(router.address) is client


async def never(*_: object) -> NoReturn:
    await trio.sleep_forever()
    raise AssertionError


async def test_an_attempt_is_given_up_with_the_network(autojump_clock: MockClock) -> None:
    async with open_net() as net, open_smp_agent(STEADY, connector=never) as agent:
        router = await net.add_router()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                with pytest.raises(ConnectionLost):
                    await agent.client(router.address)

            await trio.sleep(1)
            agent.network_lost()
        assert trio.current_time() < 2
        assert agent.statistics().connecting == 0


@pytest.mark.parametrize("is_lost", [False, True])
async def test_another_network_has_new_connections(
    autojump_clock: MockClock, is_lost: bool
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 2)
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, queues)
            first = await next_event(agent, Connected)
            await wait_for(agent, Subscribed)
            await trio.sleep(DAY)
            before = trio.current_time()
            if is_lost:
                agent.network_lost()
            agent.network_changed()
            ended = await next_event(agent, Disconnected)
            assert ended.session_id == first.session_id
            if is_lost:
                await trio.sleep(DAY)
                before = trio.current_time()
                agent.network_came_back()
            assert (await next_event(agent, Connected)).session_id != first.session_id
            await wait_for(agent, Subscribed)
            assert trio.current_time() == before


async def test_a_slow_network_has_longer_timeouts(autojump_clock: MockClock) -> None:
    config = evolve(STEADY, remember_failure=0)
    async with open_net() as net, open_smp_agent(config, connector=never) as agent:
        router = await net.add_router()
        taken = []
        for slowness in (1.0, 1.5, 1.0):
            agent.network_changed(slowness=slowness)
            before = trio.current_time()
            with pytest.raises(ConnectTimeout):
                await agent.client(router.address)
            taken.append(trio.current_time() - before)
        assert taken == pytest.approx([45, 67.5, 45])


async def test_the_end_of_the_agent_ends_what_waits(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        async with net.open_agent(STEADY) as agent:
            agent.network_lost()
            agent.subscribe(router.address, queues)
            await until(lambda: agent.statistics().workers == 1)
            agent.unsubscribe(router.address, [queues[0].recipient_id])
