"""An agent and a real router, between which the connection is cut again and again."""

from __future__ import annotations

import trio

from simplex_trio import open_smp_agent, open_smp_client
from simplex_trio.testing.cable import open_cable
from simplex_trio.wire.addresses import ServerAddress
from tests.agent.test_own_router import QUEUES, QUICK, Receiver, create_queues

CUTS = 20


async def test_a_thousand_queues_receive_while_the_connection_is_cut(router: str) -> None:
    address = ServerAddress.parse(router)
    async with (
        open_cable(address) as cable,
        open_smp_agent(QUICK) as agent,
        open_smp_client(address) as sender,
        trio.open_nursery() as nursery,
    ):
        queues = await create_queues(agent, cable.address, QUEUES)
        receiver = Receiver(agent, queues)
        nursery.start_soon(receiver.run)
        agent.subscribe(cable.address, queues.values())
        sent: set[bytes] = set()
        for cut in range(CUTS):
            for number, queue in enumerate(queues.values()):
                if number % CUTS == cut:
                    body = f"{cut}:{number}".encode()
                    await sender.send(queue.sender_id, body)
                    sent.add(body)
            cable.cut()
            cable.mend()
        with trio.fail_after(120):
            await receiver.wait_until(lambda: sent <= receiver.bodies)
            await receiver.wait_until(
                lambda: len(agent.subscriptions(cable.address).active) == len(queues)
            )
        assert receiver.connected > 1
        nursery.cancel_scope.cancel()
    async with open_smp_client(address) as owner:
        assert await owner.delete_many(queues.values()) == [None] * len(queues)
