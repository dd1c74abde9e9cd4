"""The queue of commands against a list, and its waiting callers in every order."""

from __future__ import annotations

from collections.abc import Callable

import trio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from trio.testing import wait_all_tasks_blocked

from simplex_trio.engine.outbox import MAX_FRAMES_AT_ONCE, Outbox
from simplex_trio.engine.pending import PendingRequest, RequestState

Entered = PendingRequest[int, object, None]

SPACE = 10
MOST = 4


class SmallFrame:
    """Takes four parts of ten bytes together."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def __len__(self) -> int:
        return len(self.parts)

    def add(self, part: bytes) -> bool:
        if len(self.parts) == MOST or sum(map(len, self.parts)) + len(part) > SPACE:
            return False
        self.parts.append(part)
        return True


def entered(number: int) -> Entered:
    return PendingRequest(number.to_bytes(4, "big"), b"", number, None)


class OutboxMachine(RuleBasedStateMachine):
    """`Outbox` beside a list, without waiting callers."""

    requests: Bundle[Entered] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(limit=20)
        self.queued: list[tuple[Entered, bytes]] = []
        self.written: list[Entered] = []
        self.number = 0

    @rule(target=requests, size=st.integers(1, SPACE))
    def put(self, size: int) -> Entered:
        self.number += 1
        request = entered(self.number)
        part = bytes([self.number % 256]) * size
        self.outbox.put(request, part)
        self.queued.append((request, part))
        return request

    @rule(request=requests, state=st.sampled_from([RequestState.EXPIRED, RequestState.FAILED]))
    def withdraw(self, request: Entered, state: RequestState) -> None:
        request.state = state

    @rule()
    def take(self) -> None:
        frames = [
            frame.parts
            for frame in self.outbox.take_frames(SmallFrame)
            if isinstance(frame, SmallFrame)
        ]
        wanted = [each for each in self.queued if each[0].state is RequestState.PENDING]
        expected: list[list[bytes]] = []
        frame = SmallFrame()
        taken = 0
        for request, part in wanted:
            if not frame.add(part):
                expected.append(frame.parts)
                frame = SmallFrame()
                if len(expected) == MAX_FRAMES_AT_ONCE:
                    break
                frame.add(part)
            taken += 1
            self.written.append(request)
        if frame.parts:
            expected.append(frame.parts)
        assert frames == expected
        left = wanted[taken:]
        # What is withdrawn and stands before the rest may still be there, or not.
        self.queued = [] if not left else self.queued[self.queued.index(left[0]) :]

    @rule()
    def close(self) -> None:
        self.outbox.close()
        self.queued.clear()
        assert list(self.outbox.take_frames(SmallFrame)) == []
        self.outbox = Outbox(limit=20)

    @invariant()
    def is_as_the_list_is(self) -> None:
        assert len(self.outbox) == len(self.queued)
        assert self.outbox.is_full == (len(self.queued) >= 20)
        for request in self.written:
            assert request.written
        for request, _part in self.queued:
            assert not request.written


TestOutbox = OutboxMachine.TestCase


# --- with callers that wait -----------------------------------------------------------------------

LIMIT = 2

Step = Callable[["Crowd"], None]


class Crowd:
    """Callers of an outbox; some are cancelled, and some find that they have nothing to put."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.outbox = Outbox(limit=LIMIT)
        self.nursery = nursery
        self.waiting: dict[int, trio.CancelScope] = {}
        self.written: list[int] = []
        self.put: list[int] = []
        self.numbers = 0

    def come(self, *, puts: bool) -> None:
        self.numbers += 1
        scope = self.waiting[self.numbers] = trio.CancelScope()
        self.nursery.start_soon(self._wait, self.numbers, scope, puts)

    async def _wait(self, number: int, scope: trio.CancelScope, puts: bool) -> None:
        with scope:
            await self.outbox.wait_for_room()
            if puts:
                self.outbox.put(entered(number), b"12345")
                self.put.append(number)
                assert len(self.outbox) <= LIMIT
            else:
                self.outbox.let_callers_in()
        del self.waiting[number]

    def go(self, at: int) -> None:
        scopes = [*self.waiting.values()]
        if scopes:
            scopes[at % len(scopes)].cancel()

    def write(self) -> None:
        for frame in self.outbox.take_frames(SmallFrame):
            assert isinstance(frame, SmallFrame)
            self.written += [len(part) for part in frame.parts]
        self.outbox.let_callers_in()


STEPS = st.one_of(
    st.builds(lambda puts: ("come", puts), st.booleans()),
    st.builds(lambda at: ("go", at), st.integers(0, 5)),
    st.just(("write", 0)),
    st.just(("pause", 0)),
    st.just(("settle", 0)),
)


@given(steps=st.lists(STEPS, max_size=40))
async def test_no_caller_waits_while_there_is_room(steps: list[tuple[str, int]]) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        for step, value in steps:
            match step:
                case "come":
                    crowd.come(puts=bool(value))
                case "go":
                    crowd.go(value)
                case "write":
                    crowd.write()
                case "pause":
                    await trio.lowlevel.checkpoint()
                case "settle":
                    await wait_all_tasks_blocked()
                    assert crowd.outbox.is_full or not crowd.waiting
        while crowd.waiting:
            crowd.write()
            await wait_all_tasks_blocked()
            assert crowd.outbox.is_full or not crowd.waiting
        crowd.write()
        crowd.write()
        assert len(crowd.written) == len(crowd.put)


async def test_the_writer_waits_for_work() -> None:
    outbox = Outbox()
    woken: list[int] = []

    async def write() -> None:
        await outbox.wait_for_work()
        woken.append(len(outbox))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await wait_all_tasks_blocked()
        assert woken == []
        outbox.put(entered(1), b"part")
        outbox.put(entered(2), b"part")
    assert woken == [2]


async def test_closing_wakes_all_callers() -> None:
    outbox = Outbox(limit=1)
    outbox.put(entered(1), b"part")
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(outbox.wait_for_room)
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 3
        outbox.close()
    assert len(outbox) == 0
    assert not outbox.is_full
