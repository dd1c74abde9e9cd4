"""Blocks that arrive while a command waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.router.incoming import IncomingBlocks
from simplex_trio.transport.block_stream import BlockStream

SIZE = 8


class Calls:
    def __init__(self) -> None:
        self.names: list[str] = []
        ours, theirs = memory_stream_pair()
        self.client = ours
        self.incoming = IncomingBlocks(
            BlockStream(theirs, SIZE), lambda: self.names.append("broken")
        )

    async def send(self, *numbers: int) -> None:
        for number in numbers:
            await self.client.send_all(bytes([number]) * SIZE)

    async def wait(self, done: trio.Event) -> None:
        await self.incoming.wait_for(done.wait, lambda: self.names.append("ended"))


async def test_blocks_are_received_ahead_and_in_order() -> None:
    calls, done = Calls(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.wait, done)
        await calls.send(*range(6))
        await wait_all_tasks_blocked()
        done.set()
    received = [(await calls.incoming.receive())[0] for _ in range(6)]
    assert received == list(range(6))
    assert calls.names == []


@pytest.mark.parametrize(("count", "noticed"), [(3, ["ended"]), (4, [])])
async def test_the_end_is_noticed_until_as_many_blocks_wait(count: int, noticed: list[str]) -> None:
    calls, done = Calls(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.wait, done)
        await calls.send(*range(count))
        await calls.client.send_eof()
        await wait_all_tasks_blocked()
        assert calls.names == noticed
        done.set()
    for number in range(count):
        assert (await calls.incoming.receive())[0] == number
    with pytest.raises(trio.EndOfChannel):
        await calls.incoming.receive()


async def test_half_of_a_block_breaks_the_connection() -> None:
    calls, done = Calls(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.wait, done)
        await calls.client.send_all(b"half")
        await calls.client.send_eof()
        await wait_all_tasks_blocked()
        assert calls.names == ["broken"]
        done.set()


async def test_a_cancelled_wait_keeps_what_was_received() -> None:
    calls = Calls()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.wait, trio.Event())
            await calls.send(7)
            await wait_all_tasks_blocked()
            scope.cancel()
    assert (await calls.incoming.receive())[0] == 7
