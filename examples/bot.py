"""An echo bot: it answers every message in a queue of the sender's choice.

::

    python examples/bot.py              # start two routers, the bot and a user, and show them talk
    python examples/bot.py smp://…@host # print where to write to, and answer forever

SMP has no return addresses, so a message has to say where the answer goes.  Here its first line is
a router and the id of a queue there, and the bot repeats the rest.  Nothing is encrypted end to
end, so both routers can read the messages, and the bot connects to any router that a sender names:
a real bot must handle both.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import trio

from simplex_trio import (
    MessageReceived,
    QuotaReached,
    ReceivingQueue,
    RouterEvent,
    ServerAddress,
    SimplexError,
    SMPClientAgent,
    open_router,
    open_smp_agent,
    open_smp_client,
)

ANSWER_WITHIN = 30
"""Seconds before the bot goes on to the next message, as strangers choose the routers."""


async def answer(message: bytes) -> None:
    """Echo a message to its sender; one that cannot be answered is dropped."""
    return_address, _, text = message.partition(b"\n")
    try:
        router, _, sender_id = return_address.decode().partition(" ")
        with trio.move_on_after(ANSWER_WITHIN):
            async with open_smp_client(router) as client:
                await client.send(bytes.fromhex(sender_id), b"You said: " + text)
    except (SimplexError, ValueError) as exc:
        print("not answered:", type(exc).__name__)


async def run_bot(
    agent: SMPClientAgent, router: ServerAddress | str, queue: ReceivingQueue
) -> None:
    """Answer the messages in a queue, until cancelled."""
    agent.subscribe(router, [queue])
    async for event in agent.events:
        match event:
            case RouterEvent(event=MessageReceived() | QuotaReached() as message):
                if isinstance(message, MessageReceived):
                    await answer(message.body)
                with suppress(SimplexError):  # redelivered on the next connection
                    client = await agent.client(router)
                    await client.acknowledge(queue, message.message_id)


async def say(bot: ServerAddress, bot_id: bytes, home: ServerAddress, *texts: str) -> None:
    """Play a user: send each text to the bot, and wait for the answer."""
    async with open_smp_client(home) as own, open_smp_client(bot) as to_bot:
        replies = await own.create_queue()
        return_address = f"{home} {replies.sender_id.hex()}\n"
        for text in texts:
            await to_bot.send(bot_id, (return_address + text).encode())
            event = await own.events.receive()
            assert isinstance(event, MessageReceived)
            print(event.body.decode())
            await own.acknowledge(replies, event.message_id)


async def main(*router: str) -> None:
    """Run the bot on a router, or demonstrate it."""
    async with open_smp_agent() as agent:
        if router:
            (address,) = router
            queue = await (await agent.client(address)).create_queue(subscribe=False)
            print(address, queue.sender_id.hex(), flush=True)
            await run_bot(agent, address, queue)
        async with open_router() as here, open_router() as there, trio.open_nursery() as nursery:
            client = await agent.client(here.address)
            queue = await client.create_queue(subscribe=False)
            nursery.start_soon(run_bot, agent, here.address, queue)
            await say(here.address, queue.sender_id, there.address, "Hello", "Is it you?")
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
