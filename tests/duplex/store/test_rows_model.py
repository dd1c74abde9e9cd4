"""What `SQLiteRows` keeps in memory is never another thing than what is in the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simplex_trio.duplex.machine.connection import (
    Connection,
    Deletion,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
    SubscribedQueue,
)
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.store import rows as rows_module
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.errors import StoreFull
from simplex_trio.ratchet.skipped import SkippedKey, SkippedKeys
from tests.duplex.store.test_store import Watched
from tests.duplex.store.values import example_of, skipped_key_lists

IDS = [f"connection {number}" for number in range(4)]
QUEUES = [1, 2]

ids = st.sampled_from(IDS)
queues = st.sampled_from(QUEUES)
queue_kinds = st.sampled_from([ReceivingQueue, SendingQueue])


def everything(rows: SQLiteRows) -> list[object]:
    """All that is read through the cache, with the bodies."""
    found: list[object] = []
    for name in IDS:
        found.append(rows.get(Connection, name))
        found += (rows.find(kind, connection_id=name) for kind in (ReceivingQueue, SendingQueue))
        for queue in QUEUES:
            fields = {"connection_id": name, "queue": queue, "is_held": False}
            found.append(rows.find(Delivery, limit=1, **fields))
        found.append(list(rows.skipped_keys(name)))
    return found


def _next_keys(before: SkippedKeys, keys: list[SkippedKey]) -> list[SkippedKey]:
    """Those of ``keys`` that a ratchet could make next.

    A key that was used is never made again, and least of all by the message that used it; a chain
    gets no more keys once the next one has begun.
    """
    chains = list(dict.fromkeys(key.header_key for key in before))
    found: list[SkippedKey] = []
    for key in keys:
        if key.header_key in chains[:-1] or before.find(key.header_key, key.number) is not None:
            continue
        if key.header_key not in chains:
            chains.append(key.header_key)
        found.append(key)
    return found


class Cache(RuleBasedStateMachine):
    """Changes in savepoints and transactions, some of which are undone."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = MemoryDatabase().connection
        self.rows = SQLiteRows(self.connection)
        self.limit = pytest.MonkeyPatch()
        self.limit.setattr(rows_module, "CACHED_CONNECTIONS", 2)
        self._begin()

    def teardown(self) -> None:
        self.limit.undo()
        self.connection.close()

    def _begin(self) -> None:
        self.connection.execute("BEGIN")
        self.connection.execute("SAVEPOINT step")

    def _exists(self, name: str) -> bool:
        return self.rows.get(Connection, name) is not None

    # --- changes --------------------------------------------------------------------------------

    @rule(name=ids)
    def add_connection(self, name: str) -> None:
        if not self._exists(name):
            self.rows.insert(example_of(Connection, connection_id=name))

    @rule(name=ids, count=st.integers(0, 9), deletion=st.sampled_from(Deletion))
    def change_connection(self, name: str, count: int, deletion: Deletion) -> None:
        before = self.rows.get(Connection, name)
        if before is not None:
            after = evolve(before, last_sent=count, deletion=deletion)
            self.rows.update(before, after)

    @rule(name=ids)
    def delete_connection(self, name: str) -> None:
        self.rows.delete_connection(name)

    @rule(name=ids, kind=queue_kinds, number=queues)
    def put_queue(self, name: str, kind: type[Any], number: int) -> None:
        if not self._exists(name):
            return
        known = {each.number: each for each in self.rows.find(kind, connection_id=name)}
        if number not in known:
            self.rows.insert(example_of(kind, connection_id=name, number=number))
        else:
            status: Any = ReceivingStatus if kind is ReceivingQueue else SendingStatus
            changed = status.ACTIVE if known[number].status is status.NEW else status.NEW
            self.rows.update(known[number], evolve(known[number], status=changed))

    @rule(name=ids, kind=queue_kinds, number=queues)
    def delete_queue(self, name: str, kind: type[Any], number: int) -> None:
        for queue in self.rows.find(kind, connection_id=name):
            if queue.number == number:
                self.rows.delete(queue)

    @rule(
        name=ids, queue=queues, number=st.integers(1, 5), shared=st.booleans(), held=st.booleans()
    )
    def put_delivery(self, name: str, queue: int, number: int, shared: bool, held: bool) -> None:
        known = self.rows.get(Delivery, name, queue, number)
        if known is not None:
            self.rows.update(known, evolve(known, wait=(known.wait or 0) + 1, is_held=held))
        elif self._exists(name):
            body = self.rows.add_body(b"body") if shared else None
            values = {"queue": queue, "message_id": number, "body": body, "is_held": held}
            self.rows.insert(example_of(Delivery, connection_id=name, **values))

    @rule(name=ids, queue=queues, number=st.integers(1, 5))
    def delete_delivery(self, name: str, queue: int, number: int) -> None:
        known = self.rows.get(Delivery, name, queue, number)
        if known is not None:
            self.rows.delete(known)
            if known.body is not None:
                self.rows.drop_unused_body(known.body)

    @rule(name=ids, keys=skipped_key_lists(4), drop=st.integers(0, 3))
    def change_skipped_keys(self, name: str, keys: list[Any], drop: int) -> None:
        if not self._exists(name):
            return
        before = after = self.rows.skipped_keys(name)
        for known in list(before)[:drop]:
            after = after.without(known.header_key, known.number)
        self.rows.change_skipped_keys(name, before, after.with_added(_next_keys(before, keys)))

    @rule(forget=st.booleans())
    def make_notifications_due(self, forget: bool) -> None:
        self.rows.make_notifications_due(forget=forget)

    @rule(name=ids, has_work=st.booleans())
    def note_work(self, name: str, has_work: bool) -> None:
        if self._exists(name):
            self.rows.note_work(name, has_work)
            assert (name in self.rows.connections_with_work()) is has_work

    # --- ends, as those in DuplexStore ----------------------------------------------------------

    @rule()
    def step_ends(self) -> None:
        self.connection.execute("RELEASE step")
        self.connection.execute("SAVEPOINT step")

    @rule()
    def step_fails(self) -> None:
        self.connection.execute("ROLLBACK TO step")
        self.rows.forget_changes()

    @rule()
    def commit(self) -> None:
        self.connection.execute("COMMIT")
        self.rows.settle()
        assert len(self.rows._cache) <= 2
        self._begin()

    @rule()
    def commit_fails(self) -> None:
        self.connection.execute("ROLLBACK")
        self.rows.forget_changes()
        self._begin()

    @precondition(lambda self: self.connection.in_transaction)
    @invariant()
    def memory_is_true(self) -> None:
        assert everything(self.rows) == everything(SQLiteRows(self.connection))

    @invariant()
    def no_body_is_left(self) -> None:
        left = self.connection.execute(
            "SELECT count(*) FROM bodies WHERE number NOT IN "
            "(SELECT body FROM deliveries WHERE body IS NOT NULL)"
        ).fetchone()
        assert left == (0,)


TestCache = Cache.TestCase
TestCache.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=40)


async def test_what_was_read_of_a_commit_that_failed() -> None:
    """One call changes, one fails, one reads what the first has changed, and all is undone."""
    database = Watched()
    store = DuplexStore(database)
    connection = example_of(Connection, connection_id="a", last_sent=1)
    await store.transact(lambda rows: rows.insert(connection))

    def change(rows: SQLiteRows) -> None:
        rows.update(connection, evolve(connection, last_sent=2))

    def fail(rows: SQLiteRows) -> None:
        change(rows)
        raise LookupError

    async def call(function: Callable[[SQLiteRows], object]) -> None:
        with pytest.raises((LookupError, StoreFull)):
            await store.transact(function)

    database.refuse = lambda _: True
    database.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        for each in (lambda _: None, change, fail, lambda rows: rows.get(Connection, "a")):
            nursery.start_soon(call, each)
            await trio.testing.wait_all_tasks_blocked()
        database.gate.set()
    assert await _last_sent(store, database) == 1


async def _last_sent(store: DuplexStore, database: Watched) -> int:
    database.refuse = lambda _: False
    found = await store.transact(lambda rows: rows.get(Connection, "a"))
    assert found is not None
    return found.last_sent


def test_queues_to_subscribe_to() -> None:
    """Those that exist and are not being deleted, by their users."""
    connection = MemoryDatabase().connection
    rows = SQLiteRows(connection)
    connection.execute("BEGIN")
    expected: dict[str, list[SubscribedQueue]] = {}
    for user in ("", "someone"):
        for status in ReceivingStatus:
            for is_deleted in (False, True):
                name = f"{user} {status} {is_deleted}"
                rows.insert(example_of(Connection, connection_id=name, user=user))
                queue = example_of(
                    ReceivingQueue, connection_id=name, status=status, is_deleted=is_deleted
                )
                rows.insert(queue)
                if status is not ReceivingStatus.PLANNED and not is_deleted:
                    fields = {each.name: getattr(queue, each.name) for each in SUBSCRIBED}
                    expected.setdefault(user, []).append(SubscribedQueue(**fields))
    found = rows.queues_by_user()
    assert {user: sorted(queues, key=by_name) for user, queues in found.items()} == {
        user: sorted(queues, key=by_name) for user, queues in expected.items()
    }
    connection.close()


SUBSCRIBED = attrs.fields(SubscribedQueue)


def by_name(queue: SubscribedQueue) -> str:
    return queue.connection_id
