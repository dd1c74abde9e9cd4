"""Programs that run an agent for a moment: they look at links, leave events, and drain it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    PeerMessage,
    ReceiptReceived,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.router.server import Router, open_router

DEADLINE = 30
"""Seconds after which a test hangs; each takes less than one."""

CONFIG = DuplexConfig(pq=False)

UNREACHABLE = f"smp://{'A' * 43}=@127.0.0.1:1"

EventT = TypeVar("EventT", bound=DuplexEvent)


@asynccontextmanager
async def run(path: Path, router: Router) -> AsyncIterator[DuplexAgent]:
    """An agent for as long as the block lasts."""
    with trio.fail_after(DEADLINE):
        async with open_duplex_agent(path, servers=[router.address], config=CONFIG) as agent:
            yield agent


async def next_of(agent: DuplexAgent, kind: type[EventT], *, keep: bool = False) -> EventT:
    """The next event of a kind; those before it are taken, or kept."""
    async for event in agent.events:
        if isinstance(event, kind):
            return event
        if keep:
            agent.events.keep()
    raise AssertionError("the agent has ended")


async def joined(alice: DuplexAgent, bob: DuplexAgent) -> str:
    invitation = await alice.create()
    return await bob.join(invitation.link, b"Bob")


async def test_an_event_that_is_kept_comes_again_in_each_run(tmp_path: Path) -> None:
    ours = tmp_path / "alice.db"
    async with open_router() as router, run(tmp_path / "bob.db", router) as bob:
        async with run(ours, router) as alice:
            await joined(alice, bob)
            first = await next_of(alice, ConfirmationReceived)
            alice.events.keep()
            await alice.accept(first)
            # Asking for the next event takes the one before, but not one that is kept.
            await next_of(alice, ConnectionReady)
            alice.events.take()
        async with run(ours, router) as alice:
            again = await next_of(alice, ConfirmationReceived)
            assert again.confirmation_id == first.confirmation_id
            alice.events.take()
        async with run(ours, router) as alice:
            (ours_id,) = await alice.connections()
            await bob.send((await bob.connections())[0], b"hello")
            async for event in alice.events:
                assert not isinstance(event, ConfirmationReceived | ConnectionReady)
                if isinstance(event, PeerMessage):
                    assert (event.connection_id, event.body) == (ours_id, b"hello")
                    break


async def test_draining_waits_until_receipts_are_sent(tmp_path: Path) -> None:
    async with open_router() as router, run(tmp_path / "alice.db", router) as alice:
        async with run(tmp_path / "bob.db", router) as bob:
            await bob.drain()  # there is nothing to wait for
            theirs = await joined(alice, bob)
            ours = await alice.accept(await next_of(alice, ConfirmationReceived))
            await alice.drain([ours])
            assert (await alice.status(ours)).state.value == "ready"
            message_id = await alice.send(ours, b"hello")
            await bob.acknowledge(await next_of(bob, PeerMessage), receipt=True)
            await bob.drain([theirs])
        receipt = await next_of(alice, ReceiptReceived)
        assert (receipt.message_id, receipt.intact) == (message_id, True)


async def test_draining_waits_for_routers_that_are_away(tmp_path: Path) -> None:
    async with open_router() as own, run(tmp_path / "bob.db", own) as bob:
        async with open_router() as away, run(tmp_path / "alice.db", away) as alice:
            theirs = await joined(alice, bob)
        await bob.send(theirs, b"hello")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob.drain, [theirs])
            await bob.drain(["another"])
            await wait_all_tasks_blocked()
            assert nursery.child_tasks
            nursery.cancel_scope.cancel()


async def test_looking_at_a_one_time_link_that_was_joined(tmp_path: Path) -> None:
    async with open_router() as router, run(tmp_path / "alice.db", router) as alice:
        invitation = await alice.create(short=True, data=b"Alice")
        assert invitation.short_link is not None
        async with run(tmp_path / "bob.db", router) as bob:
            for _ in range(2):
                looked = await bob.look(invitation.short_link)
                assert (looked.data, looked.connection_id) == (b"Alice", None)
            joined = await bob.join(invitation.short_link)
            await next_of(alice, ConfirmationReceived)
            looked = await bob.look(invitation.short_link)
            assert (looked.data, looked.connection_id) == (None, joined)
            assert (looked.is_invitation, looked.can_join) == (True, True)
            assert looked.server == router.address


async def test_a_run_without_servers_leaves_making_queues_to_another(tmp_path: Path) -> None:
    ours = tmp_path / "bob.db"
    async with open_router() as router, run(tmp_path / "alice.db", router) as alice:
        invitation = await alice.create()
        async with open_duplex_agent(ours, servers=[UNREACHABLE], config=CONFIG) as bob:
            await bob.join(invitation.link, b"Bob", wait=False)
        async with open_duplex_agent(ours, config=CONFIG) as bob:
            (theirs,) = await bob.connections()
            await wait_all_tasks_blocked(0.1)
            assert (await bob.status(theirs)).state is ConnectionState.JOINING
        async with run(ours, router) as bob:
            assert await bob.join(invitation.link, b"Bob") == theirs
        assert (await next_of(alice, ConfirmationReceived)).info == b"Bob"
