"""A network that is lost, there again, another one or slow, as the program says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Network
from simplex_trio.duplex.events import (
    InvitationReady,
    JoinSent,
    MessageSent,
    PeerMessage,
    RouterDown,
    RouterUp,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.errors import NetworkLost
from tests.duplex.machines import Machine
from tests.duplex.quiet import connect, next_event, open_quiet
from tests.duplex.worlds import World

DAY = 24 * 3600
CONFIG = DuplexConfig(pq=False)


class Wakeups(trio.abc.Instrument):
    """Counts how often any task runs."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


async def test_nothing_spins_while_the_network_is_lost(autojump_clock: MockClock) -> None:
    """Over a whole day no attempt is made, and hardly a task runs; then all is done at once."""
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        ours, theirs = await connect(a, b)
        quiet.stop()
        await next_event(a, RouterDown)
        for agent in (a, b):
            agent.set_network(Network.LOST)
        await a.send(ours, b"one")
        await b.send(theirs, b"two")
        other = await a.create(wait=False)
        await wait_all_tasks_blocked()
        attempts, wakeups = len(quiet.attempts), Wakeups()
        trio.lowlevel.add_instrument(wakeups)
        await trio.sleep(DAY)
        trio.lowlevel.remove_instrument(wakeups)
        assert len(quiet.attempts) == attempts
        # Both agents remove what is too old every five minutes, in a few steps each.
        assert wakeups.count < 20 * DAY / 300
        await quiet.start()
        before = trio.current_time()
        for agent in (a, b):
            agent.set_network(Network.ORDINARY)
        assert (await next_event(a, InvitationReady)).connection_id == other
        assert (await next_event(b, PeerMessage)).body == b"one"
        assert (await next_event(a, PeerMessage)).body == b"two"
        assert trio.current_time() == before


async def test_what_waits_for_its_next_attempt_waits_for_the_network(
    autojump_clock: MockClock,
) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        ours, _ = await connect(a, b)
        quiet.stop()
        await a.send(ours, b"one")
        await trio.sleep(3600)  # attempts are rare by now
        a.set_network(Network.LOST)
        await wait_all_tasks_blocked()
        attempts = sum(each.label == "" for _, each in quiet.attempts)
        b.set_network(Network.LOST)
        await trio.sleep(DAY)
        assert len(quiet.attempts) == attempts
        await quiet.start()
        before = trio.current_time()
        a.network_came_back()
        await next_event(a, MessageSent)
        assert trio.current_time() == before
        b.network_came_back()
        assert (await next_event(b, PeerMessage)).body == b"one"


def link() -> str:
    machine = Machine("a")
    return World(machine).invite(machine).link


async def create(agent: DuplexAgent) -> object:
    return await agent.create()


async def join(agent: DuplexAgent) -> object:
    return await agent.join(link())


async def test_calls_that_wait_raise_at_once(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        agent.set_network(Network.LOST)
        before = trio.current_time()
        with pytest.raises(NetworkLost):
            await agent.create()
        assert await agent.connections() == []
        with pytest.raises(NetworkLost):
            await agent.join(link())
        assert len(await agent.connections()) == 1
        assert trio.current_time() == before
        with trio.move_on_after(DAY) as waiting:
            await agent.drain()
        assert waiting.cancelled_caught


async def test_a_call_goes_on_where_the_network_is_there_again(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        invitation = await a.create()
        b.set_network(Network.LOST)
        with pytest.raises(NetworkLost):
            await b.join(invitation.link)
        b.set_network(Network.ORDINARY)
        joined = await next_event(b, JoinSent)
        assert await b.connections() == [joined.connection_id]


async def test_a_loss_between_two_networks_does_not_count(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        await agent.create()
        await next_event(agent, RouterUp)
        agent.set_network(Network.ORDINARY)
        await trio.sleep(0.5)
        agent.set_network(Network.LOST)
        await agent.create()  # all goes on
        await trio.sleep(1)
        agent.set_network(Network.ORDINARY)
        await trio.sleep(60)
        await agent.create()
        agent.set_network(Network.LOST)
        with pytest.raises(NetworkLost):
            await agent.create()


async def test_a_loss_that_lasts_counts_after_two_seconds(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        agent.set_network(Network.ORDINARY)
        agent.set_network(Network.LOST)
        assert agent.network is Network.LOST
        await agent.create()
        await trio.sleep(2.1)
        with pytest.raises(NetworkLost):
            await agent.create()


@pytest.mark.parametrize(
    ("network", "changed", "is_new"),
    [
        (Network.ORDINARY, False, False),
        (Network.ORDINARY, True, True),
        (Network.SLOW, False, True),
    ],
)
async def test_another_network_has_new_connections(
    autojump_clock: MockClock, network: Network, changed: bool, is_new: bool
) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        await agent.create()
        await next_event(agent, RouterUp)
        attempts = len(quiet.attempts)
        agent.set_network(Network.LOST)
        await trio.sleep(60)
        before = trio.current_time()
        agent.set_network(network, changed=changed)
        if is_new:
            await next_event(agent, RouterDown)
            await next_event(agent, RouterUp)
        await wait_all_tasks_blocked()
        assert trio.current_time() == before
        assert len(quiet.attempts) == attempts + is_new


async def never(*_: object, **__: object) -> Any:
    await trio.sleep_forever()


@pytest.mark.parametrize(("network", "seconds"), [(Network.ORDINARY, 45), (Network.SLOW, 67.5)])
async def test_a_slow_network_takes_longer(
    autojump_clock: MockClock, network: Network, seconds: float
) -> None:
    async with (
        open_quiet() as quiet,
        open_duplex_agent(
            None,
            servers=[router.address for router in quiet.routers],
            config=CONFIG,
            connector=never,
        ) as agent,
    ):
        agent.set_network(network)
        before = trio.current_time()
        with pytest.raises(TimeoutError):
            await agent.create()
        assert trio.current_time() - before == pytest.approx(seconds)


Call = Callable[[DuplexAgent], Awaitable[object]]


@pytest.mark.parametrize("call", [create, join])
async def test_a_call_that_waits_already_gets_the_error_of_its_attempt(
    autojump_clock: MockClock, call: Call
) -> None:
    errors: list[Exception] = []
    async with (
        open_quiet() as quiet,
        open_duplex_agent(
            None,
            servers=[router.address for router in quiet.routers],
            config=CONFIG,
            connector=never,
        ) as agent,
        trio.open_nursery() as nursery,
    ):

        @nursery.start_soon
        async def _() -> None:
            try:
                await call(agent)
            except Exception as exc:
                errors.append(exc)

        await wait_all_tasks_blocked()
        agent.set_network(Network.LOST)
        await wait_all_tasks_blocked()
        assert len(errors) == 1
        assert getattr(errors[0], "retryable", False)
