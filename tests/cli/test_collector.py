from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.cli.routers.collector import THRESHOLDS, collect_while, collector_for_much


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_was_loaded_is_not_looked_at_any_more() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with collector_for_much() as loaded:
        assert not gc.isenabled()
        things = [[number] for number in range(1000)]
        loaded()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen + len(things)
        assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
    assert gc.isenabled()


def test_router_that_does_not_start_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(OSError, match="in use"), collector_for_much():
        raise OSError("the port is in use")
    assert gc.isenabled()
    assert gc.get_threshold() == before


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


async def test_garbage_of_a_router_that_stands_by_is_collected(autojump_clock: MockClock) -> None:
    waits = True
    with collector_for_much():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect_while, lambda: waits)
            for _ in range(2):
                garbage = ref(_Cycle())
                assert garbage() is not None
                await trio.sleep(61)
                assert garbage() is None
            waits = False
            garbage = ref(_Cycle())
        assert garbage() is not None
