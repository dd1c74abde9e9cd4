"""Queues that share no connection to their router."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.config import DuplexConfig, Isolation
from simplex_trio.duplex.events import ConnectionDeleted
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.router.server import open_router
from tests.duplex.test_short_runs import DEADLINE, next_of


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
