"""A sensor: it sends its readings to the collector that invited it.

::

    python examples/sensor.py                   # to a temporary router, and print what arrives
    python examples/sensor.py smp://…@host ID   # to a collector's queue

Every reading has a number.  When a connection is lost, the sensor cannot know whether the router
has accepted the last reading.  So it sends it again, and the collector drops duplicates.
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
    X25519PrivateKey,
    open_router,
    open_smp_agent,
    open_smp_client,
)

DELAYS = (1, 2, 4, 8, 16, 32)
"""Seconds between the attempts to send a reading."""


def readings(count: int) -> Iterator[bytes]:
    """Yield the readings of a thermometer."""
    for number in range(count):
        yield json.dumps({"number": number, "celsius": 20 + number / 4}).encode()


async def report(router: ServerAddress | str, sender_id: bytes, *, count: int = 5) -> None:
    """Secure a queue for this sensor, and send readings to it.

    Raises the last error if a reading cannot be sent; at once if a retry cannot help.
    """
    key = X25519PrivateKey.generate()
    async with open_smp_agent() as agent:

        async def deliver(reading: bytes) -> None:
            client = await agent.client(router)  # the same one, until it is lost
            await client.secure_as_sender(sender_id, key)  # may be repeated with the same key
            await client.send(sender_id, reading, key)

        for reading in readings(count):
            await persist(deliver, reading)


async def persist(deliver: Callable[[bytes], Awaitable[None]], reading: bytes) -> None:
    """Deliver a reading; retry as long as that may help."""
    for delay in DELAYS:
        try:
            return await deliver(reading)
        except SimplexError as exc:
            if not exc.retryable:
                raise
        await trio.sleep(delay)
    return await deliver(reading)


async def main(*invitation: str, count: int = 5) -> None:
    """Report to the given queue, or to a temporary one."""
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
