"""The way to the store: together, in order, all or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import Factory, define, evolve, frozen
from trio.testing import wait_all_tasks_blocked

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import StoreError, StoreFull, StoreOutcomeUnknown
from simplex_trio.router.commits import _MAX_BYTES, _MAX_CHANGES, Commits, Receiver
from simplex_trio.router.core.decisions import CatchUp, Decision, Work
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import Event, Replies
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import RestoreRecord, Transaction
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteQueue,
    PutMessage,
    PutNotification,
    PutQueue,
    PutStatistics,
    Snapshot,
)
from simplex_trio.router.store.records import (
    MessageHead,
    NotificationRecord,
    NotifierRecord,
    QueueRecord,
)
from simplex_trio.wire.smp.messages import NMSG
from tests.router.stores import ReluctantStore


class Notes:
    """A number in memory, and what became of each change to it."""

    def __init__(self, state: RouterState) -> None:
        self._queues = state.queues
        record = QueueRecord(b"r" * 24, b"s" * 24, (), bytes(32), created_day=0, updated_day=0)
        self._queue = self._queues.create(Transaction(), record)
        self.settled: list[tuple[str, StoreError | None]] = []

    def change(self, commits: Commits, name: str, by: int) -> None:
        transaction = Transaction()
        record = evolve(self._queue.record, updated_day=self.value + by)
        undo = RestoreRecord(self._queue, self._queue.record)
        self._queues.exchange(self._queue, record)
        transaction.add(PutStatistics({name: by}), undo)
        commits.submit(Work(transaction), Note(self, name))

    def ask(self, commits: Commits, name: str) -> None:
        commits.submit(Work(), Note(self, name))

    @property
    def value(self) -> int:
        return self._queue.record.updated_day

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.settled]


@frozen
class Note(Receiver):
    """Notes what became of one piece of work."""

    notes: Notes
    name: str

    def completed(self, replies: Replies | None, failure: StoreError | None) -> None:
        assert replies is not None
        assert not replies.answers
        self.notes.settled.append((self.name, failure))


@frozen
class Another(Receiver):
    """Has more to store when it is told."""

    commits: Commits
    notes: Notes

    def completed(self, replies: Replies | None, failure: StoreError | None) -> None:
        self.notes.change(self.commits, "b", 1)


@asynccontextmanager
async def running(store: ReluctantStore) -> AsyncIterator[tuple[Commits, Notes]]:
    state = RouterState(QueuePolicy(), Snapshot(), random=bytes)
    commits = Commits(store, state)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.run)
        try:
            yield commits, Notes(state)
        finally:
            commits.close()


async def test_what_needs_no_store_is_settled_at_once() -> None:
    async with running(ReluctantStore()) as (commits, notes):
        notes.ask(commits, "a")
        assert notes.settled == [("a", None)]


async def test_changes_are_settled_when_they_are_stored() -> None:
    store = ReluctantStore()
    store.go = trio.Event()
    async with running(store) as (commits, notes):
        notes.change(commits, "a", 1)
        notes.ask(commits, "b")  # and what comes after them waits its turn
        await wait_all_tasks_blocked()
        assert not notes.settled
        store.go.set()
        await commits.drained()
        assert notes.settled == [("a", None), ("b", None)]
        assert (await store.load()).statistics == {"a": 1}


async def test_what_was_decided_meanwhile_is_stored_together() -> None:
    store = ReluctantStore()
    store.go = trio.Event()
    async with running(store) as (commits, notes):
        notes.change(commits, "a", 1)
        await wait_all_tasks_blocked()
        for name in "bcd":
            notes.change(commits, name, 1)
        store.go.set()
        await commits.drained()
        assert notes.names == ["a", "b", "c", "d"]
        assert store.commits == [1, 3]


async def test_what_the_store_refuses_is_taken_back_with_all_that_builds_on_it() -> None:
    store = ReluctantStore()
    store.go, store.is_full = trio.Event(), True
    async with running(store) as (commits, notes):
        notes.change(commits, "a", 1)
        await wait_all_tasks_blocked()
        notes.change(commits, "b", 10)
        notes.ask(commits, "c")
        assert notes.value == 11
        store.go.set()
        await commits.drained()
        assert notes.value == 0
        assert notes.names == ["a", "b", "c"]
        assert all(isinstance(failure, StoreFull) for _, failure in notes.settled)
        store.is_full = False
        notes.change(commits, "d", 5)
        await commits.drained()
        assert (notes.value, notes.settled[-1]) == (5, ("d", None))


async def test_receiver_may_have_more_to_store() -> None:
    store = ReluctantStore()
    async with running(store) as (commits, notes):
        first = Transaction()
        first.add(PutStatistics({"a": 1}))
        commits.submit(Work(first), Another(commits, notes))
        await commits.drained()
        assert notes.names == ["b"]
        assert (await store.load()).statistics == {"a": 1, "b": 1}


async def test_waiting_for_a_transaction() -> None:
    store = ReluctantStore()
    async with running(store) as (commits, _):
        transaction = Transaction()
        transaction.add(PutStatistics({"a": 1}))
        await commits.store(transaction)
        assert store.commits == [1]
        store.is_full = True
        transaction = Transaction()
        transaction.add(PutStatistics({"a": 2}))
        with pytest.raises(StoreFull):
            await commits.store(transaction)


async def test_other_tasks_get_a_turn() -> None:
    store = ReluctantStore()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with running(store) as (commits, notes), trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        for number in range(1000):
            notes.change(commits, str(number), 1)
        await commits.drained()
        assert turns >= 30
        nursery.cancel_scope.cancel()


async def test_cancelling_does_not_reach_it() -> None:
    store = ReluctantStore()
    store.go = trio.Event()
    state = RouterState(QueuePolicy(), Snapshot(), random=bytes)
    commits, notes = Commits(store, state), Notes(state)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.run)
        notes.change(commits, "a", 1)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        store.go.set()
        with trio.CancelScope(shield=True):
            await commits.drained()
        commits.close()
    assert notes.settled == [("a", None)]


async def test_what_is_scattered_over_the_file_is_written_in_parts() -> None:
    """While there is no more room its log has to fit into what is kept."""
    store = ReluctantStore()
    store.go = trio.Event()
    async with running(store) as (commits, notes):
        notes.change(commits, "a", 1)
        await wait_all_tasks_blocked()
        for number in range(600):
            transaction = Transaction()
            change = DeleteQueue(bytes(24)) if number % 2 else DeleteMessages((number,) * 3)
            transaction.add(change)
            commits.submit(Work(transaction))
        large = Transaction()
        large.add(DeleteMessages(tuple(range(1000))))
        commits.submit(Work(large))
        notes.change(commits, "b", 1)
        store.go.set()
        await commits.drained()
    assert store.commits == [1, *[128] * 4, 88, 1, 1]
    assert notes.names == ["a", "b"]


async def test_one_call_to_the_store_has_a_limit() -> None:
    store = ReluctantStore()
    store.go = trio.Event()
    async with running(store) as (commits, notes):
        notes.change(commits, "first", 1)
        await wait_all_tasks_blocked()
        names = [str(number) for number in range(_MAX_CHANGES + 10)]
        for name in names:
            notes.change(commits, name, 1)
        store.go.set()
        await commits.drained()
        assert store.commits == [1, _MAX_CHANGES, 10]
        assert notes.names == ["first", *names]


async def test_long_bodies_are_written_in_parts() -> None:
    """The messages of the first part are answered while the store writes the next one."""
    store, queue = ReluctantStore(), QueueRecord(b"q" * 24, b"s" * 24, (), bytes(32), 0, 0)
    await store.commit([PutQueue(queue)])
    store.commits.clear()
    store.go = trio.Event()
    third = _MAX_BYTES // 3
    async with running(store) as (commits, notes):
        notes.change(commits, "first", 1)
        await wait_all_tasks_blocked()
        for number, size in enumerate([third] * 4 + [_MAX_BYTES + 1, 1, 1]):
            transaction = Transaction()
            head = MessageHead(number, bytes(24), 0)
            transaction.add(PutMessage(queue.recipient_id, head, bytes(size)))
            commits.submit(Work(transaction), Note(notes, str(number)))
        store.go.set()
        await commits.drained()
    assert store.commits == [1, 3, 1, 1, 2]
    assert notes.names == ["first", *map(str, range(7))]


async def test_a_cancelled_caller_is_stored_with_the_others() -> None:
    store = ReluctantStore()
    store.go = trio.Event()
    async with running(store) as (commits, _):
        async with trio.open_nursery() as nursery:
            for name in "abc":
                transaction = Transaction()
                transaction.add(PutStatistics({name: 1}))
                nursery.start_soon(commits.store, transaction)
                await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert store.commits == []
        store.go.set()
        await commits.drained()
        assert store.commits == [1, 2]
        assert (await store.load()).statistics == {"a": 1, "b": 1, "c": 1}


async def test_every_caller_hears_of_a_failure() -> None:
    store = ReluctantStore()
    store.go, store.is_full = trio.Event(), True
    heard: list[str] = []

    async def ask(name: str) -> None:
        transaction = Transaction()
        transaction.add(PutStatistics({name: 1}))
        with pytest.raises(StoreFull):
            await commits.store(transaction)
        heard.append(name)

    async with running(store) as (commits, _):
        async with trio.open_nursery() as nursery:
            for name in "abcde":
                nursery.start_soon(ask, name)
            await wait_all_tasks_blocked()
            store.go.set()
        assert sorted(heard) == list("abcde")
        assert store.commits == []


async def test_drained_waits_for_everything() -> None:
    store = ReluctantStore()
    async with running(store) as (commits, notes):
        await commits.drained()
        store.go = trio.Event()
        for name in "abc":
            notes.change(commits, name, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commits.drained)
            await wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1
            store.go.set()
        assert notes.names == ["a", "b", "c"]


@define
class Recorder:
    """An outlet that keeps the events."""

    events: list[Event] = Factory(list)
    has_room: bool = True

    def tell(self, event: Event) -> None:
        self.events.append(event)


async def test_changes_of_effects_are_stored() -> None:
    store, notifier_id = ReluctantStore(), b"n" * 24
    notifier = NotifierRecord(notifier_id, Ed25519PrivateKey(b"\x01" * 32).public, bytes(32))
    queue = QueueRecord(b"q" * 24, b"s" * 24, (), bytes(32), 0, 0, notifier=notifier)
    pending = NotificationRecord(1, notifier_id, 0, bytes(24), b"sealed")
    await store.commit([PutQueue(queue), PutNotification(pending)])
    state = RouterState(QueuePolicy(), await store.load(), random=bytes)
    commits = Commits(store, state)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.run)
        outlet = Recorder()
        subscriber = Subscriber(outlet)
        state.notifiers.subscribe(subscriber, notifier_id, None)
        commits.apply(CatchUp(subscriber))
        assert [event.payload for event in outlet.events] == [NMSG(bytes(24), b"sealed")]
        await commits.drained()
        assert (await store.load()).notifications == []
        commits.close()


async def test_bug_costs_the_answers_of_one_receiver(caplog: pytest.LogCaptureFixture) -> None:
    async with running(ReluctantStore()) as (commits, notes):
        answers: list[Replies | None] = []

        @frozen
        class Answers(Receiver):
            def completed(self, replies: Replies | None, failure: StoreError | None) -> None:
                answers.append(replies)

        commits.submit(Work(decisions=[Decision("no answer")]), Answers())  # type: ignore[arg-type]
        assert answers == [None]
        assert "a command could not be answered" in caplog.text
        notes.change(commits, "a", 1)
        await commits.drained()
        assert notes.settled == [("a", None)]


async def test_there_is_no_answer_when_it_is_not_known_what_is_stored() -> None:
    answers: list[Replies | None] = []

    @frozen
    class Answers(Receiver):
        def completed(self, replies: Replies | None, failure: StoreError | None) -> None:
            assert isinstance(failure, StoreOutcomeUnknown)
            answers.append(replies)

    class Lost(ReluctantStore):
        async def commit(self, changes: Iterable[Change]) -> None:
            raise StoreOutcomeUnknown("the connection was lost")

    async with running(Lost()) as (commits, _):
        transaction = Transaction()
        transaction.add(PutStatistics({"a": 1}))
        commits.submit(Work(transaction), Answers())
        await commits.drained()
    assert answers == [None]
