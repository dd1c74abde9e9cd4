"""`ProtocolClient.tell`: commands that have no answer, and are done when they have been written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.engine.events import ExpiredResponse, UnexpectedResponse
from simplex_trio.engine.outbox import MAX_QUEUED
from simplex_trio.errors import ConnectionLost, EncodeError, RequestTimeout, TooLarge
from simplex_trio.wire.smp.commands import PING, SEND, Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import OK, PONG
from tests.client.support import (
    QUEUE,
    Outcome,
    Peer,
    agreeable,
    cancelled_at_every_step,
    connected,
    start,
)

FOR_EVER = 1e6
BLOCK = 16_384


def numbered(number: int) -> SEND:
    return SEND(MessageFlags(), number.to_bytes(3, "big"))


def number_of(command: Command) -> int:
    assert isinstance(command, SEND)
    return int.from_bytes(command.body[:3], "big")


def tell(nursery: trio.Nursery, client: SMPClient, number: int = 0) -> Outcome:
    return start(nursery, lambda: client.tell(numbered(number), QUEUE, timeout=FOR_EVER))


async def next_numbers(peer: Peer) -> list[int]:
    """What is in the next block."""
    return [number_of(each.command) for each in await peer.next_block()]


async def check_that_it_works(client: SMPClient, peer: Peer) -> None:
    """A ping is answered, whatever else the peer has to read first."""
    async with trio.open_nursery() as nursery:
        asking = start(nursery, client.ping)
        while not asking.finished:
            received = await peer.next_command()
            if isinstance(received.command, PING):
                await peer.send(peer.answer(received, PONG()))
                await wait_all_tasks_blocked()
    assert asking.error is None
    counted = client.statistics()
    assert (counted.pending, counted.queued, counted.unread_events) == (0, 0, 0)
    assert not client._writer._unanswered


# --- when it is done ------------------------------------------------------------------------------


async def test_it_returns_nothing_when_it_is_written(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        assert await client.tell(numbered(7), QUEUE) is None  # type: ignore[func-returns-value]
        assert await next_numbers(peer) == [7]
        counted = client.statistics()
        assert (counted.requests, counted.timeouts, counted.pending, counted.expired) == (
            1,
            0,
            0,
            0,
        )
        await check_that_it_works(client, peer)


@pytest.mark.parametrize("through", [0, 1, BLOCK - 1])
async def test_not_before_its_last_byte(autojump_clock: MockClock, through: int) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold(after=through)
        telling = tell(nursery, client)
        await trio.sleep(1000)
        assert not telling.finished
        peer.link.hold(after=BLOCK - through)
        await wait_all_tasks_blocked()
        assert telling.finished
        assert telling.error is None


async def test_several_go_together_and_in_order(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        telling = []
        for number in range(5):
            telling.append(tell(nursery, client, number))
            await wait_all_tasks_blocked()
        peer.link.hold(after=BLOCK)
        await wait_all_tasks_blocked()
        assert [each.finished for each in telling] == [True, False, False, False, False]
        peer.link.release()
        assert [await next_numbers(peer) for _ in range(2)] == [[0], [1, 2, 3, 4]]
        await wait_all_tasks_blocked()
        assert all(each.finished and each.error is None for each in telling)


async def test_it_does_not_wait_for_answers_to_others(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        asking = start(nursery, client.ping)
        ping = await peer.next_command()
        await client.tell(numbered(1), QUEUE)
        assert not asking.finished
        assert await next_numbers(peer) == [1]
        await peer.send(peer.answer(ping, PONG()))
        await wait_all_tasks_blocked()
        assert asking.finished


async def test_an_answer_all_the_same_is_unexpected(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        await client.tell(numbered(1), QUEUE)
        await peer.send(peer.answer(await peer.next_command(), OK()))
        assert await client.events.receive() == UnexpectedResponse(QUEUE, OK())
        await check_that_it_works(client, peer)


# --- cancelled ------------------------------------------------------------------------------------


async def nothing_to_prepare(_nursery: trio.Nursery, _client: SMPClient, _peer: Peer) -> None:
    await trio.lowlevel.checkpoint()


async def stuck_in_it(_nursery: trio.Nursery, _client: SMPClient, peer: Peer) -> None:
    """Half of its block leaves, and the rest after a while."""
    await trio.lowlevel.checkpoint()
    peer.link.hold(after=BLOCK // 2)


async def stuck_before_it(nursery: trio.Nursery, client: SMPClient, peer: Peer) -> None:
    """Something else is being written."""
    peer.link.hold()
    tell(nursery, client, 100)
    await wait_all_tasks_blocked()


async def no_room_for_it(nursery: trio.Nursery, client: SMPClient, peer: Peer) -> None:
    """Something else is being written, and another thing has the only place in the queue."""
    client._outbox._limit = 1
    await stuck_before_it(nursery, client, peer)
    tell(nursery, client, 101)
    await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("prepare", "others"),
    [(nothing_to_prepare, 0), (stuck_in_it, 0), (stuck_before_it, 1), (no_room_for_it, 2)],
)
async def test_cancelled_at_every_step(
    autojump_clock: MockClock,
    prepare: Callable[[trio.Nursery, SMPClient, Peer], Awaitable[None]],
    others: int,
) -> None:
    """It leaves whole or not at all, without waiting, and those before it are written."""
    async with connected() as (client, peer), trio.open_nursery() as background:
        written: list[int] = []
        finished = 0

        async def read() -> None:
            while True:
                for received in await peer.next_block():
                    if isinstance(received.command, PING):
                        await peer.send(peer.answer(received, PONG()))
                    else:
                        written.append(number_of(received.command))

        async def release() -> None:
            await trio.sleep(1)
            peer.link.release()

        async def call() -> None:
            nonlocal finished
            await prepare(background, client, peer)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(release)
                await client.tell(numbered(1), QUEUE)
                finished += 1

        async def check(cut_short: bool) -> None:
            peer.link.release()
            await wait_all_tasks_blocked()
            await client.ping()
            assert written.count(1) <= 1
            if not cut_short:
                assert written == [*range(100, 100 + others), 1]
            written.clear()
            counted = client.statistics()
            assert (counted.pending, counted.queued, counted.unread_events) == (0, 0, 0)
            assert not client._writer._unanswered

        background.start_soon(read)
        assert await cancelled_at_every_step(call, check) >= 3
        assert finished >= 1
        background.cancel_scope.cancel()


async def test_while_it_is_queued_it_is_not_written_any_more(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        telling = []
        for number in range(4):
            telling.append(tell(nursery, client, number))
            await wait_all_tasks_blocked()
        telling[1].scope.cancel()
        telling[3].scope.cancel()
        await wait_all_tasks_blocked()
        peer.link.release()
        assert [await next_numbers(peer) for _ in range(2)] == [[0], [2]]
        await check_that_it_works(client, peer)
        assert client.statistics().expired == 0


# --- in time --------------------------------------------------------------------------------------


async def test_it_waits_only_so_long_to_be_written(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        tell(nursery, client, 0)
        await wait_all_tasks_blocked()
        with pytest.raises(RequestTimeout):
            await client.tell(numbered(1), QUEUE, timeout=5)
        assert trio.current_time() == 5
        assert client.statistics().timeouts == 1
        peer.link.release()
        assert await next_numbers(peer) == [0]
        await check_that_it_works(client, peer)


async def test_a_late_answer_to_what_left_too_slowly(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        peer.link.hold(after=100)
        with pytest.raises(RequestTimeout):
            await client.tell(numbered(1), QUEUE, timeout=5)
        assert client.statistics().expired == 1
        peer.link.release()
        await peer.send(peer.answer(await peer.next_command(), OK()))
        assert await client.events.receive() == ExpiredResponse(QUEUE, numbered(1), OK())
        await check_that_it_works(client, peer)


# --- backpressure ---------------------------------------------------------------------------------


async def test_it_waits_for_room(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        client._outbox._limit = 1
        peer.link.hold()
        telling = []
        for number in range(6):
            telling.append(tell(nursery, client, number))
            await wait_all_tasks_blocked()
        assert (client.statistics().queued, client.statistics().pending) == (1, 2)
        with pytest.raises(RequestTimeout):
            await client.tell(numbered(100), QUEUE, timeout=5)
        peer.link.release()
        assert [await next_numbers(peer) for _ in range(6)] == [[n] for n in range(6)]
        await wait_all_tasks_blocked()
        assert all(each.finished and each.error is None for each in telling)


async def test_what_waits_to_be_written_is_bounded(autojump_clock: MockClock) -> None:
    """Also when callers give up and come again, which frees no place until something is written."""
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        tell(nursery, client)
        await wait_all_tasks_blocked()
        for _ in range(2):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as crowd:
                    for number in range(MAX_QUEUED):
                        tell(crowd, client, number)
                    await wait_all_tasks_blocked()
                    scope.cancel()
            assert client.statistics().queued == MAX_QUEUED
            assert len(client._writer._unanswered) <= MAX_QUEUED + 1
        peer.link.release()
        await check_that_it_works(client, peer)


# --- refused, and lost ----------------------------------------------------------------------------


async def test_what_cannot_be_encoded_is_not_sent(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        with pytest.raises(TooLarge):
            await client.tell(SEND(MessageFlags(), bytes(20_000)), QUEUE)
        with pytest.raises(EncodeError):
            await client.tell(numbered(1))  # to no queue
        assert client.statistics().requests == 0
        await check_that_it_works(client, peer)


@pytest.mark.parametrize("how", ["hang_up", "stop_reading", "close"])
async def test_the_connection_ends_meanwhile(autojump_clock: MockClock, how: str) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        client._outbox._limit = 1
        peer.link.hold(after=100)
        telling = []
        for number in range(3):  # being written, queued, and without room
            telling.append(tell(nursery, client, number))
            await wait_all_tasks_blocked()
        match how:
            case "hang_up":
                await peer.hang_up()
            case "stop_reading":
                peer.link.stop_reading()
            case _:
                client.close()
        await client.wait_disconnected()
    for each in telling:
        assert each.finished_at == 0
        assert isinstance(each.error, ConnectionLost)
        assert each.error.__cause__ is client.reason


async def test_after_the_end(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, agreeable)
        await client.aclose()
        with pytest.raises(ConnectionLost) as caught:
            await client.tell(numbered(1), QUEUE)
        assert caught.value.__cause__ is client.reason
        assert client.statistics().requests == 0
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.tell(numbered(1), QUEUE)
        assert scope.cancelled_caught  # it is a checkpoint even then
