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
from collections.abc import Iterator
from functools import partial

import trio

from simplex_trio import (
    MessageReceived,
    ServerAddress,
    X25519PrivateKey,
    open_router,
    open_smp_agent,
    open_smp_client,
    repeat_until_accepted,
    send_until_accepted,
)


def readings(count: int) -> Iterator[bytes]:
    """Yield the readings of a thermometer."""
    for number in range(count):
        yield json.dumps({"number": number, "celsius": 20 + number / 4}).encode()


async def report(router: ServerAddress | str, sender_id: bytes, *, count: int = 5) -> None:
    """Secure a queue for this sensor, and send readings to it.

    Raises an error only if trying again cannot help.
    """
    key = X25519PrivateKey.generate()
    async with open_smp_agent() as agent:
        await repeat_until_accepted(
            agent, router, lambda client: client.secure_as_sender(sender_id, key)
        )
        for reading in readings(count):
            await send_until_accepted(agent, router, sender_id, reading, key)


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
