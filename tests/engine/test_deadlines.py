"""`Deadlines`: the order in which callers give up, whatever their time-outs are."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.engine.deadlines import Deadlines


def test_each_time_out_has_its_own_order() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.earliest == math.inf
    assert deadlines.start("long", 30, now=0) == 30
    assert deadlines.start("short", 10, now=5) == 15
    assert deadlines.start("for ever", math.inf, now=6) == math.inf
    assert deadlines.earliest == 15
    assert deadlines.take_due(14.9) == []
    assert deadlines.take_due(15) == ["short"]
    assert deadlines.earliest == 30
    deadlines.stop("long", 30)
    assert deadlines.earliest == math.inf
    deadlines.stop("for ever", math.inf)
    assert len(deadlines) == 0
    assert deadlines._by_seconds == {}


def test_what_is_extended_is_behind_all_that_began_before() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.start("batch", 30, now=0)
    deadlines.start("single", 30, now=10)
    deadlines.extend("batch", 30, now=20)
    assert deadlines.earliest == 40
    assert deadlines.take_due(45) == ["single"]
    assert deadlines.take_due(50) == ["batch"]


def test_what_has_stopped_cannot_be_extended() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.start("one", 30, now=0)
    deadlines.extend("another", 30, now=1)
    deadlines.stop("one", 30)
    deadlines.stop("one", 30)
    deadlines.extend("one", 30, now=2)
    assert len(deadlines) == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "extend", "due"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 2.5, 10.0]),
        st.sampled_from([0.0, 0.5, 1.0, 4.0]),
    ),
    max_size=40,
)


@given(STEPS)
def test_deadlines_are_those_of_a_plain_table(steps: list[tuple[str, int, float, float]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    plain: dict[int, tuple[float, float]] = {}
    now = 0.0
    for what, waiter, seconds, passed in steps:
        now += passed
        waiting = plain.get(waiter)
        if what == "start" and waiting is None:
            plain[waiter] = seconds, deadlines.start(waiter, seconds, now)
            assert plain[waiter][1] == now + seconds
        elif what == "stop":
            deadlines.stop(waiter, seconds if waiting is None else waiting[0])
            plain.pop(waiter, None)
        elif what == "extend" and waiting is not None:
            deadlines.extend(waiter, waiting[0], now)
            plain[waiter] = waiting[0], now + waiting[0]
        elif what == "due":
            due = {each for each, (_, deadline) in plain.items() if deadline <= now}
            assert set(deadlines.take_due(now)) == due
            for each in due:
                del plain[each]
        assert len(deadlines) == len(plain)
        assert deadlines.earliest == min((each for _, each in plain.values()), default=math.inf)
