"""Messages that are handled once, and sending until it works, with a router and a cable to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing
from attrs import evolve

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.deliveries import (
    Deliveries,
    Delivery,
    open_deliveries,
    send_until_accepted,
)
from simplex_trio.agent.events import RouterEvent
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import OwnedQueue, QuotaReached, ReceivingQueue
from simplex_trio.engine.backoff import Backoff
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.testing.cable import Cable, open_cable
from simplex_trio.wire.errors.values import Code, Store

QUICKLY = Backoff(initial=0.01, increase_after=60, maximum=0.01)
QUICK = AgentConfig(backoff=QUICKLY, remember_failure=0)


class Scene:
    """An agent behind a cable, and a sender that is not."""

    def __init__(
        self, cable: Cable, agent: SMPClientAgent, sender: SMPClient, deliveries: Deliveries
    ) -> None:
        self.cable = cable
        self.agent = agent
        self.sender = sender
        self.deliveries = deliveries

    async def queue(self) -> ReceivingQueue:
        queue = await self.sender.create_queue(subscribe=False)
        self.deliveries.subscribe(self.cable.address, [queue])
        return queue

    async def next(self) -> Delivery:
        async for each in self.deliveries:
            if isinstance(each, Delivery):
                return each
        raise AssertionError

    async def until_empty(self, queue: ReceivingQueue) -> None:
        while (await self.sender.queue_info(queue)).size:
            await trio.lowlevel.checkpoint()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with set_up() as found:
        yield found


@asynccontextmanager
async def set_up(quota: int = 128) -> AsyncIterator[Scene]:
    config = evolve(EMBEDDED, queues=QueuePolicy(quota=quota))
    async with (
        open_router(config) as router,
        open_cable(router.address) as cable,
        open_smp_agent(QUICK) as agent,
        open_smp_client(router.address) as sender,
        open_deliveries(agent) as deliveries,
    ):
        yield Scene(cable, agent, sender, deliveries)


async def test_handled_messages_are_acknowledged(scene: Scene) -> None:
    queue = await scene.queue()
    for body in (b"one", b"two"):
        await scene.sender.send(queue.sender_id, body)
    async with await scene.next() as first:
        assert first.body == b"one"
    async with await scene.next() as second:
        assert second.body == b"two"
    await scene.until_empty(queue)


async def test_a_message_that_was_not_handled_comes_again(scene: Scene) -> None:
    queue = await scene.queue()
    await scene.sender.send(queue.sender_id, b"difficult")
    with pytest.raises(LookupError):
        async with await scene.next():
            raise LookupError
    scene.cable.cut()
    scene.cable.mend()
    async with await scene.next() as again:
        assert again.body == b"difficult"


async def test_cancelled_handling_acknowledges_nothing(scene: Scene) -> None:
    queue = await scene.queue()
    await scene.sender.send(queue.sender_id, b"slow")
    with trio.CancelScope() as scope:
        async with await scene.next():
            scope.cancel()
            await trio.sleep_forever()
    assert (await scene.sender.queue_info(queue)).size == 1


async def test_a_handled_message_does_not_come_again(scene: Scene) -> None:
    queue = await scene.queue()
    for body in (b"one", b"two"):
        await scene.sender.send(queue.sender_id, body)
    async with await scene.next() as first:
        scene.cable.cut()  # so that acknowledging fails
    scene.cable.mend()
    async with await scene.next() as second:
        assert (first.body, second.body) == (b"one", b"two")


async def test_what_was_handled_can_be_kept(scene: Scene) -> None:
    queue = await scene.queue()
    await scene.sender.send(queue.sender_id, b"one")
    kept = {}
    one = await scene.next()
    kept[one.server, queue.recipient_id] = one.message.message_id
    await scene.sender.send(queue.sender_id, b"two")

    async with open_smp_agent(QUICK) as other, open_deliveries(other, handled=kept) as again:
        scene.deliveries = again
        scene.deliveries.subscribe(str(scene.cable.address), [queue])
        async with await scene.next() as two:
            assert two.body == b"two"
    assert kept == {(one.server, queue.recipient_id): two.message.message_id}


async def test_queues_are_handled_side_by_side(scene: Scene) -> None:
    queues = [await scene.queue() for _ in range(3)]
    for queue in queues:
        await scene.sender.send(queue.sender_id, b"hello")
    all_there = trio.Event()
    handled = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal handled
        async with delivery:
            handled += 1
            if handled == len(queues):
                all_there.set()
            await all_there.wait()

    async with trio.open_nursery() as nursery:
        for _ in queues:
            nursery.start_soon(handle, await scene.next())
    for queue in queues:
        await scene.until_empty(queue)


async def test_a_full_queue() -> None:
    async with set_up(quota=1) as scene:
        queue = await scene.sender.create_queue(subscribe=False)
        async with trio.open_nursery() as nursery:

            async def send_three() -> None:
                for body in (b"one", b"two", b"three"):
                    await send_until_accepted(
                        scene.agent, scene.cable.address, queue.sender_id, body, backoff=QUICKLY
                    )

            nursery.start_soon(send_three)
            while (await scene.sender.queue_info(queue)).size < 2:
                await trio.lowlevel.checkpoint()
            scene.deliveries.subscribe(scene.cable.address, [queue])
            bodies: list[bytes] = []
            full = 0
            while len(bodies) < 3:
                match await scene.deliveries.__anext__():
                    case Delivery() as delivery:
                        async with delivery:
                            bodies.append(delivery.body)
                    case RouterEvent(event=QuotaReached()):
                        full += 1
        assert bodies == [b"one", b"two", b"three"]
        assert full


async def test_sending_outlasts_a_lost_connection(scene: Scene) -> None:
    queue = await scene.queue()
    scene.cable.cut()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: send_until_accepted(
                scene.agent, scene.cable.address, queue.sender_id, b"at last", backoff=QUICKLY
            )
        )
        await trio.testing.wait_all_tasks_blocked()
        scene.cable.mend()
        async with await scene.next() as delivery:
            assert delivery.body == b"at last"


async def test_what_will_not_pass_is_raised_at_once(scene: Scene) -> None:
    with pytest.raises(RouterError) as refused:
        await send_until_accepted(scene.agent, scene.cable.address, bytes(24), b"hello")
    assert refused.value.error is Code.AUTH
    with trio.move_on_after(0) as scope:
        await send_until_accepted(scene.agent, scene.cable.address, bytes(24), b"hello")
    assert scope.cancelled_caught


# --- bad moments --------------------------------------------------------------------------------


async def test_a_message_in_hand_does_not_come_again(scene: Scene) -> None:
    queue = await scene.queue()
    for body in (b"one", b"two"):
        await scene.sender.send(queue.sender_id, body)
    async with trio.open_nursery() as nursery, await scene.next() as first:
        reading = scene.next
        found: list[Delivery] = []

        async def read() -> None:
            found.append(await reading())

        nursery.start_soon(read)
        scene.cable.cut()
        scene.cable.mend()
        while not scene.deliveries._come_again:
            await trio.lowlevel.checkpoint()
    assert (first.body, found[0].body) == (b"one", b"two")


async def test_a_message_that_came_again_is_returned_if_handling_fails(scene: Scene) -> None:
    queue = await scene.queue()
    await scene.sender.send(queue.sender_id, b"difficult")
    found: list[Delivery] = []

    async def read() -> None:
        found.append(await scene.next())

    async with trio.open_nursery() as nursery:
        with suppress(LookupError):
            async with await scene.next():
                nursery.start_soon(read)
                scene.cable.cut()
                scene.cable.mend()
                while not scene.deliveries._come_again:
                    await trio.lowlevel.checkpoint()
                raise LookupError
    async with found[0] as again:
        assert again.body == b"difficult"
    await scene.until_empty(queue)


async def test_an_acknowledgement_that_is_refused_for_now_is_repeated(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SMPClient.acknowledge
    refusals = [RouterError(Store("full"))]

    async def acknowledge(self: SMPClient, queue: OwnedQueue, message_id: bytes) -> None:
        if refusals:
            await trio.lowlevel.checkpoint()
            raise refusals.pop()
        await original(self, queue, message_id)

    queue = await scene.queue()
    for body in (b"one", b"two"):
        await scene.sender.send(queue.sender_id, body)
    monkeypatch.setattr(SMPClient, "acknowledge", acknowledge)
    async with await scene.next():
        pass
    assert (await scene.next()).body == b"two"


@pytest.mark.parametrize("steps", range(1, 5))
async def test_reading_that_is_cancelled_does_not_stop_a_queue(scene: Scene, steps: int) -> None:
    queue = await scene.queue()
    for body in (b"one", b"two"):
        await scene.sender.send(queue.sender_id, body)
    one = await scene.next()
    kept = {(one.server, queue.recipient_id): one.message.message_id}
    async with open_smp_agent(QUICK) as other, open_deliveries(other, handled=kept) as deliveries:
        scene.deliveries = deliveries
        deliveries.subscribe(str(scene.cable.address), [queue])
        while other.events.unread < 3:  # connected, the message, and subscribed
            await trio.lowlevel.checkpoint()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scene.next)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
        async with await scene.next() as two:
            assert two.body == b"two"


async def test_queues_that_are_not_read_any_more(scene: Scene) -> None:
    queue = await scene.queue()
    await scene.sender.send(queue.sender_id, b"one")
    async with await scene.next():
        pass
    scene.deliveries.unsubscribe(str(scene.cable.address), [queue])
    assert not scene.deliveries._queues
    assert not scene.deliveries._handled
