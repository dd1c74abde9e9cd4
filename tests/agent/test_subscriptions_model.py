"""Any order of asking, answering, answering late, losing and removing, against a simple model.

The model is one table: each queue that is known has exactly one state.  Workers are started and
ended by the same rules by which the agent does it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from random import Random

import pytest
from attrs import define, frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from simplex_trio.agent.subscriptions import (
    EndVerdict,
    ServerSubscriptions,
    ServiceState,
    ServiceVerdict,
    Subscribing,
    SubscriptionAnswer,
)
from simplex_trio.agent.workers import Workers
from simplex_trio.client.router_errors import RouterError
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import RequestTimeout, SimplexError
from simplex_trio.wire.errors.values import Code

SERVICE = b"service"
QUEUES = st.sampled_from([b"q%d" % number for number in range(3)])
KEYS = st.sampled_from([b"key 0", b"key 1"])


@define
class Known:
    """The model of a queue: its keys, and the session in which it is active, if it is."""

    keys: bytes
    session: bytes | None = None


@frozen
class Asked:
    """A chunk on its way, as the session had it that carries it."""

    session: bytes
    chunk: tuple[tuple[bytes, bytes], ...]


@frozen
class ServiceAsked:
    session: bytes
    service: ServiceState


class Outcome(Enum):
    """What a router answers about one queue."""

    SUBSCRIBED = auto()
    OF_SERVICE = auto()
    TIMEOUT = auto()
    REFUSED = auto()


OUTCOMES = st.sampled_from([Outcome.SUBSCRIBED, *Outcome])


def result_of(outcome: Outcome) -> SimplexError | bytes | None:
    match outcome:
        case Outcome.OF_SERVICE:
            return SERVICE
        case Outcome.TIMEOUT:
            return RequestTimeout()
        case Outcome.REFUSED:
            return RouterError(Code.AUTH)
        case _:
            return None


class SubscriptionsModel(RuleBasedStateMachine):
    asked: Bundle[Asked] = Bundle("asked")
    service_asked: Bundle[ServiceAsked] = Bundle("service_asked")
    dead: Bundle[bytes] = Bundle("dead")

    @initialize(keys=st.lists(KEYS, max_size=3))
    def start(self, keys: list[bytes]) -> None:
        self.subscriptions = ServerSubscriptions()
        self.workers = Workers[str]()
        self.running = 0
        self.sessions = 0
        self.current: bytes | None = None
        self.has_service = False
        self.known: dict[bytes, Known] = {}
        self.pending_service: ServiceState | None = None
        self.active_service: tuple[bytes, ServiceState] | None = None
        self.connect(with_service=True)
        for number, each in enumerate(keys):
            self.subscribe(b"q%d" % number, each)

    # --- the program --------------------------------------------------------------------------

    @rule(queue_id=QUEUES, keys=KEYS)
    def subscribe(self, queue_id: bytes, keys: bytes) -> None:
        keys = bytes(bytearray(keys))  # an equal key is not always the same object
        before = self.known.get(queue_id)
        found = self.subscriptions.subscribe(queue_id, keys)
        if before and before.keys == keys and before.session and before.session == self.current:
            assert found is Subscribing.ACTIVE
        else:
            assert found is Subscribing.PENDING
            self.known[queue_id] = Known(keys)
        self._ensure_worker()

    @rule(queue_id=QUEUES)
    def remove(self, queue_id: bytes) -> None:
        before = self.known.pop(queue_id, None)
        assert self.subscriptions.remove(queue_id) == (before.keys if before else None)

    @rule(count=st.integers(0, 3))
    def subscribe_service(self, count: int) -> None:
        service = ServiceState(SERVICE, ServiceSubs.of(b"%d" % each for each in range(count)))
        self.subscriptions.subscribe_service(service)
        self.pending_service = service
        self._ensure_worker()

    @rule()
    def remove_service(self) -> None:
        self.subscriptions.remove_service()
        self.pending_service = self.active_service = None

    # --- the network --------------------------------------------------------------------------

    @rule(target=dead, with_service=st.booleans())
    def connect_before_the_loss_is_noticed(
        self, with_service: bool
    ) -> MultipleResults[bytes] | bytes:
        before = self.current
        self.connect(with_service)
        return multiple() if before is None else before

    def connect(self, with_service: bool) -> None:
        self.sessions += 1
        self.current = b"session %d" % self.sessions
        self.has_service = with_service
        self.subscriptions.session_started(self.current, SERVICE if with_service else None)

    @precondition(lambda self: self.current is not None)
    @rule()
    def lose_the_connection(self) -> None:
        assert self.current is not None
        session, self.current = self.current, None
        self._end(session)

    @rule(session=consumes(dead))
    def notice_late_that_a_connection_is_dead(self, session: bytes) -> None:
        self._end(session)

    @rule(queue_id=QUEUES)
    def another_connection_subscribes(self, queue_id: bytes) -> None:
        known = self.known.get(queue_id)
        had_it = known is not None and known.session is not None and known.session == self.current
        session = self.current or b"none"
        verdict = self.subscriptions.ended(session, queue_id, 0.0)
        assert verdict is (EndVerdict.FINAL if had_it else EndVerdict.NOTHING)
        if had_it:
            del self.known[queue_id]

    @rule()
    def another_connection_subscribes_the_service(self) -> None:
        had_it = self.active_service is not None and self.active_service[0] == self.current
        found = self.subscriptions.service_ended(self.current or b"none")
        assert (found is not None) == had_it
        if had_it:
            self.active_service = None

    # --- the worker ---------------------------------------------------------------------------

    @precondition(lambda self: self.running and self.current is not None)
    @rule(target=asked, size=st.integers(1, 4))
    def ask_for_a_chunk(self, size: int) -> MultipleResults[Asked] | Asked:
        return multiple(*self.asked_for(size))

    def asked_for(self, size: int) -> list[Asked]:
        assert self.current is not None
        pending = self.subscriptions.pending()
        chunks = [tuple(chunk) for chunk in self.subscriptions.chunks(pending, size)]
        assert [queue_id for chunk in chunks for queue_id, _ in chunk] == list(pending)
        return [Asked(self.current, chunk) for chunk in chunks]

    @precondition(lambda self: self.running and self.current is not None)
    @rule()
    def subscribe_to_all_that_is_pending(self) -> None:
        """What happens most of the time, so that the states after it are reached more often."""
        assert self.current is not None
        chunk = [each for (each,) in self.subscriptions.chunks(self.subscriptions.pending(), 1)]
        self.subscriptions.answered(
            self.current, [SubscriptionAnswer(*each, None) for each in chunk]
        )
        for queue_id, _ in chunk:
            self.known[queue_id].session = self.current

    @rule(asked=consumes(asked), outcomes=st.lists(OUTCOMES, min_size=4, max_size=4))
    def the_router_answers(self, asked: Asked, outcomes: list[Outcome]) -> None:
        """Perhaps a session later, or when the program has changed its mind."""
        outcomes = outcomes[: len(asked.chunk)]
        changed = self.subscriptions.answered(
            asked.session,
            [
                SubscriptionAnswer(queue_id, keys, result_of(outcome))
                for (queue_id, keys), outcome in zip(asked.chunk, outcomes, strict=True)
            ],
        )
        if asked.session != self.current:
            assert changed is None
            return
        assert changed is not None
        of_service = []
        for (queue_id, keys), outcome in zip(asked.chunk, outcomes, strict=True):
            known = self.known.get(queue_id)
            if known is None or known.session is not None or known.keys is not keys:
                continue
            match outcome:
                case Outcome.REFUSED:
                    del self.known[queue_id]
                case Outcome.OF_SERVICE if self.has_service:
                    del self.known[queue_id]
                    of_service.append(queue_id)
                case Outcome.SUBSCRIBED | Outcome.OF_SERVICE:
                    known.session = self.current
        assert changed.of_service == of_service
        if of_service:
            self._merge(asked.session, ServiceSubs.of(of_service))

    @precondition(lambda self: self.running and self.current is not None)
    @rule(target=service_asked)
    def ask_for_the_service(self) -> MultipleResults[ServiceAsked] | ServiceAsked:
        return multiple(*self.service_asked_for())

    def service_asked_for(self) -> list[ServiceAsked]:
        assert self.current is not None
        unavailable = self.subscriptions.take_unavailable_service(self.current)
        if self.pending_service is not None and not self.has_service:
            assert unavailable == self.pending_service
            self.pending_service = None
        else:
            assert unavailable is None
        if self.pending_service is None:
            return []
        return [ServiceAsked(self.current, self.pending_service)]

    @rule(asked=consumes(service_asked), outcome=OUTCOMES, count=st.integers(0, 3))
    def the_router_answers_about_the_service(
        self, asked: ServiceAsked, outcome: Outcome, count: int
    ) -> None:
        result = result_of(outcome)
        found = ServiceSubs.of(b"%d" % each for each in range(count))
        verdict = self.subscriptions.service_answered(
            asked.session, asked.service, result if isinstance(result, SimplexError) else found
        )
        if asked.session != self.current or asked.service != self.pending_service:
            assert verdict is ServiceVerdict.STALE
            return
        match outcome:
            case Outcome.TIMEOUT:
                assert verdict is ServiceVerdict.TEMPORARY
            case Outcome.REFUSED:
                assert verdict is ServiceVerdict.FAILED
                self.pending_service = None
            case _:
                assert verdict is ServiceVerdict.ACTIVE
                self.pending_service = None
                self.active_service = asked.session, ServiceState(SERVICE, found)

    @precondition(lambda self: self.running)
    @rule()
    def the_worker_looks_around(self) -> None:
        if not self.workers.goes_on("router", has_work=self.subscriptions.has_work):
            self.running -= 1

    # --- what must always be true -------------------------------------------------------------

    @invariant()
    def every_queue_is_in_exactly_one_state(self) -> None:
        pending = {queue for queue, known in self.known.items() if known.session is None}
        active = {queue for queue, known in self.known.items() if known.session is not None}
        assert len(self.subscriptions.pending()) == self.subscriptions.pending_count
        assert len(self.subscriptions.active()) == self.subscriptions.active_count
        assert set(self.subscriptions.pending()) == pending
        assert set(self.subscriptions.active()) == active
        assert pending.isdisjoint(active)
        for queue_id in pending:
            assert self.subscriptions.is_pending(queue_id)
            assert not self.subscriptions.is_active(queue_id)
        for queue_id in active:
            assert self.subscriptions.is_active(queue_id)
            assert not self.subscriptions.is_pending(queue_id)

    @invariant()
    def the_service_is_where_the_model_has_it(self) -> None:
        assert self.subscriptions.pending_service == self.pending_service
        active = self.active_service
        assert self.subscriptions.active_service == (active[1] if active else None)

    @invariant()
    def exactly_one_worker_where_something_is_pending(self) -> None:
        pending = any(known.session is None for known in self.known.values())
        has_work = pending or self.pending_service is not None
        assert self.subscriptions.has_work == has_work
        assert self.running <= 1
        assert self.running == len(self.workers)
        assert self.running or not has_work

    # --- details ------------------------------------------------------------------------------

    def _ensure_worker(self) -> None:
        if self.workers.may_start("router", has_work=self.subscriptions.has_work):
            self.running += 1

    def _end(self, session: bytes) -> None:
        ended = self.subscriptions.session_ended(session)
        lost = {queue for queue, known in self.known.items() if known.session == session}
        assert set(ended.queues) == lost
        for queue_id in lost:
            self.known[queue_id].session = None
        if self.active_service is not None and self.active_service[0] == session:
            assert ended.service == self.active_service[1]
            self.pending_service = self.pending_service or self.active_service[1]
            self.active_service = None
        else:
            assert ended.service is None
        self._ensure_worker()

    def _merge(self, session: bytes, queues: ServiceSubs) -> None:
        if self.active_service is not None:
            of_session, service = self.active_service
            if of_session == session:
                queues = service.queues + queues
            else:
                self.pending_service = self.pending_service or service
        self.active_service = session, ServiceState(SERVICE, queues)
        self._ensure_worker()


TestSubscriptionsModel = SubscriptionsModel.TestCase
TestSubscriptionsModel.settings = settings(
    max_examples=2 * settings().max_examples, stateful_step_count=100
)


@pytest.mark.parametrize("seed", range(10))
def test_a_long_walk_through_the_model(seed: int) -> None:
    """The same steps at the frequencies of a busy agent, which rare coincidences need."""
    random = Random(seed)
    model = SubscriptionsModel()
    model.start([])
    asked: list[Asked] = []
    service_asked: list[ServiceAsked] = []
    dead: list[bytes] = []

    def step() -> None:
        queue_id = b"q%d" % random.randrange(3)
        connected = model.running and model.current is not None
        match random.randrange(20):
            case 0 | 1 | 2 | 3:
                model.subscribe(queue_id, random.choice([b"key 0", b"key 1"]))
            case 4 | 5 | 6 | 7 if connected:
                asked.extend(model.asked_for(1 + random.randrange(3)))
            case 8 | 9 | 10 | 11 if asked:
                outcomes = random.choices(list(Outcome), weights=[6, 1, 1, 1], k=4)
                model.the_router_answers(asked.pop(random.randrange(len(asked))), outcomes)
            case 12:
                model.subscribe_service(random.randrange(4))
            case 13 if connected:
                service_asked.extend(model.service_asked_for())
            case 14 if service_asked:
                outcome = random.choice(list(Outcome))
                model.the_router_answers_about_the_service(service_asked.pop(0), outcome, 2)
            case 15 if model.running:
                model.the_worker_looks_around()
            case 16 if model.current is None or len(dead) < 2:
                if model.current is not None:
                    dead.append(model.current)
                model.connect(with_service=random.random() < 0.7)
            case 17 if model.current is not None and random.random() < 0.5:
                model.lose_the_connection()
            case 18 if dead:
                model.notice_late_that_a_connection_is_dead(dead.pop(0))
            case 19:
                happenings: list[Callable[[], object]] = [
                    lambda: model.remove(queue_id),
                    lambda: model.another_connection_subscribes(queue_id),
                    lambda: model.another_connection_subscribes_the_service(),
                    lambda: model.remove_service(),
                ]
                random.choice(happenings)()

    for _ in range(2000):
        step()
        model.every_queue_is_in_exactly_one_state()
        model.the_service_is_where_the_model_has_it()
        model.exactly_one_worker_where_something_is_pending()
