"""Queues that share no connection to their router."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.config import DuplexConfig, Isolation, ProxyUse
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionDeleted, ConnectionReady
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.router.server import open_router
from tests.duplex.test_short_runs import CONFIG, DEADLINE, next_of


async def test_the_connection_of_a_queue_goes_with_it() -> None:
    config = DuplexConfig(pq=False, isolation=Isolation.QUEUE)
    with trio.fail_after(DEADLINE):
        async with (
            open_router() as router,
            open_duplex_agent(None, servers=[router.address], config=config) as agent,
        ):
            invitations = [await agent.create() for _ in range(3)]
            kept = invitations.pop()
            assert router.sockets.active == 3
            for each in invitations:
                await agent.delete(each.connection_id)
                await next_of(agent, ConnectionDeleted)
            while router.sockets.active > 1:
                await wait_all_tasks_blocked()
            assert len(agent._subscriptions._destinations) == 1
            assert await agent.connections() == [kept.connection_id]


@pytest.mark.parametrize("proxy", [ProxyUse.NEVER, ProxyUse.ALWAYS])
async def test_the_connection_to_a_peers_queue_goes_with_it(proxy: ProxyUse) -> None:
    config = DuplexConfig(pq=False, isolation=Isolation.QUEUE, proxy=proxy)
    with trio.fail_after(DEADLINE):
        async with (
            open_router() as theirs,
            open_router() as ours,
            open_duplex_agent(None, servers=[theirs.address], config=CONFIG) as alice,
            open_duplex_agent(None, servers=[ours.address], config=config) as bob,
        ):
            joined = await bob.join((await alice.create()).link)
            await alice.accept(await next_of(alice, ConfirmationReceived))
            await next_of(bob, ConnectionReady)
            await bob.drain()
            assert len(bob._agent._connections._pool) == 2
            await bob.delete(joined)
            await next_of(bob, ConnectionDeleted)
            while len(bob._agent._connections._pool):
                await wait_all_tasks_blocked()
