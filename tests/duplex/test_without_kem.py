"""An agent whose new connections use no KEM, and whose store has some that do."""

from __future__ import annotations

from pathlib import Path

import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.router.server import open_router
from tests.duplex.test_short_runs import DEADLINE, next_of


async def test_connections_that_use_the_kem_go_on(tmp_path: Path) -> None:
    ours = tmp_path / "alice.db"
    with trio.fail_after(DEADLINE):
        async with (
            open_router() as router,
            open_duplex_agent(None, servers=[router.address]) as bob,
        ):
            async with open_duplex_agent(ours, servers=[router.address]) as alice:
                theirs = await bob.join((await alice.create(short=True)).link)
                mine = await alice.accept(await next_of(alice, ConfirmationReceived))
                await next_of(alice, ConnectionReady)
                alice.events.take()
                await bob.join((await alice.create_address()).link)
            config = DuplexConfig((router.address,), pq=False)
            async with open_duplex_agent(ours, config=config) as alice:
                request = await next_of(alice, RequestReceived)
                # The KEM's secrets change with each answer.
                for _ in range(3):
                    await bob.send(theirs, b"question")
                    question = await next_of(alice, PeerMessage)
                    await alice.acknowledge(question)
                    await alice.send(mine, b"answer")
                    answer = await next_of(bob, PeerMessage)
                    await bob.acknowledge(answer)
                assert (question.pq, answer.pq) == (True, True)
                await alice.accept(request)
                await next_of(alice, ConnectionReady)
