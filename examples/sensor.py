"""A sensor that sends its readings to whoever has invited it.

::

    python examples/sensor.py                   # to a router on this machine, and print it
    python examples/sensor.py smp://…@host ID   # to a collector's queue

Every reading has a number.  When a connection is lost, nobody can tell whether the router had the
last reading already, so the sensor sends it again, and the collector drops what it has seen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import trio

from simplex_trio import (
    MessageReceived,
    ServerAddress,
    SimplexError,
    open_router,
    open_smp_agent,
    open_smp_client,
)
from simplex_trio.crypto.keys import X25519PrivateKey

DELAYS = (1, 2, 4, 8, 16, 32)
"""Seconds between the tries to send a reading, before the last one."""


def readings(count: int) -> Iterator[bytes]:
    """What a thermometer would say."""
    for number in range(count):
        yield json.dumps({"number": number, "celsius": 20 + number / 4}).encode()


async def report(router: ServerAddress | str, sender_id: bytes, *, count: int = 5) -> None:
    """Send readings into a queue, and see to it that nobody else can.

    Raises the last error when a reading cannot be sent, at once if trying again cannot help.
    """
    key = X25519PrivateKey.generate()
    async with open_smp_agent() as agent:

        async def deliver(reading: bytes) -> None:
            client = await agent.client(router)  # the same one, until it is lost
            await client.secure_as_sender(sender_id, key)  # with the same key it may be repeated
            await client.send(sender_id, reading, key)

        for reading in readings(count):
            await persist(deliver, reading)


async def persist(deliver: Callable[[bytes], Awaitable[None]], reading: bytes) -> None:
    """Deliver a reading, again and again as long as that may help."""
    for delay in DELAYS:
        try:
            return await deliver(reading)
        except SimplexError as exc:
            if not exc.retryable:
                raise
        await trio.sleep(delay)
    return await deliver(reading)


async def main(*invitation: str, count: int = 5) -> None:
    """Report to the queue that is named, or to one that is made for the occasion."""
    if invitation:
        router, sender_id = invitation
        await report(router, bytes.fromhex(sender_id), count=count)
        return
    async with open_router() as own, open_smp_client(own.address) as client:
        queue = await client.create_queue()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(report, own.address, queue.sender_id, count=count))
            for _ in range(count):
                event = await client.events.receive()
                assert isinstance(event, MessageReceived)
                print("arrived:", event.body.decode())
                await client.acknowledge(queue, event.message_id)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
