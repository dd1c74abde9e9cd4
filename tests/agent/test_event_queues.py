"""Events that wait for the program: order, turns, room, and what does not pile up."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from simplex_trio.agent.config import AgentRole
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.event_queues import EventQueues
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    ServiceDisconnected,
    ServiceSubscribed,
    Subscribed,
    SubscriptionError,
)
from simplex_trio.agent.log import AgentLog
from simplex_trio.agent.stream import AgentEvents
from simplex_trio.agent.subscriptions import ServiceState
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.engine.events import Notice
from simplex_trio.errors import ConnectionLost, DialFailed

HASH = "A" * 43 + "="
HERE, THERE = (Destination.of(f"smp://{HASH}@{name}.test") for name in ("here", "there"))
REASON = ConnectionLost()


def delivery(number: int, destination: Destination = HERE, session: bytes = b"1") -> RouterEvent:
    return RouterEvent(destination, session, b"queue", Notice(b"queue", number))


def number_of(event: AgentEvent | None) -> object:
    assert isinstance(event, RouterEvent)
    assert isinstance(event.event, Notice)
    return event.event.message


def a_whole_session(session: bytes) -> list[AgentEvent]:
    return [
        Connected(HERE, session, None),
        ServiceSubscribed(HERE, session, b"service", ServiceSubs(), ServiceSubs()),
        Subscribed(HERE, session, (b"q",)),
    ]


def end(session: bytes) -> list[Disconnected | ServiceDisconnected]:
    return [
        ServiceDisconnected(HERE, session, ServiceState(b"service")),
        Disconnected(HERE, session, (b"q",), REASON),
    ]


def drained(queues: EventQueues) -> list[AgentEvent]:
    events = []
    while (event := queues.pop()) is not None:
        events.append(event)
    assert len(queues) == 0
    return events


def test_in_order_for_each_destination_and_in_turns_between_them() -> None:
    queues = EventQueues()
    for number in range(3):
        queues.put(delivery(number))
    queues.put(delivery(10, THERE))
    queues.put(delivery(11, THERE))
    assert len(queues) == 5
    assert [number_of(event) for event in drained(queues)] == [0, 10, 1, 11, 2]
    assert queues.pop() is None


def test_deliveries_take_room_and_other_events_do_not() -> None:
    queues = EventQueues(room=2)
    queues.put(Connected(HERE, b"1", None))
    queues.put(delivery(0))
    assert queues.has_room(HERE)
    queues.put(delivery(1))
    assert not queues.has_room(HERE)
    assert queues.has_room(THERE)
    queues.pop()
    assert not queues.has_room(HERE)
    queues.pop()
    assert queues.has_room(HERE)
    assert queues.is_half_empty(HERE)


def test_a_session_with_only_unread_events_leaves_no_trace() -> None:
    queues = EventQueues()
    for event in a_whole_session(b"1"):
        queues.put(event)
    queues.end_session(*end(b"1"))
    assert drained(queues) == []


def test_what_a_session_settled_for_good_is_kept() -> None:
    queues = EventQueues()
    failed = SubscriptionError(HERE, b"1", ((b"q", REASON),))
    for event in [*a_whole_session(b"1"), failed, delivery(0)]:
        queues.put(event)
    queues.end_session(*end(b"1"))
    assert drained(queues) == [failed, delivery(0)]


def test_the_end_of_a_session_is_reported_if_its_beginning_was_read() -> None:
    queues = EventQueues()
    for event in a_whole_session(b"1"):
        queues.put(event)
    queues.pop()
    queues.end_session(*end(b"1"))
    assert drained(queues) == [*a_whole_session(b"1")[1:], *end(b"1")]


def test_a_thousand_unread_sessions_take_no_room() -> None:
    queues = EventQueues()
    queues.put(Connected(HERE, b"0", None))
    queues.pop()
    queues.end_session(*end(b"0"))
    for number in range(1, 1000):
        session = b"%d" % number
        queues.put(CannotConnect(HERE, DialFailed()))
        for event in a_whole_session(session):
            queues.put(event)
        queues.end_session(*end(session))
    assert [type(event) for event in drained(queues)] == [
        ServiceDisconnected,
        Disconnected,
        CannotConnect,
    ]


def test_of_several_failures_to_connect_the_latest_is_kept() -> None:
    queues = EventQueues()
    for error in (DialFailed("first"), DialFailed("second")):
        queues.put(CannotConnect(HERE, error))
        queues.put(CannotConnect(THERE, error))
    errors = [str(event.error) for event in drained(queues) if isinstance(event, CannotConnect)]
    assert errors == ["second", "second"]


def test_what_connections_leave_behind_is_bounded() -> None:
    queues = EventQueues(room=2, max_left_over=3)
    for number in range(7):
        queues.put_left_over(delivery(number))
    assert queues.dropped == 2
    assert len(queues) == 5


def test_reprs_and_places_of_events() -> None:
    queues = EventQueues()
    event = Subscribed(Destination.of(f"smp://{HASH}@secret.test", "secret"), b"1", (b"secret",))
    queues.put(event)
    assert "secret" not in repr(event) + repr(queues)
    assert event.label == "secret"
    assert str(event.server.hosts[0]) == "secret.test"


# --- the stream ---------------------------------------------------------------------------------


async def test_a_reader_waits_for_events() -> None:
    events = AgentEvents(AgentLog(AgentRole.RECIPIENT))
    received: list[Any] = []

    async def read() -> None:
        async for event in events:
            received.append(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        events.put(delivery(0))
        await trio.testing.wait_all_tasks_blocked()
        assert received == [delivery(0)]
        events.put(delivery(1))
        events.end()
    assert received == [delivery(0), delivery(1)]


async def test_each_event_goes_to_one_of_several_readers() -> None:
    events = AgentEvents(AgentLog(AgentRole.RECIPIENT))
    received: list[Any] = []

    async def read() -> None:
        async for event in events:
            received.append(number_of(event))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(10):
            events.put(delivery(number))
        events.end()
    assert sorted(received) == list(range(10))


async def test_a_cancelled_reader_has_taken_nothing() -> None:
    events = AgentEvents(AgentLog(AgentRole.RECIPIENT))
    events.put(delivery(0))
    with trio.CancelScope() as scope:
        scope.cancel()
        await events.receive()
    assert scope.cancelled_caught
    assert events.receive_nowait() == delivery(0)


async def test_the_end_and_closing() -> None:
    events = AgentEvents(AgentLog(AgentRole.RECIPIENT))
    with pytest.raises(trio.WouldBlock):
        events.receive_nowait()
    events.put(delivery(0))
    events.end()
    assert await events.receive() == delivery(0)
    with pytest.raises(trio.EndOfChannel):
        await events.receive()
    with pytest.raises(trio.EndOfChannel):
        events.receive_nowait()
    await events.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await events.receive()


async def test_who_delivers_waits_until_there_is_room_again() -> None:
    events = AgentEvents(AgentLog(AgentRole.RECIPIENT), EventQueues(room=4))
    for number in range(4):
        events.put(delivery(number))
    let_in = []

    async def deliver() -> None:
        await events.wait_for_room(HERE)
        let_in.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(deliver)
        await trio.testing.wait_all_tasks_blocked()
        events.receive_nowait()
        await trio.testing.wait_all_tasks_blocked()
        assert not let_in
        events.receive_nowait()
    assert let_in
    await events.wait_for_room(THERE)
