"""Places for connections: how many, for whom, and how long handshakes may take."""

from __future__ import annotations

import logging
from math import inf

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.transport.networks import Origin
from simplex_trio.transport.places import ListenLimits, Places

HOME = Origin(b"home")


def places(**limits: float) -> Places:
    return Places(ListenLimits(**limits))  # type: ignore[arg-type]


async def fails_after(among: Places, seconds: float = 60) -> float:
    """When a handshake that never ends is given up."""
    with pytest.raises(trio.TooSlowError), among.handshake(seconds):
        await trio.sleep_forever()
    return trio.current_time()


async def test_handshakes_have_all_their_time_where_there_is_room(
    autojump_clock: MockClock,
) -> None:
    among = places(connections=10)
    for _ in range(5):
        assert await among.take(None)
    assert not among.is_crowded
    assert await fails_after(among) == 60


async def test_handshakes_have_less_time_where_it_is_crowded(autojump_clock: MockClock) -> None:
    among = places(connections=10)
    for _ in range(6):
        assert await among.take(None)
    assert among.is_crowded
    assert await fails_after(among) == 10
    assert await fails_after(among, seconds=4) == 14


@pytest.mark.parametrize(("crowded_at", "given_up_at"), [(3, 10), (9, 10), (20, 20), (59, 59)])
async def test_handshakes_that_have_begun_are_hurried(
    crowded_at: float, given_up_at: float, autojump_clock: MockClock
) -> None:
    among = places(connections=3)
    assert await among.take(None)

    async def crowd() -> None:
        await trio.sleep(crowded_at)
        await among.take(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd)
        assert await fails_after(among) == given_up_at


async def test_a_client_after_its_handshake_is_not_hurried(autojump_clock: MockClock) -> None:
    among = places(connections=2)
    assert await among.take(None)
    with among.handshake(60):
        await trio.sleep(30)
    assert await among.take(None)
    await trio.sleep(100)


async def test_an_address_has_its_share_and_gets_places_back(autojump_clock: MockClock) -> None:
    among = places(connections=10, max_connections_per_address=2)
    assert [await among.take(HOME) for _ in range(3)] == [True, True, False]
    assert await among.take(Origin(b"away"))
    assert await among.take(None)
    assert trio.current_time() == 0
    among.leave(HOME)
    assert [await among.take(HOME) for _ in range(2)] == [True, False]


async def test_waiting_in_vain_and_giving_up_cost_no_share(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    among = places(connections=1, max_connections_per_address=1)
    assert await among.take(None)
    assert not await among.take(HOME)
    assert trio.current_time() == among.limits.full_seconds
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with trio.move_on_after(1):
        await among.take(HOME)
    among.leave(None)
    assert await among.take(HOME)


async def test_nothing_is_remembered_of_those_who_have_left() -> None:
    among = places()
    for number in range(100):
        origin = Origin(bytes([number]))
        assert await among.take(origin)
        with among.handshake(60):
            pass
        among.leave(origin)
    assert not among._by_origin
    assert not among._patient
    assert repr(among) == "<Places: 10000 of 10000 are free>"


async def test_more_places_let_in_who_waits(autojump_clock: MockClock) -> None:
    among = places(connections=1, full_seconds=5)
    assert await among.take(None)
    taken: list[bool] = []

    async def take() -> None:
        taken.append(await among.take(None))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.sleep(1)
        among.change(ListenLimits(connections=2))
    assert taken == [True]
    assert trio.current_time() == 1


async def test_fewer_places_end_no_connection(autojump_clock: MockClock) -> None:
    among = places(connections=4)
    for _ in range(3):
        assert await among.take(None)
    among.change(ListenLimits(connections=2))
    assert among.is_crowded
    among.leave(None)
    assert not await among.take(None)
    among.leave(None)
    assert await among.take(None)
    among.change(ListenLimits(connections=3))
    assert await among.take(None)
    assert not await among.take(None)
    assert repr(among) == "<Places: 0 of 3 are free>"


async def test_new_connections_of_an_address_have_a_rate(autojump_clock: MockClock) -> None:
    among = places(connections=10, max_connections_per_address=3, new_connections_per_second=2)
    for _ in range(3):
        assert await among.take(HOME)
        among.leave(HOME)
    assert not await among.take(HOME)
    assert await among.take(Origin(b"away"))
    assert await among.take(None)
    await trio.sleep(0.5)
    assert await among.take(HOME)
    assert not await among.take(HOME)
    among.change(ListenLimits(connections=10, max_connections_per_address=10))
    await trio.sleep(1)
    assert [await among.take(HOME) for _ in range(4)] == [True] * 4


async def test_the_rate_of_an_address_may_be_infinite(autojump_clock: MockClock) -> None:
    among = places(connections=10, max_connections_per_address=1, new_connections_per_second=inf)
    among.change(among.limits)
    for _ in range(5):
        assert await among.take(HOME)
        among.leave(HOME)
