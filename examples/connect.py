"""Two agents, connected end to end, over a router that neither of them has to trust.

::

    python examples/connect.py               # over a router that is started here
    python examples/connect.py smp://…@host  # over this one

Each agent keeps its keys, connections and undelivered messages in a file of its own.  Here the
files are in a temporary folder; in a real program they stay, and everything goes on after a
restart, or a crash, where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from simplex_trio import ServerAddress, open_router
from simplex_trio.duplex import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexAgent,
    PeerMessage,
    ReceiptReceived,
    open_duplex_agent,
)


async def run_alice(alice: DuplexAgent) -> None:
    """Accept the peer that joins, greet it, and wait until its program has received that."""
    async for event in alice.events:
        match event:
            case ConfirmationReceived(info=info):
                print("Alice is joined by", info.decode())
                await alice.accept(event)
            case ConnectionReady(connection_id=connection_id):
                await alice.send(connection_id, b"Hello, Bob")
            case ReceiptReceived():
                print("Alice knows that Bob has the message")
                return


async def run_bob(bob: DuplexAgent, link: str) -> None:
    """Join an invitation, and print what comes, with a receipt for each message."""
    await bob.join(link, b"Bob")
    async for event in bob.events:
        match event:
            case PeerMessage(body=body):
                print("Bob reads:", body.decode())
                await bob.acknowledge(event, receipt=True)


async def connect(router: ServerAddress | str) -> None:
    """Connect two agents over a router, and send one message."""
    with TemporaryDirectory() as folder:
        async with (
            open_duplex_agent(Path(folder, "alice.db"), servers=[router]) as alice,
            open_duplex_agent(Path(folder, "bob.db"), servers=[router]) as bob,
            trio.open_nursery() as nursery,
        ):
            invitation = await alice.create(info=b"Alice")
            nursery.start_soon(run_bob, bob, invitation.link)
            await run_alice(alice)
            nursery.cancel_scope.cancel()


async def main(*router: str) -> None:
    """Connect over the given router, or over a temporary one."""
    if router:
        await connect(*router)
        return
    async with open_router() as temporary:
        await connect(temporary.address)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
