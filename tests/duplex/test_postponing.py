"""Work that a router could not be reached for: how long it waits, and what the program is told."""

from __future__ import annotations

import pytest

from simplex_trio.duplex.events import (
    ConnectionDeleted,
    ConnectionSuspended,
    ConnectionWarning,
    InvitationReady,
    LinkUpdated,
    Problem,
)
from simplex_trio.duplex.machine.creating import change_link, plan_address
from simplex_trio.duplex.machine.deleting import delete, suspend
from simplex_trio.duplex.machine.delivering import SendFailure
from simplex_trio.duplex.machine.postponing import PostponedWork, postpone
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import (
    CreateQueue,
    DeleteQueue,
    ReadLink,
    SecureAsSender,
    SendRequest,
    SuspendQueue,
    UpdateLink,
    Work,
)
from tests.duplex.machines import Machine
from tests.duplex.worlds import BACKOFF, Answer, World


class Two:
    """Two machines, one of which has made a link."""

    def __init__(self) -> None:
        self.a, self.b = Machine("a"), Machine("b")
        self.world = World(self.a, self.b)

    def fail(self, kind: type[Work], answer: Answer = Answer.AWAY) -> None:
        """An attempt of ``b`` at the one work of a kind."""
        [work] = [each for each in self.b.all_work() if isinstance(each, kind)]
        self.world.do(self.b, work, answer)

    def do(self, kind: type[Work]) -> None:
        self.fail(kind, Answer.OK)

    def postponed(self) -> list[PostponedWork]:
        return self.b.rows.find(PostponedWork)


@pytest.fixture
def two() -> Two:
    return Two()


def network(connection_id: str) -> ConnectionWarning:
    return ConnectionWarning(connection_id, Problem.NETWORK)


def test_each_step_of_joining_warns_once(two: Two) -> None:
    joined = two.world.join(two.b, two.world.address(two.a, short=True).short_link or "")
    for kind in (ReadLink, CreateQueue, SendRequest):
        for _ in range(3):
            two.fail(kind, Answer.NETWORK)
        assert two.b.news() == [], "most of what times out succeeds at the next attempt"
        for _ in range(3):
            two.fail(kind)
        two.b.restart()
        two.fail(kind)
        assert two.b.news() == [network(joined)]
        two.do(kind)
        assert two.postponed() == []


def test_the_other_steps_of_joining(two: Two) -> None:
    joined = two.world.join(two.b, two.world.invite(two.a).link)
    two.fail(SecureAsSender)
    assert two.b.news() == [network(joined)]
    two.do(SecureAsSender)
    assert two.postponed() == []


def test_creating_warns_again_after_another_problem(two: Two) -> None:
    address = two.world.address(two.a, short=True)
    joined = two.world.join(two.b, address.link)
    two.do(CreateQueue)
    two.fail(SendRequest)
    queue = two.world.queue_of(two.a, address.connection_id)
    queue.is_full = True
    two.fail(SendRequest, Answer.OK)
    two.fail(SendRequest)
    assert two.b.news() == [
        network(joined),
        ConnectionWarning(joined, Problem.QUOTA),
        network(joined),
    ]


def test_what_a_call_waits_for_is_not_told_as_well(two: Two) -> None:
    joined = two.world.join(two.b, two.world.invite(two.a).link)
    work = two.b.only(joined, CreateQueue)

    def fail(step: Step, c: OpenConnection) -> float | None:
        return postpone(step, c, work, SendFailure.UNREACHABLE, BACKOFF, is_watched=True)

    assert two.b.on(joined, fail) == BACKOFF.initial
    two.fail(CreateQueue)
    assert two.b.news() == []


def test_waits_grow_on_after_a_restart(two: Two) -> None:
    two.b.step(lambda step: plan_address(step, user="", pq=False, wants_link=False))
    waits = []
    for _ in range(20):
        two.fail(CreateQueue)
        two.b.restart()
        [postponed] = two.postponed()
        waits.append(postponed.wait)
        two.b.now += postponed.wait
    assert waits[:5] == [BACKOFF.initial] * 5
    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF.maximum
    two.do(CreateQueue)
    assert two.postponed() == []
    assert [type(event) for event in two.b.news()] == [ConnectionWarning, InvitationReady]


def test_changes_that_were_asked_for_warn_as_well(two: Two) -> None:
    made = two.world.address(two.b, short=True).connection_id
    two.b.news()
    two.b.on(made, lambda step, c: change_link(step, c, b"new"))
    two.fail(UpdateLink)
    two.do(UpdateLink)
    two.b.on(made, suspend)
    two.fail(SuspendQueue)
    two.do(SuspendQueue)
    assert two.b.news() == [
        network(made),
        LinkUpdated(made, None),
        network(made),
        ConnectionSuspended(made),
    ]
    assert two.postponed() == []


def test_nothing_is_told_of_a_connection_that_is_being_deleted(two: Two) -> None:
    made = two.world.invite(two.b).connection_id
    two.b.news()
    two.b.on(made, lambda step, c: delete(step, c, after_delivery=False))
    for _ in range(3):
        two.fail(DeleteQueue)
    [postponed] = two.postponed()
    assert postponed.failures == 3
    two.do(DeleteQueue)
    assert two.b.news() == [ConnectionDeleted(made)]
    assert two.postponed() == []
