"""How a step is taken, and taken again."""

from __future__ import annotations

from random import Random

import pytest
import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.kem_stock import KEMStock
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.watches import Watches
from simplex_trio.ratchet.kem import KEMKeyPair
from tests.duplex.machines import QuickKEM


class NumberedStock(KEMStock):
    """A stock with so many pairs at first, where others are made once they are waited for."""

    def __init__(self, ready: int) -> None:
        super().__init__(QuickKEM(), 1)
        self.made: list[KEMKeyPair] = []
        self._ready = ready

    async def take(self) -> KEMKeyPair:
        await trio.lowlevel.checkpoint()
        return self._new()

    def take_nowait(self) -> KEMKeyPair | None:
        if not self._ready:
            return None
        self._ready -= 1
        return self._new()

    def _new(self) -> KEMKeyPair:
        self.made.append(self.kem.generate())
        return self.made[-1]


def core_with(stock: KEMStock) -> Core:
    store = DuplexStore(MemoryDatabase())
    config = DuplexConfig(random_bytes=Random(1).randbytes)
    return Core(config, store, DuplexEvents(store), stock, Watches())


@pytest.mark.parametrize("needed", [1, 2, 5])
@pytest.mark.parametrize("ready", [0, 1, 2])
async def test_a_step_gets_as_many_pairs_as_it_needs(needed: int, ready: int) -> None:
    stock = NumberedStock(ready)
    core = core_with(stock)

    def decide(step: Step) -> list[KEMKeyPair]:
        return [step.moment.fresh_kem_pair() for _ in range(needed)]

    with trio.fail_after(5):
        pairs = await core.step(decide)
    assert len({pair.public_key for pair in pairs}) == needed
    assert len(stock.made) <= needed + ready


async def test_pairs_that_a_step_does_not_need_after_all_are_for_the_next_one() -> None:
    stock = NumberedStock(0)
    core = core_with(stock)
    times = 0

    def decide(step: Step) -> KEMKeyPair | None:
        nonlocal times
        times += 1
        if times == 3:
            return None  # another step was taken in between
        first = step.moment.fresh_kem_pair()
        step.moment.fresh_kem_pair()
        return first

    with trio.fail_after(5):
        assert await core.step(decide) is None
        assert await core.step(lambda step: step.moment.fresh_kem_pair()) is stock.made[0]
        assert await core.step(lambda step: step.moment.fresh_kem_pair()) is stock.made[1]
