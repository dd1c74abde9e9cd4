"""Bob: joins an invitation unless that was done before, sends a text, and waits for the receipt."""

import sys

import trio

from simplex_trio.duplex import (
    AlreadyJoined,
    ConnectionState,
    DuplexAgent,
    MessageSent,
    ReceiptReceived,
    open_duplex_agent,
)


async def connect(agent: DuplexAgent, link: str) -> str:
    """Return the id of the connection once both sides can send."""
    try:
        connection_id = await agent.join(link, b"Bob")
    except AlreadyJoined as joined:
        connection_id = joined.connection_id
    while (await agent.status(connection_id)).state is not ConnectionState.READY:
        await agent.events.receive()
    return connection_id


async def main(router: str, link: str, text: str) -> None:
    """Send the text."""
    async with open_duplex_agent("bob.db", servers=[router]) as agent:
        connection_id = await connect(agent, link)
        sent = await agent.send(connection_id, text.encode())
        async for event in agent.events:
            match event:
                case MessageSent(message_id=message_id) if message_id == sent:
                    print("the router has it")
                case ReceiptReceived(message_id=message_id) if message_id == sent:
                    print("Alice has it")
                    break


trio.run(main, *sys.argv[1:])
