"""Calls that wait for the outcome of work."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.events import ConnectionFailed, JoinSent, Problem
from simplex_trio.duplex.work.watches import Watches
from simplex_trio.errors import ConnectTimeout

SENT = JoinSent("one", can_send=True)


async def test_each_call_gets_the_outcome_of_its_connection(nursery: trio.Nursery) -> None:
    watches = Watches()
    got: list[object] = []

    async def wait(connection_id: str) -> None:
        watch = watches.add(connection_id)
        try:
            got.append(await watch.wait())
        finally:
            watches.remove(watch)

    for connection_id in ("one", "one", "two"):
        nursery.start_soon(wait, connection_id)
    await wait_all_tasks_blocked()
    assert watches.is_watched("one")
    watches.finished(SENT)
    watches.finished(ConnectionFailed("three", Problem.LINK))
    await wait_all_tasks_blocked()
    assert got == [SENT, SENT]
    assert not watches.is_watched("one")
    assert watches.is_watched("two")
    failed = ConnectionFailed("two", Problem.LINK)
    watches.finished(failed)
    await wait_all_tasks_blocked()
    assert got[-1] == failed


async def test_the_first_failure_is_raised_to_each_call_by_itself() -> None:
    watches = Watches()
    error = ConnectTimeout("no answer")
    first, second = watches.add("one"), watches.add("one")
    watches.failed("one", error)
    watches.failed("one", ConnectTimeout("again"))
    watches.finished(SENT)
    raised = []
    for watch in (first, second):
        with pytest.raises(ConnectTimeout, match="no answer") as caught:
            await watch.wait()
        raised.append(caught.value)
        watches.remove(watch)
    assert raised[0] is not raised[1]
    assert not watches.is_watched("one")


async def test_an_outcome_is_not_taken_back_by_a_failure() -> None:
    watches = Watches()
    watch = watches.add("one")
    watches.finished(SENT)
    watches.failed("one", ConnectTimeout("too late"))
    assert await watch.wait() == SENT


async def test_what_nothing_waits_for_is_dropped() -> None:
    watches = Watches()
    watches.finished(SENT)
    watches.failed("one", ConnectTimeout("no answer"))
    watch = watches.add("one")
    with trio.move_on_after(0) as scope:
        await watch.wait()
    assert scope.cancelled_caught
    watches.remove(watch)
