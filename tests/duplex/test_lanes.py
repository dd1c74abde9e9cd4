"""Lanes: one task for each work, which tries until it is done or obsolete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.duplex.machine.messages import ReceivedMessage
from simplex_trio.duplex.machine.notifying import NotificationWork
from simplex_trio.duplex.machine.step import OpenConnection
from simplex_trio.duplex.machine.work import AcknowledgeMessage, CreateQueue, Deliver, Work
from simplex_trio.duplex.work.lanes import DONE, Done, Lanes
from tests.duplex.machines import Machine
from tests.duplex.worlds import World


@pytest.fixture
def connection() -> OpenConnection:
    machine = Machine("a")
    ready = World(machine).invite(machine)
    return machine.connection(ready.connection_id)


class Attempts:
    """Attempts whose outcomes a test decides about."""

    def __init__(self) -> None:
        self.lanes = Lanes(self)
        self.tried: list[tuple[Work | NotificationWork, int, float]] = []
        self.outcomes: list[float | Done | None] = []
        self.then: Callable[[], object] = lambda: None
        self.gate: trio.Event | None = None

    async def __call__(self, work: Work | NotificationWork, attempt: int) -> float | Done | None:
        self.tried.append((work, attempt, trio.current_time()))
        if self.gate is not None:
            await self.gate.wait()
        await trio.lowlevel.checkpoint()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is None:
            self.then()
        return outcome

    @property
    def times(self) -> list[float]:
        return [at - self.tried[0][2] for _, _, at in self.tried]


@asynccontextmanager
async def running() -> AsyncIterator[Attempts]:
    attempts = Attempts()
    async with trio.open_nursery() as nursery:
        attempts.lanes.open_in(nursery)
        yield attempts
        nursery.cancel_scope.cancel()
    assert attempts.lanes.count == 0


def create(c: OpenConnection, number: int = 1) -> CreateQueue:
    return CreateQueue(c, number)


async def test_a_work_is_tried_until_it_is_done(
    connection: OpenConnection, autojump_clock: MockClock
) -> None:
    async with running() as attempts:
        attempts.outcomes = [2.0, 3.0]
        attempts.then = lambda: attempts.lanes.set_work(connection.connection_id, [])
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await attempts.lanes.wait_until_idle()
        assert [number for _, number, _ in attempts.tried] == [0, 1, 2]
        assert attempts.times == [0, 2, 5]


async def test_lanes_do_not_wait_for_each_other(
    connection: OpenConnection, autojump_clock: MockClock
) -> None:
    async with running() as attempts:
        attempts.gate = trio.Event()
        works: list[Work] = [create(connection), create(connection, 2)]
        works.append(AcknowledgeMessage(connection, 1))
        attempts.lanes.set_work(connection.connection_id, works)
        attempts.lanes.set_work(connection.connection_id, works)  # the same again begins nothing
        await wait_all_tasks_blocked()
        assert len(attempts.tried) == attempts.lanes.count == 3


async def test_what_is_obsolete_is_not_tried_again(
    connection: OpenConnection, autojump_clock: MockClock
) -> None:
    async with running() as attempts:
        attempts.outcomes = [1000.0]
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await wait_all_tasks_blocked()
        attempts.lanes.set_work(connection.connection_id, [])
        await attempts.lanes.wait_until_idle([connection.connection_id])
        assert attempts.times == [0]
        # It can be due again at any time, also while its task is about to end.
        attempts.then = lambda: attempts.lanes.set_work(connection.connection_id, [])
        attempts.outcomes = [1000.0]
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await wait_all_tasks_blocked()
        attempts.lanes.set_work(connection.connection_id, [])
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await attempts.lanes.wait_until_idle()
        assert attempts.times == [0, 0, 0]


async def test_a_step_that_was_stored_starts_the_count_anew(
    connection: OpenConnection, autojump_clock: MockClock
) -> None:
    second = create(connection)
    async with running() as attempts:
        attempts.outcomes = [1.0, None, 1.0]

        def then() -> None:
            done = attempts.tried[-1][0] is second and attempts.tried[-1][1] == 1
            attempts.lanes.set_work(connection.connection_id, [] if done else [second])

        attempts.then = then
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await attempts.lanes.wait_until_idle()
        assert [number for _, number, _ in attempts.tried] == [0, 1, 0, 1]


async def test_what_is_done_and_stored_later_is_not_tried_again(
    connection: OpenConnection, autojump_clock: MockClock
) -> None:
    async with running() as attempts:
        attempts.outcomes = [DONE]
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await attempts.lanes.wait_until_idle()
        assert len(attempts.tried) == 1
        # Unless something else is due by then.
        attempts.gate = trio.Event()
        attempts.outcomes = [DONE]
        attempts.then = lambda: attempts.lanes.set_work(connection.connection_id, [])
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await wait_all_tasks_blocked()
        second = create(connection)
        attempts.lanes.set_work(connection.connection_id, [second])
        attempts.gate.set()
        await attempts.lanes.wait_until_idle()
        assert attempts.tried[-1][0] is second


async def test_trying_at_once(connection: OpenConnection, autojump_clock: MockClock) -> None:
    async with running() as attempts:
        attempts.outcomes = [1000.0, 1000.0, 1000.0]
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        for now in (None, connection.connection_id, "another"):
            await wait_all_tasks_blocked()
            attempts.lanes.try_now(now)
        await wait_all_tasks_blocked()
        assert len(attempts.tried) == 3


async def test_a_message_that_may_go_on_waits_no_longer(autojump_clock: MockClock) -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b, capacity=1)
    mine, theirs = world.connect(a, b)
    world.send(a, mine)
    world.send(a, mine)
    world.settle()
    before = a.only(mine, Deliver)
    assert before.delivery.wait is not None
    async with running() as attempts:
        attempts.outcomes = [before.delivery.wait, None]
        attempts.then = lambda: attempts.lanes.set_work(mine, [])
        attempts.lanes.set_work(mine, [before])
        await wait_all_tasks_blocked()
        attempts.lanes.set_work(mine, [a.only(mine, Deliver)])  # nothing has changed
        await wait_all_tasks_blocked()
        assert attempts.times == [0]
        # The peer reads its queue and says so.
        for _ in range(3):
            for message in b.rows.find(ReceivedMessage):
                world.acknowledge(b, theirs, message.message_id)
            for queue in world.queues:
                if queue.messages and world.can_deliver(queue):
                    world.deliver(queue)
            world.do_all(b)
        after = a.only(mine, Deliver)
        assert (after.delivery.wait or 0) < before.delivery.wait
        attempts.lanes.set_work(mine, [after])
        await attempts.lanes.wait_until_idle()
        assert attempts.times == [0, 0]


async def test_no_task_outlives_the_nursery(connection: OpenConnection) -> None:
    attempts = Attempts()
    async with trio.open_nursery() as nursery:
        attempts.lanes.open_in(nursery)
        attempts.gate = trio.Event()
        attempts.lanes.set_work(connection.connection_id, [create(connection)])
        await wait_all_tasks_blocked()
        attempts.lanes.stop()
        nursery.cancel_scope.cancel()
    attempts.lanes.set_work(connection.connection_id, [create(connection)])
    assert attempts.lanes.count == 0
