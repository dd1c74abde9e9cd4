"""One message to many connections, which may have different room for it."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.errors import CannotSend, UnknownConnection
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionReady, PeerMessage
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.errors import TooLarge
from simplex_trio.router.server import open_router
from tests.duplex.test_short_runs import CONFIG, DEADLINE, next_of


async def ready(alice: DuplexAgent, bob: DuplexAgent) -> str:
    invitation = await alice.create()
    await bob.join(invitation.link)
    await alice.accept(await next_of(alice, ConfirmationReceived))
    await next_of(bob, ConnectionReady)
    return invitation.connection_id


async def test_a_body_that_is_too_large_for_some() -> None:
    with trio.fail_after(DEADLINE):
        async with (
            open_router() as router,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as alice,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as bob,
        ):
            wide, narrow = [await ready(alice, bob) for _ in range(2)]
            open_one = (await alice.create()).connection_id
            # As if the KEM were used there, whose keys take room.
            await alice._core.step(lambda step: step.connection(narrow).change(pq=True))
            body = bytes(15_000)
            first, second, third, fourth = await alice.broadcast(
                [narrow, wide, open_one, "never"], body
            )
            assert isinstance(first, TooLarge)
            assert first.__traceback__ is None
            assert isinstance(second, int)
            assert isinstance(third, CannotSend)
            assert isinstance(fourth, UnknownConnection)
            message = await next_of(bob, PeerMessage)
            assert message.body == body
            await bob.acknowledge(message)
            with pytest.raises(TooLarge):
                await alice.send(narrow, body)
            # Nothing was used up for what was not queued.
            assert await alice.send(narrow, b"less") == second
            assert (await next_of(bob, PeerMessage)).skipped == 0
            await alice.drain()
            query = "SELECT count(*) FROM bodies"
            assert alice._store._database.connection.execute(query).fetchone() == (0,)
            assert [type(each) for each in await alice.broadcast([narrow, narrow], body)] == [
                TooLarge,
                TooLarge,
            ]
            assert alice._store._database.connection.execute(query).fetchone() == (0,)
