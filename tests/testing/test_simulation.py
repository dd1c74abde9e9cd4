"""Routers in memory, and the agents of a test on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.events import Disconnected, RouterEvent, Subscribed
from simplex_trio.client.smp.queues import MessageReceived
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import MessageSent, PeerMessage
from simplex_trio.duplex.file_status import FileState
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.errors import StoreUnavailable
from simplex_trio.testing.happening import connect_agents, next_event
from simplex_trio.testing.simulation import Simulation, open_simulation


async def test_agents_are_connected_over_a_router_in_memory(autojump_clock: MockClock) -> None:
    async with open_simulation() as simulation:
        alice, bob = await simulation.duplex_agent(), await simulation.duplex_agent()
        at_alice, at_bob = await connect_agents(alice, bob)
        await bob.send(at_bob, b"hello")
        message = await next_event(alice, PeerMessage)
        assert (message.connection_id, message.body) == (at_alice, b"hello")
        assert "1 routers" in repr(simulation)


async def test_messages_wait_until_routers_are_there_again(autojump_clock: MockClock) -> None:
    async with open_simulation(routers=2) as simulation:
        alice, bob = await simulation.duplex_agent(), await simulation.duplex_agent()
        _, at_bob = await connect_agents(alice, bob)
        simulation.stop_routers()
        await bob.send(at_bob, b"hello")
        began = simulation.now
        await simulation.advance(3600)
        assert simulation.now - began >= 3600
        with pytest.raises(AssertionError, match="no MessageSent in 60 seconds; other events: "):
            await next_event(bob, MessageSent)
        await simulation.start_routers()
        assert (await next_event(alice, PeerMessage, within=3600)).body == b"hello"


async def test_programs_that_open_agents_themselves(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with open_simulation() as simulation:
        alice = await simulation.duplex_agent()
        async with open_duplex_agent(tmp_path / "bob.db", **simulation.options()) as bob:
            at_alice, _ = await connect_agents(alice, bob)
        await alice.send(at_alice, b"while you were away")
        bob = await simulation.duplex_agent(tmp_path / "bob.db")
        assert (await next_event(bob, PeerMessage)).body == b"while you were away"
        with pytest.raises(AssertionError, match="no PeerMessage in 1 seconds"):
            await next_event(bob, PeerMessage, within=1)


async def test_an_agent_for_queues(autojump_clock: MockClock) -> None:
    async with open_simulation() as simulation:
        [router] = simulation.servers
        agent = await simulation.smp_agent()
        client = await agent.client(router)
        queue = await client.create_queue(subscribe=False)
        agent.subscribe(router, [queue])
        await next_event(agent, Subscribed)
        async with open_smp_agent(**simulation.smp_options()) as other:
            sender = await other.client(router)
            await sender.send(queue.sender_id, b"hello")
        event = await next_event(agent, RouterEvent)
        assert isinstance(event.event, MessageReceived)
        assert event.event.body == b"hello"
        simulation.stop_routers()
        await next_event(agent, Disconnected)
        await simulation.start_routers()
        await next_event(agent, Subscribed, within=3600)
        await agent.aclose()
        with pytest.raises(AssertionError, match="no Subscribed before the agent was closed"):
            await next_event(agent, Subscribed)


async def test_files_go_through_a_router_in_memory(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    async with open_simulation() as simulation:
        alice = await simulation.duplex_agent()
        file_id = await alice.send_file(tmp_path / "file")
        with trio.fail_after(60):
            while (  # noqa: ASYNC110 - the time is virtual
                await alice.file_status(file_id)
            ).state is FileState.SENDING:
                await trio.sleep(1)
        assert (await alice.file_status(file_id)).state is FileState.SENT


async def test_no_kem_in_virtual_time(autojump_clock: MockClock) -> None:
    async with open_simulation() as simulation:
        with pytest.raises(ValueError, match="pq=False"):
            await simulation.duplex_agent(config=DuplexConfig())


async def test_an_agent_that_cannot_be_opened(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with open_simulation() as simulation:
        with pytest.raises(StoreUnavailable):
            await simulation.duplex_agent(tmp_path / "missing" / "file")
        await simulation.duplex_agent()


def seen_with(seed: object) -> list[tuple[float, bytes]]:
    seen = []

    async def converse(simulation: Simulation) -> None:
        alice, bob = await simulation.duplex_agent(), await simulation.duplex_agent()
        at_alice, at_bob = await connect_agents(alice, bob)
        for count in range(5):
            await bob.send(at_bob, b"%d" % count)
            await alice.send(at_alice, b"%d" % (count + 10))
        for _ in range(5):
            for agent in (alice, bob):
                message = await next_event(agent, PeerMessage)
                seen.append((simulation.now, message.connection_id.encode() + message.body))
                await agent.acknowledge(message)

    async def main() -> None:
        async with open_simulation(seed=seed) as simulation:
            await converse(simulation)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return seen


def test_a_seed_repeats_everything() -> None:
    assert seen_with(1) == seen_with(1) != seen_with(2)
