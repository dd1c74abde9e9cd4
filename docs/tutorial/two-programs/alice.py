"""Alice: has one invitation, accepts the peer that joins it, and prints its messages."""

import sys

import trio

from simplex_trio.duplex import (
    ConfirmationReceived,
    ConnectionReady,
    PeerMessage,
    open_duplex_agent,
)


async def main(router: str) -> None:
    """Be there for Bob."""
    async with open_duplex_agent("alice.db", servers=[router]) as agent:
        if not await agent.connections():
            await agent.create(info=b"Alice")
        [connection_id] = await agent.connections()
        link = (await agent.status(connection_id)).link
        if link is not None:
            print(f'python bob.py "{router}" "{link}" "Hello, Alice"')

        async for event in agent.events:
            match event:
                case ConfirmationReceived(info=info):
                    print(info.decode(), "has joined")
                    await agent.accept(event)
                case ConnectionReady():
                    print("connected")
                case PeerMessage(body=body):
                    print("message:", body.decode())
                    await agent.acknowledge(event, receipt=True)


trio.run(main, sys.argv[1])
