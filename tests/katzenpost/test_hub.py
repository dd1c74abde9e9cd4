"""Subscribers: each gets every event, in order, and holds up no other."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.katzenpost import EventsDropped, MessageReply, NewDocument, ShuttingDown
from simplex_trio.katzenpost.messages.documents import decode_document
from simplex_trio.katzenpost.messages.events import DaemonConnected, event_size
from simplex_trio.katzenpost.session.hub import EventHub
from simplex_trio.testing.kpclientd.consensus import document

FIRST = NewDocument(None)
SECOND = ShuttingDown()
THIRD = DaemonConnected(same_daemon=True, resumed=True)
PLENTY = 10_000


async def test_all_subscribers_get_all_events_in_order() -> None:
    hub = EventHub(10, PLENTY)
    one, two = hub.subscribe([FIRST]), hub.subscribe([])
    hub.put(SECOND)
    hub.put(THIRD)
    hub.end()
    assert [event async for event in one] == [FIRST, SECOND, THIRD]
    assert [event async for event in two] == [SECOND, THIRD]


async def test_who_does_not_read_loses_events_and_learns_how_many() -> None:
    hub = EventHub(2, PLENTY)
    slow, quick = hub.subscribe([]), hub.subscribe([])
    for _ in range(5):
        hub.put(SECOND)
        assert await quick.receive() == SECOND
    assert [slow.receive_nowait() for _ in range(3)] == [SECOND, SECOND, EventsDropped(3)]
    hub.put(THIRD)
    assert await slow.receive() == THIRD


async def test_what_was_dropped_is_told_before_what_came_later() -> None:
    hub = EventHub(1, PLENTY)
    slow = hub.subscribe([])
    hub.put(FIRST)
    hub.put(SECOND)
    assert slow.receive_nowait() == FIRST
    hub.put(THIRD)  # there would be room again, but not for the order
    assert slow.receive_nowait() == EventsDropped(2)


async def test_what_is_large_counts_for_more() -> None:
    hub = EventHub(100, 10_000)
    slow = hub.subscribe([])
    large = MessageReply(bytes(16), b"", bytes(4000), None)
    for _ in range(3):
        hub.put(large)
    assert [slow.receive_nowait() for _ in range(3)] == [large, large, EventsDropped(1)]
    huge = MessageReply(bytes(16), b"", bytes(40_000), None)
    hub.put(huge)  # it is alone
    hub.put(SECOND)
    assert [slow.receive_nowait() for _ in range(2)] == [huge, EventsDropped(1)]
    hub.put(SECOND)
    assert slow.receive_nowait() == SECOND


def test_documents_have_the_size_in_which_they_came() -> None:
    payload = document(7)
    assert event_size(NewDocument(decode_document(payload))) > len(payload)
    assert event_size(FIRST) > 0


async def test_waiting_for_an_event() -> None:
    hub = EventHub(1, PLENTY)
    events = hub.subscribe([])
    with pytest.raises(trio.WouldBlock):
        events.receive_nowait()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            assert await events.receive() == FIRST

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        hub.put(FIRST)


async def test_leaving() -> None:
    hub = EventHub(1, PLENTY)
    async with hub.subscribe([]) as events:
        hub.put(FIRST)
    hub.put(SECOND)
    with pytest.raises(trio.ClosedResourceError):
        await events.receive()
    assert "0 unread" in repr(events)  # nothing is kept without a subscriber
    await events.aclose()


async def test_who_comes_too_late_gets_what_is_known() -> None:
    hub = EventHub(1, PLENTY)
    hub.end()
    assert [event async for event in hub.subscribe([FIRST])] == [FIRST]
