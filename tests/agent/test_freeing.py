"""Connections of an agent that have ended are freed at once, and those that never came about."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.errors import WrongIdentity
from simplex_trio.router.server import open_router
from tests.garbage import nothing_left_to_the_collector


async def test_connections_that_ended_and_attempts_that_failed() -> None:
    async with open_router() as router, open_smp_agent() as agent:

        async def once() -> None:
            client = await agent.client(router.address)
            await client.ping()
            agent.remove(router.address)
            await client.wait_disconnected()
            with pytest.raises(WrongIdentity):
                await agent.client(evolve(router.address, key_hash=bytes(32)))
            agent.network_came_back()
            while router.sockets.active:
                await wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(agent.client, router.address)
                await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            agent.remove(router.address)
            while router.sockets.active:
                await wait_all_tasks_blocked()

        await once()
        with nothing_left_to_the_collector():
            await once()
