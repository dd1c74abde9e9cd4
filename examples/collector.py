"""A collector: it receives the readings of many sensors, from any number of routers, by an agent.

::

    python examples/collector.py                         # start two routers and four sensors here
    python examples/collector.py smp://…@one smp://…@two # print an invitation for each, and collect

An invitation is a router and the id of a queue; each sensor needs its own, for ``python
examples/sensor.py``.  The queues of this example last as long as the program; a real one stores
each `ReceivingQueue` before it hands out the invitation.
"""

from __future__ import annotations

import json
import math
import sys
from functools import partial

import trio
from sensor import report

from simplex_trio import (
    Deliveries,
    Delivery,
    Disconnected,
    ServerAddress,
    SMPClientAgent,
    SubscriptionEnded,
    SubscriptionError,
    open_deliveries,
    open_router,
    open_smp_agent,
)

SENSORS_PER_ROUTER = 2


class Collector:
    """The queues of the sensors, and the readings from them."""

    def __init__(self, agent: SMPClientAgent, deliveries: Deliveries) -> None:
        self.readings = 0
        self._agent = agent
        self._deliveries = deliveries
        self._names: dict[bytes, str] = {}
        self._seen: set[tuple[bytes, int]] = set()

    async def invite(self, router: ServerAddress | str, name: str) -> bytes:
        """Create a queue on a router; returns the id that its sensor sends to."""
        client = await self._agent.client(router)
        queue = await client.create_queue(subscribe=False)
        self._names[queue.recipient_id] = name
        self._deliveries.subscribe(router, [queue])
        return queue.sender_id

    async def collect(self, *, until: float = math.inf) -> None:
        """Print readings until ``until`` of them have arrived."""
        while self.readings < until:
            match each := await anext(self._deliveries):
                case Delivery():
                    async with each:
                        self._take(each)
                case Disconnected(queues=queues):
                    print(f"connection lost, with {len(queues)} queues; the agent reconnects")
                case SubscriptionError() | SubscriptionEnded():
                    print("a queue was lost, and its sensor cannot report any more")

    def _take(self, delivery: Delivery) -> None:
        recipient_id = delivery.queue.recipient_id
        name = self._names[recipient_id]
        try:
            reading = json.loads(delivery.body)
            number, celsius = int(reading["number"]), float(reading["celsius"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            print(f"{name}: not a reading")
            return
        if (recipient_id, number) not in self._seen:  # its sensor may have sent it twice
            self._seen.add((recipient_id, number))
            self.readings += 1
            print(f"{name}: {celsius} °C")


async def main(*routers: str, count: int = 3) -> None:
    """Collect from remote sensors forever, or ``count`` readings from each of four local ones."""
    async with open_smp_agent() as agent, open_deliveries(agent) as deliveries:
        collector = Collector(agent, deliveries)
        if not routers:
            await show(collector, count)
            return
        for number, router in enumerate(routers, 1):
            name = f"sensor {number}"
            print(name, router, (await collector.invite(router, name)).hex(), flush=True)
        await collector.collect()


async def show(collector: Collector, count: int) -> None:
    """Run routers and sensors, and collect all of their readings."""
    async with open_router() as east, open_router() as west, trio.open_nursery() as nursery:
        for name, router in {"east": east, "west": west}.items():
            for number in range(1, SENSORS_PER_ROUTER + 1):
                sender_id = await collector.invite(router.address, f"{name} {number}")
                nursery.start_soon(partial(report, router.address, sender_id, count=count))
        sensors = 2 * SENSORS_PER_ROUTER
        await collector.collect(until=sensors * count)
        print(f"{collector.readings} readings from {sensors} sensors")


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
