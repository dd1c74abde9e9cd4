"""Writing: what goes into one block, who waits while a peer is stuck, and who is told what."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.engine.calls import Call
from simplex_trio.engine.events import Notice
from simplex_trio.engine.outbox import MAX_FRAMES_AT_ONCE, MAX_QUEUED
from simplex_trio.errors import ConnectionLost, RequestTimeout, TooLarge
from simplex_trio.testing._cancelling import cancelled_at
from simplex_trio.wire.smp.commands import PING, SEND, Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import END, OK, PONG
from tests.client.support import (
    QUEUE,
    ROUTER,
    Outcome,
    Peer,
    agreeable,
    config,
    connected,
    largest_body,
    start,
)

FOR_EVER = 1e6
FLAGS = MessageFlags()


def numbered(number: int, size: int = 3) -> SEND:
    return SEND(FLAGS, number.to_bytes(3, "big").ljust(size, b"."))


def number_of(command: Command) -> int:
    assert isinstance(command, SEND)
    return int.from_bytes(command.body[:3], "big")


def send(nursery: trio.Nursery, client: SMPClient, number: int, size: int = 3) -> Outcome:
    return start(nursery, lambda: client.request(numbered(number, size), QUEUE, timeout=FOR_EVER))


def send_all(nursery: trio.Nursery, client: SMPClient, sizes: list[int]) -> Outcome:
    """Several in order; tasks of their own would begin in any order."""
    calls: list[Call[Command]] = [
        Call(numbered(number, size), QUEUE) for number, size in enumerate(sizes)
    ]
    return start(nursery, lambda: client.request_many(calls, timeout=FOR_EVER))


async def answer_all(peer: Peer, count: int) -> list[list[int]]:
    """Answer so many commands; which of them were together in a block."""
    blocks: list[list[int]] = []
    while sum(map(len, blocks)) < count:
        block = await peer.next_block()
        blocks.append([number_of(each.command) for each in block])
        for each in block:
            await peer.send(peer.answer(each, OK()))
    return blocks


# --- coalescing -----------------------------------------------------------------------------------


async def test_ten_tasks_that_ping_at_once_cost_one_block(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        callers = [start(nursery, client.ping) for _ in range(10)]
        block = await peer.next_block()
        assert [type(each.command) for each in block] == [PING] * 10
        assert client.statistics().frames_sent == 1
        await peer.send(*[peer.answer(each, PONG()) for each in block])
        await wait_all_tasks_blocked()
        assert all(caller.finished and caller.error is None for caller in callers)
        assert client.statistics().frames_received == 1


async def test_what_is_queued_during_a_write_goes_together(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold(after=100)
        for number in range(100):
            send(nursery, client, number)
            await wait_all_tasks_blocked()
        assert client.statistics().queued == 99
        peer.link.release()
        assert await answer_all(peer, 100) == [[0], [*range(1, 100)]]


async def test_a_block_takes_as_many_as_fit_in_order(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        sizes = [5_000] * 10 + [3, 16_000, 3, 3]
        send_all(nursery, client, sizes)
        blocks = await answer_all(peer, len(sizes))
        assert blocks == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10], [11, 12, 13]]


async def test_a_block_takes_255_commands(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([Call(PING())] * 600))
        blocks = [await peer.next_block() for _ in range(3)]
        assert [len(block) for block in blocks] == [255, 255, 90]
        for block in blocks:
            for at in range(0, len(block), 200):
                await peer.send(*[peer.answer(each, PONG()) for each in block[at : at + 200]])
    assert len(caller.result) == 600


async def test_others_get_a_turn_while_a_long_batch_is_encoded(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        pending = [0]

        async def look() -> None:
            while pending[-1] < 1360:
                await trio.lowlevel.checkpoint()
                pending.append(client.statistics().pending)

        nursery.start_soon(look)
        start(nursery, lambda: client.request_many([Call(PING())] * 1360, timeout=FOR_EVER))
        await wait_all_tasks_blocked()
        # Two in a row, as Trio takes tasks in any order.
        assert max(later - earlier for earlier, later in pairwise(pending)) <= 2 * 255
        nursery.cancel_scope.cancel()


async def test_a_batch_that_is_cancelled_while_it_is_encoded(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        peer.link.hold()
        with cancelled_at(1):
            await client.request_many([Call(PING())] * 1360)
        assert client.statistics().requests == 255
        assert client.statistics().pending == 0
        peer.link.release()
        await wait_all_tasks_blocked()
        assert client.statistics().queued == 0
        assert client.connected


async def test_writes_are_not_longer_than_a_few_blocks(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        send_all(nursery, client, [16_000] * (2 * MAX_FRAMES_AT_ONCE))
        await wait_all_tasks_blocked()
        # What is being written can no longer be withdrawn; the rest can.
        assert client.statistics().queued == MAX_FRAMES_AT_ONCE
        peer.link.release()
        blocks = await answer_all(peer, 2 * MAX_FRAMES_AT_ONCE)
        assert blocks == [[number] for number in range(2 * MAX_FRAMES_AT_ONCE)]


async def test_old_versions_batch_too(autojump_clock: MockClock) -> None:
    async with (
        ROUTER.open_client(config(version=6)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        send_all(nursery, client, [3] * 10)
        assert await answer_all(peer, 10) == [[*range(10)]]


# --- a peer that is stuck -------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 16_383, 16_384, 20_000])
async def test_a_stuck_peer_stops_the_writer_and_not_the_reader(
    autojump_clock: MockClock, after: int
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        early = start(nursery, lambda: client.request(PING(), timeout=FOR_EVER))
        ping = await peer.next_command()
        peer.link.hold(after=after)
        late = send_all(nursery, client, [16_000] * 3)
        await wait_all_tasks_blocked()
        for _ in range(50):
            await peer.send(peer.event(QUEUE, END()))
        await peer.send(peer.answer(ping, PONG()))
        await wait_all_tasks_blocked()
        assert early.finished
        assert early.error is None
        assert client.statistics().unread_events == 50
        assert client.events.receive_nowait() == Notice(QUEUE, END())
        assert not late.finished
        peer.link.release()
        assert await answer_all(peer, 3) == [[0], [1], [2]]
    assert [type(result) for result in late.result] == [OK] * 3


async def test_a_peer_that_reads_slowly(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()

        async def let_through_slowly() -> None:
            for _ in range(100):
                await trio.sleep(1)
                peer.link.hold(after=1000)

        caller = send_all(nursery, client, [16_000] * 3)
        nursery.start_soon(let_through_slowly)
        assert await answer_all(peer, 3) == [[0], [1], [2]]
        await wait_all_tasks_blocked()
        assert [type(result) for result in caller.result] == [OK] * 3


async def test_callers_learn_at_once_that_writing_failed(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold(after=1000)
        callers = [send(nursery, client, number, 16_000) for number in range(20)]
        await wait_all_tasks_blocked()
        peer.link.stop_reading()
        await client.wait_disconnected()
        assert isinstance(client.reason, trio.BrokenResourceError)
    for caller in callers:
        assert caller.finished_at == 0
        assert isinstance(caller.error, ConnectionLost)
        assert caller.error.__cause__ is client.reason


# --- backpressure ---------------------------------------------------------------------------------


async def test_callers_wait_for_room(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        first = send(nursery, client, 0)
        await wait_all_tasks_blocked()
        crowd = start(
            nursery,
            lambda: client.request_many([Call(PING())] * MAX_QUEUED, timeout=FOR_EVER),
        )
        await wait_all_tasks_blocked()
        assert client.statistics().queued == MAX_QUEUED
        waiting = [send(nursery, client, number) for number in range(1, 6)]
        await wait_all_tasks_blocked()
        assert client.statistics().queued == MAX_QUEUED
        assert client.statistics().pending == MAX_QUEUED + 1
        nursery.start_soon(peer.serve, agreeable)
        peer.link.release()
        await wait_all_tasks_blocked()
        assert first.finished
        assert len(crowd.result) == MAX_QUEUED
        assert all(caller.finished and caller.error is None for caller in waiting)
        assert client.statistics().queued == 0
        await client.aclose()


async def test_a_batch_that_is_longer_than_the_queue(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, agreeable)
        results = await client.request_many([Call(PING())] * (MAX_QUEUED + 1))
        assert len(results) == MAX_QUEUED + 1
        assert all(isinstance(result, PONG) for result in results)
        await client.aclose()


def crowded(client: SMPClient, limit: int = 1) -> None:
    """Make the queue so small that callers have to wait."""
    client._outbox._limit = limit


async def test_waiting_for_room_has_an_end(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        crowded(client)
        peer.link.hold()
        send(nursery, client, 0)
        await wait_all_tasks_blocked()
        send(nursery, client, 1)
        await wait_all_tasks_blocked()
        with pytest.raises(RequestTimeout):
            await client.request(PING(), timeout=7)
        assert trio.current_time() == 7
        results = await client.request_many([Call(PING())] * 3, timeout=7)
        assert [type(result) for result in results] == [RequestTimeout] * 3
        assert client.statistics().pending == 2
        assert client.statistics().expired == 0
        nursery.cancel_scope.cancel()


async def test_a_batch_that_finds_room_for_a_part(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        crowded(client, limit=2)
        caller = start(
            nursery,
            lambda: client.request_many(
                [Call(numbered(number), QUEUE) for number in range(5)], timeout=10
            ),
        )
        block = await peer.next_block()
        peer.link.hold()
        await peer.send(*[peer.answer(each, OK()) for each in block])
        await trio.sleep(30)
        kinds = [type(result) for result in caller.result]
        assert kinds == [OK, OK, RequestTimeout, RequestTimeout, RequestTimeout]
        assert client.statistics().pending == 0
        nursery.cancel_scope.cancel()


async def test_a_connection_that_is_lost_while_callers_wait_for_room(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        crowded(client)
        peer.link.hold()
        callers = []
        for number in range(6):
            callers.append(send(nursery, client, number))
            await wait_all_tasks_blocked()
        batch = start(nursery, lambda: client.request_many([Call(PING())] * 3, timeout=FOR_EVER))
        await wait_all_tasks_blocked()
        assert client.statistics().pending == 2
        await peer.hang_up()
        await client.wait_disconnected()
    assert [type(caller.error) for caller in callers] == [ConnectionLost] * 6
    assert [type(result) for result in batch.result] == [ConnectionLost] * 3
    for error in [caller.error for caller in callers] + batch.result:
        assert error.__cause__ is client.reason


async def test_callers_get_room_in_the_order_of_their_coming(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        crowded(client)
        peer.link.hold()
        for number in range(10):
            send(nursery, client, number)
            await wait_all_tasks_blocked()
        peer.link.release()
        assert [*chain(*await answer_all(peer, 10))] == [*range(10)]


async def test_a_cancelled_caller_gives_its_place_to_the_next(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        crowded(client)
        peer.link.hold()
        callers = []
        for number in range(6):
            callers.append(send(nursery, client, number))
            await wait_all_tasks_blocked()
        for number in (1, 2, 4):  # one that is queued, and two that wait for room
            callers[number].scope.cancel()
        await wait_all_tasks_blocked()
        peer.link.release()
        assert [*chain(*await answer_all(peer, 3))] == [0, 3, 5]
        await wait_all_tasks_blocked()
        assert client.statistics().pending == client.statistics().expired == 0


async def test_a_caller_that_cannot_use_its_room_gives_it_to_the_next(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        crowded(client)
        peer.link.hold()
        callers = []
        for number in range(2):
            callers.append(send(nursery, client, number))
            await wait_all_tasks_blocked()
        too_large = len(largest_body(client)) + 1
        for number in (2, 3):
            callers.append(send(nursery, client, number, too_large))
            await wait_all_tasks_blocked()
        callers.append(send(nursery, client, 4))
        await wait_all_tasks_blocked()
        peer.link.release()
        assert [*chain(*await answer_all(peer, 3))] == [0, 1, 4]
        await wait_all_tasks_blocked()
        assert [type(caller.error) for caller in callers[2:4]] == [TooLarge] * 2
