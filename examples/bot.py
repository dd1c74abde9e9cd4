"""An echo bot: whoever writes to its queue is answered in a queue of their own.

::

    python examples/bot.py              # a router for the bot, one for a user, and a conversation
    python examples/bot.py smp://…@host # print where to write to, and answer for ever

SMP has no return addresses: who wants an answer says where to.  Here the first line of a message
is a router and the id of a queue there, and the rest is what the bot repeats.  Nothing is encrypted
from end to end, so the routers of both could read along, and the bot connects wherever it is told
to: a real one would see to both.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import trio

from simplex_trio import (
    MessageReceived,
    QuotaReached,
    ReceivingQueue,
    ServerAddress,
    SimplexError,
    SMPClientAgent,
    open_router,
    open_smp_agent,
    open_smp_client,
)
from simplex_trio.agent.events import RouterEvent

ANSWER_WITHIN = 30
"""Seconds after which the bot goes on to the next message: strangers name the routers."""


async def answer(message: bytes) -> None:
    """Repeat a message to its sender; one that cannot be answered is dropped."""
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
    """Answer what arrives in a queue, until cancelled."""
    agent.subscribe(router, [queue])
    async for event in agent.events:
        match event:
            case RouterEvent(event=MessageReceived() | QuotaReached() as message):
                if isinstance(message, MessageReceived):
                    await answer(message.body)
                with suppress(SimplexError):  # it comes again with the next connection
                    client = await agent.client(router)
                    await client.acknowledge(queue, message.message_id)


async def say(bot: ServerAddress, bot_id: bytes, home: ServerAddress, *texts: str) -> None:
    """A user: say something to the bot, wait for the answer, and say the next."""
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
    """Run the bot at a router, or show it at work."""
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
