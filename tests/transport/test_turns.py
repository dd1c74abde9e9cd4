"""Costly work is bounded for all connections together, and those that wait take turns."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.transport.turns import Turns


class Passes(trio.abc.Instrument):
    """What was spent between one look at the network and the next."""

    def __init__(self) -> None:
        self.spent: list[int] = [0]

    def spend(self, turns: Turns, cost: int) -> None:
        self.spent[-1] += cost
        turns.spend(cost)

    def before_io_wait(self, timeout: float) -> None:
        self.spent.append(0)


async def test_who_is_alone_does_not_wait() -> None:
    turns = Turns(budget=10)
    assert turns.is_free
    await turns.take(5)
    turns.spend(9)
    assert turns.is_free
    turns.spend(1)
    assert not turns.is_free
    await wait_all_tasks_blocked()
    assert turns.is_free


async def test_many_share_the_budget() -> None:
    turns = Turns(budget=10)
    done = 0

    async def work() -> None:
        nonlocal done
        for _ in range(3):
            await turns.take(4)
            passes.spend(turns, 4)
            await trio.lowlevel.checkpoint()
        done += 1

    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(work)
    # The last turn may go beyond the budget, which is renewed in the middle of a pass.
    assert max(passes.spent) <= 2 * 12
    assert done == 50
    assert sum(passes.spent) == 600


async def test_turns_go_round() -> None:
    turns = Turns(budget=1)
    order: list[str] = []

    async def work(name: str, times: int) -> None:
        for _ in range(times):
            await turns.take(1)
            order.append(name)
            turns.spend(1)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for name, times in (("greedy", 100), ("modest", 3), ("other", 3)):
            nursery.start_soon(work, name, times)
    last = max(number for number, name in enumerate(order) if name != "greedy")
    # Three rounds of three; Trio runs tasks in random order, so that one may be early in a round.
    assert last <= 15


async def test_who_gives_up_leaves_the_row() -> None:
    turns = Turns(budget=1)
    turns.spend(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await turns.take(1)
    assert scope.cancelled_caught
    assert turns._waiting == {}
    await wait_all_tasks_blocked()
    await turns.take(1)
    assert turns.is_free
