"""Queues that leave routers by themselves, where the configuration asks for it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, ProxyUse, RotationPolicy, Server
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    RotationPhase,
    RotationProgress,
    RotationSide,
)
from simplex_trio.duplex.machine.messages import SilentRouter
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.work.moving import RETRY_AFTER, _is_same, _note_silence
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import StoreFull
from simplex_trio.router.server import open_router
from simplex_trio.wire.addresses import ServerAddress
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS

CONNECTIONS = 5
AT_ONCE = 2
PATIENCE = 30

REMOVED = RotationPolicy(leave_removed_servers=True, at_once=AT_ONCE)
UNREACHABLE = RotationPolicy(leave_unreachable_after=3600, at_once=AT_ONCE)


class Time:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def connect(alice: DuplexAgent, bob: DuplexAgent) -> str:
    invitation = await alice.create()
    await bob.join(invitation.link)
    async for event in alice.events:
        if isinstance(event, ConfirmationReceived):
            await alice.accept(event)
        if isinstance(event, ConnectionReady):
            return event.connection_id
    raise AssertionError


async def moves(agent: DuplexAgent, phase: RotationPhase, count: int) -> None:
    with trio.fail_after(PATIENCE):
        async for event in agent.events:
            if isinstance(event, RotationProgress) and event.phase is phase:
                assert event.side is RotationSide.RECEIVING
                count -= 1
                if not count:
                    agent.events.take()
                    return


async def places(agent: DuplexAgent) -> list[ServerAddress]:
    found = [await agent.status(each) for each in await agent.connections()]
    return [server for status in found for server in status.receives_from]


async def look(agent: DuplexAgent) -> None:
    await agent._upkeep._moving.look()


async def test_queues_leave_a_router_that_was_removed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(open_router())
        new = await stack.enter_async_context(open_router())
        config = DuplexConfig((old.address,), pq=False, proxy=ProxyUse.NEVER)
        bob = await stack.enter_async_context(open_duplex_agent(None, config=config))
        store = tmp_path / "alice.db"
        async with open_duplex_agent(store, config=config) as alice:
            for _ in range(CONNECTIONS):
                await connect(alice, bob)
        config = evolve(config, servers=(new.address,))
        async with open_duplex_agent(store, config=config) as alice:
            await look(alice)  # it is not asked for
            assert await places(alice) == [old.address] * CONNECTIONS
        left, policy = CONNECTIONS, evolve(config, rotation=REMOVED)
        while left:
            # Whatever was begun in one life goes on in the next.
            async with open_duplex_agent(store, config=policy) as alice:
                await look(alice)
                some = min(left, AT_ONCE)
                await moves(alice, RotationPhase.COMPLETED, some)
                left -= some
                assert sorted(map(str, await places(alice))) == sorted(
                    [str(old.address)] * left + [str(new.address)] * (CONNECTIONS - left)
                )
        async with open_duplex_agent(store, config=policy) as alice:
            await look(alice)
            await alice.drain()
            assert await places(alice) == [new.address] * CONNECTIONS


async def test_a_move_that_was_aborted_is_not_begun_again_soon() -> None:
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(open_router())
        new = await stack.enter_async_context(open_router())
        time = Time()
        config = DuplexConfig(
            (old.address,), pq=False, proxy=ProxyUse.NEVER, rotation=REMOVED, clock=time
        )
        alice = await stack.enter_async_context(open_duplex_agent(None, config=config))
        async with open_duplex_agent(None, config=evolve(config, rotation=RotationPolicy())) as bob:
            connection_id = await connect(alice, bob)
            await alice.drain()
        alice.set_servers([new.address])
        await look(alice)
        await moves(alice, RotationPhase.STARTED, 1)
        await alice.abort_rotation(connection_id)
        await alice.drain()
        for seconds, count in ((0, 0), (RETRY_AFTER - 1, 0), (1, 1)):
            time.now += seconds
            await look(alice)
            assert len((await alice.status(connection_id)).rotations) == count


async def test_queues_leave_a_router_that_is_gone_for_long() -> None:
    """They would: what the peer answers comes through the old one."""
    async with AsyncExitStack() as stack:
        new = await stack.enter_async_context(open_router())
        time = Time()
        config = DuplexConfig(pq=False, proxy=ProxyUse.NEVER, rotation=UNREACHABLE, clock=time)
        alice = await stack.enter_async_context(open_duplex_agent(None, config=config))
        bob = await stack.enter_async_context(
            open_duplex_agent(
                None, servers=[new.address], config=DuplexConfig(pq=False, proxy=ProxyUse.NEVER)
            )
        )
        async with open_router() as old:
            alice.set_servers([old.address])
            gone = await connect(alice, bob)
            alice.set_servers([old.address, new.address])
            await look(alice)
            time.now += 10_000
            await look(alice)
            assert (await alice.status(gone)).rotations == ()
        alice.set_servers([new.address])
        there = await connect(alice, bob)
        for seconds in (0, 3599):
            time.now += seconds
            await look(alice)
            assert (await alice.status(gone)).rotations == ()
        time.now += 1
        await look(alice)
        await moves(alice, RotationPhase.STARTED, 1)
        (rotation,) = (await alice.status(gone)).rotations
        assert (rotation.from_server, rotation.to_server) == (old.address, new.address)
        assert (await alice.status(there)).rotations == ()


def test_silence_counts_only_while_there_is_a_network() -> None:
    machine = Machine()
    here, there = SERVERS

    def note(reachable: dict[ServerAddress, bool]) -> dict[ServerAddress, int]:
        machine.now += 100
        return machine.step(lambda step: _note_silence(reachable, step))

    assert note({here: True, there: True}) == {}
    since = int(machine.now) + 100
    assert note({here: True, there: False}) == {there: since}
    machine.restart()
    assert note({here: True, there: False}) == {there: since}
    assert note({here: False, there: False}) == {}
    assert note({here: True, there: False}) == {there: since + 300}
    assert note({here: True, there: True}) == {}
    assert note({here: True, there: False}) == {there: since + 500}
    assert note({here: True}) == {}  # no queue is there any more
    assert machine.rows.find(SilentRouter) == []


def test_a_router_that_is_listed_in_another_way_is_the_same() -> None:
    key = "LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI="
    server = ServerAddress.parse(f"smp://{key}@one.test,other.test")
    for place, same in (("one.test:5223", True), ("one.test:5224", False), ("two.test", False)):
        assert _is_same(Server.of(f"smp://{key}@{place}"), server) is same


async def test_a_full_disk_ends_no_look_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplex_trio.duplex.work.core._STORE_BACKOFF", Backoff(initial=0.001))
    config = DuplexConfig(SERVERS, pq=False, rotation=REMOVED)
    async with open_duplex_agent(None, config=config) as agent:
        original, failures = agent._core.read, [StoreFull("the disk is full")]

        async def read(find: Any) -> Any:
            if failures:
                raise failures.pop()
            return await original(find)

        monkeypatch.setattr(agent._core, "read", read)
        await look(agent)
    assert not failures
