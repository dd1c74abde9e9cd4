"""The buffer of events against a list."""

from __future__ import annotations

from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simplex_trio.engine.event_buffer import EventBuffer

LIMIT = 100
MOST_FOLDED = 3

KEYS = st.sampled_from([None, None, "first queue", "second queue"])


@define
class Kept:
    event: int
    weight: int
    key: str | None


class BufferMachine(RuleBasedStateMachine):
    """`EventBuffer` beside a list."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer: EventBuffer[int] = EventBuffer(limit=LIMIT, max_folded=MOST_FOLDED)
        self.kept: list[Kept] = []
        self.events = 0
        self.folded = 0

    @property
    def weight(self) -> int:
        return sum(each.weight for each in self.kept)

    @rule(weight=st.integers(0, 40), key=KEYS)
    def put(self, weight: int, key: str | None) -> None:
        self.events += 1
        was_kept = self.buffer.put(self.events, weight, key)
        alike = [each for each in self.kept if key is not None and each.key == key]
        replaced = alike[-1] if len(alike) == MOST_FOLDED else None
        fits = self.weight + weight - (replaced.weight if replaced else 0) <= LIMIT
        assert was_kept == fits
        if not fits:
            return
        if replaced is None:
            self.kept.append(Kept(self.events, weight, key))
        else:
            replaced.event, replaced.weight = self.events, weight
            self.folded += 1

    @precondition(lambda self: self.kept)
    @rule()
    def pop(self) -> None:
        assert self.buffer.pop() == self.kept.pop(0).event

    @invariant()
    def is_as_the_list_is(self) -> None:
        assert len(self.buffer) == len(self.kept)
        assert self.buffer.weight == self.weight <= LIMIT
        assert self.buffer.folded == self.folded

    def teardown(self) -> None:
        assert [self.buffer.pop() for _ in self.kept] == [each.event for each in self.kept]
        assert self.buffer.weight == 0
        assert len(self.buffer) == 0


TestBuffer = BufferMachine.TestCase
