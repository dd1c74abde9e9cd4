"""The events of an agent: in order, at least once, each to one reader, and within bounds."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.event_stream import EVENTS_IN_MEMORY, MAX_IN_MEMORY, DuplexEvents
from simplex_trio.duplex.events import (
    Integrity,
    KeptEvent,
    MessageSent,
    PeerMessage,
    RouterUp,
)
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.errors import StoreUnavailable
from tests.duplex.worlds import SERVERS


class Program:
    """A store, and a reader of its events."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = MemoryDatabase() if database is None else database
        self.store = DuplexStore(self.database)
        self.events = DuplexEvents(self.store)
        self.store.publish = self.events.stored

    async def tell(self, *numbers: int) -> None:
        def add(rows: SQLiteRows) -> None:
            for number in numbers:
                rows.add_event(sent(number), None)

        await self.store.transact(add)

    async def receive(self) -> int:
        event = await self.events.receive()
        assert isinstance(event, MessageSent)
        return event.message_id

    def stored(self) -> list[int]:
        """The numbers of the events in the database."""
        rows = self.store._rows.events_after(0, -1)
        return [event.message_id for _, event in rows if isinstance(event, MessageSent)]

    def restarted(self) -> Program:
        """The program after it was killed: nothing but the database is left."""
        return Program(self.database)


def sent(number: int) -> MessageSent:
    return MessageSent("connection", number, proxied=False)


def message(number: int) -> PeerMessage:
    return PeerMessage(
        connection_id="connection",
        message_id=number,
        body=b"body",
        integrity=Integrity.OK,
        skipped=0,
        pq=False,
        sender_message_id=number,
        broker_timestamp=0,
        received_at=0,
    )


@pytest.fixture
def program() -> Program:
    return Program()


async def test_order(program: Program) -> None:
    await program.tell(1, 2)
    assert await program.receive() == 1
    await program.tell(3)
    assert [await program.receive() for _ in range(2)] == [2, 3]


async def test_an_event_is_taken_when_the_next_one_is_asked_for(program: Program) -> None:
    await program.tell(1, 2, 3)
    assert await program.receive() == 1
    await program.store.flush()
    assert await program.restarted().receive() == 1
    assert await program.receive() == 2
    await program.store.flush()
    assert program.stored() == [2, 3]
    again = program.restarted()
    assert [await again.receive() for _ in range(2)] == [2, 3]


async def test_taken_events_are_removed_by_the_next_transaction(program: Program) -> None:
    await program.tell(1, 2)
    await program.receive()
    await program.receive()
    assert program.stored() == [1, 2]
    await program.tell(3)
    assert program.stored() == [2, 3]


async def test_taken_events_are_removed_soon_without_one(
    program: Program, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(program.store.keep_flushing)
    await program.tell(1)
    await program.receive()
    program.events.take()
    await trio.sleep(2)
    assert program.stored() == []
    nursery.cancel_scope.cancel()


async def test_keeping_and_taking_at_once(program: Program) -> None:
    await program.tell(1, 2)
    await program.receive()
    program.events.keep()
    await program.receive()
    program.events.take()
    await program.store.flush()
    assert program.stored() == [1]


async def test_a_message_stays_until_it_is_acknowledged(program: Program) -> None:
    await program.store.transact(lambda rows: rows.add_event(message(7), 7))
    await program.tell(8)
    assert await program.events.receive() == message(7)
    assert await program.receive() == 8
    await program.store.flush()
    assert await program.restarted().events.receive() == message(7)
    await program.store.transact(lambda rows: rows.delete_message_event("connection", 7))
    assert await program.restarted().events.receive() == sent(8)


async def test_many_readers_share_the_events_and_take_only_their_own(
    program: Program, nursery: trio.Nursery
) -> None:
    got: dict[int, str] = {}
    turn = {name: trio.Event() for name in "ab"}

    async def read(name: str) -> None:
        got[await program.receive()] = name
        await turn[name].wait()
        got[await program.receive()] = name

    for name in "ab":
        nursery.start_soon(read, name)
    await wait_all_tasks_blocked()
    await program.tell(1, 2)
    await wait_all_tasks_blocked()
    assert sorted(got) == [1, 2]
    # The one asks for more, and the other is still busy with what it has.
    turn[got[1]].set()
    await wait_all_tasks_blocked()
    await program.store.flush()
    assert program.stored() == [2]
    turn[got[2]].set()
    await program.tell(3, 4)
    await wait_all_tasks_blocked()
    assert sorted(got) == [1, 2, 3, 4]


async def test_a_cancelled_reader_loses_nothing(program: Program) -> None:
    with trio.move_on_after(0):
        await program.receive()
    await program.tell(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await program.receive()
    assert await program.receive() == 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(program.events.receive)
        await wait_all_tasks_blocked()
        program.events.put(RouterUp(SERVERS[0], ("connection",)))
        nursery.cancel_scope.cancel()
    # It was woken and cancelled in the same moment: the event is either its own or left.
    assert len(program.events._ready) in (0, 1)


async def test_what_is_read_ahead_is_bounded(program: Program) -> None:
    count = 3 * EVENTS_IN_MEMORY
    await program.tell(*range(EVENTS_IN_MEMORY))
    assert await program.receive() == 0
    for number in range(EVENTS_IN_MEMORY, count):
        await program.tell(number)
        assert len(program.events._ready) <= EVENTS_IN_MEMORY
    assert [await program.receive() for _ in range(1, count)] == list(range(1, count))


async def test_what_is_only_true_now_is_left_out_for_a_slow_reader(program: Program) -> None:
    up = RouterUp(SERVERS[0], ("connection",))
    for _ in range(MAX_IN_MEMORY + 10):
        program.events.put(up)
    await program.tell(1)
    events: list[object] = [await program.events.receive() for _ in range(MAX_IN_MEMORY)]
    assert events == [up] * MAX_IN_MEMORY
    assert await program.receive() == 1


async def test_readers_learn_of_the_end(program: Program) -> None:
    async def read(events: DuplexEvents, expected: type[Exception]) -> None:
        with pytest.raises(expected):
            await events.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, program.events, trio.EndOfChannel)
        nursery.start_soon(read, program.events, trio.EndOfChannel)
        await wait_all_tasks_blocked()
        program.events.end()
    await read(program.events, trio.EndOfChannel)
    closed = Program().events
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, closed, trio.ClosedResourceError)
        await wait_all_tasks_blocked()
        await closed.aclose()
    await read(closed, trio.ClosedResourceError)


async def test_the_end_leaves_what_is_stored_for_the_next_time(program: Program) -> None:
    await program.tell(1, 2)
    await program.receive()
    program.events.end()
    with pytest.raises(trio.EndOfChannel):
        await program.receive()
    await program.store.flush()
    assert program.stored() == [2]


async def test_a_store_that_cannot_be_read(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    await program.tell(1)

    async def refuse(*_: object) -> list[tuple[int, KeptEvent]]:
        raise StoreUnavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(program.store, "events_after", refuse)
        with pytest.raises(StoreUnavailable):
            await program.receive()
    assert await program.receive() == 1
