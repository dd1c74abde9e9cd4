"""Events wait without holding anything up, and not without bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import MessageReceived, QueueAccess, SealedMessage
from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.event_buffer import EVENT_LIMIT, MAX_FOLDED
from simplex_trio.engine.event_reader import EVENTS_IN_A_ROW
from simplex_trio.engine.events import Notice
from simplex_trio.errors import ConnectionLost, SlowConsumer
from simplex_trio.transport.block_stream import BLOCKS_AT_ONCE
from simplex_trio.wire.smp.bodies import ReceivedBody, seal_delivered
from simplex_trio.wire.smp.commands import ACK
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import END, MSG, NMSG, OK, PONG, SOK
from tests.client.support import OTHER_QUEUE, QUEUE, Peer, connected, start

KEY = Ed25519PrivateKey.generate()
BLOCK = 16384


def message(number: int, size: int = 16_000) -> MSG:
    return MSG(number.to_bytes(24, "big"), bytes(size))


def notification(number: int) -> NMSG:
    return NMSG(number.to_bytes(NONCE_SIZE, "big"), b"sealed")


async def unread(client: SMPClient) -> list[object]:
    """All events that are there."""
    events: list[object] = []
    while client.statistics().unread_events:
        events.append(await client.events.receive())
    return events


# --- the bound ------------------------------------------------------------------------------------


def test_the_named_limit() -> None:
    assert EngineConfig().event_limit == EVENT_LIMIT == 64 * 1024 * 1024


async def test_unread_events_do_not_stop_answers() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        for number in range(500):
            await peer.send(peer.event(QUEUE, message(number)))
        caller = start(nursery, client.ping)
        await peer.send(peer.answer(await peer.next_command(), PONG()))
        await wait_all_tasks_blocked()
        assert caller.error is None
        assert client.statistics().unread_events == 500
        assert client.statistics().unread_bytes >= 500 * 16_000
        events = await unread(client)
        assert events == [
            SealedMessage(QUEUE, sent.message_id, sent.sealed) for sent in map(message, range(500))
        ]
        assert client.statistics().unread_bytes == 0


async def test_too_many_unread_bytes_drop_the_connection() -> None:
    async with connected(event_limit=10 * BLOCK) as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        for number in range(9):
            await peer.send(peer.event(QUEUE, message(number)))
        await wait_all_tasks_blocked()
        assert client.connected
        assert client.statistics().unread_bytes <= 10 * BLOCK
        await peer.send(peer.event(QUEUE, message(9)))
        await wait_all_tasks_blocked()
        assert isinstance(client.reason, SlowConsumer)
        assert isinstance(caller.error, ConnectionLost)
        assert caller.error.__cause__ is client.reason
        assert len([event async for event in client.events]) == 9  # those can still be read


async def test_a_reader_that_keeps_up_has_no_bound() -> None:
    async with connected(event_limit=4 * BLOCK) as (client, peer):
        for number in range(100):
            await peer.send(peer.event(QUEUE, message(number)))
            event = await client.events.receive()
            assert isinstance(event, SealedMessage)
        assert client.connected


async def test_an_answer_that_is_one_event_too_many_still_wakes_its_caller() -> None:
    async with connected(event_limit=BLOCK) as (client, peer), trio.open_nursery() as nursery:
        await peer.send(peer.event(QUEUE, message(1, 15_000)))
        access = QueueAccess(QUEUE, KEY)
        caller = start(nursery, lambda: client.acknowledge(access, bytes(24)))
        acknowledged = await peer.next_command()
        other = start(nursery, client.ping)
        ping = await peer.next_command()
        # Both answers are in one block, and the first one overflows.
        await peer.send(peer.answer(acknowledged, message(2, 1000)), peer.answer(ping, PONG()))
        await wait_all_tasks_blocked()
        assert caller.finished
        assert caller.error is None
        assert other.finished
        assert isinstance(client.reason, SlowConsumer)
        assert len([event async for event in client.events]) == 1


# --- events that came together --------------------------------------------------------------------


async def test_acknowledgements_of_messages_that_came_together_share_a_block() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        access = QueueAccess(QUEUE, KEY)
        for number in range(BLOCKS_AT_ONCE):
            await peer.send(peer.event(QUEUE, message(number)))
        await wait_all_tasks_blocked()
        async for event in client.events:
            assert isinstance(event, SealedMessage)
            nursery.start_soon(client.acknowledge, access, event.message_id)
            if event.message_id == message(BLOCKS_AT_ONCE - 1).message_id:
                break
        acknowledged = await peer.next_block()
        assert {each.command for each in acknowledged} == {
            ACK(message(number).message_id) for number in range(BLOCKS_AT_ONCE)
        }
        await peer.send(*[peer.answer(each, OK()) for each in acknowledged])


async def test_a_reader_lets_others_have_their_turn() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        for number in range(10 * EVENTS_IN_A_ROW):
            await peer.send(peer.event(QUEUE, notification(number)), peer.event(QUEUE, END()))
        await wait_all_tasks_blocked()
        turns = 0

        async def another() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(another)
        while client.statistics().unread_events:
            await client.events.receive()
        assert turns >= 4
        nursery.cancel_scope.cancel()


class _Steps(trio.abc.Instrument):
    """How many events are left at the end of each step of this task."""

    def __init__(self, client: SMPClient) -> None:
        self.left: list[int] = []
        self._client, self._task = client, trio.lowlevel.current_task()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self.left.append(self._client.statistics().unread_events)


async def test_events_in_a_row_are_as_many_as_are_documented() -> None:
    async with connected() as (client, peer):
        for number in range(2 * EVENTS_IN_A_ROW):
            await peer.send(peer.event(QUEUE, message(number)))
        await wait_all_tasks_blocked()
        steps = _Steps(client)
        trio.lowlevel.add_instrument(steps)
        await unread(client)
        trio.lowlevel.remove_instrument(steps)
        assert steps.left == [EVENTS_IN_A_ROW, 0]


@pytest.mark.parametrize("ends", [False, True])
async def test_frames_that_came_together_let_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """They are processed even if the connection ends meanwhile."""
    opened: list[bytes] = []

    def opens(frame: bytes) -> tuple[()]:
        opened.append(frame)
        return ()

    async with connected() as (client, _peer):
        monkeypatch.setattr(client._codec, "open", opens)
        client._received.extend(bytes([number]) for number in range(40))
        client._processor.unpark()
        seen = []
        while len(opened) < 40:
            await trio.lowlevel.checkpoint()
            seen.append(len(opened))
            if ends:
                client.close()
        assert max(after - before for before, after in pairwise([0, *seen])) <= 8
        assert opened == [bytes([number]) for number in range(40)]


async def test_a_cancelled_reader_takes_nothing_that_is_there() -> None:
    async with connected() as (client, peer):
        await peer.send(peer.event(QUEUE, END()))
        await wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.events.receive()
        assert scope.cancelled_caught
        assert await client.events.receive() == Notice(QUEUE, END())


# --- notifications are folded ---------------------------------------------------------------------


async def test_notifications_about_a_queue_are_folded_into_the_newest() -> None:
    async with connected() as (client, peer):
        for number in range(100):
            await peer.send(peer.event(QUEUE, notification(number)))
        await peer.send(peer.event(OTHER_QUEUE, notification(0)), peer.event(QUEUE, END()))
        await wait_all_tasks_blocked()
        assert client.statistics().folded_events == 100 - MAX_FOLDED
        kept = [*range(MAX_FOLDED - 1), 99]
        assert await unread(client) == [
            *[Notice(QUEUE, notification(number)) for number in kept],
            Notice(OTHER_QUEUE, notification(0)),
            Notice(QUEUE, END()),
        ]
        await peer.send(peer.event(QUEUE, notification(100)))
        assert await client.events.receive() == Notice(QUEUE, notification(100))


async def test_nothing_else_is_folded() -> None:
    async with connected() as (client, peer):
        for _ in range(100):
            await peer.send(peer.event(QUEUE, END()), peer.event(QUEUE, message(1, 10)))
        await wait_all_tasks_blocked()
        assert client.statistics().unread_events == 200
        assert client.statistics().folded_events == 0


async def test_notifications_about_many_queues_have_a_bound_of_their_own() -> None:
    async with connected() as (client, peer):
        queues = [bytes([number]) for number in range(50)]
        for number in range(2 * MAX_FOLDED):
            await peer.send(*[peer.event(queue, notification(number)) for queue in queues])
        await wait_all_tasks_blocked()
        assert client.statistics().unread_events == 50 * MAX_FOLDED
        assert client.statistics().folded_events == 50 * MAX_FOLDED


# --- reading --------------------------------------------------------------------------------------


async def test_each_event_goes_to_one_reader() -> None:
    taken: list[object] = []

    async def read() -> None:
        async for event in client.events:
            taken.append(event)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as readers, connected() as (client, peer):
        for _ in range(3):
            readers.start_soon(read)
        for number in range(20):
            await peer.send(peer.event(bytes([number, 1]), END()))
            await peer.send(peer.event(bytes([number, 2]), END()))
            if number % 3 == 0:
                await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
    sent = {bytes([number, each]) for number in range(20) for each in (1, 2)}
    assert len(taken) == 40
    assert {event.entity_id for event in taken if isinstance(event, Notice)} == sent


async def test_a_cancelled_reader_leaves_its_event_to_the_next() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        first, second = (start(nursery, client.events.receive) for _ in range(2))
        await wait_all_tasks_blocked()
        first.scope.cancel()
        await peer.send(peer.event(QUEUE, END()))
        await wait_all_tasks_blocked()
        assert first.result is None
        assert second.result == Notice(QUEUE, END())


async def test_a_reader_that_is_cancelled_when_its_event_is_there() -> None:
    async with connected() as (client, _peer):
        client.inject_event(QUEUE, END())
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.events.receive()
        assert scope.cancelled_caught
        assert client.events.receive_nowait() == Notice(QUEUE, END())


async def test_a_reader_that_is_woken_and_then_cancelled_has_its_event() -> None:
    async with connected() as (client, _peer), trio.open_nursery() as nursery:
        reader = start(nursery, client.events.receive)
        await wait_all_tasks_blocked()
        client.inject_event(QUEUE, END())
        reader.scope.cancel()
        await wait_all_tasks_blocked()
        left = client.statistics().unread_events
        assert (reader.result is None) == bool(left)  # with one or the other, never with neither


async def test_an_event_that_another_reader_was_faster_to_take() -> None:
    async with connected() as (client, _peer), trio.open_nursery() as nursery:
        reader = start(nursery, client.events.receive)
        await wait_all_tasks_blocked()
        client.inject_event(QUEUE, END())
        assert client.events.receive_nowait() == Notice(QUEUE, END())
        await wait_all_tasks_blocked()
        assert not reader.finished
        client.inject_event(OTHER_QUEUE, END())
        await wait_all_tasks_blocked()
        assert reader.result == Notice(OTHER_QUEUE, END())


async def test_readers_end_with_the_connection() -> None:
    async with trio.open_nursery() as nursery, connected() as (client, _peer):
        with pytest.raises(trio.WouldBlock):
            client.events.receive_nowait()
        readers = [start(nursery, client.events.receive) for _ in range(2)]
        await wait_all_tasks_blocked()
    assert [type(reader.error) for reader in readers] == [trio.EndOfChannel] * 2
    with pytest.raises(trio.EndOfChannel):
        client.events.receive_nowait()
    with pytest.raises(trio.EndOfChannel):
        await client.events.receive()


async def test_closing_the_stream_only_stops_the_reading() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        reader = start(nursery, client.events.receive)
        await wait_all_tasks_blocked()
        await client.events.aclose()
        await wait_all_tasks_blocked()
        assert isinstance(reader.error, trio.ClosedResourceError)
        with pytest.raises(trio.ClosedResourceError):
            client.events.receive_nowait()
        with pytest.raises(trio.ClosedResourceError):
            await client.events.receive()
        caller = start(nursery, client.ping)
        ping = await peer.next_command()
        await peer.send(peer.event(QUEUE, END()), peer.answer(ping, PONG()))
    assert caller.error is None


async def test_what_events_show_of_themselves() -> None:
    async with connected() as (client, _peer):
        client.inject_event(QUEUE, END())
        assert repr(client.events) == "<EventStream: 1 unread>"
        assert "24 bytes" in repr(await client.events.receive())


# --- written into the stream ----------------------------------------------------------------------


async def test_injected_messages_are_events_like_others() -> None:
    key = BoxKey(bytes(32))
    body = ReceivedBody(1_700_000_000, MessageFlags(), b"hello")
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        access = QueueAccess(QUEUE, KEY, key)
        nursery.start_soon(client.subscribe, access)
        await peer.send(peer.answer(await peer.next_command(), SOK()))
        await wait_all_tasks_blocked()
        client.inject_event(OTHER_QUEUE, END())
        client.inject_event(QUEUE, MSG(bytes(24), seal_delivered(key, bytes(24), body)))
        assert await client.events.receive() == Notice(OTHER_QUEUE, END())
        event = await client.events.receive()
        assert isinstance(event, MessageReceived)
        assert event.body == b"hello"


async def test_injecting_at_the_limit_drops_the_connection() -> None:
    limit = 2000
    async with connected(event_limit=limit) as (client, _peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        await wait_all_tasks_blocked()
        client.inject_event(QUEUE, END())
        assert client.connected
        client.inject_event(QUEUE, END())
        assert isinstance(client.reason, SlowConsumer)
        client.inject_event(QUEUE, notification(1))  # for which there would be room
        await client.wait_disconnected()
        assert len([event async for event in client.events]) == 1
    assert isinstance(caller.error, ConnectionLost)


async def test_a_reader_that_injects() -> None:
    seen: list[bytes] = []

    async def read(client: SMPClient, peer: Peer) -> None:
        async for event in client.events:
            assert isinstance(event, Notice)
            seen.append(event.entity_id)
            if len(event.entity_id) < 5:
                client.inject_event(event.entity_id + b"+", END())
            else:
                client.close()

    async with connected() as (client, peer):
        await peer.send(peer.event(b"1", END()))
        await read(client, peer)
    assert seen == [b"1", b"1+", b"1++", b"1+++", b"1++++"]
