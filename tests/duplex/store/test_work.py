"""Whether a connection has work is noted with every step, so a start finds all that have."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Connection,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
    Suspension,
)
from simplex_trio.duplex.machine.creating import plan_address, plan_invitation
from simplex_trio.duplex.machine.deleting import delete, queue_deleted, suspend
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.push_records import NotificationMode, PushToken
from simplex_trio.duplex.machine.sending import drop_deliveries, enqueue_message
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import work_of
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.upkeep import _forget_old
from simplex_trio.duplex.work.watches import Watches
from simplex_trio.errors import StoreFull
from simplex_trio.wire.ntf.statuses import TokenState
from simplex_trio.wire.queue_mode import QueueMode
from tests.duplex.store.test_store import Watched
from tests.duplex.store.values import example_of
from tests.duplex.worlds import SERVERS
from tests.ratchet.pairs import talking

RATCHET = talking()[0].ratchet


def invite(step: Step, chosen: random.Random) -> None:
    plan_invitation(
        step, user="", info=b"", pq=False, offers_kem=False, wants_link=False, link_data=b""
    )


def make_address(step: Step, chosen: random.Random) -> None:
    plan_address(step, user="", pq=False, wants_link=False, link_data=b"")


def connect(step: Step, chosen: random.Random) -> None:
    """As a handshake leaves it."""
    row = plan_invitation(
        step, user="", info=b"", pq=False, offers_kem=False, wants_link=False, link_data=b""
    )
    c = step.connection(row.connection_id)
    c.change(ratchet=RATCHET, agent_version=7, ready=True)
    for number in list(c.receiving):
        c.change_receiving(number, status=ReceivingStatus.ACTIVE, server=SERVERS[0])
    mode = QueueMode.MESSAGING
    place = {"connection_id": c.connection_id, "number": 1, "replaces": 0}
    c.add_sending(example_of(SendingQueue, mode=mode, **place))
    c.change_sending(1, status=SendingStatus.ACTIVE)


def some(change: Callable[[Step, OpenConnection], object]) -> Callable[..., None]:
    """A step with one of the connections."""

    def decide(step: Step, chosen: random.Random) -> None:
        rows = step.rows.find(Connection)
        if rows:
            change(step, step.connection(chosen.choice(rows).connection_id))

    return decide


def send(step: Step, c: OpenConnection) -> None:
    if c.sending:
        enqueue_message(step, c, b"body", None, notify=True, pq=None)


def send_shared(step: Step, c: OpenConnection) -> None:
    if c.sending:
        enqueue_message(step, c, b"body", step.rows.add_body(b"body"), notify=True, pq=None)


def deliver(step: Step, c: OpenConnection) -> None:
    drop_deliveries(step, c, step.rows.find(Delivery, limit=1, connection_id=c.connection_id))


def receive(step: Step, c: OpenConnection) -> None:
    for number in c.receiving:
        c.change_receiving(number, acknowledgement=Acknowledgement.DUE)


def acknowledge(step: Step, c: OpenConnection) -> None:
    for number in c.receiving:
        c.change_receiving(number, acknowledgement=Acknowledgement.NONE)


def create(step: Step, c: OpenConnection) -> None:
    for number in c.receiving:
        c.change_receiving(number, status=ReceivingStatus.NEW, server=SERVERS[0])


def suspended(step: Step, c: OpenConnection) -> None:
    for number in c.receiving:
        c.change_receiving(number, suspension=Suspension.DONE)


def finish_deleting(step: Step, c: OpenConnection) -> None:
    for number, queue in list(c.receiving.items()):
        if queue.is_deleted:
            queue_deleted(step, c, number)


def wake(step: Step, _: random.Random) -> None:
    """Have a device that is notified of messages."""
    step.rows.insert(
        example_of(
            PushToken,
            mode=NotificationMode.INSTANT,
            state=TokenState.ACTIVE,
            reason=None,
            is_deleted=False,
        )
    )
    step.notifications_changed = True
    step.rows.make_notifications_due(forget=True)
    step.rows.queues_of_notifier(b"id")


STEPS: list[Callable[[Step, random.Random], None]] = [
    invite,
    make_address,
    connect,
    connect,
    some(send),
    some(send_shared),
    some(deliver),
    some(receive),
    some(acknowledge),
    some(create),
    some(suspend),
    some(suspended),
    some(lambda step, c: delete(step, c, after_delivery=False)),
    some(lambda step, c: delete(step, c, after_delivery=True)),
    some(finish_deleting),
]


def core_on(store: DuplexStore) -> Core:
    config = DuplexConfig(pq=False, random_bytes=random.Random(0).randbytes)
    return Core(config, store, DuplexEvents(store), None, Watches())


def _take(decide: Callable[..., None], chosen: random.Random, step: Step) -> None:
    decide(step, chosen)


async def test_no_table_is_read_whole() -> None:
    """Statements that are made again and again find their rows by an index."""
    chosen = random.Random(1)
    database = MemoryDatabase()
    statements: set[str] = set()
    database.connection.set_trace_callback(statements.add)
    store = DuplexStore(database)
    core = core_on(store)
    for step in (*STEPS[:3], *chosen.choices(STEPS, k=200), wake, *STEPS):
        await core.step(partial(_take, step, chosen))
    await core.step(partial(_forget_old, 1))
    await store.transact(lambda rows: rows.connections_with_work())
    await store.transact(lambda rows: rows.connection_ids(""))
    await store.events_after(0, 10)
    await store.aclose()
    database.connection.set_trace_callback(None)
    read = [each for each in statements if each.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(read) > 50
    for statement in read:
        plan = database.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        for *_, detail in plan:
            # The test itself asks for all connections; the index has only those with work.
            is_meant = statement.endswith("FROM connections ORDER BY connection_id")
            is_meant |= detail.endswith(b"INDEX connections_with_work")
            # There is one, and some that were deleted.
            is_meant |= detail.startswith((b"SCAN push_tokens", b"SCAN (subquery", b"SCAN chosen"))
            # The index has only those that are looked for.
            is_meant |= detail.endswith((b"INDEX queues_by_notifier", b"INDEX muted_connections"))
            assert is_meant or not detail.startswith(b"SCAN"), (statement, detail)


async def check(core: Core, store: DuplexStore) -> None:
    """What is noted is what follows from the rows."""

    def look(step: Step) -> tuple[set[str], set[str]]:
        ids = [row.connection_id for row in step.rows.find(Connection)]
        expected = {each for each in ids if work_of(step, step.connection(each))}
        return expected, set(noted)

    noted = await store.transact(lambda rows: rows.connections_with_work())
    expected, found = await core.read(lambda rows: look(Step(rows, core.moment())))
    assert found == expected


@pytest.mark.parametrize("seed", range(5))
async def test_after_every_step(seed: int) -> None:
    chosen = random.Random(seed)
    database = Watched()
    store = DuplexStore(database)
    core = core_on(store)
    has_had_work = False
    for _ in range(150):
        decide = chosen.choice(STEPS)
        fails = chosen.random() < 0.15

        def step(step: Step, decide: Callable[..., None] = decide, fails: bool = fails) -> None:
            decide(step, chosen)
            if fails:
                raise LookupError

        is_full = chosen.random() < 0.1
        database.refuse = lambda _, full=is_full: full  # type: ignore[misc]
        try:
            await core.step(step)
        except (LookupError, StoreFull):
            assert fails or is_full
        database.refuse = lambda _: False
        await check(core, store)
        has_had_work |= bool(await store.transact(lambda rows: rows.connections_with_work()))
    assert has_had_work
    await store.aclose()
    # The same by a store that has nothing in memory.
    database.is_closed = False
    again = DuplexStore(database)
    await check(core_on(again), again)
