"""Requests that a program makes one by one, which their callers write without switching tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.engine import writing
from simplex_trio.engine.calls import Call
from simplex_trio.engine.writing import ALONE_BEFORE
from simplex_trio.errors import ConnectionLost, EncodeError, RequestTimeout
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.smp.commands import LDEL, PING, SEND
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import PONG
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


class FirstStep(trio.abc.Instrument):
    """How many blocks a client has sent when this task lets others have their turn."""

    def __init__(self, client: SMPClient) -> None:
        self.sent = -1
        self._client, self._task = client, trio.lowlevel.current_task()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task and self.sent < 0:
            self.sent = self._client.statistics().frames_sent


async def sent_in_the_first_step(client: SMPClient) -> int:
    """Blocks that a request sends before any other task has its turn."""
    before = client.statistics().frames_sent
    instrument = FirstStep(client)
    trio.lowlevel.add_instrument(instrument)
    await client.ping()
    trio.lowlevel.remove_instrument(instrument)
    return instrument.sent - before


@asynccontextmanager
async def one_at_a_time() -> AsyncIterator[tuple[SMPClient, Peer]]:
    """A client whose next request is taken for one that is alone."""
    async with connected() as (client, peer):
        await wait_all_tasks_blocked()
        for _ in range(ALONE_BEFORE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.ping)
                await peer.send(peer.answer(await peer.next_command(), PONG()))
        yield client, peer


async def test_after_some_requests_the_next_is_written_by_its_caller() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, agreeable)
        await wait_all_tasks_blocked()
        found = [await sent_in_the_first_step(client) for _ in range(ALONE_BEFORE + 3)]
        assert found == [0] * ALONE_BEFORE + [1] * 3
        await client.aclose()


async def test_where_the_stream_cannot_do_it_the_task_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BlockStream, "sends_nowait", False)
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, agreeable)
        for _ in range(ALONE_BEFORE + 3):
            assert await sent_in_the_first_step(client) == 0
        await client.aclose()


async def test_requests_that_come_together_share_a_block_however_often() -> None:
    async with one_at_a_time() as (client, peer):
        sizes = []
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(client.ping)
                await wait_all_tasks_blocked()
                count = 0
                while count < 10:
                    block = await peer.next_block()
                    sizes.append(len(block))
                    count += len(block)
                    await peer.send(*[peer.answer(each, PONG()) for each in block])
        # Only the first was taken for one that is alone.
        assert sizes == [1, 9, 10, 10]


async def test_what_cannot_be_written_at_once_is_written_before_all_that_follows() -> None:
    async with one_at_a_time() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold(after=100)
        first = start(nursery, lambda: client.request(PING(), timeout=FOR_EVER))
        await wait_all_tasks_blocked()
        body = SEND(MessageFlags(), b"behind it")
        second = start(nursery, lambda: client.request(body, QUEUE, timeout=FOR_EVER))
        await wait_all_tasks_blocked()
        assert client.statistics().queued == 1
        peer.link.release()
        ping = await peer.next_command()
        sent = await peer.next_command()
        assert (ping.command, sent.command) == (PING(), body)
        await peer.send(peer.answer(ping, PONG()), peer.answer(sent, agreeable(sent)))
        await wait_all_tasks_blocked()
        assert first.finished
        assert second.finished


async def test_one_that_is_half_written_can_be_told_and_can_time_out(
    autojump_clock: MockClock,
) -> None:
    async with one_at_a_time() as (client, peer):
        peer.link.hold(after=100)
        with pytest.raises(RequestTimeout):
            await client.request(PING(), timeout=5)
        assert client.statistics().expired == 1
        with pytest.raises(RequestTimeout):
            await client.tell(PING(), timeout=5)
        assert trio.current_time() == 10
        peer.link.release()
        assert (await peer.next_command()).command == PING()
        await client.tell(PING())
        assert (await peer.next_command()).command == PING()


async def test_one_that_cannot_be_encoded_changes_nothing() -> None:
    async with one_at_a_time() as (client, peer), trio.open_nursery() as nursery:
        sent = client.statistics().frames_sent
        with pytest.raises(EncodeError):
            await client.request(LDEL())
        assert client.statistics().frames_sent == sent
        caller = start(nursery, client.ping)
        await peer.send(peer.answer(await peer.next_command(), PONG()))
        await wait_all_tasks_blocked()
        assert caller.error is None


async def test_a_connection_that_breaks_when_a_caller_writes() -> None:
    told: list[BaseException] = []
    async with connected(told.append) as (client, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.serve, agreeable)
            await wait_all_tasks_blocked()
            for _ in range(ALONE_BEFORE):
                await client.ping()
            nursery.cancel_scope.cancel()
        peer.link.stop_reading()
        with pytest.raises(ConnectionLost) as lost:
            await client.ping()
        assert isinstance(lost.value.__cause__, trio.BrokenResourceError)
        await client.wait_disconnected()
        assert told == [client.reason] == [lost.value.__cause__]


async def test_a_bug_when_a_caller_writes_comes_out_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def buggy(*_: object) -> None:
        raise KeyError("a bug")

    callers: list[Outcome] = []
    async with trio.open_nursery() as users:

        async def live() -> None:
            async with one_at_a_time() as (client, _):
                monkeypatch.setattr(client._codec, "seal", buggy)
                callers.append(start(users, client.ping))
                await trio.sleep_forever()

        with pytest.raises(KeyError):
            await live()
    assert isinstance(callers[0].error, ConnectionLost)
    assert isinstance(callers[0].error.__cause__, KeyError)


@pytest.mark.parametrize("held", [False, True])
async def test_cancelled_at_every_step(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    monkeypatch.setattr(writing, "ALONE_BEFORE", 0)
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, agreeable)

        async def call() -> None:
            if held:
                peer.link.hold(after=100)
                async with trio.open_nursery() as inner:
                    inner.start_soon(client.ping)
                    await wait_all_tasks_blocked()
                    peer.link.release()
            else:
                await client.ping()

        async def check(_cut_short: bool) -> None:
            peer.link.release()
            await wait_all_tasks_blocked()
            counted = client.statistics()
            assert (counted.pending, counted.queued, counted.expired) == (0, 0, 0)
            assert client.connected
            await client.ping()

        assert await cancelled_at_every_step(call, check) >= 2
        await client.aclose()


async def test_a_call_that_is_cancelled_already_sends_nothing() -> None:
    async with one_at_a_time() as (client, _):
        before = client.statistics()
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.ping()
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.request_many([Call(PING())])
        await wait_all_tasks_blocked()
        assert client.statistics() == before
