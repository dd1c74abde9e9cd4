from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import ConnectError, DialFailed, ProxyRefused
from simplex_trio.transport.stagger import open_first


class Door(trio.abc.AsyncResource):
    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()


class Attempts:
    """Doors that open, or fail to, some time after the first push."""

    def __init__(self) -> None:
        self.began: list[tuple[int, float]] = []
        self.cancelled: list[int] = []
        self.opened: list[Door] = []

    def __call__(
        self, number: int, seconds: float, failure: Exception | None = None
    ) -> Callable[[], Awaitable[Door]]:
        async def attempt() -> Door:
            self.began.append((number, trio.current_time()))
            try:
                await trio.sleep(seconds)
            except trio.Cancelled:
                self.cancelled.append(number)
                raise
            if failure is not None:
                raise failure
            door = Door(number)
            self.opened.append(door)
            return door

        return attempt


async def test_the_first_is_enough(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    door = await open_first([attempt(1, 0.1), attempt(2, 0)], delay=0.25)
    assert (door.number, door.closed) == (1, False)
    assert attempt.began == [(1, 0)]


async def test_the_next_begins_after_the_delay(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    door = await open_first([attempt(1, 10), attempt(2, 10), attempt(3, 1)], delay=0.25)
    assert door.number == 3
    assert attempt.began == [(1, 0), (2, 0.25), (3, 0.5)]
    assert sorted(attempt.cancelled) == [1, 2]
    assert trio.current_time() == 1.5


async def test_the_next_begins_at_once_after_a_failure(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    door = await open_first([attempt(1, 0.125, DialFailed()), attempt(2, 1)], delay=math.inf)
    assert door.number == 2
    assert attempt.began == [(1, 0), (2, 0.125)]


async def test_a_slow_one_may_still_win(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    door = await open_first([attempt(1, 1), attempt(2, 5, DialFailed())], delay=0.25)
    assert door.number == 1
    assert attempt.cancelled == [2]


async def test_of_two_at_once_one_is_closed(autojump_clock: MockClock) -> None:
    opened: list[Door] = []
    both = trio.Event()

    async def attempt() -> Door:
        await both.wait()
        opened.append(Door(len(opened)))
        return opened[-1]

    async def last() -> Door:
        await trio.sleep(1)
        both.set()
        return await attempt()

    door = await open_first([attempt, attempt, last], delay=0.25)
    assert len(opened) > 1
    assert [each for each in opened if not each.closed] == [door]


async def test_one_failure_comes_out_as_it_is(autojump_clock: MockClock) -> None:
    failure = ProxyRefused("no")
    with pytest.raises(ProxyRefused) as caught:
        await open_first([Attempts()(1, 1, failure)], delay=1)
    assert caught.value is failure


async def test_several_failures_are_one_with_all_causes(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    failures = [DialFailed("one"), DialFailed("two")]
    with pytest.raises(DialFailed) as caught:
        await open_first([attempt(1, 2, failures[0]), attempt(2, 1, failures[1])], delay=0.25)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert set(caught.value.__cause__.exceptions) == set(failures)
    assert isinstance(caught.value, ConnectError)


async def test_another_kind_of_failure_is_not_hidden(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    with pytest.raises(ZeroDivisionError):
        await open_first([attempt(1, 9), attempt(2, 1, ZeroDivisionError())], delay=0.25)
    assert attempt.cancelled == [1]


async def test_cancelling_cancels_all(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    with trio.move_on_after(1) as scope:
        await open_first([attempt(1, 9), attempt(2, 9)], delay=0.25)
    assert scope.cancelled_caught
    assert sorted(attempt.cancelled) == [1, 2]


async def test_cancelling_closes_what_was_just_opened(autojump_clock: MockClock) -> None:
    attempt = Attempts()
    with trio.CancelScope() as scope:

        async def open_and_cancel() -> Door:
            door = await attempt(1, 1)()
            scope.cancel()
            return door

        await open_first([open_and_cancel], delay=math.inf)
    assert scope.cancelled_caught
    assert [door.closed for door in attempt.opened] == [True]
