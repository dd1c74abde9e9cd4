"""Calls of the thin client, cancelled at every step that anything makes meanwhile.

Afterwards no call waits, the daemon does nothing for abandoned calls, and the client works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from attrs import evolve, frozen
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.katzenpost import (
    ECHO,
    OperationCancelled,
    ReadChannel,
    ReadEnvelope,
    ThinClient,
    WriteChannel,
    copy,
    new_channel,
    open_thin_client,
)
from simplex_trio.testing.kpclientd import SimulatedDaemon, running_daemon
from tests.client.support import cancelled_at_every_step
from tests.katzenpost.support import SEED, START, STEADY, simulated


@frozen
class Scene:
    """A client, and what its calls are about."""

    client: ThinClient
    writer: WriteChannel
    reader: ReadChannel
    empty_box: ReadEnvelope

    async def until_cancelled(self, number: int = 0) -> None:
        """A read that finds nothing, and ends only when it is called off."""
        envelope = evolve(self.empty_box, hash=bytes([number]) * 32)
        with pytest.raises(OperationCancelled):
            await self.client.start_resending(envelope)


async def read_in_vain(scene: Scene) -> None:
    with trio.move_on_after(3):
        await scene.client.start_resending(scene.empty_box)


async def cancel_one(scene: Scene) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.until_cancelled)
        await wait_all_tasks_blocked()
        await scene.client.cancel_resending(bytes(32))


async def cancel_all(scene: Scene) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(scene.until_cancelled, number)
        await wait_all_tasks_blocked()
        await scene.client.cancel_all()


async def read_events(scene: Scene) -> None:
    async with scene.client.subscribe() as events:
        await events.receive()
        await events.receive()


CALLS: dict[str, Callable[[Scene], Awaitable[object]]] = {
    "new_keypair": lambda scene: scene.client.new_keypair(SEED),
    "ask": lambda scene: scene.client.ask(scene.client.service(ECHO), b"x"),
    "send": lambda scene: scene.client.send(scene.client.service(ECHO), b"x"),
    "send_for_reply": lambda scene: scene.client.send_for_reply(scene.client.service(ECHO), b"x"),
    "write": lambda scene: scene.writer.write(b"hello"),
    "tombstone": lambda scene: scene.writer.tombstone(scene.empty_box.index, 2),
    "receive": lambda scene: scene.reader.receive(wait=False),
    "skip": lambda scene: scene.reader.skip(2),
    "copy": lambda scene: copy(scene.client, [(scene.writer, b"x" * 2000)]),
    "start_resending": read_in_vain,
    "cancel_resending": cancel_one,
    "cancel_all": cancel_all,
    "subscribe": read_events,
}


async def check_that_nothing_is_left(client: ThinClient, daemon: SimulatedDaemon) -> None:
    await wait_all_tasks_blocked()
    session = client._session
    assert (client.operations, len(session._replies)) == (0, 0)
    await trio.sleep(200)  # for the last of the cancels
    assert (daemon.operations, len(session._debts)) == (0, 0)
    counted = (await session._connections.now()).client.statistics()
    assert (counted.pending, counted.queued, counted.unread_events) == (0, 0, 0)
    await client.directory_authorities()


@pytest.mark.parametrize("name", CALLS)
async def test_every_call(autojump_clock: MockClock, name: str) -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        for _ in range(20):
            await writer.write(b"something to read")
        keys = await client.new_keypair(SEED)
        empty_box = await client.encrypt_read(keys.read_cap, keys.first_index)
        scene = Scene(client, writer, reader, empty_box)

        async def call() -> None:
            await CALLS[name](scene)

        async def check(_cut_short: bool) -> None:
            await check_that_nothing_is_left(client, daemon)

        await cancelled_at_every_step(call, check)


async def test_the_block_itself(autojump_clock: MockClock) -> None:
    async with running_daemon() as daemon:

        async def call() -> None:
            async with (
                open_thin_client(daemon.open_stream, STEADY) as client,
                trio.open_nursery() as nursery,
            ):
                _, reader = await new_channel(client)
                nursery.start_soon(reader.receive)
                await daemon.wait_asked(START)
                daemon.requests.clear()
                nursery.cancel_scope.cancel()

        async def check(_cut_short: bool) -> None:
            await wait_all_tasks_blocked()
            assert (daemon.connections, daemon.operations) == (0, 0)

        assert await cancelled_at_every_step(call, check) > 20
