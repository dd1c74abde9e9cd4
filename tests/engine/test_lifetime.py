"""How a connection ends: four tasks, one reason, and each caller told exactly once."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.engine.calls import Call
from simplex_trio.engine.events import Notice
from simplex_trio.engine.writing import ALONE_BEFORE
from simplex_trio.errors import (
    ConnectionLost,
    DecryptionFailed,
    RouterSilent,
    SlowConsumer,
    TooLarge,
)
from simplex_trio.wire.smp.commands import PING
from simplex_trio.wire.smp.messages import END, PONG
from tests.client.support import QUEUE, ROUTER, Outcome, Peer, connected, start

Ending = Callable[[SMPClient, Peer], Awaitable[None]]

FOR_EVER = 1e6


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Cycles are not freed."""
    was_enabled = gc.isenabled()
    gc.disable()
    yield
    if was_enabled:
        gc.enable()


# --- ways for each of the four tasks to be the first to end ---------------------------------------


async def sending_fails(client: SMPClient, peer: Peer) -> None:
    peer.link.stop_reading()


async def receiving_ends(client: SMPClient, peer: Peer) -> None:
    await peer.hang_up()


async def receiving_ends_inside_a_block(client: SMPClient, peer: Peer) -> None:
    await peer.raw.send_bytes(bytes(100))
    await peer.hang_up()


async def receiving_finds_the_stream_closed(client: SMPClient, peer: Peer) -> None:
    await client._stream.aclose()


async def processing_meets_garbage(client: SMPClient, peer: Peer) -> None:
    await peer.raw.send_bytes(bytes(16384))


async def processing_overflows(client: SMPClient, peer: Peer) -> None:
    await peer.send(*[peer.event(QUEUE, END()) for _ in range(100)])


async def monitoring_finds_silence(client: SMPClient, peer: Peer) -> None:
    client.enable_pings()


async def both_directions_fail(client: SMPClient, peer: Peer) -> None:
    peer.link.stop_reading()
    await peer.hang_up()


async def closed_by_the_program(client: SMPClient, peer: Peer) -> None:
    client.close()


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (sending_fails, trio.BrokenResourceError),
        (receiving_ends, trio.EndOfChannel),
        (receiving_ends_inside_a_block, trio.BrokenResourceError),
        (receiving_finds_the_stream_closed, trio.ClosedResourceError),
        (processing_meets_garbage, DecryptionFailed),
        (processing_overflows, SlowConsumer),
        (monitoring_finds_silence, RouterSilent),
        (both_directions_fail, (trio.BrokenResourceError, trio.EndOfChannel)),
        (closed_by_the_program, trio.ClosedResourceError),
    ],
)
async def test_the_first_task_to_end_ends_the_connection(
    autojump_clock: MockClock, ending: Ending, kind: type[BaseException]
) -> None:
    told: list[tuple[BaseException, int]] = []

    def disconnected(reason: BaseException) -> None:
        told.append((reason, client.statistics().pending))

    async def bystander() -> None:
        await trio.sleep(FOR_EVER)

    settings = {"event_limit": 100_000, "max_timeouts": 1}
    async with trio.open_nursery() as users, connected(disconnected, **settings) as (client, peer):
        users.start_soon(bystander)
        peer.link.hold(after=100)  # so that sending stops inside a block
        async with trio.open_nursery() as nursery:
            callers = [
                start(nursery, lambda: client.request(PING(), timeout=FOR_EVER)) for _ in range(2)
            ]
            await wait_all_tasks_blocked()
            callers.append(start(nursery, lambda: client.request(PING(), timeout=FOR_EVER)))
            batch = start(
                nursery, lambda: client.request_many([Call(PING())] * 3, timeout=FOR_EVER)
            )
            waiting = start(nursery, client.wait_disconnected)
            await wait_all_tasks_blocked()
            assert client.connected
            assert client.reason is None
            await ending(client, peer)
        (reason,) = [reason for reason, _ in told]
        assert isinstance(reason, kind)
        assert [pending for _, pending in told] == [0]
        assert client.reason is reason
        assert waiting.result is reason
        errors = [caller.error for caller in callers] + batch.result
        assert len(errors) == 6
        for error in errors:
            assert isinstance(error, ConnectionLost)
            assert error.__cause__ is reason
        await check_that_it_is_over(client)
    assert len(told) == 1
    assert trio.current_time() >= FOR_EVER  # the bystander was not cancelled


async def check_that_it_is_over(client: SMPClient) -> None:
    """Whatever is tried afterwards is refused at once, whatever was left unread can be read."""
    assert not client.connected
    before = trio.current_time()
    with assert_checkpoints(), pytest.raises(ConnectionLost) as lost:
        await client.ping()
    assert lost.value.__cause__ is client.reason
    with assert_checkpoints(), pytest.raises(ConnectionLost):
        await client.request_many([Call(PING())])
    with assert_checkpoints(), pytest.raises(ConnectionLost):
        await client.request_many([])
    client.inject_event(QUEUE, END())
    async for event in client.events:
        assert event == Notice(QUEUE, END())
    assert await client.wait_disconnected() is client.reason
    await client.aclose()
    client.close()
    assert trio.current_time() == before
    counted = client.statistics()
    assert (counted.pending, counted.expired, counted.queued) == (0, 0, 0)
    assert "disconnected" in repr(client)


# --- bugs -----------------------------------------------------------------------------------------


class BugInATaskError(RuntimeError):
    """What a programming error looks like."""


def buggy(*_arguments: object) -> Any:
    raise BugInATaskError("somewhere inside") from KeyError("the cause of it")


@pytest.mark.parametrize(
    ("owner", "method"),
    [("_codec", "seal"), ("_stream", "receive_frames"), ("_codec", "open"), ("_codec", "ping")],
)
async def test_a_bug_in_a_task_comes_out_as_it_is(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, owner: str, method: str
) -> None:
    told: list[BaseException] = []
    callers: list[Outcome] = []

    async def live() -> None:
        async with connected(told.append) as (client, peer):
            client.enable_pings()
            callers.append(start(users, lambda: client.request(PING(), timeout=FOR_EVER)))
            await wait_all_tasks_blocked()
            monkeypatch.setattr(getattr(client, owner), method, buggy)
            callers.append(start(users, lambda: client.request(PING(), timeout=FOR_EVER)))
            await wait_all_tasks_blocked()
            if method in ("receive_frames", "open"):
                for _ in range(2):
                    await peer.send(peer.event(QUEUE, END()))
            await trio.sleep(FOR_EVER)

    async with trio.open_nursery() as users:
        with pytest.raises(BugInATaskError) as caught:
            await live()
    assert isinstance(caught.value.__cause__, KeyError)
    assert told == [caught.value]
    for caller in callers:
        assert isinstance(caller.error, ConnectionLost)
        assert caller.error.__cause__ is caught.value
        assert str(caller.error) == "the connection is gone: BugInATaskError"
    assert trio.current_time() < FOR_EVER


@pytest.mark.parametrize("error", [TooLarge("a frame"), OSError("of the system")])
async def test_what_no_network_raises_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def seal(_frame: object) -> bytes:
        raise error

    async def live() -> None:
        async with connected() as (client, _peer):
            monkeypatch.setattr(client._codec, "seal", seal)
            start(users, client.ping)
            await trio.sleep_forever()

    async with trio.open_nursery() as users:
        with pytest.raises(type(error)) as caught:
            await live()
    assert caught.value is error


async def test_a_bug_comes_out_alone_though_it_cost_the_body_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def live() -> None:
        async with connected() as (client, _peer):
            monkeypatch.setattr(client._codec, "seal", buggy)
            await client.ping()

    with pytest.raises(BugInATaskError) as caught:
        await live()
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_lost_connection_that_the_body_does_not_handle() -> None:
    async def live() -> None:
        async with connected() as (client, peer):
            await peer.hang_up()
            await client.wait_disconnected()
            await client.ping()

    with pytest.raises(ConnectionLost) as caught:
        await live()
    assert isinstance(caught.value.__cause__, trio.EndOfChannel)


async def test_a_bug_reaches_the_nursery_of_a_connection_that_has_no_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, _peer = await ROUTER.connect()
    client = SMPClient(ROUTER.address, connection)
    monkeypatch.setattr(client._codec, "seal", buggy)

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.run)
            await client.ping()

    with pytest.raises(ExceptionGroup) as caught:
        await live()
    assert caught.group_contains(BugInATaskError, depth=1)
    assert isinstance(client.reason, BugInATaskError)


# --- leaving --------------------------------------------------------------------------------------


async def test_leaving_the_block_closes_the_connection(autojump_clock: MockClock) -> None:
    told: list[BaseException] = []
    async with connected(told.append) as (client, peer):
        assert client.connected
    assert told == [client.reason]
    assert isinstance(client.reason, trio.ClosedResourceError)
    with pytest.raises(trio.EndOfChannel):
        await peer.next_command()
    await check_that_it_is_over(client)


async def test_the_error_of_a_body_comes_out_as_it_is() -> None:
    told: list[BaseException] = []
    error = LookupError("in the body")
    with pytest.raises(LookupError) as caught:
        async with connected(told.append):
            raise error from KeyError("the cause of it")
    assert caught.value is error
    assert isinstance(error.__cause__, KeyError)
    assert error.__context__ is None
    assert len(told) == 1


async def test_a_group_of_the_body_s_own_stays_a_group() -> None:
    told: list[BaseException] = []
    with pytest.raises(ExceptionGroup, match="of the program") as caught:
        async with connected(told.append):
            raise ExceptionGroup("of the program", [LookupError()])
    assert caught.group_contains(LookupError, depth=1)
    assert len(told) == 1


async def test_a_cancelled_body(autojump_clock: MockClock) -> None:
    told: list[BaseException] = []
    with trio.move_on_after(5) as scope:
        async with connected(told.append) as (client, peer):
            peer.link.hold(after=100)
            await client.request(PING(), timeout=FOR_EVER)
    assert scope.cancelled_caught
    assert told == [client.reason]
    assert trio.current_time() == 5
    await check_that_it_is_over(client)


async def test_a_cancelled_nursery() -> None:
    told: list[BaseException] = []
    connection, _peer = await ROUTER.connect()
    client = SMPClient(ROUTER.address, connection, disconnected=told.append)
    async with trio.open_nursery() as users, trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        caller = start(users, client.ping)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert told == [client.reason]
    assert isinstance(client.reason, trio.ClosedResourceError)
    assert isinstance(caller.error, ConnectionLost)


async def test_a_connection_whose_nursery_is_cancelled_before_it_begins(
    autojump_clock: MockClock,
) -> None:
    told: list[BaseException] = []
    connection, peer = await ROUTER.connect()
    client = SMPClient(ROUTER.address, connection, disconnected=told.append)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        nursery.cancel_scope.cancel()
    assert told == [client.reason]
    with pytest.raises(trio.EndOfChannel):
        await peer.next_command()
    await check_that_it_is_over(client)


async def test_a_connection_that_is_closed_before_it_begins() -> None:
    told: list[BaseException] = []
    connection, peer = await ROUTER.connect()
    client = SMPClient(ROUTER.address, connection, disconnected=told.append)
    client.close()
    with pytest.raises(ConnectionLost):
        await client.ping()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        await client.aclose()
    assert told == [client.reason]
    with pytest.raises(trio.EndOfChannel):
        await peer.next_command()


async def test_several_tasks_close_at_once() -> None:
    told: list[BaseException] = []
    async with connected(told.append) as (client, _peer):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(client.aclose)
        assert len(told) == 1
        await client.aclose()
        client.close()
    assert len(told) == 1


async def test_closing_ends_a_connection_even_if_it_is_cancelled() -> None:
    told: list[BaseException] = []
    async with connected(told.append) as (client, _peer):
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.aclose()
        assert scope.cancelled_caught
        await client.wait_disconnected()
    assert len(told) == 1


async def test_the_body_goes_on_when_the_connection_is_lost() -> None:
    async with connected() as (client, peer):
        await peer.hang_up()
        await client.wait_disconnected()
        await trio.lowlevel.checkpoint()
        with pytest.raises(ConnectionLost):
            await client.ping()
    assert isinstance(client.reason, trio.EndOfChannel)


# --- the callback ---------------------------------------------------------------------------------


async def test_the_callback_comes_last() -> None:
    seen: list[str] = []

    def disconnected(reason: BaseException) -> None:
        assert client.reason is reason
        client.close()
        client.inject_event(QUEUE, END())
        client.enable_pings()
        seen.append(repr(client))
        assert client.statistics().pending == 0
        with pytest.raises(trio.EndOfChannel):
            client.events.receive_nowait()
        users.start_soon(try_again)

    async def try_again() -> None:
        with pytest.raises(ConnectionLost):
            await client.ping()
        seen.append("refused")

    async with trio.open_nursery() as users, connected(disconnected) as (client, peer):
        caller = start(users, client.ping)
        await wait_all_tasks_blocked()
        await peer.hang_up()
    assert isinstance(caller.error, ConnectionLost)
    assert seen == ["<SMPClient disconnected, 0 requests pending>", "refused"]


async def test_an_error_in_the_callback_is_the_program_s() -> None:
    def disconnected(_reason: BaseException) -> None:
        raise BugInATaskError

    async def live() -> None:
        async with connected(disconnected) as (client, peer):
            waiting.append(start(users, client.wait_disconnected))
            waiting.append(start(users, client.ping))
            await peer.next_command()
            await peer.hang_up()
            await trio.sleep_forever()

    waiting: list[Outcome] = []
    async with trio.open_nursery() as users:
        with pytest.raises(BugInATaskError):
            await live()
    assert isinstance(waiting[0].result, trio.EndOfChannel)
    assert isinstance(waiting[1].error, ConnectionLost)


async def test_a_stream_that_cannot_be_closed_is_the_program_s_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[BaseException] = []
    with pytest.raises(BugInATaskError):
        async with connected(told.append) as (client, _peer):
            monkeypatch.setattr(client._stream, "aclose", buggy)
    assert told == [client.reason]
    await client.aclose()


async def test_a_client_that_has_ended_is_freed_without_the_collector(
    without_collector: None,
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        for _ in range(ALONE_BEFORE + 1):
            caller = start(nursery, client.ping)
            await peer.send(peer.answer(await peer.next_command(), PONG()))
            await wait_all_tasks_blocked()
            assert caller.error is None
        left = weakref.ref(client)
    del client, peer, nursery, caller
    assert left() is None


# --- the last words of a router -------------------------------------------------------------------


@pytest.mark.parametrize("blocks", range(1, 12))
async def test_what_came_before_the_end_is_not_lost(blocks: int) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        ping = await peer.next_command()
        for number in range(blocks):
            await peer.send(peer.event(bytes([number]), END()))
        await peer.send(peer.answer(ping, PONG()))
        await peer.hang_up()
        await client.wait_disconnected()
        assert [event async for event in client.events] == [
            Notice(bytes([number]), END()) for number in range(blocks)
        ]
    assert caller.error is None
