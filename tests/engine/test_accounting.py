"""Whatever happens, every answer reaches exactly one place, and every caller has one outcome."""

from __future__ import annotations

from collections import Counter

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.calls import Call
from simplex_trio.engine.events import ExpiredResponse, UnexpectedResponse
from simplex_trio.errors import RequestTimeout, UnexpectedResponseError
from simplex_trio.wire.smp.commands import SUB, Command
from simplex_trio.wire.smp.messages import SOK
from tests.client.support import OTHER_QUEUE, Outcome, Peer, Received, connected, start

KEY = Ed25519PrivateKey.generate()

NUMBERS = st.integers(0, 20)

STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 3)),
    st.tuples(st.just("ask"), st.integers(1, 3)),
    st.tuples(st.just("cancel"), NUMBERS),
    st.tuples(st.just("answer"), NUMBERS),
    st.tuples(st.just("answer"), NUMBERS),
    st.tuples(st.just("answer twice"), NUMBERS),
    st.tuples(st.just("answer about another"), NUMBERS),
    st.tuples(st.just("hold"), st.sampled_from([0, 100, 20_000])),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("sleep"), st.sampled_from([1, 5, 11])),
    st.tuples(st.just("settle"), st.just(0)),
)


class Books:
    """Who asked what, what the router answered, and where that went."""

    def __init__(self, client: SMPClient, peer: Peer, nursery: trio.Nursery) -> None:
        self.client = client
        self.peer = peer
        self.nursery = nursery
        self.callers: list[tuple[Outcome, list[bytes]]] = []
        self.asked = 0
        self.arrived: list[Received] = []
        self.answered: Counter[bytes] = Counter()
        self.misdirected = 0

    async def collect(self) -> None:
        while True:
            self.arrived.append(await self.peer.next_command())

    async def do(self, step: str, value: int) -> None:
        match step:
            case "ask":
                entities = [bytes([self.asked + each]) for each in range(value)]
                self.asked += value
                calls: list[Call[Command]] = [Call(SUB(), each, KEY) for each in entities]
                caller = start(self.nursery, lambda: self.client.request_many(calls, timeout=10))
                self.callers.append((caller, entities))
            case "cancel" if self.callers:
                self.callers[value % len(self.callers)][0].scope.cancel()
            case "answer" | "answer twice" | "answer about another" if self.arrived:
                await self.answer(step, self.arrived.pop(value % len(self.arrived)))
            case "hold":
                self.peer.link.hold(after=value)
            case "release":
                self.peer.link.release()
            case "sleep":
                await trio.sleep(value)
            case "settle":
                await wait_all_tasks_blocked()

    async def answer(self, step: str, received: Received) -> None:
        peer, asked = self.peer, received.transmission
        if step == "answer about another":
            self.misdirected += 1
            await peer.send(peer.transmission(asked.correlation_id, OTHER_QUEUE, SOK()))
            return
        times = 2 if step == "answer twice" else 1
        self.answered[asked.entity_id] += times
        await peer.send(*[peer.answer(received, SOK())] * times)

    async def check(self) -> None:
        self.peer.link.release()
        await trio.sleep(100)
        counted = self.client.statistics()
        assert (counted.pending, counted.queued) == (0, 0)
        seen: Counter[bytes] = Counter()
        misdirected = 0
        for caller, entities in self.callers:
            assert caller.finished
            assert caller.error is None
            for entity_id, result in zip(entities, caller.result or [], strict=False):
                assert isinstance(result, SOK | RequestTimeout | UnexpectedResponseError)
                seen[entity_id] += isinstance(result, SOK)
                misdirected += isinstance(result, UnexpectedResponseError)
        while self.client.statistics().unread_events:
            match self.client.events.receive_nowait():
                case ExpiredResponse(entity_id, SUB(), SOK()):
                    seen[entity_id] += 1
                case UnexpectedResponse(entity_id, SOK()) if entity_id != OTHER_QUEUE:
                    seen[entity_id] += 1
                case UnexpectedResponse(_, SOK()) | ExpiredResponse(
                    _, _, UnexpectedResponseError()
                ):
                    misdirected += 1
                case event:
                    raise AssertionError(event)
        assert +seen == self.answered
        assert misdirected == self.misdirected


async def live(steps: list[tuple[str, int]]) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        books = Books(client, peer, nursery)
        nursery.start_soon(books.collect)
        for step, value in steps:
            await books.do(step, value)
        await books.check()
        nursery.cancel_scope.cancel()


@given(steps=st.lists(STEPS, min_size=5, max_size=30))
def test_every_answer_reaches_exactly_one_place(steps: list[tuple[str, int]]) -> None:
    trio.run(live, steps, clock=MockClock(autojump_threshold=0))
